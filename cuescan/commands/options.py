"""Options that several subcommands share, or they and the scripts in ``preprocessing/``."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuescan.errors import UserError

if TYPE_CHECKING:
    from cuescan.data.mask_pairs import Wishes


def add_destination(parser: argparse.ArgumentParser, dataset_id: int | None = None, name: str | None = None) -> None:
    """Add what says where the data set goes and how it is split; without defaults, id and name are required."""
    group = parser.add_argument_group("destination")
    group.add_argument(
        "-d", dest="dataset_id", type=int, metavar="ID", default=dataset_id, required=dataset_id is None,
        help="the data set's id, 1 ... 999" + (f" (default {dataset_id})" if dataset_id else ""),
    )  # fmt: skip
    group.add_argument(
        "-n", dest="name", metavar="NAME", default=name, required=name is None,
        help="the name after DatasetXXX_" + (f" (default {name})" if name else ""),
    )  # fmt: skip
    group.add_argument("--output", type=Path, metavar="DIR", help="folder of raw data sets (default $nnUNet_raw)")
    group.add_argument("--overwrite", action="store_true", help="replace a data set of that id and name")
    group.add_argument("--folds", type=int, default=5, help="cross-validation folds (default 5)")
    group.add_argument("--seed", type=int, default=0, help="decides folds and hold-outs (default 0)")
    group.add_argument(
        "-np", dest="workers", type=int, default=min(8, os.cpu_count() or 1), help="threads (default %(default)s)"
    )


def add_hold_out(parser: argparse._ActionsContainer) -> None:
    """Add the share of images, by whole groups, that becomes the test set."""
    parser.add_argument("--hold-out", type=float, metavar="SHARE", help="hold out about this share of images as test")


def add_sentences(parser: argparse.ArgumentParser) -> None:
    """Add where a data set's sentences come from and what is kept beside them."""
    parser.add_argument(
        "--cues", type=Path, metavar="TABLE",
        help="your own sentences: CSV or JSON with columns image and text (default: made from the masks)",
    )  # fmt: skip
    parser.add_argument(
        "--weak-only", action="store_true", help="leave the training masks away (default: kept, for evaluation only)"
    )
    parser.add_argument(
        "--longest-side", type=int, metavar="N", help="reduce larger images and their masks to N pixels (default: keep)"
    )
    add_hold_out(parser)


SCALES = 0.25, 4.0
"""Least and greatest factor by which a network may see an image enlarged."""


def add_scales(parser: argparse.ArgumentParser, use: str) -> None:
    """Add the factors of the views that are averaged; ``use`` says what several bring."""
    parser.add_argument(
        "--scales", type=_scale, nargs="+", default=[1.0], metavar="FACTOR",
        help=f"average over views enlarged by these factors; {use} (default: 1)",
    )  # fmt: skip


def _scale(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not SCALES[0] <= factor <= SCALES[1]:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no factor from {SCALES[0]:g} to {SCALES[1]:g}; 1 is the usual size"
        )
    return factor


def wishes(arguments: argparse.Namespace) -> Wishes:
    """What the options of :func:`add_sentences` ask for."""
    from cuescan.data.mask_pairs import Wishes

    side = arguments.longest_side
    if side is not None and side < 32:
        raise UserError(f"--longest-side is {side} but the networks need images of at least 32 pixels; give more")
    return Wishes(arguments.cues, arguments.weak_only, side, arguments.hold_out)


def destination(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of :func:`cuescan.data.raw_dataset.write_raw_dataset` that the options give."""
    if arguments.workers < 1:
        raise UserError(f"-np is {arguments.workers} but at least one thread is needed; give -np 1")
    return {key: getattr(arguments, key) for key in ("output", "folds", "seed", "overwrite", "workers")}


def run_script(main: Callable[[Sequence[str] | None], Path], arguments: Sequence[str] | None = None) -> int:
    """Run a script's ``main``; print where the data set is, or the one sentence that says what is wrong."""
    try:
        print(main(arguments))
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        return 2
    return 0
