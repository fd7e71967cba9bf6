"""A folder of predictions with the scores of ``cuescan evaluate``: of nnU-Net or of a MONAI bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.data.images import list_images
from cuescan.errors import UserError
from cuescan.evaluation.folders import evaluate_folders
from cuescan.evaluation.labels import Labels, find_dataset_json, read_labels
from cuescan.evaluation.report import document
from cuescan.report import places, recipe
from cuescan.report.run import Run, Wishes

SCORES = "scores.json"
BUNDLE_PREDICTIONS, CARD = Path("eval") / "predictions", Path("models") / "model.json"


def is_bundle(folder: Path) -> bool:
    """Whether a folder is the root of a MONAI bundle with a trained model."""
    return (folder / CARD).is_file()


def find(folder: Path, wishes: Wishes) -> Run:
    """Read a folder of predictions, or of a bundle that made some.

    Raises:
        UserError: there are no scores yet, or a file cannot be read.
    """
    root = folder if is_bundle(folder) else folder.resolve().parent.parent
    predictions = folder / BUNDLE_PREDICTIONS if is_bundle(folder) else folder
    card = places.optional_json(root / CARD) if (root / BUNDLE_PREDICTIONS).resolve() == predictions.resolve() else {}
    predictions = places.existing(wishes.predictions, "--predictions") or predictions
    path = predictions / SCORES
    hints: list[str] = []
    if (masks := places.existing(wishes.masks, "--masks")) is not None:
        labels = read_labels(find_dataset_json(predictions, masks), masks)
        scores = document(evaluate_folders(predictions, masks, labels, only_predicted=True), predictions, masks)
    elif path.is_file():
        scores = load_json(path)
        labels = _labels_of(scores, path)
        masks = places.first_folder(Path(scores["masks"]))
        hints += _hints(scores, masks, path)
    else:
        raise UserError(f"{path}: no scores yet; {_remedy(bool(card) or is_bundle(folder), predictions)}")
    images = places.existing(wishes.images, "--images") or _images(predictions, masks)
    if images is None:
        hints.append("No images were found, so no case is shown: name their folder with --images.")
    trained_on = [masks.parent / "cues.json"] if masks is not None and masks.name == places.TRAINING_MASKS else []
    cues, cue_file = places.cues_of(wishes.cues, trained_on, labels)
    plans: Mapping[str, Any] = {"cuescan": card} if card else places.optional_json(predictions / "plans.json")
    dataset = str(plans.get("dataset_name") or (masks.parent.name if masks else ""))
    return Run(
        title=(plans.get("cuescan") or {}).get("network") or "Predictions",
        subtitle=", ".join(part for part in (dataset, predictions.resolve().name) if part),
        labels=labels,
        predictions=predictions,
        masks=masks,
        images=images,
        cues=cues,
        cue_file=cue_file,
        scores=scores,
        training=None,
        recipe=(*recipe.of_model(plans, "2d", {"data set": dataset or None}), *recipe.of_report(scores)),
        hints=tuple(hints),
        store="nnUNetv2_predict ... --save_probabilities" if not card else "",
    )


def _labels_of(scores: Mapping[str, Any], path: Path) -> Labels:
    """The labels that a document of scores speaks of; masks may use the next number for ``ignore``."""
    try:
        by_number = {row["label"]: name for name, row in scores["classes"].items()}
        classes = tuple(by_number[number] for number in sorted(by_number) if number > 0)
        for key in ("mean", "cases", "masks"):
            scores[key]
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: not the scores of cuescan evaluate; run it again on these predictions") from None
    return Labels(classes, 0 in by_number, len(classes) + 1)


def _images(predictions: Path, masks: Path | None) -> Path | None:
    """The folder that nnU-Net says it predicted, or the one beside the masks."""
    source = places.optional_json(predictions / "predict_from_raw_data_args.json").get("list_of_lists_or_source_folder")
    return places.first_folder(Path(source) if isinstance(source, str) else None, places.images_beside(masks))


def _hints(scores: Mapping[str, Any], masks: Path | None, path: Path) -> list[str]:
    """What the scores in a file lack."""
    found = []
    if "confusion" not in scores:
        found.append("The scores come from an older cuescan: run cuescan evaluate again for the confusion of classes.")
    if masks is None:
        found.append("The reference masks are not where they were when scored: name their folder with --masks.")
    written = path.stat().st_mtime
    if any(mask.stat().st_mtime > written + 1 for mask in list_images(path.parent).values()):
        found.append("Some predictions are newer than their scores: run cuescan evaluate again.")
    return found


def _remedy(bundle: bool, predictions: Path) -> str:
    if bundle:
        return "make them with 'python -m monai.bundle run --config_file .../configs/evaluate.json'"
    return f"make them with 'cuescan evaluate {predictions} MASKS', or name the masks with --masks"
