"""Table F: a training step of PathMamba-T; it runs with every cuescan that has the network and the loss."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from measuring.processes import in_fresh_process, peak
from measuring.timing import digits, in_words, seconds, summary
from torch.utils._python_dispatch import TorchDispatchMode
from tqdm import tqdm

from scan_tables.settings import Settings


class Scans(TorchDispatchMode):
    """While it is active, add up the seconds that the operators of the scan take."""

    taken = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator."""
        begun = time.perf_counter()
        found = func(*args, **(kwargs or {}))
        if "scan" in str(func):
            self.taken += time.perf_counter() - begun
        return found


def measure(batch: int, side: int, device: str, threads: int, rounds: int) -> dict[str, Any]:
    """Times of steps, forward, loss and backward, and the peak memory of all; for a fresh process."""
    from cuescan.losses import DeepContrastLoss
    from cuescan.networks import PathMamba

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = PathMamba(3, 4).to(device)
    net.deep_supervision = True
    loss, labels = DeepContrastLoss(), torch.ones(batch, 4, device=device)
    images = torch.rand(batch, 3, side, side).to(device)

    def step() -> None:
        net.zero_grad()
        loss(net(images), labels).backward()

    step()
    times = [seconds(step, device) for _ in tqdm(range(rounds), "steps", leave=False)]
    resident = torch.cuda.max_memory_allocated() if device == "cuda" else peak()
    scans = []
    for _ in range(0 if device == "cuda" else rounds):  # on a GPU operators return before they are done
        with Scans() as watched:
            step()
        scans.append(watched.taken)
    share = statistics.median(scans) / statistics.median(times) if scans else None
    return {"seconds": summary(times), "peak_bytes": resident, "share_of_scans": share}


def table(settings: Settings) -> list[dict[str, Any]]:
    """Print the table; returns its row."""
    batch, side = settings.preset.step
    print(f"F. A training step of PathMamba-T, batch {batch}, {side} x {side}, float32: forward, loss and backward")
    row = in_fresh_process(measure, batch, side, settings.device, settings.threads, settings.rounds)
    found = row["seconds"]
    lower, upper = (in_words(quartile) for quartile in found["quartiles"])
    print(f"    {in_words(found['median'])} a step (least {in_words(found['min'])}, quartiles {lower} ... {upper})")
    if row["share_of_scans"] is not None:
        print(f"    {row['share_of_scans']:.0%} of it in the selective scans, forward and backward")
    if row["peak_bytes"] is not None:
        print(f"    {digits(row['peak_bytes'] / 2**30)} GiB at the peak, the process with all libraries")
    return [{"batch": batch, "side": side, **row}]
