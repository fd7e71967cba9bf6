"""What place words mean: thirds, halves, quadrants and ninths of the image in which a finding's centre lies.

"top" and "bottom" with a side, and everything that speaks of the centre, divide each side into three, as TIFCMamba's
captions do (``top-left`` is a ninth); "upper" and "lower" with a side are looser and mean a quadrant; one direction
alone means a half, and a third where an edge, a corner or a third is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cuescan.cues.language.geometry import Box, Turn

WIDTHS = {"quarter": 1 / 4, "third": 1 / 3, "half": 1 / 2, "two thirds": 2 / 3}
_MIDDLE = (1 / 3, 2 / 3)


def _interval(side: int | None, width: float) -> tuple[float, float]:
    if side is None:
        return 0.0, 1.0
    if side == 0:
        return _MIDDLE
    return (0.0, width) if side < 0 else (1 - width, 1.0)


@dataclass(frozen=True)
class Place:
    """A part of the image.

    Attributes:
        vertical: -1 up, 0 middle, 1 down, None not said.
        horizontal: -1 left, 0 middle, 1 right, None not said.
        width: the share of a side that a direction takes, a key of ``WIDTHS``.
    """

    vertical: int | None
    horizontal: int | None
    width: str = "half"

    def __post_init__(self) -> None:
        if 0 in (self.vertical, self.horizontal):
            object.__setattr__(self, "width", "third")

    @property
    def box(self) -> Box:
        """Where the finding's centre lies."""
        top, bottom = _interval(self.vertical, WIDTHS[self.width])
        left, right = _interval(self.horizontal, WIDTHS[self.width])
        return Box(left, top, right, bottom)

    @property
    def words(self) -> str:
        """The place in words that mean it again when they are read."""
        vertical, horizontal = self.vertical, self.horizontal
        if vertical is None or horizontal is None:
            if vertical == 0 or horizontal == 0:
                return "middle row" if vertical == 0 else "middle column"
            side = {-1: "left", 1: "right", None: ""}[horizontal] or {-1: "upper", 1: "lower", None: ""}[vertical]
            return f"{side} {self.width}"
        if vertical == 0 and horizontal == 0:
            return "centre"
        rows = {-1: "top", 0: "middle", 1: "bottom"} if self.width == "third" else {-1: "upper", 1: "lower"}
        return f"{rows[vertical]} {({-1: 'left', 0: 'centre', 1: 'right'})[horizontal]}"

    def turned(self, turn: Turn) -> Place:
        """The place in the turned image."""
        vertical, horizontal = self.vertical, self.horizontal
        if turn.transpose:
            vertical, horizontal = horizontal, vertical
        if turn.flip_rows and vertical is not None:
            vertical = -vertical
        if turn.flip_columns and horizontal is not None:
            horizontal = -horizontal
        return replace(self, vertical=vertical, horizontal=horizontal)


def clock_place(hour: int) -> Place:
    """The half or quadrant of a clock position seen from the image's centre: 12 up, 3 right."""
    horizontal = None if hour % 6 == 0 else (1 if hour < 6 else -1)
    vertical = None if hour % 6 == 3 else (-1 if hour in (10, 11, 12, 1, 2) else 1)
    return Place(vertical, horizontal)


def turned_hour(hour: int, turn: Turn) -> int:
    """The clock position in the turned image."""
    if turn.transpose:
        hour = 9 - hour
    if turn.flip_rows:
        hour = 6 - hour
    if turn.flip_columns:
        hour = -hour
    return (hour - 1) % 12 + 1
