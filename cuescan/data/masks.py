"""Read masks: gray or palette indices, or colours, to label integers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cuescan.data.images import MEDICAL_SUFFIXES, check_file, read_picture, suffix
from cuescan.data.photos import opened, read_photo
from cuescan.errors import UserError

Colour = tuple[int, int, int]
_LOSSY = (".jpg", ".jpeg")
_THRESHOLD = re.compile(r"\s*>=\s*(\d+)\s*=")
_INDEXED = ("1", "L", "P", "I;16", "I;16B", "I")


@dataclass(frozen=True)
class MaskValues:
    """What the values of a mask file mean.

    Attributes:
        indices: pixel value, or palette index -> label integer.
        colours: (red, green, blue) -> label integer, for masks in colour.
        other: label integer of every value or colour that is not listed; None makes them an error.
        least: (threshold, label integer) of masks that say no more than how bright a pixel is: at least the threshold
            is the label, all else is ``other`` (background where that is None). Such masks may be JPEG.
    """

    indices: Mapping[int, int]
    colours: Mapping[Colour, int]
    other: int | None = None
    least: tuple[int, int] | None = None


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

    VALUE is an index, ``R,G,B``, ``#rrggbb``, ``*`` (all others) or ``>=N`` (at least that bright, which stands alone
    or with ``*``); NAME a class, background or ignore.

    Raises:
        UserError: an item of another form, or an unknown name.
    """
    numbers = {name: number for number, name in enumerate(["background", *classes, "ignore"])}
    indices: dict[int, int] = {}
    colours: dict[Colour, int] = {}
    other = least = None
    for item in items:
        threshold = _THRESHOLD.match(item)
        value, _, name = item.partition("=")
        name = item[threshold.end() :] if threshold else name
        key = int(threshold[1]) if threshold else _colour(value)
        if key is None and value.strip() != "*":
            raise UserError(f"--mask-values {item!r}: must be INDEX, R,G,B, #rrggbb, >=N or *, then =NAME; correct it")
        if name not in numbers:
            raise UserError(f"--mask-values {item!r}: unknown class '{name}'; use one of {', '.join(numbers)}")
        if key is None:
            other = numbers[name]
        elif threshold:
            least = int(threshold[1]), numbers[name]
        elif isinstance(key, tuple):
            colours[key] = numbers[name]
        else:
            indices[key] = numbers[name]
    if least and len(items) - (other is not None) > 1:
        raise UserError("--mask-values: a threshold >=N stands alone or with *; leave the other values away")
    return MaskValues(indices, colours, other, least)


def _unknown(path: Path, what: str) -> UserError:
    return UserError(f"{path}: the mask holds {what}; state what it means with --mask-values VALUE=NAME")


def _lossy(path: Path, remedy: str = "") -> UserError:
    return UserError(f"{path}: a JPEG mask holds invented values at every edge; save masks as PNG, BMP or TIFF{remedy}")


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
        raise _lossy(path)
    if suffix(path) in MEDICAL_SUFFIXES:
        return read_picture(path).pixels
    with opened(path) as image:
        if image.mode in _INDEXED:
            return np.asarray(image).astype(np.int64) * (255 if image.mode == "1" else 1)
    return read_photo(path)


def _from_brightness(path: Path, least: tuple[int, int], other: int) -> np.ndarray:
    """Label pixels by their brightness in 0 ... 255, as a viewer shows the mask."""
    pixels = read_picture(path).pixels
    if pixels.ndim == 3:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))
    brightest = int(pixels.max())
    if 0 < brightest < least[0] and len(np.unique(pixels)) <= 2:
        raise UserError(
            f"{path}: no value of the mask reaches {least[0]}, the highest is {brightest}; it is of another kind, so "
            "state what its values mean with --mask-values VALUE=NAME or save it with 255 for the class"
        )
    return np.where(pixels >= least[0], least[1], other).astype(np.uint8)


def read_mask(path: Path, values: MaskValues) -> np.ndarray:
    """Read a mask as label integers, uint8 of shape (H, W).

    A palette mask is read by its colours when colours are stated and by its indices otherwise; gray written as RGB is
    read as gray when no colours are stated.

    Raises:
        UserError: missing, damaged, lossy, or with a value or colour whose meaning is not stated.
    """
    if values.least is not None:
        return _from_brightness(path, values.least, values.other or 0)
    if suffix(path) in _LOSSY:
        raise _lossy(path, ', or state a threshold where there is one class: --mask-values ">=128=NAME"')
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
