from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cuescan.data.masks import default_values, parse_values, read_mask
from cuescan.data.presence import presence
from cuescan.errors import UserError

CLASSES = ("tumour", "stroma")
LABELS = np.random.default_rng(0).integers(0, 4, (30, 50)).astype(np.uint8)
PALETTE = np.array([[0, 0, 0], [205, 51, 51], [0, 255, 0], [255, 255, 255]], np.uint8)
COLOURS = ["0,0,0=background", "205,51,51=tumour", "#00ff00=stroma", "#FFFFFF=ignore"]


def palette_image() -> Image.Image:
    image = Image.fromarray(LABELS, "P")
    image.putpalette(PALETTE.ravel().tolist())
    return image


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
@pytest.mark.parametrize("image", [Image.fromarray(LABELS), palette_image()], ids=["gray", "palette"])
def test_indices_are_read_from_gray_and_palette(tmp_path: Path, image: Image.Image, ending: str) -> None:
    image.save(tmp_path / f"m.{ending}")
    np.testing.assert_array_equal(read_mask(tmp_path / f"m.{ending}", default_values(CLASSES, True)), LABELS)


@pytest.mark.parametrize("image", [Image.fromarray(PALETTE[LABELS]), palette_image()], ids=["rgb", "palette"])
def test_colours_are_read_from_rgb_and_palette(tmp_path: Path, image: Image.Image) -> None:
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", parse_values(COLOURS, CLASSES)), LABELS)


def test_gray_saved_as_rgb_is_read_as_gray(tmp_path: Path) -> None:
    Image.fromarray(LABELS).convert("RGB").save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", default_values(CLASSES, True)), LABELS)


def test_without_background_zero_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png", default_values(CLASSES, False))
    np.testing.assert_array_equal(mask, np.where(LABELS == 0, 3, LABELS))


def test_a_sole_class_may_be_255(tmp_path: Path) -> None:
    Image.fromarray(np.where(LABELS > 1, 255, 0).astype(np.uint8)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", default_values(("polyp",), True)), LABELS > 1)


def test_a_star_stands_for_all_other_values(tmp_path: Path) -> None:
    Image.fromarray(LABELS * 60).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png", parse_values(["0=background", "*=stroma"], CLASSES))
    np.testing.assert_array_equal(mask, np.where(LABELS == 0, 0, 2))


def test_unstated_values_are_named(tmp_path: Path) -> None:
    Image.fromarray(LABELS * 60).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png: the mask holds the value 60, 120, 180 \(known: 0, 1, 2, 3\); state"):
        read_mask(tmp_path / "m.png", default_values(CLASSES, True))


def test_unstated_colours_are_named(tmp_path: Path) -> None:
    palette_image().convert("RGB").save(tmp_path / "m.png")
    with pytest.raises(UserError, match="holds the colour #00ff00; state what it means with --mask-values"):
        read_mask(tmp_path / "m.png", parse_values([COLOURS[0], COLOURS[1], COLOURS[3]], CLASSES))
    with pytest.raises(UserError, match="the mask holds colours; state"):
        read_mask(tmp_path / "m.png", default_values(CLASSES, True))


def test_jpeg_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "m.jpg")
    with pytest.raises(UserError, match=r"m\.jpg: a JPEG mask holds invented values at every edge; save masks as PNG"):
        read_mask(tmp_path / "m.jpg", default_values(CLASSES, True))


def test_a_threshold_reads_jpeg_masks(tmp_path: Path) -> None:
    shape = np.zeros((30, 50), np.uint8)
    shape[5:20, 8:30] = 255
    Image.fromarray(shape).save(tmp_path / "m.jpg", quality=60)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "m.jpg")))) > 2
    mask = read_mask(tmp_path / "m.jpg", parse_values([">=128=polyp"], ("polyp",)))
    np.testing.assert_array_equal(mask, shape > 0)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_threshold_sees_what_a_viewer_shows(tmp_path: Path, mode: str, ending: str) -> None:
    shape = np.where(LABELS > 1, 255, 0).astype(np.uint8)
    Image.fromarray(shape).convert(mode).save(tmp_path / f"m.{ending}")
    mask = read_mask(tmp_path / f"m.{ending}", parse_values([">=128=polyp"], ("polyp",)))
    np.testing.assert_array_equal(mask, LABELS > 1)


@given(threshold=st.integers(1, 255), below=st.sampled_from(["background", "skin", "ignore"]))
def test_a_threshold_parts_all_values(threshold: int, below: str) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(ramp).save(Path(folder) / "m.png")
        values = parse_values([f">={threshold}=lesion", f"*={below}"], ("skin", "lesion"))
        mask = read_mask(Path(folder) / "m.png", values)
    rest = {"background": 0, "skin": 1, "ignore": 3}[below]
    np.testing.assert_array_equal(mask, np.where(ramp >= threshold, 2, rest))


def test_a_mask_of_ones_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    values = parse_values([">=128=polyp"], ("polyp",))
    Image.fromarray((LABELS > 1).astype(np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png: no value of the mask reaches 128, the highest is 1; .* VALUE=NAME"):
        read_mask(tmp_path / "m.png", values)
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png", values).any()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("1=tumor", "unknown class 'tumor'"),
        ("x=tumour", "must be INDEX"),
        ("1,2=tumour", "must be INDEX"),
        ("1", "''"),
        (">=128=tumor", "unknown class 'tumor'"),
        (">=128", "must be INDEX"),
        (">=x=tumour", "must be INDEX"),
    ],
)
def test_bad_mask_values_are_explained(item: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_values([item], CLASSES)


def test_a_threshold_stands_alone() -> None:
    with pytest.raises(UserError, match="a threshold >=N stands alone or with \\*; leave the other values away"):
        parse_values([">=128=tumour", "0=stroma"], CLASSES)


def test_presence_is_a_share_of_the_annotated_pixels() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[0, :5] = 1
    mask[1, 0] = 2
    assert presence(mask, CLASSES, 0.04).labels == {"tumour": 1, "stroma": 0}
    assert presence(mask, CLASSES, 0.05).labels == {"tumour": 0, "stroma": 0}
    assert presence(mask, CLASSES, 0).labels == {"tumour": 1, "stroma": 1}
    mask[5:] = 3  # ignore: five of fifty annotated pixels are now tumour
    assert presence(mask, CLASSES, 0.09).labels == {"tumour": 1, "stroma": 0}
