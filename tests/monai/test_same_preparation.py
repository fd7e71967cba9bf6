"""Bundles prepare images as nnU-Net does, whatever the channels are called, down to black borders and black images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_dataset as tiny
from monai.bundle import ConfigParser
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from cuescan.monai import ModelCard
from cuescan.monai.nnunet_plans import dataset_json_of, plans_of
from cuescan.monai.pictures import list_pictures
from cuescan.nnunet.images import raw_geometry
from cuescan.share import share_path

CASES = ("whole", "bordered", "black", "flat")
KINDS = [
    (["rgb_to_0_1"] * 3, np.uint8),
    (["rescale_to_0_1"] * 3, np.uint8),
    (["zscore"] * 3, np.uint8),
    (["zscore"], np.uint16),
    (["rgb_to_0_1"], np.uint8),
    (["zscore", "rescale_to_0_1"], np.uint8),
]


def draw(folder: Path, channels: int, dtype: type) -> None:
    """Images of 40 x 56 pixels; two channels are two files."""
    generator = np.random.default_rng(0)
    shape = (40, 56, 3) if channels == 3 else (40, 56)
    for number in range(channels if channels != 3 else 1):
        pixels = {case: generator.integers(1, 250, shape) * (257 if dtype == np.uint16 else 1) for case in CASES}
        pixels["bordered"][:5] = pixels["bordered"][:, -7:] = pixels["bordered"][20:25, 20:30] = 0
        pixels["black"][:] = 0
        pixels["flat"][:] = 7
        for case in CASES:
            tiny.save(folder / f"{case}_{number:04d}.png", pixels[case].astype(dtype))


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
def test_pixels_and_cuts_are_those_of_nnunet(tmp_path, channels, dtype):
    draw(tmp_path, len(channels), dtype)
    card = ModelCard("PathMamba", ["a", "b"], True, channels, [48, 64], {}, {})
    card.write(tmp_path / "model.json")
    plans = PlansManager(plans_of(card, "Dataset000_Bundle"))
    parser = ConfigParser()
    parser.read_config(share_path("bundles") / "pathmamba" / "configs" / "inference.json")
    parser.config.update({"bundle_root": "", "ckpt_dir": str(tmp_path), "dataset_dir": str(tmp_path)})
    items = {item["case"]: item for item in parser.get_parsed_content("dataset")}
    assert set(items) == set(CASES)
    for case, item in items.items():
        files = [str(path) for path in sorted(tmp_path.glob(f"{case}_*.png"))]
        expected, _, properties = DefaultPreprocessor(False).run_case(
            files, None, plans, plans.get_configuration("2d"), dataset_json_of(card)
        )
        found = item["image"].numpy()
        assert found.shape == expected[:, 0].shape == (len(channels), *((35, 49) if case == "bordered" else (40, 56)))
        assert np.abs(found - expected[:, 0]).max() < 1e-6
        shape, crop = raw_geometry(properties)
        assert tuple(item["shape"].tolist()) == shape and item["crop"].tolist() == pytest.approx(crop)


@pytest.mark.parametrize(
    ("names", "cases", "channels"),
    [
        (["a_0000", "b_1_0000"], {"a": 1, "b_1": 1}, 1),
        (["a_0000", "a_0001", "b_0000", "b_0001"], {"a": 2, "b": 2}, 2),
        (["a_0000", "b"], {"a_0000": 1, "b": 1}, 1),
        (["scan_2024", "scan_2025"], {"scan_2024": 1, "scan_2025": 1}, 1),
        (["a_0000", "a_0002"], {"a_0000": 1, "a_0002": 1}, 1),
        (["a_0000", "a_0001"], {"a_0000": 1, "a_0001": 1}, 1),
        (["a_0000", "a_0001", "b_0000"], {"a_0000": 1, "a_0001": 1, "b_0000": 1}, 3),
    ],
)
def test_pictures_are_called_as_nnunet_calls_them_only_where_all_names_are_such(tmp_path, names, cases, channels):
    for name in names:
        tiny.save(tmp_path / f"{name}.png", np.ones((4, 4), np.uint8))
    assert {item["case"]: len(item["image"]) for item in list_pictures(tmp_path, channels)} == cases


def test_numbered_colour_pictures_are_no_channels(tmp_path):
    """As many as the network has channels, and one more."""
    for number in range(3):
        tiny.save(tmp_path / f"a_{number:04d}.png", np.ones((4, 4, 3), np.uint8))
    assert [item["case"] for item in list_pictures(tmp_path, 3)] == ["a_0000", "a_0001", "a_0002"]
    tiny.save(tmp_path / "a_0003.png", np.ones((4, 4, 3), np.uint8))
    assert len(list_pictures(tmp_path, 3)) == 4
