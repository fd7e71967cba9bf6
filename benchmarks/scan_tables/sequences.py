"""Table A: one scan against the peers."""

from __future__ import annotations

from typing import Any

from measuring.contest import Contestant, contest, weights_of
from measuring.timing import SLOW, seconds

from scan_tables.peers import given, make, ours, why_not
from scan_tables.settings import Settings


def fastest(ways: list[Contestant], settings: Settings) -> Contestant:
    """The fastest way to run a contestant, forward and backward."""
    if len(ways) == 1:
        return ways[0]
    dy, taken = weights_of(ways[0]), []
    for way in ways:
        call = way.both(dy)
        tries = [seconds(call, settings.device)]
        while tries[0] < SLOW and len(tries) < 3:
            tries.append(seconds(call, settings.device))
        taken.append(min(tries))
    return ways[taken.index(min(taken))]


def table(settings: Settings) -> list[dict[str, Any]]:
    """Print the table; returns its rows."""
    print("A. One scan")
    rows = []
    missing = set()
    for size, peers in settings.preset.sequences:
        tensors = given(size, settings.device)
        names = ours(settings.device)
        names += [peer for peer in peers if peer not in names]
        contestants: list[Contestant] = []
        for name in names:
            if why_not(name):
                missing.add(why_not(name))
                continue
            ways = make(name, size, tensors)
            contestants.append(fastest(ways, settings))
        rows += contest(contestants, settings.rounds, settings.device, str(size))
    for reason in sorted(missing):
        print(f"  {reason}")
    return rows
