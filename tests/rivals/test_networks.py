"""What every network of a published method promises to the trainers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from cuescan.rivals import (
    CCAM,
    SCCAM,
    CausalLoss,
    ClassActivation,
    HistoSegNet,
    MaximumPoolingLoss,
    MeanPoolingLoss,
    SelfAttentionMIL,
    SelfAttentionMILLoss,
    SubCategoryLoss,
    WSSSTissue,
)

METHODS = {
    ClassActivation: MeanPoolingLoss,
    SelfAttentionMIL: SelfAttentionMILLoss,
    CCAM: CausalLoss,
    SCCAM: SubCategoryLoss,
    HistoSegNet: MaximumPoolingLoss,
    WSSSTissue: MeanPoolingLoss,
}
ACTIVATION = (ClassActivation, CCAM, SCCAM, WSSSTissue)
networks = pytest.mark.parametrize("network_class", METHODS)
backgrounds = pytest.mark.parametrize("background", [True, False])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@networks
@backgrounds
@pytest.mark.parametrize(("channels", "shape"), [(3, (32, 32)), (1, (33, 47)), (4, (50, 35))])
def test_logits_have_the_image_s_size(network_class, background, channels, shape):
    with torch.no_grad():
        logits = network_class(channels, 2, background=background)(torch.rand(2, channels, *shape))
    assert logits.shape == (2, 3, *shape) and torch.isfinite(logits).all()
    if not background:
        assert (logits.argmax(1) > 0).all()


@networks
@pytest.mark.parametrize("image_scale", [0.5, 2.0])
def test_an_enlarged_image_comes_back_at_its_own_size(network_class, image_scale):
    with torch.no_grad():
        assert network_class(3, 2, image_scale=image_scale)(torch.rand(1, 3, 66, 70)).shape == (1, 3, 66, 70)


@networks
def test_the_loss_gives_every_parameter_a_gradient(network_class):
    network = network_class(3, 2)
    network.deep_supervision = True
    loss = METHODS[network_class]()(network(torch.rand(2, 3, 48, 40)), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    loss.backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


@networks
def test_half_precision_stays_finite(network_class):
    network = network_class(3, 2)
    network.deep_supervision = True
    with torch.autocast("cpu", torch.bfloat16):
        loss = METHODS[network_class]()(network(torch.rand(2, 3, 48, 40)), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    network.deep_supervision = False
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert torch.isfinite(network(torch.rand(1, 3, 48, 40))).all()


@networks
def test_a_prediction_does_not_depend_on_the_other_images_of_the_batch_nor_on_earlier_ones(network_class):
    network = network_class(3, 2).eval()
    images = torch.rand(3, 3, 48, 40)
    with torch.no_grad():
        alone = torch.cat([network(image[None]) for image in images])
        torch.testing.assert_close(network(images), alone, rtol=1e-3, atol=1e-3)


@networks
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "in_channels and num_classes must be at least 1, got 3 and 0"),
        ({"image_scale": 0}, "image_scale must be positive, got 0"),
    ],
)
def test_bad_arguments_are_named(network_class, arguments, message):
    with pytest.raises(ValueError, match=message):
        network_class(**{"in_channels": 3, "num_classes": 2, **arguments})


@pytest.mark.parametrize("network_class", ACTIVATION)
@pytest.mark.parametrize("threshold", [0, 1])
def test_thresholds_lie_between_0_and_1(network_class, threshold):
    with pytest.raises(ValueError, match=rf"threshold must lie in \(0, 1\), got {threshold}"):
        network_class(3, 2, threshold=threshold)


@networks
def test_a_small_image_is_refused(network_class):
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, got 31 x 40"):
        network_class(3, 2)(torch.rand(1, 3, 31, 40))


def test_the_class_map_is_the_classifier_applied_to_each_pixel():
    """Mean pooling and a linear layer, as the paper writes them, give the mean of our maps."""
    network = ClassActivation(3, 2).eval()
    image = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        features = network.trunk(image)
        pooled = network.classifier.weight[:, :, 0, 0] @ features.mean((2, 3))[0] + network.classifier.bias
        torch.testing.assert_close(network.maps(image).mean((2, 3))[0], pooled)


def test_rivals_import_with_torch_alone():
    names = ("timm", "torchvision", "numba", "triton", "safetensors", "nnunetv2", "monai", "open_clip")
    code = f"import sys; sys.modules.update(dict.fromkeys({names})); import cuescan.rivals; print('ok')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "ok\n", done.stderr
