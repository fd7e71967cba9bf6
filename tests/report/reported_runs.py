"""A fold as nnU-Net leaves it, and scores, to report on."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tiny_dataset as tiny
from PIL import Image

DATASET = "Dataset001_Tiny"
MODEL = "PathMambaTrainer__nnUNetPlans__2d"
PLANS = {
    "dataset_name": DATASET,
    "configurations": {
        "2d": {"patch_size": [48, 48], "spacing": [1.0, 1.0], "normalization_schemes": ["RGBTo01Normalization"] * 3}
    },
    "cuescan": {
        "network": "PathMamba",
        "classes": list(tiny.CLASSES),
        "background": True,
        "cues_sha256": "9e1514c5ae13041a89bc",
        "network_arguments": {"size": "T", "trunk": {"input_mean": [0.5, 0.5, 0.5]}},
        "options": {"epochs": 3, "lr": 0.001, "seed": 7, "trunk": None, "loss_arguments": {}},
        "versions": {"cuescan": "0.1.0", "torch": "2.15.0"},
        "commit": "42379cd7aa0859e8aabc",
    },
}
CLASSES = {"tumour": 1, "stroma": 2}
EPOCHS = [
    {"epoch": 0, "loss": 1.6, "score": 0.41, "leak": 0.25, "vanish": 0.2, "dense_miou": None, "seconds": 60.0},
    {"epoch": 1, "loss": 1.2, "score": 0.72, "leak": 0.10, "vanish": 0.0, "dense_miou": 0.5, "seconds": 60.0},
    {"epoch": 2, "loss": 0.9, "score": 0.63, "leak": 0.05, "vanish": 0.1, "dense_miou": 0.6, "seconds": 60.0},
]


@dataclass(frozen=True)
class Place:
    """A raw data set, its masks and what was predicted.

    Attributes:
        raw: the data set's folder.
        fold: of the model, with predictions of the validation cases in ``validation``.
        cases: the validation cases.
    """

    raw: Path
    fold: Path
    cases: tuple[str, ...]

    @property
    def predictions(self) -> Path:
        return self.fold / "validation"

    def mask(self, case: str) -> np.ndarray:
        return np.asarray(Image.open(self.raw / "labelsTr" / f"{case}.png"))

    def prediction(self, case: str) -> np.ndarray:
        return np.asarray(Image.open(self.predictions / f"{case}.png"))

    def store_probabilities(self, case: str) -> np.ndarray:
        """Store probabilities as nnU-Net does, sure in the upper half alone; returns them."""
        mask = self.prediction(case)
        confidence = np.where(np.arange(mask.shape[0])[:, None] < mask.shape[0] // 2, 0.98, 0.4)
        found = np.repeat((1 - confidence[None, None]) / 2, 3, axis=0) * np.ones_like(mask)
        np.put_along_axis(found, mask[None, None].astype(int), np.broadcast_to(confidence, mask.shape)[None, None], 0)
        np.savez_compressed(self.predictions / f"{case}.npz", probabilities=found.astype(np.float32))
        return found


def make_place(root: Path, monkeypatch, masks: bool = True) -> Place:
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(variable, str(root / variable))
    raw = tiny.make_raw(root / "nnUNet_raw", masks=masks)
    model = root / "nnUNet_results" / DATASET / MODEL
    fold = model / "fold_0"
    cases = tuple(json.loads((raw / "splits_final.json").read_text())[0]["val"])
    for index, case in enumerate(cases):
        mask = np.array(Image.open(raw / "labelsTr" / f"{case}.png"))
        wrong = np.where(mask == tiny.IGNORE, 0, mask)
        wrong[: 4 * index] = (wrong[: 4 * index] + 1) % 3
        tiny.save(fold / "validation" / f"{case}.png", wrong.astype(np.uint8))
    write(model / "plans.json", PLANS)
    shutil.copy(raw / "dataset.json", model)
    write(fold / "debug.json", {"device": "cpu", "hostname": "ward7", "torch_version": "2.15.0", "gpu_name": "None"})
    (fold / "progress_cues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in EPOCHS))
    return Place(raw, fold, cases)


def write(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def scored(iou: float) -> dict:
    means = {"dice": iou + 0.1, "iou": iou, "precision": iou, "recall": iou}
    rows = {name: {"label": label, "iou": iou + label / 100} for name, label in CLASSES.items()}
    counts = [[0, 0, 0], [1, 80, 19], [0, 10, 90]]
    return {
        "mean": means,
        "classes": rows,
        "cases": {},
        "confusion": {"labels": ["background", *CLASSES], "counts": counts},
    }
