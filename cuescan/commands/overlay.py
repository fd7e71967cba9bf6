"""``cuescan overlay``: pictures of predictions that a person can judge."""

from __future__ import annotations

import argparse
from pathlib import Path

from cuescan.commands.evaluate import add_labels_arguments, dataset_json
from cuescan.errors import UserError

HELP = "draw predictions over images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cuescan overlay``."""
    parser.epilog = (
        "Writes OUT/cases/<case>.png for every predicted case and OUT/overview.png of up to N cases, evenly spaced.\n"
        "Where a prediction contradicts the cue (a class named absent is there, or one named present is not), the\n"
        "class is marked."
    )
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of images, such as imagesTs")
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="folder of predicted masks")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="default: PREDICTIONS/overlays")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="reference masks: adds a panel and each case's IoU")
    parser.add_argument(
        "--cues",
        type=Path,
        metavar="FILE",
        help="cues.json, prompts or a table of either: adds what is stated of each class",
    )
    parser.add_argument(
        "--show-text", action="store_true", help="write out the cues' sentences, which may speak of a patient"
    )
    add_labels_arguments(parser)
    parser.add_argument("-n", type=int, default=12, metavar="N", help="cases in the overview (default %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Draw all cases and print where the pictures are."""
    from cuescan.data.prompts import read_any_cues
    from cuescan.evaluation.labels import read_labels
    from cuescan.evaluation.overlays import find_sources, write_overlays

    if args.n < 1:
        raise UserError(f"-n is {args.n}, but the overview needs at least one case: give -n 1 or more.")
    labels = read_labels(dataset_json(args, args.predictions, args.masks or args.images), args.masks or args.images)
    cues = read_any_cues(args.cues, labels.classes) if args.cues else None
    sources = find_sources(args.images, args.predictions, args.masks, cues, labels, args.cues)
    output: Path = args.output or args.predictions / "overlays"
    print(write_overlays(sources, output, args.n, args.show_text))
