"""Line charts as numbers for an SVG: positions of lines, ticks and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cuescan.report.curves import Curve, Training

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 8, 34
FEW = 30
"""Up to so many epochs each is marked by a dot."""


@dataclass(frozen=True)
class Line:
    """A drawn curve.

    Attributes:
        name: for the legend.
        value: what the legend says: the number at the chosen, else the last epoch.
        points: positions in the SVG.
        dots: whether each point is marked.
    """

    name: str
    value: str
    points: tuple[tuple[float, float], ...]
    dots: bool

    @property
    def path(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: its heading.
        lines: the curves.
        rows: (position, label) of the ticks at the left.
        columns: (position, label) of the ticks below.
        chosen: position of the chosen epoch, or None.
    """

    title: str
    lines: tuple[Line, ...]
    rows: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]
    chosen: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def charts(training: Training) -> list[Chart]:
    """One chart per panel of a training; scores have the range 0 to 1."""
    return [
        _chart(title, curves, training.epochs, training.chosen, unit="loss" not in title.lower())
        for title, curves in training.panels.items()
    ]


def _chart(title: str, curves: Sequence[Curve], epochs: int, chosen: int | None, unit: bool) -> Chart:
    from matplotlib.ticker import MaxNLocator

    known = [value for curve in curves for value in curve.values if value is not None]
    low, high = (0.0, 1.0) if unit else (min(known), max(known))
    rows = MaxNLocator(nbins=4).tick_values(low, high if high > low else low + 1)
    columns = [tick for tick in MaxNLocator(nbins=6, integer=True).tick_values(0, max(epochs - 1, 1)) if tick >= 0]
    columns = [tick for tick in columns if tick <= max(epochs - 1, 1)]

    def across(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * epoch / max(epochs - 1, 1)

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (rows[-1] - value) / (rows[-1] - rows[0])

    lines = []
    for curve in curves:
        points = [(across(epoch), down(value)) for epoch, value in enumerate(curve.values) if value is not None]
        lines.append(Line(curve.name, _value(curve, chosen), tuple(points), len(points) <= FEW))
    return Chart(
        title,
        tuple(lines),
        tuple((down(tick), f"{tick:g}") for tick in rows),
        tuple((across(tick), f"{tick:g}") for tick in columns),
        None if chosen is None else across(chosen),
    )


def _value(curve: Curve, chosen: int | None) -> str:
    values = [value for value in curve.values if value is not None]
    value = values[-1] if chosen is None else curve.values[chosen]
    return "" if value is None else f"{value:.3f}"
