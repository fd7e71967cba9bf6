"""Text on pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

INK = (32, 32, 32)
FAINT = (110, 110, 110)
ALARM = (190, 60, 0)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has most alphabets."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


def shortened(text: str, face: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut and ended with an ellipsis where it is wider than ``width`` pixels."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in lines of at most ``width`` pixels, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and face.getlength(longer) > width:
            lines.append(shortened(word, face, width))
        else:
            lines[-1] = shortened(longer, face, width)
    return lines


def swatch(draw: ImageDraw.ImageDraw, left: int, top: int, side: int, colour: tuple[int, int, int]) -> None:
    """A square of a class's colour, outlined so that white shows."""
    draw.rectangle((left, top, left + side, top + side), fill=colour, outline=FAINT)
