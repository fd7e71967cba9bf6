import math

import pytest
import torch
from torch.nn import functional as F

from cuescan.losses import DeepContrastLoss
from cuescan.losses.deep_contrast import image_level_cross_entropy, log1mexp
from cuescan.networks import PathMambaMaps

NAN = float("nan")


def random_maps(classes: int = 3, pixel: bool = True, dtype: torch.dtype = torch.float32) -> PathMambaMaps:
    torch.manual_seed(0)

    def draw(size: int) -> torch.Tensor:
        return (2 * torch.randn(2, classes, size, size)).to(dtype).requires_grad_()

    return PathMambaMaps(draw(4) if pixel else None, draw(8), [draw(8), draw(4)])


def plain_loss(maps: PathMambaMaps, labels: torch.Tensor, r: float = 4.0, xi: float = 0.5) -> torch.Tensor:
    """Eq. 3 and 4 as written, in float64, without any care for stability."""

    def pool(logits: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(logits.double()).pow(r).mean((2, 3)).pow(1 / r)

    def entropy(p: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy(p, labels.double())

    main = xi * pool(maps.pixel) + (1 - xi) * pool(maps.patch)
    layers = [maps.pixel, *maps.sides]
    return entropy(main) + sum(entropy(pool(layer)) for layer in layers) / len(layers)


def leaves(maps: PathMambaMaps) -> list[torch.Tensor]:
    return [maps.pixel, maps.patch, *maps.sides]


def test_value_and_gradients_equal_the_equations() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    stable, plain = random_maps(), random_maps()
    loss, reference = DeepContrastLoss()(stable, labels), plain_loss(plain, labels)
    assert loss.item() == pytest.approx(reference.item(), rel=1e-4)
    loss.backward()
    reference.backward()
    for ours, theirs in zip(leaves(stable), leaves(plain), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad.float(), rtol=1e-3, atol=1e-6)


def test_hand_computed_value() -> None:
    flat = torch.zeros(1, 1, 2, 2)  # probability 0.5 everywhere, so every pooled value is 0.5
    maps = PathMambaMaps(flat, flat, [flat])
    assert DeepContrastLoss()(maps, torch.ones(1, 1)).item() == pytest.approx(2 * math.log(2), rel=1e-5)
    assert DeepContrastLoss(deep=False)(maps, torch.zeros(1, 1)).item() == pytest.approx(math.log(2), rel=1e-5)


def test_unknown_labels_take_no_part() -> None:
    known, unknown = random_maps(), random_maps()
    loss = DeepContrastLoss()
    with_unknown = loss(unknown, torch.tensor([[1.0, NAN, 0.0], [0.0, NAN, 1.0]]))
    with_unknown.backward()
    for leaf in leaves(unknown):
        assert (leaf.grad[:, 1] == 0).all() and torch.isfinite(leaf.grad).all()
    kept = PathMambaMaps(known.pixel[:, ::2], known.patch[:, ::2], [side[:, ::2] for side in known.sides])
    assert with_unknown.item() == pytest.approx(loss(kept, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item(), rel=1e-5)


def test_nothing_known_is_zero_not_nan() -> None:
    maps = random_maps()
    loss = DeepContrastLoss()(maps, torch.full((2, 3), NAN))
    loss.backward()
    assert loss.item() == 0 and all((leaf.grad == 0).all() for leaf in leaves(maps))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("magnitude", [-60.0, 60.0])
@pytest.mark.parametrize("exclusive", [False, True])
def test_saturated_half_precision_maps_stay_finite(dtype: torch.dtype, magnitude: float, exclusive: bool) -> None:
    extreme = [torch.full((1, 2, 16, 16), magnitude, dtype=dtype, requires_grad=True) for _ in range(3)]
    maps = PathMambaMaps(extreme[0], extreme[1], [extreme[2]])
    loss = DeepContrastLoss(exclusive=exclusive, consistency=1.0)(maps, torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(leaf.grad).all() for leaf in extreme)


def test_a_present_class_is_pushed_up_and_an_absent_one_down() -> None:
    maps = random_maps(classes=2)
    DeepContrastLoss()(maps, torch.tensor([[1.0, 0.0], [1.0, 0.0]])).backward()
    for leaf in leaves(maps):
        assert (leaf.grad[:, 0] <= 0).all() and (leaf.grad[:, 1] >= 0).all() and leaf.grad.abs().sum() > 0


def test_every_stage_is_supervised_only_when_deep() -> None:
    labels = torch.ones(2, 3)
    for deep in (True, False):
        maps = random_maps()
        DeepContrastLoss(deep=deep)(maps, labels).backward()
        assert all((side.grad is not None) == deep for side in maps.sides)


def test_without_a_pixel_branch_the_patch_branch_stands_alone() -> None:
    maps = random_maps(pixel=False)
    labels = torch.ones(2, 3)
    shallow = {"deep": False}
    alone = DeepContrastLoss(xi=0.0, **shallow)(maps._replace(pixel=torch.randn(2, 3, 4, 4)), labels)
    assert DeepContrastLoss(xi=0.5, **shallow)(maps, labels).item() == pytest.approx(alone.item())


def test_padding_takes_no_part() -> None:
    torch.manual_seed(1)
    maps = random_maps()
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[..., 16:] = False
    half = PathMambaMaps(
        *(m[..., : m.shape[-1] // 2] for m in (maps.pixel, maps.patch)),
        [side[..., : side.shape[-1] // 2] for side in maps.sides],
    )
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    loss = DeepContrastLoss()
    assert loss(maps, labels, valid).item() == pytest.approx(loss(half, labels).item(), rel=1e-5)


def test_log1mexp_is_accurate_at_both_ends() -> None:
    p = torch.tensor([1e-6, 1e-3, 0.4, 0.6, 0.999], dtype=torch.float64)
    torch.testing.assert_close(log1mexp(p.log()), torch.log1p(-p), rtol=1e-9, atol=1e-12)


def test_confident_right_answer_costs_nothing() -> None:
    log_p = torch.tensor([[-1e-7, -30.0]])
    assert image_level_cross_entropy(log_p, torch.tensor([[1.0, 0.0]])).item() < 1e-5


def test_xi_is_checked() -> None:
    with pytest.raises(ValueError, match=r"xi must lie in \[0, 1\], got 2"):
        DeepContrastLoss(xi=2)


@pytest.mark.parametrize("exclusive", [True, False])
def test_consistency_pulls_the_patch_branch_to_the_pixel_branch_and_not_back(exclusive: bool) -> None:
    maps = random_maps(classes=2)
    unknown = torch.full((2, 2), NAN)
    DeepContrastLoss(consistency=1.0, exclusive=exclusive, background=not exclusive)(maps, unknown).backward()
    assert maps.pixel.grad is None or (maps.pixel.grad == 0).all()
    target = F.interpolate(maps.pixel.detach(), size=(8, 8), mode="bilinear")
    before = maps.patch.detach()
    probability = (lambda x: x.softmax(1)) if exclusive else torch.sigmoid
    error = probability(before) - probability(target)
    assert torch.equal(maps.patch.grad.sign(), error.sign())  # the gradient of a cross-entropy: p - q


def test_consistency_does_not_teach_a_class_that_the_cue_denies() -> None:
    maps = random_maps(classes=2)
    patch = maps.patch
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    weights = {"xi": 0.0, "deep": False, "exclusive": True, "background": False}
    DeepContrastLoss(**weights, consistency=100)(maps, labels).backward()
    assert (patch.grad[:, 1] > 0).all() and (patch.grad[:, 0] < 0).all()


def test_consistency_leaves_padding_out() -> None:
    maps = random_maps()
    valid = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[..., 8:] = False
    DeepContrastLoss(consistency=1.0)(maps, torch.full((2, 3), NAN), valid).backward()
    assert (maps.patch.grad[..., 4:] == 0).all() and (maps.patch.grad[..., :4] != 0).any()


def test_consistency_is_checked() -> None:
    with pytest.raises(ValueError, match="consistency must be at least 0, got -1"):
        DeepContrastLoss(consistency=-1)


def test_what_the_network_pads_to_whole_tokens_takes_no_part() -> None:
    """An image 24 wide is padded to 32: the right quarter of every map is no image."""
    maps = random_maps()
    DeepContrastLoss()(maps, torch.ones(2, 3), torch.ones(2, 1, 32, 24, dtype=torch.bool)).backward()
    for leaf in leaves(maps):
        quarter = leaf.shape[-1] // 4
        assert (leaf.grad[..., -quarter:] == 0).all() and (leaf.grad[..., :-quarter] != 0).all()


def test_an_absent_class_costs_at_each_pixel_what_masks_would() -> None:
    """Two competing classes, one absent: the present one's pooled term, and the cross-entropy with a full mask."""
    maps = random_maps(classes=2)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = DeepContrastLoss(xi=0.0, deep=False, exclusive=True, background=False, absent="pixels")(maps, labels)
    target = torch.tensor([0, 1])[:, None, None].expand(2, 8, 8)
    dense = F.cross_entropy(maps.patch.double(), target)
    pooled = maps.patch.double().softmax(1).pow(4).mean((2, 3)).pow(1 / 4).diagonal().log()
    assert loss.item() == pytest.approx((2 * dense - pooled.sum()).item() / 4, rel=1e-4)


def test_absence_of_independent_classes_is_the_product_over_them() -> None:
    maps = random_maps()
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, NAN]])
    loss = DeepContrastLoss(absent="pixels")(maps, labels)

    def absence(logits: torch.Tensor) -> torch.Tensor:
        q = -(1 - torch.sigmoid(logits.double())).log().mean((2, 3))
        return q[0, 1] + q[0, 2] + q[1, 0]

    def present(p: torch.Tensor) -> torch.Tensor:
        return -(p[0, 0].log() + p[1, 1].log())

    def pool(logits: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(logits.double()).pow(4).mean((2, 3)).pow(1 / 4)

    main = present((pool(maps.pixel) + pool(maps.patch)) / 2) + (absence(maps.pixel) + absence(maps.patch)) / 2
    layers = [present(pool(layer)) + absence(layer) for layer in (maps.pixel, *maps.sides)]
    assert loss.item() == pytest.approx((main + sum(layers) / 3).item() / 5, rel=1e-4)


def test_absence_weighs_as_the_class_says() -> None:
    maps = random_maps()
    labels = torch.tensor([[NAN, 0.0, 0.0], [0.0, NAN, NAN]])
    loss = DeepContrastLoss(xi=0.0, deep=False, absent="pixels", absent_weight=[1.0, 2.0, 5.0])(maps, labels)
    q = F.softplus(maps.patch.double()).mean((2, 3))
    assert loss.item() == pytest.approx(((2 * q[0, 1] + 5 * q[0, 2] + q[1, 0]) / 3).item(), rel=1e-5)
    loss.backward()
    expected = torch.sigmoid(maps.patch.detach()) * torch.tensor([[0.0, 2, 5], [1, 0, 0]])[..., None, None] / (3 * 64)
    torch.testing.assert_close(maps.patch.grad, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"absent_weight": [1.0, 0.0], "absent": "pixels"}, "absent_weight must be positive, got "),
        ({"absent_weight": [1.0], "absent": "pooled"}, "absent_weight needs absent 'pixels' and classes that do not"),
        ({"absent_weight": [1.0], "absent": "pixels", "exclusive": True}, "absent_weight needs absent 'pixels'"),
    ],
)
def test_weights_of_absence_are_checked(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepContrastLoss(**arguments)


@pytest.mark.parametrize("background", [True, False])
def test_a_pixel_of_an_image_without_a_class_goes_to_those_that_may_be_there(background: bool) -> None:
    maps = random_maps()
    labels = torch.tensor([[0.0, NAN, 1.0], [0.0, 0.0, 0.0]])
    weights = {"xi": 0.0, "deep": False, "exclusive": True, "background": background}
    DeepContrastLoss(**weights, absent="pixels")(maps._replace(pixel=None), labels).backward()
    gradient = maps.patch.grad
    assert (gradient[0, 0] > 0).all() and torch.isfinite(gradient).all()
    assert (gradient[1] > 0).all() if background else (gradient[1] == 0).all()


def test_absence_per_pixel_has_gradients_where_the_pooled_one_has_none() -> None:
    """A map that is wrong everywhere and sure of it: the pooled probability rounds to 1, pixels still learn."""
    logits = torch.full((1, 2, 4, 4), -40.0)
    logits[:, 1] = 40.0
    gradients = {}
    for absent in ("pooled", "pixels"):
        leaf = logits.clone().requires_grad_()
        maps = PathMambaMaps(None, leaf, [])
        loss = DeepContrastLoss(deep=False, exclusive=True, background=False, absent=absent)
        loss(maps, torch.tensor([[NAN, 0.0]])).backward()
        gradients[absent] = leaf.grad
    assert (gradients["pooled"][:, 1] == 0).all()
    torch.testing.assert_close(gradients["pixels"][:, 1], torch.full((1, 4, 4), 1 / 16))


def test_absence_leaves_padding_out() -> None:
    maps = random_maps()
    valid = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[..., 8:] = False
    DeepContrastLoss(absent="pixels", deep=False)(maps, torch.zeros(2, 3), valid).backward()
    assert (maps.patch.grad[..., 4:] == 0).all() and (maps.patch.grad[..., :4] > 0).all()


@pytest.mark.parametrize("exclusive", [True, False])
def test_half_precision_maps_stay_finite_with_absence_per_pixel(exclusive: bool) -> None:
    extreme = torch.full((1, 2, 16, 16), 60.0, dtype=torch.float16, requires_grad=True)
    maps = PathMambaMaps(extreme, -extreme, [extreme])
    loss = DeepContrastLoss(exclusive=exclusive, absent="pixels")(maps, torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(extreme.grad).all()


def test_absent_is_checked() -> None:
    with pytest.raises(ValueError, match="absent must be pooled or pixels, got 'each'"):
        DeepContrastLoss(absent="each")


@pytest.mark.parametrize("absent", ["pooled", "pixels"])
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_part_as_large_as_the_image_says_what_the_image_says(absent, exclusive):
    loss = DeepContrastLoss(absent=absent, exclusive=exclusive, background=False, consistency=1)
    labels, valid = torch.tensor([[1.0, 0, 0], [1, 1, 0]]), torch.ones(2, 1, 32, 32, dtype=torch.bool)
    ours, theirs = random_maps(), random_maps()
    boxes = torch.tensor([[[0.0, 0, 32, 32]]] * 2)
    found, expected = loss(ours, labels[:, None], valid, boxes), loss(theirs, labels, valid)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    for one, other in zip(leaves(ours), leaves(theirs), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_parts_are_pooled_by_themselves():
    """Two halves with labels of their own, as two images would have."""
    loss = DeepContrastLoss(deep=False, xi=0)
    patch = 2 * torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    labels, valid = torch.tensor([[[1.0, 0], [NAN, 1]]]), torch.ones(1, 1, 32, 32, dtype=torch.bool)
    boxes = torch.tensor([[[0.0, 0, 32, 16], [0, 16, 32, 32]]])
    found = loss(PathMambaMaps(None, patch, []), labels, valid, boxes)
    halves = PathMambaMaps(None, torch.cat([patch[..., :4], patch[..., 4:]]), [])
    torch.testing.assert_close(found, DeepContrastLoss(deep=False, xi=0)(halves, labels[0]))


def test_a_pixel_pays_for_what_any_part_denies():
    loss = DeepContrastLoss(deep=False, absent="pixels", exclusive=True, background=False)
    patch = torch.zeros(1, 2, 8, 8, requires_grad=True)
    labels, valid = torch.tensor([[[1.0, 1], [1, 0]]]), torch.ones(1, 1, 32, 32, dtype=torch.bool)
    boxes = torch.tensor([[[0.0, 0, 32, 32], [0, 16, 32, 32]]])
    loss(PathMambaMaps(None, patch, []), labels, valid, boxes).backward()
    assert (patch.grad[0, 1, :, 4:] > patch.grad[0, 1, :, :4].max()).all()
    with pytest.raises(ValueError, match="valid must be given with boxes"):
        loss(PathMambaMaps(None, patch, []), labels, None, boxes)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("r", [4.0, 16.0])
def test_with_its_surroundings_a_class_takes_the_share_that_r_expects(exclusive: bool, r: float) -> None:
    """Of all masks of two classes that are stated present, those of 1 / (r + 2) of the image cost least."""

    def cost(pixels: int) -> float:
        logits = torch.full((1, 2, 60, 60), -20.0)
        logits.view(1, 2, -1)[0, 0, :pixels] = logits.view(1, 2, -1)[0, 1, -pixels:] = 20.0
        loss = DeepContrastLoss(r, deep=False, absent="pixels", surroundings=True, exclusive=exclusive)
        return float(loss(PathMambaMaps(None, logits, []), torch.ones(1, 2)))

    best = round(3600 / (r + 2))
    assert cost(best) < min(cost(best // 2), cost(best * 2), cost(1), cost(1800))


def test_surroundings_add_the_mean_of_the_background() -> None:
    labels, maps = torch.tensor([[1.0, 0.0], [NAN, 1.0]]), random_maps(classes=2)
    without, with_them = (DeepContrastLoss(deep=False, surroundings=on)(maps, labels) for on in (False, True))
    free = [torch.sigmoid(-logits.double()).prod(1).mean((1, 2)) for logits in (maps.pixel, maps.patch)]
    assert (with_them - without).item() == pytest.approx(-((free[0] + free[1]) / 2).log().sum().item() / 3, rel=1e-4)


def test_surroundings_are_nothing_where_there_is_no_background() -> None:
    maps, labels = random_maps(), torch.ones(2, 3)
    losses = [DeepContrastLoss(surroundings=on, exclusive=True, background=False)(maps, labels) for on in (0, 1)]
    assert losses[0].item() == losses[1].item()


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_pixel_known_to_be_empty_costs_what_absent_classes_do_and_fulfils_no_label(exclusive: bool) -> None:
    """As two images side by side would: one that may hold the classes, one that holds none of them."""
    left, right = (2 * torch.randn(1, 2, 16, 16) for _ in range(2))
    empty = torch.zeros(1, 1, 16, 32, dtype=torch.bool)
    empty[..., 16:] = True
    loss = DeepContrastLoss(deep=False, absent="pixels", exclusive=exclusive)

    def cost(logits: torch.Tensor, *labels: float, empty: torch.Tensor | None = None) -> float:
        return float(loss(PathMambaMaps(None, logits, []), torch.tensor([labels]), empty=empty))

    # the class map of half an image counts half in its mean, so that r = 4 divides its share by 2 ** (1 / 4)
    present = cost(left, 1.0, NAN) + math.log(2) / 4
    both = cost(torch.cat([left, right], 3), 1.0, NAN, empty=empty)
    # two labels known against one, and all pixels meant against half of them: the factors of 2 cancel
    nothing = cost(right, 0.0, 0.0)
    assert both == pytest.approx(present + nothing, rel=1e-4)


def test_empty_pixels_need_absence_per_pixel() -> None:
    empty = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    with pytest.raises(ValueError, match="absent must be pixels where pixels are known to be empty, got 'pooled'"):
        DeepContrastLoss()(random_maps(), torch.ones(2, 3), empty=empty)


def test_empty_pixels_hold_for_labels_of_parts_too() -> None:
    patch = torch.randn(1, 2, 16, 16).requires_grad_()
    valid, empty = torch.ones(1, 1, 16, 16, dtype=torch.bool), torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    empty[..., 8:] = True
    boxes, labels = torch.tensor([[[0.0, 0.0, 16.0, 16.0]]]), torch.tensor([[[1.0, 1.0]]])
    loss = DeepContrastLoss(deep=False, absent="pixels")
    loss(PathMambaMaps(None, patch, []), labels, valid, boxes, empty).backward()
    assert (patch.grad[..., :8] < 0).all() and (patch.grad[..., 8:] > 0).all()
