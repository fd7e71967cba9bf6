"""``cuescan predict --scales``: a model of image-level labels by views of several sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from weak_folds import masks_of

from cuescan.cli import main


@pytest.fixture
def images(place, tmp_path) -> Path:
    """Two of the training images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for path in sorted((place.source / "imagesTr").glob("*_0000.png"))[:2]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def predict(place, images, tmp_path):
    """Segment the images; return masks and, rounded by half precision, probabilities (1 + K, H, W) by case."""

    def run(name: str, *options: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        output = tmp_path / name
        status = main(
            ["predict", "-i", str(images), "-o", str(output), "-m", str(place.model)]
            + ["-device", "cpu", "--save_probabilities", "-npp", "1", "-nps", "1", *options]
        )  # fmt: skip
        assert status == 0
        return masks_of(output), {path.stem: np.load(path)["probabilities"][:, 0] for path in output.glob("*.npz")}

    return run


def test_at_the_usual_size_it_is_nnunets_prediction(place, images, predict, tmp_path):
    stock = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False, perform_everything_on_device=False)
    stock.initialize_from_trained_model_folder(str(place.model), (0, 1))
    stock.predict_from_files(str(images), str(tmp_path / "stock"), num_processes_preprocessing=1,
                             num_processes_segmentation_export=1)  # fmt: skip
    masks, _ = predict("masks", "-f", "0", "1")
    expected = masks_of(tmp_path / "stock")
    assert masks.keys() == expected.keys() and len(masks) == 2
    for case, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[case])


def test_probabilities_are_the_mean_over_sizes(predict):
    views = [predict(f"at_{scale}", "-f", "0", "--disable_tta", "--scales", scale)[1] for scale in ("1", "2")]
    _, both = predict("both", "-f", "0", "--disable_tta", "--scales", "1", "2")
    different = 0.0
    for case, mean in both.items():
        np.testing.assert_allclose(mean, (views[0][case] + views[1][case]) / 2, atol=5e-3)
        different = max(different, np.abs(views[0][case] - views[1][case]).max())
    assert different > 0.1, "the sizes agree, so this shows nothing"


def test_folds_are_averaged_as_nnunet_does(predict):
    options = ("--disable_tta", "--scales", "1", "2")
    folds = [predict(f"fold_{fold}", "-f", str(fold), *options)[1] for fold in (0, 1)]
    _, both = predict("both", "-f", "0", "1", *options)
    for case, mean in both.items():
        product = np.sqrt(folds[0][case] * folds[1][case].astype(np.float64))
        np.testing.assert_allclose(mean, product / product.sum(0), atol=5e-3)
