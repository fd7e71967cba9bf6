"""``cuescan plan``: plan and preprocess a data set so that one patch covers each image."""

from __future__ import annotations

import argparse

HELP = "plan and preprocess a data set so that one patch covers each image"
EXAMPLES = """examples:
  cuescan plan -d 7             fingerprint, plans (nnUNetPlans) and preprocessing of Dataset007_...
  cuescan plan -d 7 -np 4       the same with four processes
  cuescan plan -d 7 --cues-only take over a changed cues.json, nothing else

Then: nnUNetv2_train 7 2d 0 -tr PathMambaTrainer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("-d", dest="number", metavar="ID", type=int, required=True, help="number of the data set")
    parser.add_argument("-c", dest="configuration", choices=["2d"], default="2d", help="configuration (only 2d)")
    parser.add_argument(
        "-np", dest="processes", metavar="N", type=_positive, default=1, help="processes that read images (default 1)"
    )
    parser.add_argument("--cues-only", action="store_true", help="take over the raw cues.json into existing plans")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def run(args: argparse.Namespace) -> None:
    """Plan, or take over the cues, and say where the result is."""
    from cuescan.nnunet import planner

    if args.cues_only:
        print(f"Cues taken over: {planner.take_over_cues(args.number)}")
    else:
        print(f"Planned and preprocessed: {planner.plan(args.number, args.processes)}")
