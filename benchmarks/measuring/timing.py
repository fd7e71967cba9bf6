"""Time calls in turns, and put times and ratios into words."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from tqdm import tqdm

SPAN = 0.05  # seconds that one measurement lasts at least, by repeating the call
SLOW = 1.0  # seconds; a call that takes as long needs no second one to warm up
Call: TypeAlias = Callable[[], object]


def seconds(call: Call, device: str, repeats: int = 1) -> float:
    """Seconds per call."""
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / repeats


def in_turns(calls: dict[str, Call], rounds: int, device: str, label: str) -> dict[str, list[float]]:
    """Seconds per call, for each call one value per round; a value is the mean over at least SPAN seconds."""
    repeats = {}
    for name, call in calls.items():
        taken = seconds(call, device)
        taken = seconds(call, device) if taken < SLOW else taken
        repeats[name] = max(1, math.ceil(SPAN / taken))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in tqdm(range(rounds), label, leave=False):
        for name, call in calls.items():
            times[name].append(seconds(call, device, repeats[name]))
    return times


def summary(times: list[float]) -> dict[str, Any]:
    """Median and spread, in seconds."""
    lower, _, upper = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {
        "median": statistics.median(times),
        "min": min(times),
        "quartiles": [lower, upper],
        "all": times,
    }


def ratios(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """How many times as long theirs took: by the medians, and the median over rounds of the ratio within a round."""
    return {
        "of_medians": statistics.median(theirs) / statistics.median(ours),
        "paired": statistics.median([one / other for one, other in zip(theirs, ours, strict=True)]),
    }


def in_words(time: float) -> str:
    """Three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if time * factor >= 1:
            return f"{digits(time * factor)} {unit}"
    return f"{digits(time * 1e6)} us"


def digits(value: float) -> str:
    """A positive number with three digits, or all that stand before the point."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def line(name: str, row: dict[str, Any]) -> str:
    """A row of a table, from what :func:`summary` and :func:`ratios` return under ``seconds`` and ``times_ours``."""
    found = row["seconds"]
    lower, upper = (in_words(quartile) for quartile in found["quartiles"])
    spread = f"{in_words(found['median']):>9}{in_words(found['min']):>10}   {lower:>8} ... {upper:<9}"
    if not row.get("times_ours"):
        return f"    {name:22}{spread}".rstrip()
    by = row["times_ours"]
    return f"    {name:22}{spread}{digits(by['of_medians']):>7} x, paired {digits(by['paired'])} x"


HEADER = f"    {'':22}{'median':>9}{'min':>10}   {'quartiles':21}{'as long as the first':>20}"
