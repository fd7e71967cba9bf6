"""Sentences for a folder of masks, as a table that ``cuescan prepare`` reads."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cuescan.data.captions import caption, case_generator
from cuescan.data.cue_tables import IMAGE, TEXT
from cuescan.data.images import list_images, read_picture
from cuescan.data.masks import default_values, parse_values, read_mask
from cuescan.errors import UserError

_FIRST_CHANNEL = "_0000"


@dataclass(frozen=True)
class Captions:
    """What is to be described, and how; see ``cuescan describe --help``.

    Attributes:
        masks: folder of masks.
        classes: class names.
        background: False where every pixel belongs to a class.
        mask_values: items VALUE=NAME that say what mask values mean.
        images: folder of their images, or None.
        detail: "name", "place" or "full".
        seed: chooses the phrasings.
    """

    masks: Path
    classes: Sequence[str]
    background: bool = True
    mask_values: Sequence[str] = field(default_factory=tuple)
    images: Path | None = None
    detail: str = "full"
    seed: int = 0


def _pixels(path: Path, mask: np.ndarray, case: str) -> np.ndarray:
    """The image of a case in 8 bit."""
    pixels = read_picture(path).pixels
    if pixels.shape[:2] != mask.shape:
        raise UserError(
            f"{path}: case '{case}': the image is {pixels.shape[1]} x {pixels.shape[0]} pixels but its mask "
            f"{mask.shape[1]} x {mask.shape[0]}; make the mask fit the image"
        )
    if pixels.dtype == np.uint8:
        return pixels
    values = pixels.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    return np.round(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)


def _images(folder: Path | None, masks: Mapping[str, Path]) -> dict[str, Path]:
    """The image of each mask, also under nnU-Net's name for its first channel."""
    if folder is None:
        return {}
    images = list_images(folder)
    found = {}
    for case in masks:
        path = images.get(case) or images.get(case + _FIRST_CHANNEL)
        if path is None:
            raise UserError(f"{folder}: case '{case}' has no image of that name; add it or leave --images away")
        found[case] = path
    return found


def describe_masks(wanted: Captions) -> dict[str, str]:
    """Case -> sentence; empty where the mask says nothing.

    Raises:
        UserError: a folder, mask or image cannot be read, or a mask holds a value whose meaning is not stated.
    """
    masks = list_images(wanted.masks)
    images = _images(wanted.images, masks)
    given = parse_values(wanted.mask_values, wanted.classes)
    values = given if wanted.mask_values else default_values(wanted.classes, wanted.background)
    sentences = {}
    for case, path in tqdm(masks.items(), desc="describing", unit="mask", disable=None):
        mask = read_mask(path, values)
        image = _pixels(images[case], mask, case) if case in images else None
        rng = case_generator(case, wanted.seed)
        sentences[case] = caption(mask, wanted.classes, rng, wanted.detail, image)
    return sentences


def write_captions(wanted: Captions, output: Path) -> tuple[int, int]:
    """Describe masks and write the table, with columns ``image`` and ``text``, so that it is whole or not there.

    Returns:
        The number of sentences written, and of masks of which nothing is known.

    Raises:
        UserError: as :func:`describe_masks`, or no mask says anything.
    """
    sentences = describe_masks(wanted)
    rows = [(case, text) for case, text in sentences.items() if text]
    if not rows:
        raise UserError(f"{wanted.masks}: every mask is ignored in whole; give masks that show the classes")
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", suffix=".tmp", dir=output.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([(IMAGE, TEXT), *rows])
        temporary.chmod(0o644)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return len(rows), len(sentences) - len(rows)
