"""Tissue tiles whose image-level labels stand in their file names: LUAD-HistoSeg and BCSS-WSSS.

Both downloads hold ``train/*.png`` (``training/`` in some copies) with the labels in brackets at the end of each name,
and ``{val,test}/{img,mask}/`` with palette masks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cuescan.cues import Cue
from cuescan.data.entries import Entry
from cuescan.data.images import list_images, read_picture
from cuescan.data.labelled_folder import Annotated, read_labelled_folder
from cuescan.data.masks import read_mask
from cuescan.data.raw_dataset import TEST, VALIDATION, Sample, Source
from cuescan.errors import UserError

_BRACKETS = re.compile(r"(?P<name>.+?)-?\[(?P<labels>[01 ]+)\]")


def parse_name(stem: str, classes: int, path: Path) -> tuple[str, list[int]]:
    """Split a file name without ending into the case's name and its K labels.

    >>> parse_name("1031280-2300-27920-[1 0 0 1]", 4, Path("x.png"))
    ('1031280-2300-27920', [1, 0, 0, 1])

    Raises:
        UserError: the name does not end in brackets with one 0 or 1 per class.
    """
    match = _BRACKETS.fullmatch(stem)
    labels = [int(digit) for digit in match["labels"] if digit != " "] if match else []
    if match is None or len(labels) != classes:
        raise UserError(f"{path}: the name must end in {classes} labels in brackets, as [1 0 0 1]; restore the name")
    return match["name"], labels


def _training(path: Path, name: str, labels: list[int], entry: Entry, group: str | None) -> Iterator[Sample]:
    cue = Cue(dict(zip(entry.classes, labels, strict=True)))
    yield Sample(name, read_picture(path), cue=cue, group=group)


def _annotated(image: Annotated, entry: Entry, part: str) -> Iterator[Sample]:
    yield Sample(image.name, read_picture(image.image), read_mask(image.mask, entry.mask_values), part=part)


def tile_sources(folder: Path, entry: Entry, patient: re.Pattern[str]) -> list[Source]:
    """The cases of a download: weak training tiles, and annotated tiles for test and validation where they are there.

    Args:
        folder: of the download.
        entry: classes and mask values.
        patient: matches, at the start of a training tile's name, the patient or slide that folds keep together.

    Raises:
        UserError: no training folder, or a tile whose name carries no labels.
    """
    training = next((folder / name for name in ("train", "training") if (folder / name).is_dir()), None)
    if training is None:
        raise UserError(f"{folder}: neither train/ nor training/ in this folder; give the folder of the download")
    sources: list[Source] = []
    for stem, path in list_images(training).items():
        name, labels = parse_name(stem, len(entry.classes), path)
        match = patient.match(name)
        sources.append(partial(_training, path, name, labels, entry, match[0] if match else None))
    for subfolder, part in (("test", TEST), ("val", VALIDATION)):
        if (folder / subfolder).is_dir():
            images = read_labelled_folder(folder / subfolder, "img", "mask")
            sources += [partial(_annotated, image, entry, part) for image in images]
    return sources
