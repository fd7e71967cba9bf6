"""Table B: peak extra memory of forward and backward, each contestant in a fresh process."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch
from measuring.processes import extra, in_fresh_process
from measuring.timing import digits
from tqdm import tqdm

from scan_tables.peers import given, make, ours, why_not
from scan_tables.settings import MAMBA_PY, REFERENCE, Settings, Size

MIB = 2**20
LEAST = 4 * MIB  # of inputs and outputs: below it the allocator's own pages would count


def measure(name: str, way: int, size: Size, device: str, threads: int) -> int | None:
    """Bytes that forward and backward take at most beyond the arguments; for a fresh process."""
    torch.set_num_threads(threads)
    taken = None
    for each in (Size(1, 16 * size.groups, 64, size.state, size.groups), size):  # the first one warms up
        contestant = make(name, each, given(each, device))[way]
        call = contestant.both(torch.ones(each.batch, each.dim, each.length, device=device))
        taken = extra(call, device)
    return taken


def table(settings: Settings) -> list[dict[str, Any]]:
    """Print the table; returns its rows."""
    print("B. Peak extra memory of forward and backward: y, all gradients and whatever lies between")
    rows: list[dict[str, Any]] = []
    for i, (size, peers) in enumerate(settings.preset.sequences):
        tensors = given(size, "cpu")
        arguments = 4 * (sum(tensor.numel() for tensor in tensors.values()) + tensors["u"].numel())
        names = dict.fromkeys((*ours(settings.device), *peers))
        names = [name for name in names if name != REFERENCE and not why_not(name)]
        if i and arguments < LEAST:
            continue
        print(f"{size}: inputs and outputs {digits(arguments / MIB)} MiB")
        for name in tqdm(names, "memory", leave=False):
            try:
                ways = range(2 if name == MAMBA_PY else 1)
                found = [in_fresh_process(measure, name, way, size, settings.device, settings.threads) for way in ways]
            except BrokenProcessPool:
                print(f"    {name:22} was killed: not enough memory")
                continue
            if None in found:
                print(f"    {name:22} this system does not tell")
                continue
            taken = min(found)
            row = {"at": str(size), "contestant": name, "bytes": taken, "arguments": arguments}
            rows.append(row | {"times_arguments": taken / arguments})
            print(f"    {name:22}{digits(taken / MIB):>8} MiB{digits(taken / arguments):>9} x inputs and outputs")
    return rows
