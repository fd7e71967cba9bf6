"""Time and memory per image of TIFCMamba's fusion block beside a transformer's, over image size.

    python benchmarks/fusion.py                       64 to 512 pixels, minutes on two quiet cores
    python benchmarks/fusion.py --json fusion.json
    python benchmarks/fusion.py --device cuda

BiDF (space and channel) of TIFCMamba-T against the same projections around attention: pixels attend to one another and
to a sentence's words, by torch's scaled_dot_product_attention, or plainly, with all weights in memory. Blocks see maps
of a quarter of the image's size, one image at a time, float32.

Times are medians of calls in turns. Memory is the most that a call takes beyond block and inputs, each block in a fresh
process. The two forms of attention are compared first; if outputs or gradients differ, no time is shown and the exit
status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch
from fusion_blocks import BIDF, EFFICIENT, HEADS, PLAIN, STRIDE, WIDTH, attention_bytes, contestant, parameters
from measuring.contest import Disagreement, compare, weights_of
from measuring.machine import about, in_words
from measuring.processes import extra, in_fresh_process
from measuring.timing import digits, in_turns, ratios, summary
from measuring.timing import in_words as time_in_words
from tqdm import tqdm

SIDES, QUICK_SIDES = (64, 128, 192, 256, 384, 512), (96,)
NAMES = (BIDF, EFFICIENT, PLAIN)
COPIES = {"forward": 2, "forward and backward": 4}  # of the weights of plain attention, at least
MIB = 2**20


def memory(name: str, side: int, modes: list[str], device: str, threads: int) -> dict[str, int | None]:
    """Peak extra bytes by mode; for a fresh process."""
    torch.set_num_threads(threads)
    found: dict[str, int | None] = {}
    for size in (STRIDE * 8, side):  # the first one warms up
        each = contestant(name, size, device)
        dy = weights_of(each)
        calls = {"forward": each.forward, "forward and backward": each.both(dy)}
        found = {mode: extra(calls[mode], device) for mode in modes}
    return found


def memories(side: int, arguments: argparse.Namespace) -> dict[str, dict[str, int | None]]:
    """Peak extra bytes by mode and block; what would exceed the limit, or did not fit, is left out."""
    found: dict[str, dict[str, int | None]] = {mode: {} for mode in COPIES}
    for name in tqdm(NAMES, f"memory at {side} pixels", leave=False):
        limit = arguments.limit_gb * 1e9
        modes = [mode for mode, copies in COPIES.items() if attention_bytes(name, side, copies) <= limit]
        if not modes:
            continue
        try:
            taken = in_fresh_process(memory, name, side, modes, arguments.device, arguments.threads)
        except BrokenProcessPool:
            print(f"  {name} was killed: not enough memory")
            continue
        for mode, number in taken.items():
            found[mode][name] = number
    return found


def rows_of(side: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the blocks at a size.

    Raises:
        Disagreement: The two forms of attention do not compute the same.
    """
    weighed = memories(side, arguments)
    blocks = {name: contestant(name, side, arguments.device) for name in NAMES}
    dy = weights_of(blocks[BIDF])
    if PLAIN in weighed["forward and backward"]:
        compare(blocks[EFFICIENT], [blocks[PLAIN]], dy, f"{side} pixels")
    rows = []
    for mode, taken in weighed.items():
        calls = {name: blocks[name].forward if mode == "forward" else blocks[name].both(dy) for name in taken}
        times = in_turns(calls, arguments.repeats, arguments.device, f"{mode} at {side} pixels")
        for name in NAMES:
            row: dict[str, Any] = {"side": side, "grid": side // STRIDE, "mode": mode, "block": name}
            if name in taken:
                row |= {"seconds": summary(times[name]), "bytes": taken[name]}
                row["times_ours"] = ratios(times[name], times[BIDF])
                row["bytes_over_ours"] = taken[name] / taken[BIDF] if taken[name] and taken[BIDF] else None
            rows.append(row)
    return rows


def shown(row: dict[str, Any]) -> str:
    """A row in words."""
    if "seconds" not in row:
        need = attention_bytes(row["block"], row["side"], COPIES[row["mode"]]) / 1e9
        return f"    {row['block']:24}not run: needs {digits(need)} GB or more"
    weighed = "not told" if row["bytes"] is None else f"{digits(row['bytes'] / MIB)} MiB"
    over = "" if row["bytes_over_ours"] is None else f"{digits(row['bytes_over_ours'])} x"
    time = f"{time_in_words(row['seconds']['median']):>10}{digits(row['times_ours']['of_medians']):>8} x"
    return f"    {row['block']:24}{time}{weighed:>14}{over:>11}"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small image and two rounds, to see that all runs")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads (default: 2)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, help="rounds in turns (default: 7)")
    parser.add_argument("--limit-gb", type=float, default=8, help="plain attention stops where its weights would take "
                        "more memory (default: 8)")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write everything, with each single time, to this file")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch reaches no GPU here")
    arguments.repeats = arguments.repeats or (2 if arguments.quick else 7)
    return arguments


def main() -> int:
    """Print the table; returns the exit status."""
    arguments = parse()
    os.environ.pop("CUESCAN_SCAN", None)
    torch.set_num_threads(arguments.threads)
    found = about(arguments.threads, arguments.device)
    found |= {"rounds": arguments.repeats, "parameters": {name: parameters(name) for name in NAMES}, "rows": []}
    print(f"{in_words(found)}\n\nOne image, {WIDTH} channels, attention with {HEADS} heads; learned numbers: "
          + "; ".join(f"{name} {number:,}" for name, number in found["parameters"].items()))  # fmt: skip
    status = 0
    for side in QUICK_SIDES if arguments.quick else SIDES:
        try:
            rows = rows_of(side, arguments)
        except Disagreement as disagreement:
            print(f"The two forms of attention disagree, so no time is shown: {disagreement}")
            status = 1
            break
        found["rows"] += rows
        print(f"\n{side} x {side} pixels, {side // STRIDE} x {side // STRIDE} on the map")
        print(f"    {'':24}{'time':>10}{'of BiDF':>10}{'memory':>14}{'of BiDF':>11}")
        for mode in COPIES:
            print(f"  {mode}")
            print("\n".join(shown(row) for row in rows if row["mode"] == mode), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
