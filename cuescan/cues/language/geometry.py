"""Rectangles as shares of an image, and the eight symmetries that images are turned by."""

from __future__ import annotations

from dataclasses import dataclass

_DECIMALS = 9


@dataclass(frozen=True)
class Turn:
    """One of the eight symmetries of a picture: transposition first, then the flips.

    Attributes:
        transpose: swap rows and columns.
        flip_rows: then turn upside down.
        flip_columns: then swap left and right.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @property
    def inverse(self) -> Turn:
        """The turn that undoes this one."""
        if not self.transpose:
            return self
        return Turn(True, self.flip_columns, self.flip_rows)

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the turned image."""
        return (shape[1], shape[0]) if self.transpose else (shape[0], shape[1])


@dataclass(frozen=True)
class Box:
    """A rectangle in shares of the image's width and height, each in [0, 1].

    Edges are rounded to nine decimals, so that turning there and back gives the same rectangle.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        for edge in ("left", "top", "right", "bottom"):
            object.__setattr__(self, edge, round(float(getattr(self, edge)), _DECIMALS))

    def turned(self, turn: Turn) -> Box:
        """Where the rectangle lies in the turned image."""
        left, top, right, bottom = self.left, self.top, self.right, self.bottom
        if turn.transpose:
            left, top, right, bottom = top, left, bottom, right
        if turn.flip_rows:
            top, bottom = 1 - bottom, 1 - top
        if turn.flip_columns:
            left, right = 1 - right, 1 - left
        return Box(left, top, right, bottom)

    def hull(self, other: Box) -> Box:
        """The smallest rectangle that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


WHOLE = Box(0, 0, 1, 1)
