"""The ``cuescan`` command: a table of subcommands, each imported only when it is the one that was asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from cuescan import __version__
from cuescan.errors import UserError

COMMANDS = {
    "prepare": "images and cues -> an nnU-Net raw data set",
    "describe": "write a sentence for each mask: where its findings lie and how large they are",
    "plan": "plan and preprocess a data set so that one patch covers each image",
    "evaluate": "score predicted masks against reference masks",
    "overlay": "draw predictions over images",
    "report": "write one HTML page of a run: scores, confusion, best and worst cases, curves, recipe",
    "doctor": "show what is installed, which backend scans on each device, and what is wrong",
    "predict": "segment images: by a prompt for each, or at several sizes",
    "pseudo-label": "a weak model's predictions -> an nnU-Net data set of pseudo-labels for a second stage",
    "convert": "a trained model of nnU-Net -> a MONAI bundle, and the other way round",
    "path": "print where the trainers, bundles, schemas and scripts are",
}


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; only the chosen command's module is imported and gets its arguments."""
    parser = argparse.ArgumentParser(prog="cuescan", description="Segment medical images from weak cues.")
    parser.add_argument("--version", action="version", version=f"cuescan {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:
            module = importlib.import_module(f"cuescan.commands.{name.replace('-', '_')}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status (2 for a user's error)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((a for a in arguments if a in COMMANDS), None)
    namespace = build_parser(chosen).parse_args(arguments)
    try:
        status = namespace.run(namespace) or 0
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"cuescan: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads our output, as `head`, had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 141  # as a shell says of a program that SIGPIPE ended


if __name__ == "__main__":
    sys.exit(main())
