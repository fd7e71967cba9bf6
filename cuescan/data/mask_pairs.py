"""Folders of images and masks of one finding, as polyp and skin lesion sets come, to data sets with sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cuescan.cues import Cue, check_cases
from cuescan.data.captions import caption, case_generator
from cuescan.data.cue_tables import read_cue_table
from cuescan.data.entries import Entry
from cuescan.data.folds import groups_of, hold_out
from cuescan.data.images import case_name, list_images, read_picture
from cuescan.data.labelled_folder import pair
from cuescan.data.masks import read_mask
from cuescan.data.raw_dataset import TEST, TRAINING, VALIDATION, RawDataset, Sample, write_raw_dataset
from cuescan.data.reduction import reduce_mask, reduce_picture
from cuescan.data.survey import survey
from cuescan.data.tables import column, read_table
from cuescan.errors import UserError

CASES = "cases.csv"
_PARTS = {"": TRAINING, "train": TRAINING, "val": VALIDATION, "validation": VALIDATION, "test": TEST}


@dataclass(frozen=True)
class MaskPair:
    """An image and its mask.

    Attributes:
        name: of the case.
        image: the image's file.
        mask: the mask's file; None where the image is known to show no finding.
        group: patient, video or centre; None makes the case a group of its own.
        part: "Tr", "Ts" or "Val".
    """

    name: str
    image: Path
    mask: Path | None
    group: str | None = None
    part: str = TRAINING


@dataclass(frozen=True)
class Wishes:
    """What a person may ask of such a data set.

    Attributes:
        cues: their own table of sentences; None makes sentences from the masks.
        weak_only: leave the training cases' masks away; otherwise they are kept for evaluation.
        longest_side: reduce larger images to this many pixels; None keeps them.
        hold_out: share of the training cases, by whole groups, that becomes the test set.
    """

    cues: Path | None = None
    weak_only: bool = False
    longest_side: int | None = None
    hold_out: float | None = None


def find_folder(source: Path, *names: str) -> Path:
    """The first of these folders in ``source``, or the folder of the same name in it, as some archives unpack.

    Raises:
        UserError: there is none.
    """
    for name in names:
        folder = source / name
        if folder.is_dir():
            return folder / folder.name if (folder / folder.name).is_dir() else folder
    raise UserError(f"{source}: no folder {names[0]}/ in it; give the folder of the download")


def _by_case(files: Mapping[str, Path], key: Callable[[str], str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, path in files.items():
        if key(name) in found:
            raise UserError(
                f"{path}: means case '{key(name)}', as {found[key(name)].name} does; rename or remove one of them"
            )
        found[key(name)] = path
    return found


def pair_folders(
    images: Path, masks: Path, key: Callable[[str], str] = str, part: str = TRAINING, without: str | None = None
) -> list[MaskPair]:
    """Pair the images and masks of two folders.

    Args:
        images: folder of the images.
        masks: folder of the masks.
        key: turns a file's name without its ending into the case's.
        part: "Tr", "Ts" or "Val".
        without: images whose names end so are left out.

    Raises:
        UserError: a folder is missing, or an image has no mask.
    """
    listed = {name: path for name, path in list_images(images).items() if not without or not name.endswith(without)}
    found = pair(_by_case(listed, key), _by_case(list_images(masks), key))
    return [MaskPair(case.name, case.image, case.mask, part=part) for case in found]


def read_case_folder(folder: Path) -> list[MaskPair]:
    """Pairs of ``images/`` and ``masks/``, with the groups and parts that ``cases.csv`` beside them states."""
    return with_cases(folder, pair_folders(find_folder(folder, "images"), find_folder(folder, "masks")))


def with_cases(folder: Path, pairs: Sequence[MaskPair]) -> list[MaskPair]:
    """Take groups (column ``group``) and parts (column ``split``: train, val, test) from ``cases.csv``, if it is there.

    Raises:
        UserError: a case has no row, or a split of another name.
    """
    path = folder / CASES
    if not path.is_file():
        return list(pairs)
    table = read_table(path)
    name = column(table, path, "case", "image")
    rows = {case_name(Path(row[name])): row for row in table}
    return [_with_row(case, rows.get(case.name), path) for case in pairs]


def _with_row(case: MaskPair, row: dict[str, str] | None, path: Path) -> MaskPair:
    if row is None:
        raise UserError(f"{path}: no row for case '{case.name}'; add it or remove the image")
    split = row.get("split", "").casefold()
    if split not in _PARTS:
        raise UserError(f"{path}: case '{case.name}': split '{split}' is none of train, val, test; correct it")
    return replace(case, group=row.get("group") or case.group, part=_PARTS[split])


def _hold_out(pairs: Sequence[MaskPair], share: float | None, seed: int) -> list[MaskPair]:
    if share is None:
        return list(pairs)
    training = [case for case in pairs if case.part == TRAINING]
    groups = groups_of([case.name for case in training], [case.group for case in training])
    held = set(hold_out(groups, share, seed))
    return [replace(case, part=TEST) if case.part == TRAINING and case.name in held else case for case in pairs]


def _own_cues(path: Path | None, pairs: Sequence[MaskPair], entry: Entry) -> dict[str, Cue]:
    if path is None:
        return {}
    cues = read_cue_table(path, entry.classes, entry.background).cues
    wanted = [case.name for case in pairs if case.part == TRAINING or case.name in cues.cues]
    check_cases(cues, wanted, path)
    return dict(cues.cues)


def _sample(case: MaskPair, entry: Entry, cue: Cue | None, wishes: Wishes, seed: int) -> Iterator[Sample]:
    picture = read_picture(case.image)
    size = picture.pixels.shape[:2]
    mask = np.zeros(size, np.uint8) if case.mask is None else read_mask(case.mask, entry.mask_values)
    picture, mask = reduce_picture(picture, wishes.longest_side), reduce_mask(mask, wishes.longest_side)
    if case.part == TRAINING and cue is None:
        cue = Cue(text=caption(mask, entry.classes, case_generator(case.name, seed), image=picture.pixels))
    kept = None if wishes.weak_only and case.part == TRAINING else mask
    yield Sample(case.name, picture, kept, cue, case.group, case.part)


def write_pairs(
    dataset: tuple[int, str], entry: Entry, pairs: Sequence[MaskPair], wishes: Wishes, **destination: Any
) -> Path:
    """Write a data set whose cues are sentences.

    Args:
        dataset: id and name.
        entry: classes, mask values and facts.
        pairs: the cases.
        wishes: what the person asked for.
        destination: see :func:`cuescan.data.raw_dataset.write_raw_dataset`.

    Returns:
        The data set's folder.

    Raises:
        UserError: one sentence with the file, the case and the remedy; then nothing is written.
    """
    seed, workers = destination["seed"], destination["workers"]
    pairs = _hold_out(pairs, wishes.hold_out, seed)
    cues = _own_cues(wishes.cues, pairs, entry)
    masks = {case.image: case.mask for case in pairs if case.mask is not None}
    header = survey([case.image for case in pairs], masks, workers)
    raw = RawDataset(*dataset, entry.classes, entry.background, header, entry.facts)
    sources = [partial(_sample, case, entry, cues.get(case.name), wishes, seed) for case in pairs]
    return write_raw_dataset(raw, sources, **destination)
