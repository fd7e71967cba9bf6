"""PNG, JPEG, BMP and TIFF through Pillow: every mode becomes 8-bit RGB, 8-bit gray or 16-bit gray."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cuescan.data.images import Header
from cuescan.errors import UserError

_GRAY = ("1", "L", "LA", "La")
_GRAY16 = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)
_TRANSPOSING = (5, 6, 7, 8)  # EXIF orientations that swap height and width
_ORIENTATION_TAG = 0x0112


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever Pillow raises while the block runs becomes one sentence."""
    try:
        with Image.open(path) as image:
            pages = getattr(image, "n_frames", 1)
            if pages > 1:
                raise UserError(f"{path}: holds {pages} pages; save the one that is meant as its own file")
            yield image
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image, or damaged at its start; copy it again or remove the case") from None
    except Image.DecompressionBombError:
        raise UserError(f"{path}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; cut it into tiles") from None
    except _DAMAGE as error:
        raise UserError(
            f"{path}: the image is truncated or damaged ({error}); copy it again or remove the case"
        ) from None


def _refuse(path: Path, mode: str) -> UserError:
    return UserError(f"{path}: pixels of mode {mode} do not fit into a PNG; save it as 8 or 16 bit, or as NIfTI")


def read_photo_header(path: Path) -> Header:
    """Size, channels and depth from the file's header; EXIF orientation is taken into account."""
    with opened(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION_TAG) in _TRANSPOSING:
            width, height = height, width
        if image.mode == "F":
            raise _refuse(path, "F")
        wide = image.mode in _GRAY16
        return Header((height, width), 1 if wide or image.mode in _GRAY else 3, "uint16" if wide else "uint8")


def _over_white(image: Image.Image, mode: str) -> Image.Image:
    """Composite over white: glass without tissue is white on a slide, and viewers show transparency as white."""
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert(mode)


def read_photo(path: Path) -> np.ndarray:
    """Decode a photograph, upright by its EXIF orientation.

    Palette, CMYK, YCbCr and Lab images become RGB; transparency is composited over white; 1-bit images become gray
    0 / 255; 16-bit gray stays 16 bit (16-bit RGB is reduced to 8 by Pillow).

    Returns:
        uint8 of shape (H, W) or (H, W, 3), or uint16 of shape (H, W).

    Raises:
        UserError: the file is truncated, damaged, has several pages, or values beyond 16 bit.
    """
    with opened(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode in _GRAY16:
            values = np.asarray(upright)
            if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
                raise _refuse(path, "I (32 bit)")
            return values.astype(np.uint16)
        if upright.mode == "F":
            raise _refuse(path, "F")
        mode = "L" if upright.mode in _GRAY else "RGB"
        transparent = upright.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in upright.info
        return np.asarray(_over_white(upright, mode) if transparent else upright.convert(mode))
