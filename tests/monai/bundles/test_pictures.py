"""Pictures of every kind go in; masks of the same size and orientation come out, in colours over the picture too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image
from tiny_bundles import masks, segment
from torch import Tensor, nn

from cuescan.monai import read_card
from cuescan.monai.output import score_masks

TALL, WIDE = (61, 37), (40, 83)


class ByColour(nn.Module):
    """Labels each pixel by its own colour alone, so that a mask says which pixel went where."""

    def __init__(self, classes: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(1 + classes, 3, 1, 1, generator=generator)
        self.num_classes, self.deep_supervision = classes, False
        self.prompts = torch.zeros(classes, 4)

    def forward(self, image: Tensor, *prompt: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(image - 0.5, self.weight)

    def labels(self, pixels: np.ndarray) -> np.ndarray:
        """Of an RGB picture (H, W, 3), which is black outside the region that counts."""
        content = (pixels > 0).any(2)
        rows, columns = content.any(1).nonzero()[0], content.any(0).nonzero()[0]
        inside = np.zeros(content.shape, bool)
        inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        scores = torch.nn.functional.conv2d(
            torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1) - 0.5, self.weight
        )
        return np.where(inside, scores.argmax(0).numpy(), 0)


def colours(size: tuple[int, int], seed: int) -> np.ndarray:
    """Patches of plain colour, so that few labels hang on rounding."""
    patches = np.random.default_rng(seed).integers(1, 256, (-(-size[0] // 8), -(-size[1] // 8), 3), dtype=np.uint8)
    return patches.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]


@pytest.fixture
def pictures(tmp_path):
    """Pictures as files, and the RGB pixels that they stand for."""
    folder, meant = tmp_path / "pictures", {}
    folder.mkdir()
    meant["wide"], meant["tall"] = colours(WIDE, 1), colours(TALL, 2)
    meant["bordered"] = np.pad(colours((33, 50), 3), ((7, 2), (0, 11), (0, 0)))
    for name, pixels in meant.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    palette = Image.fromarray(colours(TALL, 4)).quantize(12)
    palette.save(folder / "palette.png")
    meant["palette"] = np.asarray(palette.convert("RGB"))
    grey = colours(WIDE, 5)[..., 0]
    Image.fromarray(grey).save(folder / "grey.png")
    meant["grey"] = np.stack([grey] * 3, -1)
    opaque = colours(TALL, 6)
    alpha = np.full(TALL, 255, np.uint8)
    alpha[:16] = 0
    Image.fromarray(np.dstack([opaque, alpha])).save(folder / "transparent.png")
    meant["transparent"] = np.where(alpha[..., None] == 0, 255, opaque).astype(np.uint8)
    turned = colours(WIDE, 7)
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned by 90 degrees to the right
    Image.fromarray(turned).save(folder / "camera.tif", exif=exif)
    meant["camera"] = np.rot90(turned, -1)
    return folder, meant


def test_masks_lie_as_the_pictures_do(bundle, pictures, tmp_path):
    folder, meant = pictures
    network = ByColour(len(read_card(bundle.models / "model.json").classes))
    found = segment(bundle, folder, tmp_path / "out", network_def=network, handlers=[])
    painted = masks(tmp_path / "out" / "overlays")
    assert found.keys() == painted.keys() == meant.keys()
    for name, pixels in meant.items():
        assert found[name].dtype == np.uint8 and Image.open(tmp_path / "out" / f"{name}.png").mode == "L"
        assert found[name].shape == pixels.shape[:2], name
        assert (found[name] == network.labels(pixels)).mean() > 0.999, name
        plain = painted[name][..., :3].astype(int)
        assert painted[name].shape[:2] == pixels.shape[:2], name
        if (found[name] == 0).any() and bundle.name == "tifcmamba":
            background = found[name] == 0
            inner = background & (plain == pixels).all(2)  # outlines may cross
            assert inner.sum() > 0.5 * background.sum(), name


def test_palette_masks_are_read_as_labels(bundle, tmp_path):
    """As the references of an evaluation, in the bundle's reading and in the scores of the written masks."""
    card = read_card(bundle.models / "model.json")
    reference = np.random.default_rng(0).integers(0 if card.background else 1, len(card.classes) + 1, WIDE)
    picture, plain, palette = (tmp_path / f"{name}.png" for name in ("picture", "plain", "palette"))
    Image.fromarray(colours(WIDE, 1)).save(picture)
    Image.fromarray(reference.astype(np.uint8)).save(plain)
    image = Image.fromarray(reference.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200, 90, 90, 90])
    image.save(palette)
    parser = ConfigParser()
    parser.read_config([bundle.path("inference"), bundle.path("evaluate")])
    parser["bundle_root"] = str(bundle.root)
    read = parser.get_parsed_content("preprocessing")
    predicted = tmp_path / "predicted"
    predicted.mkdir()
    Image.fromarray(np.roll(reference, 1, 0).astype(np.uint8)).save(predicted / "c.png")
    scores = []
    for mask in (plain, palette):
        item = {"case": "c", "image": [str(picture)], "label": str(mask), "text": ""}
        assert np.array_equal(read(item)["label"][0], reference)
        scores.append(score_masks(predicted, [item], card)["mean"])
    assert scores[0] == scores[1]
