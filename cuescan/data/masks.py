"""Read masks: gray or palette indices, or colours, to label integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cuescan.data.images import MEDICAL_SUFFIXES, check_file, read_picture, suffix
from cuescan.data.photos import opened, read_photo
from cuescan.errors import UserError

Colour = tuple[int, int, int]
_LOSSY = (".jpg", ".jpeg")
_INDEXED = ("1", "L", "P", "I;16", "I;16B", "I")


@dataclass(frozen=True)
class MaskValues:
    """What the values of a mask file mean.

    Attributes:
        indices: pixel value, or palette index -> label integer.
        colours: (red, green, blue) -> label integer, for masks in colour.
        other: label integer of every value or colour that is not listed; None makes them an error.
    """

    indices: Mapping[int, int]
    colours: Mapping[Colour, int]
    other: int | None = None


def default_values(classes: Sequence[str], background: bool) -> MaskValues:
    """The reading of masks whose values nobody stated.

    0 is background (ignore where the data set has none), i the i-th class, K + 1 ignore; 255 too is a sole class.
    """
    ignore = len(classes) + 1
    indices = {number: number for number in range(1, ignore + 1)} | {0: 0 if background else ignore}
    if len(classes) == 1:
        indices[255] = 1
    return MaskValues(indices, {})


def _colour(value: str) -> Colour | int | None:
    text = value.strip()
    try:
        if text.startswith("#") and len(text) == 7:
            return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        return None
    if len(numbers) == 3:
        return numbers[0], numbers[1], numbers[2]
    return numbers[0] if len(numbers) == 1 else None


def parse_values(items: Sequence[str], classes: Sequence[str]) -> MaskValues:
    """Parse items ``VALUE=NAME``.

    VALUE is an index, ``R,G,B``, ``#rrggbb`` or ``*`` (all others); NAME a class, background or ignore.

    Raises:
        UserError: an item of another form, or an unknown name.
    """
    numbers = {name: number for number, name in enumerate(["background", *classes, "ignore"])}
    indices: dict[int, int] = {}
    colours: dict[Colour, int] = {}
    other = None
    for item in items:
        value, _, name = item.partition("=")
        key = _colour(value)
        if key is None and value.strip() != "*":
            raise UserError(f"--mask-values {item!r}: must be INDEX, R,G,B, #rrggbb or *, then =NAME; correct it")
        if name not in numbers:
            raise UserError(f"--mask-values {item!r}: unknown class '{name}'; use one of {', '.join(numbers)}")
        if key is None:
            other = numbers[name]
        elif isinstance(key, tuple):
            colours[key] = numbers[name]
        else:
            indices[key] = numbers[name]
    return MaskValues(indices, colours, other)


def _unknown(path: Path, what: str) -> UserError:
    return UserError(f"{path}: the mask holds {what}; state what it means with --mask-values VALUE=NAME")


def _from_indices(raw: np.ndarray, values: MaskValues, path: Path) -> np.ndarray:
    present, inverse = np.unique(raw, return_inverse=True)
    unknown = [f"{value:g}" for value in present if value not in values.indices]
    if unknown and values.other is None:
        raise _unknown(
            path, f"the value {', '.join(unknown[:8])} (known: {', '.join(map(str, sorted(values.indices)))})"
        )
    table = np.array([values.indices.get(value, values.other) for value in present], dtype=np.uint8)
    return table[inverse].reshape(raw.shape)


def _from_colours(rgb: np.ndarray, values: MaskValues, path: Path) -> np.ndarray:
    codes = rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    known = {(red << 16) + (green << 8) + blue: label for (red, green, blue), label in values.colours.items()}
    unknown = [code for code in np.unique(codes).tolist() if code not in known]
    if unknown and values.other is None:
        shown = ", ".join(f"#{code:06x}" for code in unknown[:4])
        raise _unknown(path, f"the colour {shown}")
    return _from_indices(codes, MaskValues(known, {}, values.other), path)


def read_raw_mask(path: Path) -> np.ndarray:
    """The mask as it is stored: (H, W) of values or palette indices, or (H, W, 3) of colours.

    Raises:
        UserError: missing, damaged, or JPEG, whose compression invents class indices.
    """
    check_file(path)
    if suffix(path) in _LOSSY:
        raise UserError(f"{path}: a JPEG mask holds invented values at every edge; save masks as PNG, BMP or TIFF")
    if suffix(path) in MEDICAL_SUFFIXES:
        return read_picture(path).pixels
    with opened(path) as image:
        if image.mode in _INDEXED:
            return np.asarray(image).astype(np.int64) * (255 if image.mode == "1" else 1)
    return read_photo(path)


def read_mask(path: Path, values: MaskValues) -> np.ndarray:
    """Read a mask as label integers, uint8 of shape (H, W).

    A palette mask is read by its colours when colours are stated and by its indices otherwise; gray written as RGB is
    read as gray when no colours are stated.

    Raises:
        UserError: missing, damaged, lossy, or with a value or colour whose meaning is not stated.
    """
    raw = read_raw_mask(path)
    if values.colours and not values.indices and raw.ndim == 2 and suffix(path) not in MEDICAL_SUFFIXES:
        raw = read_photo(path)
        raw = np.repeat(raw[..., None], 3, axis=-1) if raw.ndim == 2 else raw
    if raw.ndim == 2:
        return _from_indices(raw, values, path)
    if values.colours:
        return _from_colours(raw, values, path)
    if (raw == raw[..., :1]).all():
        return _from_indices(raw[..., 0], values, path)
    raise _unknown(path, "colours")
