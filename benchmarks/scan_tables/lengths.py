"""Table D: time of forward and backward over the length."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from measuring.contest import compare, weights_of
from measuring.timing import in_turns, in_words, summary

from scan_tables.peers import given, make, ours, why_not
from scan_tables.sequences import fastest
from scan_tables.settings import MAMBA_PY, NAIVE, TARGET, Settings, Size

ROUNDS = 3
STATES = {NAIVE: 7, MAMBA_PY: 10}  # float32 arrays of (batch, length, dim, state) at the peak, as table B shows
COLOURS = ("#0b6e4f", "#c8553d", "#5f6caf", "#8a6d3b")


def takes(name: str, size: Size) -> float:
    """Bytes that a contestant takes, about."""
    return 4.0 * STATES.get(name, 0) * size.batch * size.length * size.dim * size.state


def over_length(settings: Settings) -> dict[str, dict[int, list[float]]]:
    """Seconds of each contestant by length, as long as it stays under the limits."""
    found: dict[str, dict[int, list[float]]] = {}
    running = [name for name in (*ours(settings.device), MAMBA_PY, NAIVE) if not why_not(name)]
    for length in settings.preset.lengths:
        size = Size(TARGET.batch, TARGET.dim, length, TARGET.state, TARGET.groups)
        for name in list(running):
            last = found.get(name, {}).get(length // 2)
            if takes(name, size) > settings.limit_bytes or (last and 2 * min(last) > settings.limit_seconds):
                running.remove(name)
        if not running:
            break
        tensors = given(size, settings.device)
        contestants = [fastest(make(name, size, tensors), settings) for name in running]
        dy = weights_of(contestants[0])
        compare(contestants[0], contestants[1:], dy, str(size))
        calls = {each.name: each.both(dy) for each in contestants}
        rounds = min(ROUNDS, settings.rounds)
        for name, times in in_turns(calls, rounds, settings.device, f"length {length}").items():
            found.setdefault(name, {})[length] = times
    return found


def slope(times: dict[int, list[float]]) -> float | None:
    """The exponent of the length in the time, over the last three doublings; 1 is linear."""
    lengths = sorted(times)[-4:]
    if len(lengths) < 2:
        return None
    first, last = (summary(times[length])["median"] for length in (lengths[0], lengths[-1]))
    return math.log(last / first) / math.log(lengths[-1] / lengths[0])


def draw(found: dict[str, dict[int, list[float]]], settings: Settings, path: Path) -> None:
    """Write the figure: time over length, both logarithmic, with a line of slope 1."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.6), layout="constrained")
    for colour, (name, times) in zip(COLOURS, found.items(), strict=False):
        lengths = sorted(times)
        medians = [1e3 * summary(times[length])["median"] for length in lengths]
        axes.plot(lengths, medians, marker="o", markersize=4, color=colour)
        place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "fontsize": 11}
        axes.annotate(name, (lengths[-1], medians[-1]), color=colour, **place)
    lengths = settings.preset.lengths
    first = next(iter(found.values()))
    scale = 1e3 * summary(first[max(first)])["median"] / max(first) / 4
    axes.plot(lengths, [scale * length for length in lengths], "--", color="0.6", linewidth=1, zorder=0)
    axes.annotate("in proportion to the length", (lengths[len(lengths) // 2], scale * lengths[len(lengths) // 2]),
                  xytext=(6, -14), textcoords="offset points", color="0.45", fontsize=10)  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.set_xlim(lengths[0] / 1.3, lengths[-1] * 1.6)
    axes.set_ylim(top=2 * axes.get_ylim()[1])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}" if value < 1e3 else f"{value:,.0f}")
    axes.set_xlabel("length")
    axes.set_ylabel("milliseconds, forward and backward")
    where = "GPU" if settings.device == "cuda" else f"threads: {settings.threads}"
    axes.set_title(f"One selective scan, dim {TARGET.dim}, state {TARGET.state}, float32, {where}", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def table(settings: Settings) -> list[dict[str, Any]]:
    """Print the table and write the figure; returns the rows."""
    found = over_length(settings)
    print(f"D. Forward and backward over the length: dim {TARGET.dim}, state {TARGET.state}, groups {TARGET.groups}")
    print("    length    " + "".join(f"{name:>12}" for name in found))
    rows = []
    for length in settings.preset.lengths:
        medians = {name: summary(times[length])["median"] for name, times in found.items() if length in times}
        if medians:
            print(f"    {length:<10,}" + "".join(f"{in_words(medians[n]) if n in medians else '-':>12}" for n in found))
        rows += [{"length": length, "contestant": name, "seconds": summary(found[name][length])} for name in medians]
    slopes = {name: slope(times) for name, times in found.items()}
    shown = "".join(f"{'-' if value is None else f'{value:.2f}':>12}" for value in slopes.values())
    print(f"    exponent  {shown}   (over the last three doublings; 1 is linear)")
    print(f"    each stops where twice its last time exceeds {settings.limit_seconds:g} s, or its memory "
          f"{settings.limit_bytes / 1e9:g} GB")  # fmt: skip
    if settings.figure:
        draw(found, settings, settings.figure)
        print(f"    drawn to {settings.figure}")
    return rows
