"""``cuescan doctor``: what is installed, which backend scans on each device, and what is wrong."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from typing import Any

HELP = "show what is installed, which backend scans on each device, and what is wrong"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one option."""
    parser.epilog = (
        "Tries every backend of the selective scan on a tiny input. Exit status 1 means that something is broken: a\n"
        "backend computes wrong results or fails, or a forced one cannot run. The report holds versions, hardware and\n"
        "settings, no data and no places of data: put it into requests for help."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Examine, print, and return 1 if something is broken."""
    try:
        importlib.import_module("torch")
    except Exception as error:  # a broken library may raise anything
        print(f"torch does not import ({error}): install torch and torchvision together", file=sys.stderr)
        return 1
    from cuescan.doctor import folders, machine, scans, software, text

    sections: list[tuple[str, Any, Any, Any]] = [
        ("Software", "software", software.software, text.software_lines),
        ("Machine", "machine", machine.machine, text.machine_lines),
        ("nnU-Net", "folders", folders.folders, text.folder_lines),
        ("Selective scan (its first run on a machine compiles for a while)", "scan", scans.scans, text.scan_lines),
    ]
    found = {}
    for title, key, find, show in sections:
        if not args.json:
            print(title, flush=True)
        found[key] = find()
        if not args.json:
            print("\n".join([*show(found[key]), ""]), flush=True)
    problems = [*software.problems(found["software"]), *scans.problems(found["scan"])]
    advice = [
        *software.advice(found["software"]),
        *machine.advice(found["machine"]),
        *folders.advice(found["folders"]),
        *scans.advice(found["scan"]),
    ]
    if args.json:
        print(json.dumps({**found, "problems": problems, "advice": advice}, indent=2))
    else:
        print("\n".join(text.summary_lines(problems, advice)))
    return 1 if problems else 0
