"""What the integers of a mask mean: read from nnU-Net's ``dataset.json``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cuescan.cues import read_cues
from cuescan.cues.reading import load_json
from cuescan.data.masks import read_raw_mask
from cuescan.errors import UserError


@dataclass(frozen=True)
class Labels:
    """The labels of a data set's masks.

    Attributes:
        classes: names of the K classes without background; class number i is label i + 1.
        background: False where every pixel belongs to one of the classes, so that label 0 has no meaning.
        ignore: the label that takes no part in any score, or None.
    """

    classes: tuple[str, ...]
    background: bool = True
    ignore: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names by label, label 0 first."""
        return ("background", *self.classes)

    def read(self, path: Path, reference: bool) -> np.ndarray:
        """Read a mask and check that every value means something.

        Args:
            path: a 2-D mask, PNG, TIFF or NIfTI.
            reference: True for a reference mask, which may use ``ignore`` and, without a background, not 0. A
                prediction is the other way round.

        Returns:
            int64 array of shape (H, W).

        Raises:
            UserError: the file cannot be read, has colours, or holds a value that is none of the labels.
        """
        mask = read_raw_mask(path)
        what = "mask" if reference else "prediction"
        if mask.ndim != 2:
            raise UserError(f"{path}: the {what} has colours; save its label numbers as gray")
        known = set(range(1, len(self.classes) + 1))
        if self.background or not reference:
            known.add(0)
        if reference and self.ignore is not None:
            known.add(self.ignore)
        unknown = [value for value in np.unique(mask) if value not in known]
        if unknown:
            raise UserError(
                f"{path}: the {what} holds label {unknown[0]:g}, which dataset.json does not define "
                f"({self._described(reference)}); correct the {what}, or name the data set's own dataset.json"
            )
        return mask.astype(np.int64)

    def _described(self, reference: bool) -> str:
        described = [f"{index + 1} {name}" for index, name in enumerate(self.classes)]
        if self.background:
            described.insert(0, "0 background")
        if reference and self.ignore is not None:
            described.append(f"{self.ignore} ignore")
        return ", ".join(described)


def read_labels(path: Path, masks: Path | None = None) -> Labels:
    """Read the labels of a ``dataset.json``.

    Whether there is a background is said by its key ``background`` or, without one, by a ``cues.json`` beside it or
    beside the folder of masks.

    Raises:
        UserError: the file is missing, or its labels are not 0, 1, ..., K with ``ignore`` last.
    """
    document = load_json(path)
    numbers = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(numbers, dict) or not numbers:
        raise UserError(f"{path}: there is no 'labels' object; name the dataset.json of the data set")
    if not all(isinstance(number, int) for number in numbers.values()):
        raise UserError(f"{path}: every label must be one integer (no regions); correct 'labels'")
    by_number = {number: name for name, number in numbers.items()}
    if sorted(numbers.values()) != list(range(len(numbers))) or by_number[0] != "background":
        raise UserError(f"{path}: labels must be background 0 and then 1, 2, ... without a gap; correct 'labels'")
    ignore = numbers.get("ignore")
    if ignore is not None and ignore != len(numbers) - 1:
        raise UserError(f"{path}: 'ignore' must be the highest label; correct 'labels'")
    classes = tuple(by_number[number] for number in range(1, len(numbers)) if number != ignore)
    if not classes:
        raise UserError(f"{path}: there is no class beside the background; correct 'labels'")
    return Labels(classes, _has_background(document, path, masks), ignore)


def _has_background(document: dict, path: Path, masks: Path | None) -> bool:
    if "background" in document:
        return bool(document["background"])
    for neighbour in (path, masks):
        cues = neighbour and neighbour.resolve().with_name("cues.json")
        if cues and cues.is_file():
            return read_cues(cues).background
    return True


def raw_dataset_json(identifier: str) -> Path:
    """Find the ``dataset.json`` of a data set in ``nnUNet_raw``.

    Args:
        identifier: the data set's number ("7") or its full name ("Dataset007_Colon").

    Raises:
        UserError: ``nnUNet_raw`` is not set, or holds no such data set.
    """
    raw = os.environ.get("nnUNet_raw")
    if not raw:
        raise UserError("The environment variable nnUNet_raw is not set: set it, or give --dataset-json.")
    pattern = f"Dataset{int(identifier):03d}_*" if identifier.isdigit() else identifier
    found = sorted(Path(raw).glob(f"{pattern}/dataset.json"))
    if len(found) != 1:
        raise UserError(f"{raw}: {len(found)} data sets are called {pattern}; check -d, or give --dataset-json")
    return found[0]


def find_dataset_json(predictions: Path, masks: Path | None) -> Path:
    """Find the ``dataset.json`` that nnU-Net left with the predictions, or the one beside the masks' folder.

    Raises:
        UserError: there is none in either place.
    """
    places = [predictions / "dataset.json"]
    if masks is not None:
        places.append(masks.resolve().parent / "dataset.json")
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise UserError(f"{looked}: not found; name the data set with -d ID or --dataset-json FILE")
