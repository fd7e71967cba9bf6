"""The differentiable preprocessing against open_clip's own, which works on 8-bit pictures."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from cuescan.encoders.preprocessing import Preprocessing

MEAN, STD = (0.48, 0.45, 0.40), (0.26, 0.27, 0.28)


def config(**changes) -> dict:
    return {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0, **changes}


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("size", [(64, 64), (48, 72)])
@pytest.mark.parametrize("shape", [(64, 64), (150, 97), (90, 203), (31, 40)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_equals_open_clip(mode, size, shape, interpolation):
    if mode == "shortest" and size[0] != size[1] and interpolation == "bilinear":
        pytest.skip("open_clip resizes bicubically here, whatever the configuration says")
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    picture = coarse.resize(shape[::-1], Image.Resampling.BICUBIC)
    transform = open_clip.image_transform(
        size if size[0] != size[1] else size[0], False, MEAN, STD, mode, interpolation, fill_color=40
    )
    expected = transform(picture)
    image = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 255.0
    found = Preprocessing(size, config(resize_mode=mode, interpolation=interpolation, fill_color=40))(image)[0]
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 2.5 / 255 / min(STD)  # 8-bit rounding of each of two passes


def test_gray_is_repeated():
    prepare = Preprocessing((32, 32), config(mean=0.5, std=0.25))
    image = torch.rand(2, 1, 50, 40)
    assert torch.equal(prepare(image), prepare(image.expand(-1, 3, -1, -1)))


def test_gradient_reaches_every_pixel_when_squashed():
    image = torch.full((1, 3, 50, 80), 0.5, requires_grad=True)
    Preprocessing((32, 32), config(resize_mode="squash"))(image).sum().backward()
    assert (image.grad != 0).all()


def test_other_channels():
    with pytest.raises(ValueError, match="1 or 3 channels for an image encoder, got 2"):
        Preprocessing((32, 32), config())(torch.rand(1, 2, 32, 32))
