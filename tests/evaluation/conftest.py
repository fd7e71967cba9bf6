"""Small data sets on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MaskWriter = Callable[[Path, Mapping[str, np.ndarray]], Path]


@pytest.fixture
def write_masks() -> MaskWriter:
    def write(folder: Path, masks: Mapping[str, np.ndarray]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for case, mask in masks.items():
            Image.fromarray(np.asarray(mask, dtype=np.uint8)).save(folder / f"{case}.png")
        return folder

    return write


@pytest.fixture
def write_dataset_json() -> Callable[..., Path]:
    def write(folder: Path, *classes: str, ignore: bool = True, **facts: object) -> Path:
        names = ["background", *classes, *(["ignore"] if ignore else [])]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "dataset.json"
        path.write_text(json.dumps({"labels": {name: i for i, name in enumerate(names)}, **facts}))
        return path

    return write
