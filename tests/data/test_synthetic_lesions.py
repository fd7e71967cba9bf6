from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cuescan.cli import main
from cuescan.cues.language import read_sentence
from cuescan.data.synthetic_lesions import CLASSES, COUNTS, PLACES, lesion_image, make_lesions

CASES = 60


@pytest.fixture(scope="module")
def colon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lesions(tmp_path_factory.mktemp("colon"), cases=CASES, size=96, seed=3)


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def sentences(folder: Path) -> dict[str, str]:
    with (folder / "captions.csv").open(newline="", encoding="utf-8") as file:
        return {row["image"]: row["text"] for row in csv.DictReader(file)}


def test_sentences_read_back_as_they_are_meant(colon: Path) -> None:
    for case, text in sentences(colon).items():
        labelled, count = ndimage.label(load(colon / "masks" / f"{case}.png"), np.ones((3, 3)))
        (statement,) = read_sentence(text, CLASSES, (96, 96))
        assert statement.present == (count > 0)
        assert len(statement.places) == count
        assert count == 0 or statement.count == count
        centres = ndimage.center_of_mass(labelled > 0, labelled, range(1, count + 1))
        for row, column in centres:
            x, y = (column + 0.5) / 96, (row + 0.5) / 96
            assert any(box.left <= x <= box.right and box.top <= y <= box.bottom for box in statement.places)


def number_of_polyps(mask: np.ndarray) -> int:
    return ndimage.label(mask, np.ones((3, 3)))[1]


def stated_places(text: str) -> list[str]:
    """The nine cells' names in a sentence, longest first so that "upper left" is not taken for "left"."""
    found = []
    for name in sorted((name for row in PLACES for name in row), key=len, reverse=True):
        found += [name] * text.count(f"at the {name}")
    return found


def test_sentences_state_number_and_places(colon: Path) -> None:
    counts = []
    for case, text in sentences(colon).items():
        mask = load(colon / "masks" / f"{case}.png")
        assert load(colon / "images" / f"{case}.png").shape == (96, 96, 3)
        assert set(np.unique(mask)) <= {0, 1}
        labelled, count = ndimage.label(mask, np.ones((3, 3)))
        centres = ndimage.center_of_mass(mask, labelled, range(1, count + 1))
        cells = [PLACES[int(3 * (row + 0.5) / 96)][int(3 * (column + 0.5) / 96)] for row, column in centres]
        assert sorted(stated_places(text)) == sorted(cells)
        words = text.lower().split()
        assert ("no" in words or "without" in words) == (count == 0)
        assert ("two" in words) == (count == 2) and ("three" in words) == (count == 3)
        counts.append(count)
    shares = np.bincount(counts, minlength=4) / CASES
    assert set(counts) == {0, 1, 2, 3}
    np.testing.assert_allclose(shares, COUNTS, atol=0.15)


def test_polyps_do_not_touch_and_can_be_seen() -> None:
    for number in range(30):
        image, lesions = lesion_image(np.random.default_rng(number), 96)
        union = np.any([lesion.mask for lesion in lesions], axis=0) if lesions else np.zeros((96, 96), bool)
        assert number_of_polyps(union) == len(lesions)
        for lesion in lesions:
            assert 0.008 < lesion.mask.mean() < 0.25
            edge = ndimage.binary_dilation(lesion.mask, iterations=6) & ~union
            difference = image[lesion.mask].astype(float).mean(0) - image[edge].astype(float).mean(0)
            assert np.abs(difference).max() > 1


def test_the_seed_decides_every_file(colon: Path, tmp_path: Path) -> None:
    again = make_lesions(tmp_path / "again", cases=5, size=96, seed=3)
    for kind in ("images", "masks"):
        for path in (again / kind).iterdir():
            assert path.read_bytes() == (colon / kind / path.name).read_bytes()
    assert sentences(again).items() <= sentences(colon).items()
    other = make_lesions(tmp_path / "other", cases=1, size=96, seed=4)
    assert (load(other / "images" / "polyp_0000.png") != load(again / "images" / "polyp_0000.png")).any()


def dice(guess: np.ndarray, mask: np.ndarray) -> float:
    return 2 * (guess & mask).sum() / max(guess.sum() + mask.sum(), 1)


def test_no_threshold_of_brightness_or_redness_finds_the_polyps(colon: Path) -> None:
    """The best threshold, chosen on the very images it is scored on, stays far from the masks."""
    images = np.stack([load(path) for path in sorted((colon / "images").iterdir())]).astype(float)
    masks = np.stack([load(path) for path in sorted((colon / "masks").iterdir())]) > 0
    redness = images[..., 0] / (images.sum(-1) + 1)
    saturation = images.min(-1) / (images.max(-1) + 1)
    for field in (*np.moveaxis(images, -1, 0), redness, saturation):
        for level in np.quantile(field, np.linspace(0.02, 0.98, 25)):
            assert max(dice(field > level, masks), dice(field <= level, masks)) < 0.6


@pytest.mark.parametrize("size", [32, 65, 200])
def test_any_size(size: int) -> None:
    for seed in range(4):
        image, lesions = lesion_image(np.random.default_rng(seed), size)
        assert image.shape == (size, size, 3)
        assert all(lesion.mask.shape == (size, size) and lesion.mask.any() for lesion in lesions)


def test_it_can_be_prepared(colon: Path, tmp_path: Path) -> None:
    command = ["prepare", "-d", "1", "-n", "Polyps", "--images", str(colon / "images"), "--classes", *CLASSES]
    options = ["--cues", str(colon / "captions.csv"), "--masks", str(colon / "masks"), "--output", str(tmp_path)]
    assert main([*command, *options]) == 0
