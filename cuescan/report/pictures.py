"""Pictures as data URIs, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

QUALITY = 88


def jpeg_uri(pixels: np.ndarray) -> str:
    """A uint8 picture of (H, W, 3) as JPEG with full colour resolution, which outlines need."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return _uri("jpeg", buffer.getvalue())


def file_uri(path: Path) -> str:
    """A PNG file as it is."""
    return _uri("png", path.read_bytes())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
