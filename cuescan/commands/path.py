"""``cuescan path``: print where a doorway folder is, for shells and scripts."""

from __future__ import annotations

import argparse

from cuescan.share import FOLDERS, share_path

HELP = "print where the trainers, bundles, schemas and scripts are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one argument: which folder."""
    parser.epilog = 'Example: export nnUNet_extTrainer="$(cuescan path trainers)"'
    parser.add_argument("folder", choices=list(FOLDERS), help="which folder")


def run(args: argparse.Namespace) -> None:
    """Print the folder and nothing else."""
    print(share_path(args.folder))
