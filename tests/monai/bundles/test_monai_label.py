"""MONAI Label takes a bundle apart in its own way: what it reads is there, and gives the mask of the bundle itself."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.inferers import Inferer
from monai.transforms import Compose, SaveImaged
from PIL import Image
from tiny_bundles import segment


class Label:
    """What the bundle app of MONAI Label 0.8 does with a bundle's folder (``tasks/infer/bundle.py``, retold).

    It replaces ``bundle_root`` in ``inference.json``, asks for the network, loads ``models/model.pt`` into a copy,
    takes channel names from the metadata's first input and output, and runs the transforms one by one on a request
    that is a path, without those that save images.

    Args:
        root: the bundle's folder.
    """

    def __init__(self, root):
        self.parser, weights = ConfigParser(), root / "models" / "model.pt"
        self.parser.read_config(str(root / "configs" / "inference.json"))
        self.parser.config.update({"bundle_root": str(root)})
        network = self.parser.get_parsed_content("network_def", instantiate=True)
        metadata = json.loads((root / "configs" / "metadata.json").read_text())
        layout = metadata["network_data_format"]
        (self.image, given), (self.pred, made) = (next(iter(layout[side].items())) for side in ("inputs", "outputs"))
        self.labels = {
            name.lower(): int(key) for key, name in made["channel_def"].items() if name.lower() != "background"
        }
        self.dimension, self.version = len(given["spatial_shape"]), metadata["version"]
        content = torch.load(weights)
        content = content.get("model", content)
        assert network.state_dict().keys() == content.keys()
        self.network = copy.deepcopy(network)
        self.network.load_state_dict(content)
        self.network.eval()

    def transforms(self, key: str) -> list:
        """The transforms of a key of the configuration."""
        self.parser.config.update({"device": "cpu"})
        content = self.parser.get_parsed_content(key, instantiate=True)
        found = list(content.transforms) if isinstance(content, Compose) else content
        return [transform for transform in found if not isinstance(transform, SaveImaged)]

    def __call__(self, request: dict) -> np.ndarray:
        """The mask of the image of a request."""
        data = copy.deepcopy(request)
        for transform in self.transforms("preprocessing"):
            data = transform(data)
        inferer = self.parser.get_parsed_content("inferer", instantiate=True)
        assert isinstance(inferer, Inferer)
        with torch.no_grad():
            data[self.pred] = inferer(data[self.image][None], self.network)[0]
        for transform in self.transforms("postprocessing"):
            data = transform(data)
        return data[self.pred].array


@pytest.fixture
def pictures(tmp_path):
    """A picture of the patch's size, and one with a black border whose content is smaller."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (size, border) in enumerate([((48, 64), 0), ((30, 41), 5)]):
        pixels = np.random.default_rng(number).integers(1, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(np.pad(pixels, ((border, 0), (0, border), (0, 0)))).save(folder / f"p{number}.png")
    return folder


def test_a_bundle_serves_a_labelling_program(bundle, pictures, tmp_path):
    label = Label(bundle.root)
    assert (label.image, label.pred, label.dimension) == ("image", "pred", 2)
    assert "background" not in label.labels and set(label.labels.values()) == set(range(1, 1 + len(label.labels)))
    for case, mask in segment(bundle, pictures, tmp_path / "masks").items():
        found = label({"image": str(pictures / f"{case}.png")})
        assert found.shape == (1, *mask.shape)
        assert np.array_equal(found[0], mask)


def test_monai_label_itself(bundle, pictures, tmp_path):
    task = pytest.importorskip("monailabel.tasks.infer.bundle").BundleInferTask(str(bundle.root), {})
    assert task.is_valid() and task.info()["version"] == "0.1.0"
    assert task.labels == Label(bundle.root).labels
    for case, mask in segment(bundle, pictures, tmp_path / "masks").items():
        request = {"image": str(pictures / f"{case}.png"), "device": "cpu", "result_write_to_file": False}
        found, _ = task(request)
        assert np.array_equal(np.squeeze(found), mask)
