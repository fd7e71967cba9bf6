"""From a weak model to an nnU-Net raw data set of pseudo-labels, complete or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cuescan.cues import Cues, write_cues
from cuescan.cues.writing import write_json
from cuescan.data.images import Header
from cuescan.data.pixel_files import PixelFiles
from cuescan.errors import UserError
from cuescan.pseudo import folds as fold_rules
from cuescan.pseudo.confidence import ConfidenceCounts, confidence_levels, possible_labels, pseudo_labels
from cuescan.pseudo.denial import possible_by_cue, restricted
from cuescan.pseudo.images import Unlabelled, copy_images, write_whole
from cuescan.pseudo.overview import write_overview
from cuescan.pseudo.record import RECORD, Record
from cuescan.pseudo.weak_model import WeakModel

TAKEN_ALONG = ("imagesTs", "labelsTs", "imagesVal", "labelsVal")
SHOWN = 12


@dataclass(frozen=True)
class Task:
    """What is labelled, by which model, and how.

    Attributes:
        source: the raw data set that the model was trained on.
        dataset_json: its dataset.json.
        cues: its cues.
        images: to label.
        whole: whether they are whole images of which the data set has crops.
        model: the weak model.
        folds: for each image the folds that label it.
        splits: nnU-Net's splits that the model was trained by.
        keep: share of the pixels of a predicted class that is labelled, the most confident ones, in (0, 1].
        seen: whether images may be labelled by folds that trained on them.
    """

    source: Path
    dataset_json: Mapping[str, Any]
    cues: Cues
    images: Sequence[Unlabelled]
    whole: bool
    model: WeakModel
    folds: Mapping[str, Sequence[fold_rules.Fold]]
    splits: fold_rules.Splits
    keep: float
    seen: bool

    @property
    def ignore(self) -> int:
        """The label of pixels that stay open."""
        return len(self.cues.classes) + 1

    @property
    def ending(self) -> str:
        """Of the data set's files."""
        return self.dataset_json["file_ending"]

    def possible(self, image: Unlabelled) -> np.ndarray:
        """Which of the labels 0 to K an image may have by its cue, (1 + K,) bool."""
        return possible_labels(self.cues.vector(image.cue.labels), self.cues.background)

    def check(self) -> None:
        """Refuse cues that leave no label for an image.

        Raises:
            UserError: names the image.
        """
        for image in self.images:
            if not self.possible(image).any():
                raise UserError(
                    f"{self.source / 'cues.json'}: '{image.name}' has no class, although this data set has no "
                    "background; state which class is present"
                )


def label(task: Task, new: Path, name: str) -> Record:
    """Write the data set, called ``name``, into the empty folder ``new``.

    All images are predicted before the first is labelled, since the thresholds are those of the whole data set; the
    predictions wait on disk.

    Raises:
        UserError: an image cannot be read, no class is predicted, or a fold of the new data set would be empty.
    """
    for kind in ("imagesTr", "labelsTr"):
        (new / kind).mkdir()
    counts = ConfidenceCounts(1 + len(task.cues.classes))
    with tempfile.TemporaryDirectory(dir=new.parent) as waiting:
        files, properties = _predict(task, new / "imagesTr", counts, Path(waiting))
        if not counts.pixels[1:].any():
            raise UserError(
                f"{task.model.folder}: no pixel of any image was predicted as a class, so there is nothing to learn; "
                "train the weak model for longer"
            )
        thresholds = counts.thresholds(task.keep)
        labelled = _write_labels(task, new / "labelsTr", thresholds, Path(waiting), properties)
    for case in sorted(set(files) - set(labelled)):
        for file in files.pop(case):
            file.unlink()
    images = [image for image in task.images if image.name in files]
    splits = fold_rules.splits_of({image.name: image.members for image in images}, task.splits)
    fold_rules.check_sides(splits)
    write_json(splits, new / "splits_final.json")
    _write_cues(task, images, new / "cues.json")
    for kind in TAKEN_ALONG:
        if (task.source / kind).is_dir():
            shutil.copytree(task.source / kind, new / kind)
    record = Record(task.cues, task.model, task.folds, task.keep, task.seen, task.whole, counts, thresholds, labelled)
    write_json(record.document(task.source.name), new / RECORD)
    write_json(_dataset_json(task, name, len(images)), new / "dataset.json")
    write_overview(new, {case: files[case][0] for case in labelled}, SHOWN)
    return record


def _header(task: Task) -> Header:
    return Header((0, 0), task.model.channels, "any" if task.ending == ".nii.gz" else "uint8")


def _predict(
    task: Task, folder: Path, counts: ConfidenceCounts, waiting: Path
) -> tuple[dict[str, list[Path]], dict[str, dict[str, Any]]]:
    """Put the images into ``folder`` and their labels and levels into ``waiting``; return files and properties."""
    files, properties = {}, {}
    writer = PixelFiles(folder.parent, _header(task), task.ignore) if task.whole else None
    for image in tqdm(task.images, desc="pseudo-label", unit="image", disable=None):
        name = image.name
        files[name] = (
            copy_images(image, folder, task.ending) if writer is None else write_whole(image, writer, task.ending)
        )
        probabilities, seen, properties[name] = task.model.probabilities(
            [str(file) for file in files[name]],
            task.folds[name],
            task.possible(image),
        )
        possible = possible_by_cue(task.cues, image.cue, seen.shape)
        possible[0] |= ~seen
        labels, levels = confidence_levels(restricted(probabilities, possible), possible, seen)
        counts.add(labels, levels)
        np.savez(waiting / f"{name}.npz", labels=labels, levels=levels)
    return files, properties


def _write_labels(
    task: Task, folder: Path, thresholds: np.ndarray, waiting: Path, properties: Mapping[str, dict[str, Any]]
) -> dict[str, int]:
    """Write the masks that label anything; return for each such image how many pixels it labels."""
    labelled = {}
    for image in task.images:
        with np.load(waiting / f"{image.name}.npz") as predicted:
            mask = pseudo_labels(
                predicted["labels"], predicted["levels"], thresholds, task.cues.background, task.ignore
            )
        pixels = int((mask != task.ignore).sum())
        if pixels:
            task.model.write(mask, folder / f"{image.name}{task.ending}", properties[image.name])
            labelled[image.name] = pixels
    return labelled


def _write_cues(task: Task, images: Sequence[Unlabelled], path: Path) -> None:
    """Write the labels of the new cases, no sentence; nothing where one of them states no label."""
    if all(image.cue.states_something for image in images):
        cues = {image.name: image.cue for image in images}
        write_cues(Cues(task.cues.classes, task.cues.background, cues), path)


def _dataset_json(task: Task, name: str, cases: int) -> dict[str, Any]:
    labels = {name: number for number, name in enumerate(["background", *task.cues.classes, "ignore"])}
    kept = {key: value for key, value in task.dataset_json.items() if key != "dataset"}
    return kept | {
        "name": name,
        "labels": labels,
        "background": task.cues.background,
        "numTraining": cases,
        "labelsTr": f"pseudo-labels, no annotations: see {RECORD}",
    }
