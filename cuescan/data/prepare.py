"""From a folder of images and a table of cues to an nnU-Net raw data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cuescan.cues import Cue, Cues, check_cases
from cuescan.cues.checking import check_classes
from cuescan.data.cue_tables import CueTable, read_cue_table, read_groups
from cuescan.data.destination import dataset_folder, raw_root
from cuescan.data.images import list_images, read_picture
from cuescan.data.masks import MaskValues, default_values, parse_values, read_mask
from cuescan.data.presence import presence
from cuescan.data.raw_dataset import TEST, TRAINING, RawDataset, Sample, Source, write_raw_dataset
from cuescan.data.survey import survey
from cuescan.errors import UserError


@dataclass(frozen=True)
class Inputs:
    """What a data set is made of; see ``cuescan prepare --help``.

    Attributes:
        images: folder of the training images.
        cues: CSV or JSON of cues.
        masks: folder of the training images' masks, for evaluation only.
        group: column of the patient or slide.
        test_images: folder of test images.
        test_masks: folder of their masks.
        classes: class names; empty takes them from the table.
        background: False where every pixel belongs to a class.
        mask_values: items VALUE=NAME that say what mask values mean.
        cues_from_masks: None, or the share of an image above which a class counts as present; then labels come from
            the masks and the table, if any, only gives groups.
    """

    images: Path
    cues: Path | None = None
    masks: Path | None = None
    group: str | None = None
    test_images: Path | None = None
    test_masks: Path | None = None
    classes: Sequence[str] = field(default_factory=tuple)
    background: bool = True
    mask_values: Sequence[str] = field(default_factory=tuple)
    cues_from_masks: float | None = None


def _read_table(inputs: Inputs, images: Mapping[str, Path]) -> CueTable:
    if inputs.cues_from_masks is None:
        if inputs.cues is None:
            raise UserError(f"{inputs.images}: no cues for these images; give --cues TABLE")
        table = read_cue_table(inputs.cues, inputs.classes, inputs.background, inputs.group)
        check_cases(table.cues, images, inputs.cues)
        return table
    if inputs.masks is None or not inputs.classes:
        raise UserError("--cues-from-masks needs masks and their classes; give --masks and --classes")
    if not 0 <= inputs.cues_from_masks < 1:
        raise UserError(f"--cues-from-masks is {inputs.cues_from_masks} but is a share; give one in 0 ... 1, as 0.05")
    if (inputs.cues is None) != (inputs.group is None):
        raise UserError("with --cues-from-masks a table only gives groups; give both --cues and --group, or neither")
    check_classes(inputs.classes, "--classes")
    groups = read_groups(inputs.cues, inputs.group) if inputs.cues and inputs.group else {}
    lacking = next((name for name in images if groups and name not in groups), None)
    if lacking:
        raise UserError(f"{inputs.cues}: no row for case '{lacking}'; add it or remove the image")
    return CueTable(Cues(tuple(inputs.classes), inputs.background), groups)


def _find_masks(folder: Path | None, images: Mapping[str, Path], every: bool) -> dict[str, Path]:
    """The masks of a folder by case; each must have its image, and the reverse where ``every`` is asked."""
    if folder is None:
        return {}
    masks = list_images(folder)
    for name, path in masks.items():
        if name not in images:
            raise UserError(f"{path}: case '{name}' has no image; add the image or remove the mask")
    lacking = next((name for name in images if name not in masks), None)
    if every and lacking:
        raise UserError(f"{folder}: case '{lacking}' has no mask to take labels from; add it or remove the image")
    return masks


def _samples(
    name: str,
    image: Path,
    mask: Path | None,
    values: MaskValues,
    part: str,
    group: str | None,
    cue: Cue | None,
    shares: tuple[Sequence[str], float] | None,
) -> Iterator[Sample]:
    labels = None if mask is None else read_mask(mask, values)
    if shares is not None and labels is not None:
        cue = presence(labels, *shares)
    yield Sample(name, read_picture(image), labels, cue, group, part)


def prepare(
    inputs: Inputs,
    dataset_id: int,
    name: str,
    output: Path | None = None,
    folds: int = 5,
    seed: int = 0,
    overwrite: bool = False,
    workers: int = 2,
) -> Path:
    """Write the data set (see :func:`cuescan.data.raw_dataset.write_raw_dataset`) and return its folder.

    Raises:
        UserError: one sentence with the file, the case and the remedy; then nothing is written or replaced.
    """
    dataset_folder(raw_root(output), dataset_id, name, overwrite)
    images = list_images(inputs.images)
    table = _read_table(inputs, images)
    classes, background = table.cues.classes, table.cues.background
    explicit = parse_values(inputs.mask_values, classes)
    values = explicit if inputs.mask_values else default_values(classes, background)
    masks = _find_masks(inputs.masks, images, every=inputs.cues_from_masks is not None)
    if inputs.test_masks is not None and inputs.test_images is None:
        raise UserError(f"{inputs.test_masks}: test masks without test images; give --test-images")
    tests = {} if inputs.test_images is None else list_images(inputs.test_images)
    test_masks = _find_masks(inputs.test_masks, tests, every=False)

    sources: list[Source] = []
    shares = None if inputs.cues_from_masks is None else (classes, inputs.cues_from_masks)
    for case, path in images.items():
        cue, group = table.cues.cues.get(case), table.groups.get(case)
        sources.append(partial(_samples, case, path, masks.get(case), values, TRAINING, group, cue, shares))
    for case, path in tests.items():
        sources.append(partial(_samples, case, path, test_masks.get(case), values, TEST, None, None, None))
    pairs = {images[case]: mask for case, mask in masks.items()} | {tests[case]: m for case, m in test_masks.items()}
    header = survey([*images.values(), *tests.values()], pairs, workers)
    dataset = RawDataset(dataset_id, name, classes, background, header)
    return write_raw_dataset(dataset, sources, output, folds, seed, overwrite, workers)
