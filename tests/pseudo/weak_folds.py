"""A workplace with a weak model of five folds, whose weights were not trained but show every label."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunet_models import make_model
from nnunet_workplace import FOLDERS, SETTINGS, Workplace
from PIL import Image

MODEL = "Dataset001_Tiny/PathMambaTrainer__nnUNetPlans__2d"


class WeakFolds(Workplace):
    """nnU-Net's folders with data set 1 and a PathMamba of five folds."""

    @property
    def source(self) -> Path:
        """The raw data set."""
        return self.raw / "Dataset001_Tiny"

    @property
    def splits(self) -> Path:
        """The splits that the folds were trained by."""
        return self.preprocessed / "Dataset001_Tiny" / "splits_final.json"

    @property
    def model(self) -> Path:
        """The model's folder."""
        return self.results / MODEL

    def copied(self, root: Path) -> WeakFolds:
        """A copy that a test may change."""
        copy = WeakFolds.__new__(WeakFolds)
        copy.raw, copy.preprocessed, copy.results = (root / name for name in FOLDERS)
        copy.environment = SETTINGS | {name: str(root / name) for name in FOLDERS}
        for name, old in zip(FOLDERS, (self.raw, self.preprocessed, self.results), strict=True):
            shutil.copytree(old, root / name)
        return copy


@torch.no_grad()
def enliven(network: torch.nn.Module, image: torch.Tensor) -> None:
    """Draw the last layer anew until each label has a tenth of an image (1, C, H, W)."""
    head = network.eval().decoder.classify
    for seed in range(100):
        torch.manual_seed(seed)
        head.weight.normal_()
        head.bias -= network.maps(image).patch.flatten(2).median(2).values[0]
        logits = network(image)
        if torch.bincount(logits.argmax(1).flatten(), minlength=logits.shape[1]).min() >= 0.1 * image[0, 0].numel():
            return
    raise AssertionError("no seed gives all labels")


def make_folds(place: WeakFolds, patch: pytest.MonkeyPatch) -> None:
    """Write data set 1, plans, splits, and five folds whose weights differ."""
    patch.setattr("cuescan.nnunet.planner.preprocess_dataset", place.pretend_to_preprocess)
    patch.setattr("nnunet_models.enliven", enliven)
    patch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"miml": false}')  # quick to build
    folder = make_model(place, 1)
    shutil.copy(place.source / "splits_final.json", place.splits)
    first = folder / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(first, weights_only=True)
    for fold in range(1, 5):
        generator = torch.Generator().manual_seed(fold)
        for name, weight in checkpoint["network_weights"].items():
            if name.startswith("decoder.classify"):
                weight += 0.3 * weight.std() * torch.randn(weight.shape, generator=generator)
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / first.name)


def masks_of(folder: Path) -> dict[str, np.ndarray]:
    """The masks of a folder by case."""
    return {path.stem: np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def edit(path: Path, change) -> None:
    """Change a JSON file."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def forbid_background(place: WeakFolds) -> None:
    """Make it a data set in which every pixel has a class: cases without one get a square."""

    def change(cues: dict) -> None:
        cues["background"] = False
        for cue in cues["cues"].values():
            if 1 not in cue["labels"].values():
                cue["labels"]["square"] = 1

    for path in (place.source / "cues.json", place.splits.with_name("cues.json")):
        edit(path, change)
    edit(place.model / "plans.json", lambda plans: plans["cuescan"].update(background=False))
    for path in place.model.glob("fold_*/checkpoint_final.pth"):
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["init_args"]["plans"]["cuescan"]["background"] = False
        torch.save(checkpoint, path)


def silence(place: WeakFolds, *labels: int) -> None:
    """Let no fold predict these labels."""
    for path in place.model.glob("fold_*/checkpoint_final.pth"):
        checkpoint = torch.load(path, weights_only=True)
        for label in labels:
            checkpoint["network_weights"]["decoder.classify.bias"][label - 1] = -1e4
        torch.save(checkpoint, path)
