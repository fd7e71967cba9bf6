"""Time, memory and limits of the selective scan, beside mamba.py, mamba_ssm's reference and plain torch.

    python benchmarks/scan.py                                  all tables, minutes on two quiet cores
    python benchmarks/scan.py --sizes full --figure docs/figures/scan_length.png --json scan.json
    python benchmarks/scan.py --only A E --threads 8           two tables, eight threads
    python benchmarks/scan.py --device cuda                    triton and, if it is there, mamba_ssm's kernel
    PYTHONPATH=../other-checkout python benchmarks/scan.py --only F     the training step of another checkout

  A  one scan: forward, and forward with backward, against the peers
  B  its peak extra memory, in a fresh process each
  C  the four-route block on a map and the two-way scan: fused, unfused, and by flips and stacks
  D  time over length; --figure draws it
  E  the share of the machine's multiply-adds and bandwidth that the kernels reach
  F  a training step of PathMamba-T

Contestants run in turns, so that what else the machine does hits all alike. Before times are shown, outputs and
gradients are compared; if they disagree, the command shows by how much in place of the times and exits with status 1.
mamba.py is a peer for benchmarks alone: pip install mambapy.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

import torch
from measuring.contest import Disagreement
from measuring.machine import about, in_words
from scan_tables.settings import PRESETS, Settings

TABLES = {
    "A": "sequences",
    "B": "memory",
    "C": "maps",
    "D": "lengths",
    "E": "limits",
    "F": "training_step",
}


def positive(text: str) -> int:
    """A whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="tables (default: all)")
    parser.add_argument("--sizes", choices=PRESETS, default="quick", help="full adds a large size and more rounds; "
                        "tiny only shows that everything runs (default: quick)")  # fmt: skip
    parser.add_argument("--threads", type=positive, default=2, help="torch's threads (default: 2)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=positive, help="rounds in turns (default: by --sizes)")
    parser.add_argument(
        "--limit-seconds",
        type=float,
        default=2,
        help="D: a contestant stops where its next call would take longer (default: 2)",
    )
    parser.add_argument("--limit-gb", type=float, default=6, help="D: or where it would take more memory (default: 6)")
    parser.add_argument("--figure", type=Path, help="D: write time over length to this file")
    parser.add_argument("--json", type=Path, help="write everything, with each single time, to this file")
    arguments = parser.parse_args()
    if arguments.figure and "D" not in arguments.only:
        parser.error("--figure draws table D: add it to --only")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch reaches no GPU here")
    return arguments


def main() -> int:
    """Print the tables; returns the exit status."""
    arguments = parse()
    os.environ.pop("CUESCAN_SCAN", None)  # the contestants choose
    torch.set_num_threads(arguments.threads)
    preset = PRESETS[arguments.sizes]
    settings = Settings(
        preset=preset,
        device=arguments.device,
        threads=arguments.threads,
        rounds=arguments.repeats or preset.rounds,
        limit_seconds=arguments.limit_seconds,
        limit_bytes=arguments.limit_gb * 1e9,
        figure=arguments.figure,
    )
    found = about(settings.threads, settings.device)
    found |= {"sizes": arguments.sizes, "rounds": settings.rounds, "disagreement": None}
    print(in_words(found), flush=True)
    tables = {}
    try:
        for letter in sorted(set(arguments.only)):
            print(flush=True)
            tables[letter] = importlib.import_module(f"scan_tables.{TABLES[letter]}").table(settings)
    except Disagreement as disagreement:
        print(f"The results disagree, so no time is shown: {disagreement}")
        found["disagreement"] = str(disagreement)
    if arguments.json:
        text = json.dumps({**found, "tables": tables}, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 1 if found["disagreement"] else 0


if __name__ == "__main__":
    sys.exit(main())
