"""How sure a network is of each pixel, from the probabilities that nnU-Net stores on request."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from cuescan.errors import UserError

COLOUR_MAP = "bone"
"""Gray with a touch of blue: no class has such colours, and sure regions stay quiet."""


def read_confidence(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The highest class probability of each pixel.

    Args:
        path: ``<case>.npz`` with ``probabilities`` of shape (1 + K, 1, H, W), as nnU-Net writes it.
        size: (H, W) of the prediction.

    Returns:
        float32 of shape (H, W), values 0..1.

    Raises:
        UserError: the file is damaged, holds objects, or is of another size.
    """
    remedy = "predict again, or remove the file to go without this map"
    try:
        with np.load(path, allow_pickle=False) as stored:
            confidence = np.asarray(stored["probabilities"]).max(axis=0).astype(np.float32)
    except KeyError:
        raise UserError(f"{path}: there are no 'probabilities' in this file; {remedy}") from None
    except Exception as error:  # a damaged archive raises errors of zipfile, zlib, numpy and others
        raise UserError(f"{path}: cannot be read as probabilities ({type(error).__name__}); {remedy}") from None
    if confidence.size != size[0] * size[1]:
        found = " x ".join(str(side) for side in confidence.shape)
        raise UserError(f"{path}: the probabilities are {found} but the prediction {size[0]} x {size[1]}; {remedy}")
    return confidence.reshape(size)


def colour_confidence(confidence: np.ndarray, lowest: float, size: tuple[int, int]) -> np.ndarray:
    """Colours of confidence, from ``lowest`` (dark) to 1 (bright), as uint8 of shape (*size, 3)."""
    resized = np.asarray(Image.fromarray(confidence).resize(size[::-1], Image.Resampling.BILINEAR))
    steps = (np.clip((resized - lowest) / (1 - lowest), 0, 1) * 255).round().astype(np.uint8)
    return _table()[steps]


def gradient() -> str:
    """The colours as a CSS gradient, from dark to bright."""
    stops = [_table()[index] for index in np.linspace(0, 255, 7).round().astype(int)]
    return f"linear-gradient(90deg, {', '.join('rgb({} {} {})'.format(*stop) for stop in stops)})"


@cache
def _table() -> np.ndarray:
    from matplotlib import colormaps

    return (colormaps[COLOUR_MAP](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
