"""The command line of ``benchmarks/weak.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cuescan.errors import UserError
from weak_tables.known_sets import SETS

LENGTHS = ("epochs", "iterations", "minutes")


def parse(description: str | None, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configuration", nargs="?", type=Path, metavar="FILE.yaml", help="what to compare")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: weak_runs/NAME, of file or data set")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of real images, {data} in the configuration "
                        "(default: CUESCAN_DATA, else shared/data beside the checkout)")  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: cuda if there is one")
    parser.add_argument("--list", action="store_true", help="print the steps with their commands and run nothing")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="with a file: only these of it, or stages of them "
                        "as its table names them; else trainers")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="with a file: only these of it")
    group = parser.add_argument_group("instead of a file")
    known = ", ".join(SETS)
    group.add_argument("--set", metavar="NAME", help=f"{known}, or the number of a data set in nnUNet_raw")
    group.add_argument("--source", metavar="DIR", help="where the set's images are")
    group.add_argument("--folds", nargs="+", metavar="N", help="folds (default 0)")
    group.add_argument("--epochs", type=int, help="of each training from labels")
    group.add_argument("--iterations", type=int, help="most steps per epoch of those")
    group.add_argument("--minutes", type=float, help="of each training on masks (default: as long as the first method)")
    group.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE", help="CUESCAN_NAME of all trainings "
                       "from labels, as trunk=timm lr=1e-3")  # fmt: skip
    options = parser.parse_args(arguments)
    given = [f"--{name}" for name in ("set", "source", "folds", *LENGTHS, "option") if getattr(options, name)]
    if options.configuration and given:
        parser.error(f"{', '.join(given)}: the configuration file says this; change it there")
    if not options.configuration and not (options.set and options.methods):
        parser.error("give a configuration file, or --set and --methods")
    return options


def document(options: argparse.Namespace) -> dict[str, Any]:
    """The command line in the form of a configuration file.

    Raises:
        UserError: an option without a value.
    """
    pairs = [option.partition("=") for option in options.option]
    lacking = next((name for name, equals, _ in pairs if not equals), None)
    if lacking is not None:
        raise UserError(f"--option {lacking}: has no value; write it as {lacking}=VALUE")
    number = options.set.isdigit()
    return {
        "data": {"dataset" if number else "set": options.set, **({"source": options.source} if options.source else {})},
        "methods": list(options.methods),
        "folds": [int(fold) if fold.isdigit() else fold for fold in options.folds or ["0"]],
        "seeds": options.seeds or [0],
        "budget": {name: getattr(options, name) for name in LENGTHS if getattr(options, name) is not None},
        "options": {name: value for name, _, value in pairs},
    }
