from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cuescan.errors import UserError
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights, trunk_arguments

HEADER = {
    "preprocessing": "BGR, 0-255, minus (103.939,116.779,123.68)",
    "bn_eps": "1e-3",
    "stride": "first 1x1 conv of layer2[0], layer3[0]",
}


def weights(trunk: ResNetTrunk) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in trunk.state_dict().items() if not k.endswith("num_batches_tracked")}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_file({**weights(ResNetTrunk(3, stages=4)), "fc.weight": torch.zeros(2, 2)}, tmp_path / "trunk.safetensors")
    return tmp_path / "trunk.safetensors"


def test_shapes_and_stages() -> None:
    with torch.no_grad():
        assert ResNetTrunk(3, 3)(torch.rand(1, 3, 64, 48)).shape == (1, 512, 8, 6)
        assert ResNetTrunk(1, 4)(torch.rand(1, 1, 64, 48)).shape == (1, 1536, 8, 6)


def test_weights_come_back_as_saved(saved: Path) -> None:
    trunk = ResNetTrunk(3, stages=4, **trunk_arguments(saved, 3))
    load_trunk_weights(trunk, saved)
    torch.manual_seed(0)
    assert all(torch.equal(v, weights(trunk)[k]) for k, v in weights(ResNetTrunk(3, stages=4)).items())


def test_a_variance_beyond_half_precision_silences_no_channel(tmp_path: Path) -> None:
    state = {key: value.half() for key, value in weights(ResNetTrunk(3, stages=3)).items()}
    state["bn1.running_var"][5] = torch.inf
    state["bn1.running_mean"] = state["bn1.running_mean"].int()  # no float, as some converters leave zeros
    save_file(state, tmp_path / "half.safetensors")
    trunk = ResNetTrunk(3, stages=3)
    load_trunk_weights(trunk, tmp_path / "half.safetensors")
    assert float(trunk.bn1.running_var[5]) == 65504
    responses = trunk.eval().bn1(torch.randn(1, 64, 4, 4))
    assert responses[:, 5].std() > 0


def test_fewer_stages_leave_out_the_later_ones(saved: Path) -> None:
    load_trunk_weights(ResNetTrunk(3, stages=3), saved)


def test_header_sets_normalisation_strides_and_channel_order(tmp_path: Path) -> None:
    source = tmp_path / "caffe.safetensors"
    state = weights(ResNetTrunk(3, stages=3))
    save_file(state, source, HEADER)
    arguments = trunk_arguments(source, 3)
    trunk = ResNetTrunk(3, stages=3, **arguments)
    load_trunk_weights(trunk, source)
    assert trunk.bn1.eps == pytest.approx(1e-3)
    assert trunk.layer2[0].conv1.stride == (2, 2) and trunk.layer2[0].conv2.stride == (1, 1)
    assert arguments["input_mean"] == pytest.approx([123.68 / 255, 116.779 / 255, 103.939 / 255])
    rgb = torch.rand(1, 3, 32, 32)
    by_hand = torch.nn.functional.conv2d(
        (255 * rgb).flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1),
        state["conv1.weight"],
        stride=2,
        padding=3,
    )
    ours = trunk.conv1((rgb - trunk.input_mean) / trunk.input_std)
    torch.testing.assert_close(ours, by_hand, rtol=1e-3, atol=1e-2)


def test_gray_images_get_the_same_response_as_gray_rgb(saved: Path) -> None:
    colour, gray = ResNetTrunk(3, 3), ResNetTrunk(1, 3)
    load_trunk_weights(colour, saved)
    load_trunk_weights(gray, saved)
    image = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(gray.conv1(image), colour.conv1(image.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


def test_mismatched_keys_are_listed(tmp_path: Path) -> None:
    state = weights(ResNetTrunk(3, 3))
    state["layer1.0.odd.weight"] = state.pop("layer1.0.conv1.weight")
    state["bn1.weight"] = torch.zeros(3)
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(UserError) as error:
        load_trunk_weights(ResNetTrunk(3, 3), tmp_path / "odd.safetensors")
    for part in ("odd.safetensors", "layer1.0.conv1.weight", "layer1.0.odd.weight", "bn1.weight (3,) instead of (64,)"):
        assert part in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"not a safetensors file at all"])
def test_a_missing_or_foreign_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "weights.safetensors"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(UserError, match="weights.safetensors: (no such file|not a safetensors file)"):
        trunk_arguments(source, 3)


def test_frozen_stages_have_no_gradient_and_fixed_statistics() -> None:
    trunk = ResNetTrunk(3, 4, frozen=2).train()
    before = trunk.bn1.running_mean.clone()
    trunk(torch.rand(2, 3, 32, 32)).sum().backward()
    assert trunk.conv1.weight.grad is None and trunk.layer1[0].conv1.weight.grad is None
    assert trunk.layer2[0].conv1.weight.grad is not None
    assert torch.equal(before, trunk.bn1.running_mean)


def test_the_real_weights_respond_as_an_imagenet_network(shared_data: Path) -> None:
    source = shared_data / "weights" / "resnet50_imagenet_stages1-4.safetensors"
    trunk = ResNetTrunk(3, 4, **trunk_arguments(source, 3)).eval()
    load_trunk_weights(trunk, source)
    with torch.no_grad():
        features = trunk(torch.rand(1, 3, 64, 64))
    assert torch.isfinite(features).all() and 0.05 < features.mean() < 5


def test_frozen_statistics_survive_the_conversion_to_synchronised_normalisation() -> None:
    trunk = torch.nn.SyncBatchNorm.convert_sync_batchnorm(ResNetTrunk(3, 3, frozen_norm=True)).train()
    assert not trunk.bn1.training and not trunk.layer2[0].bn1.training
