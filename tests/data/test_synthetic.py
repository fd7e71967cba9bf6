from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cuescan.cli import main
from cuescan.data.synthetic import CLASSES, LEAST_SHARE, histology_image, make_histology


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_histology(tmp_path_factory.mktemp("tissue"), cases=24, size=96, seed=3)


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_labels_state_what_the_masks_show(tissue: Path) -> None:
    with (tissue / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    counts = set()
    for row in rows:
        mask = load(tissue / "masks" / f"{row['image']}.png")
        assert load(tissue / "images" / f"{row['image']}.png").shape == (96, 96, 3)
        shares = [(mask == number).mean() for number in range(1, len(CLASSES) + 1)]
        assert sum(shares) == pytest.approx(1)
        assert [int(row[name]) for name in CLASSES] == [int(share > 0) for share in shares]
        assert all(share == 0 or share > LEAST_SHARE for share in shares)
        counts.add(sum(share > 0 for share in shares))
    assert counts == {1, 2, 3, 4}


def test_the_seed_decides_every_file(tissue: Path, tmp_path: Path) -> None:
    again = make_histology(tmp_path / "again", cases=5, size=96, seed=3)
    for kind in ("images", "masks"):
        for path in (again / kind).iterdir():
            assert path.read_bytes() == (tissue / kind / path.name).read_bytes()
    other = make_histology(tmp_path / "other", cases=1, size=96, seed=4)
    assert (load(other / "images" / "tissue_0000.png") != load(again / "images" / "tissue_0000.png")).any()


def test_no_tissue_is_one_flat_colour_and_none_is_told_by_colour_alone(tissue: Path) -> None:
    """Nearest mean colour, fitted on the very pixels it is scored on, stays far from the masks."""
    pixels = np.concatenate([load(path).reshape(-1, 3) for path in sorted((tissue / "images").iterdir())]).astype(float)
    labels = np.concatenate([load(path).ravel() for path in sorted((tissue / "masks").iterdir())]) - 1
    means = np.array([pixels[labels == number].mean(0) for number in range(len(CLASSES))])
    for number in range(len(CLASSES)):
        assert pixels[labels == number].std(0).min() > 10
    guess = ((pixels[:, None] - means) ** 2).sum(-1).argmin(1)
    assert 0.4 < (guess == labels).mean() < 0.8


@pytest.mark.parametrize("size", [32, 65, 200])
def test_any_size(size: int) -> None:
    image, mask = histology_image(np.random.default_rng(0), size)
    assert (image.shape, mask.shape) == ((size, size, 3), (size, size))


def test_it_can_be_prepared(tissue: Path, tmp_path: Path) -> None:
    command = ["prepare", "-d", "1", "-n", "Tissue", "--images", str(tissue / "images"), "--no-background"]
    assert main([*command, "--cues", str(tissue / "labels.csv"), "--output", str(tmp_path)]) == 0
