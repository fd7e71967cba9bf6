"""``cuescan evaluate``: Dice, IoU, precision and recall of predicted masks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cuescan.errors import UserError

if TYPE_CHECKING:
    from cuescan.evaluation.borders import BorderBands
    from cuescan.evaluation.labels import Labels

HELP = "score predicted masks against reference masks"


def add_labels_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two ways to say which data set the masks belong to."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--dataset-json",
        type=Path,
        metavar="FILE",
        help="the data set's dataset.json (default: the one in PREDICTIONS, or beside the folder of masks)",
    )
    group.add_argument("-d", "--dataset", metavar="ID", help="number or name of a data set in nnUNet_raw")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cuescan evaluate``."""
    parser.epilog = (
        "All scores come from one confusion matrix over all cases. The label 'ignore' is left out; a class that no\n"
        "mask and no prediction has is reported as absent and is not in the mean.\n\n"
        "examples:\n"
        "  cuescan evaluate out $nnUNet_raw/Dataset101_Biopsies/labelsTs\n"
        "  cuescan evaluate out masks -d 101 --bands 8 20                      how far from borders it is wrong\n"
        "  cuescan evaluate $nnUNet_raw/Dataset601_Pseudo/labelsTr masks --pseudo-labels --only-predicted"
    )
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="folder of predicted masks")
    parser.add_argument("masks", type=Path, metavar="MASKS", help="folder of reference masks, such as labelsTs")
    add_labels_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: PREDICTIONS/scores.json")
    parser.add_argument("--include-background", action="store_true", help="let the background take part in the mean")
    parser.add_argument(
        "--only-predicted", action="store_true", help="pass over masks without a prediction, as for one fold"
    )
    parser.add_argument(
        "--bands", type=float, nargs="+", metavar="PX",
        help="also tell the wrong pixels up to PX pixels from a border between classes, between these, and further",
    )  # fmt: skip
    parser.add_argument(
        "--pseudo-labels", action="store_true",
        help="PREDICTIONS is labelsTr of `cuescan pseudo-label`: score the pixels that it labels and say how many",
    )  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Score, print the table and save the JSON."""
    from cuescan.cues.writing import write_json
    from cuescan.evaluation.folders import evaluate_folders
    from cuescan.evaluation.labels import read_labels
    from cuescan.evaluation.report import bands_table, document, lowest, summary, table, undecided

    home: Path = args.predictions.resolve().parent if args.pseudo_labels else args.predictions
    path = dataset_json(args, home, args.masks)
    labels = read_labels(path, args.masks)
    if args.include_background and not labels.background:
        raise UserError("This data set has no background (every pixel has a class): leave out --include-background.")
    if args.pseudo_labels and labels.ignore is None:
        raise UserError(f"{path}: has no label 'ignore', so every pixel is labelled: leave out --pseudo-labels")
    output: Path = args.output or home / "scores.json"
    if not output.parent.is_dir():
        raise UserError(f"{output.parent}: there is no such folder; make it, or choose another -o")
    evaluation = evaluate_folders(
        args.predictions,
        args.masks,
        labels,
        args.include_background,
        only_predicted=args.only_predicted,
        pseudo=args.pseudo_labels,
        bands=_bands(args, labels),
    )
    found = document(evaluation, args.predictions, args.masks)
    write_json(found, output)
    print(table(evaluation.total))
    print(f"\n{summary(evaluation.total)}  ({len(evaluation.cases)} cases)")
    if len(evaluation.cases) > 1:
        print("lowest mean IoU: " + ", ".join(f"{case} {value:.3f}" for case, value in lowest(evaluation)))
    if args.pseudo_labels:
        print(undecided(evaluation.matrix))
    if args.bands:
        print(f"\n{bands_table(found)}\n")
    if evaluation.without_mask:
        print(f"not scored, no mask in {args.masks}: {len(evaluation.without_mask)} predictions")
    print(f"saved {output}")


def _bands(args: argparse.Namespace, labels: Labels) -> BorderBands | None:
    from cuescan.evaluation.borders import BorderBands

    if not args.bands:
        return None
    try:
        return BorderBands(labels, args.bands)
    except ValueError as error:
        raise UserError(f"--bands: {error}, such as --bands 8 20") from None


def dataset_json(args: argparse.Namespace, home: Path, masks: Path | None) -> Path:
    """The dataset.json that the arguments name, or the one in the predictions' home or beside the masks."""
    from cuescan.evaluation.labels import find_dataset_json, raw_dataset_json

    if args.dataset is not None:
        return raw_dataset_json(args.dataset)
    return args.dataset_json or find_dataset_json(home, masks)
