"""A fold of a model that nnU-Net trained: its validation predictions against the masks of the data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.errors import UserError
from cuescan.evaluation.folders import NothingLabelledError, evaluate_folders
from cuescan.evaluation.labels import Labels, read_labels
from cuescan.evaluation.report import document
from cuescan.report import places, recipe
from cuescan.report.curves import read_training
from cuescan.report.run import Run, Wishes


def is_fold(folder: Path) -> bool:
    """Whether a folder is a fold of a model."""
    return folder.name.startswith("fold_") and (folder.parent / "plans.json").is_file()


def find(folder: Path, wishes: Wishes) -> Run:
    """Read a fold.

    Raises:
        UserError: there are no predictions, or a file cannot be read.
    """
    folder = folder.resolve()
    model, fold = folder.parent, folder.name.removeprefix("fold_")
    trainer, plans_name, configuration = (*model.name.split("__"), "nnUNetPlans", "2d")[:3]
    plans = load_json(model / "plans.json")
    dataset = plans.get("dataset_name", model.parent.name)
    words = f"nnUNetv2_train {_number(dataset)} {configuration} {fold} -tr {trainer} -p {plans_name} --val"
    predictions = places.existing(wishes.predictions, "--predictions") or folder / "validation"
    if not any(predictions.glob("*.*")):
        raise UserError(
            f"{predictions}: no predictions yet; make them with '{words}', or name others with --predictions"
        )
    known = places.dataset_folders(dataset)
    masks = places.existing(wishes.masks, "--masks") or places.first_folder(
        *(parent / name for parent in known for name in (places.TRAINING_MASKS, "gt_segmentations"))
    )
    images = places.existing(wishes.images, "--images") or places.first_folder(
        places.images_beside(masks), *(parent / places.TRAINING_IMAGES for parent in known)
    )
    labels = _labels(model / "dataset.json", plans, masks)
    of_training = images is None or images.name == places.TRAINING_IMAGES  # test cases may have the same names
    stated = [parent / "cues.json" for parent in known] if of_training else []
    cues, cue_file = places.cues_of(wishes.cues, stated, labels)
    scores, hints = _scores(predictions, masks, labels)
    if images is None:
        hints.append("No images were found, so no case is shown: set nnUNet_raw, or name their folder with --images.")
    training = read_training(folder)
    debug = places.optional_json(folder / "debug.json")
    first = {"trainer": trainer, "data set": dataset, "plans": plans_name, "configuration": configuration, "fold": fold}
    return Run(
        title=trainer,
        subtitle=f"{dataset}, fold {fold}",
        labels=labels,
        predictions=predictions,
        masks=masks,
        images=images,
        cues=cues,
        cue_file=cue_file,
        scores=scores,
        training=training,
        recipe=(
            *recipe.of_model(plans, configuration, first | recipe.of_training(training, debug)),
            *recipe.of_report(scores),
        ),
        hints=tuple(hints),
        store=f"{words} --npz",
    )


def _number(dataset: str) -> str:
    digits = dataset.removeprefix("Dataset").split("_")[0]
    return str(int(digits)) if digits.isdigit() else dataset


def _labels(path: Path, plans: Mapping[str, Any], masks: Path | None) -> Labels:
    labels = read_labels(path, masks)
    stated = (plans.get("cuescan") or {}).get("background")
    return labels if stated is None else replace(labels, background=stated)


def _scores(predictions: Path, masks: Path | None, labels: Labels) -> tuple[dict[str, Any] | None, list[str]]:
    if masks is None:
        return None, ["No reference masks were found, so nothing is scored: name their folder with --masks."]
    try:
        evaluation = evaluate_folders(predictions, masks, labels, only_predicted=True)
    except NothingLabelledError:
        return None, [
            "These cases have cues but no reference masks, so nothing is scored: name drawn masks with --masks, or "
            "report on predictions of test images that have masks."
        ]
    return document(evaluation, predictions, masks), []
