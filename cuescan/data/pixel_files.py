"""Image and mask files of a raw data set, in nnU-Net's folders and names."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from cuescan.data.images import UNPLACED, Geometry, Header, Picture, as_channels
from cuescan.errors import UserError

_COMPRESSION = 3  # on histology crops nearly as small as 6 and twice as fast


class PixelFiles:
    """Writes ``images<part>/<case>_0000.<ending>`` and ``labels<part>/<case>.<ending>``.

    Args:
        folder: the data set's folder.
        header: channels and value type that all images share.
        ignore: the label of pixels that are not annotated.
    """

    def __init__(self, folder: Path, header: Header, ignore: int) -> None:
        self.folder = folder
        self.header = header
        self.ignore = ignore
        self._blank: dict[tuple[int, ...], bytes] = {}
        self._folders: set[str] = set()
        self._lock = threading.Lock()

    def write_image(self, name: str, picture: Picture, part: str) -> None:
        """Write an image of (H, W) or (H, W, 3); a gray one is repeated where the data set is RGB."""
        pixels = as_channels(picture.pixels, self.header.channels)
        self._write(pixels, picture.geometry, self._place(f"images{part}") / f"{name}_0000")

    def write_mask(self, name: str, picture: Picture, mask: np.ndarray | None, part: str) -> None:
        """Write a mask (H, W) of label integers, or one that is all ``ignore`` where there is none.

        Raises:
            UserError: image and mask differ in size.
        """
        size = picture.pixels.shape[:2]
        place = self._place(f"labels{part}") / name
        if mask is None and not self.header.medical:
            place.with_name(f"{name}.png").write_bytes(self._ignore_png(size))
            return
        labels = np.full(size, self.ignore) if mask is None else mask
        if labels.shape != size:
            raise UserError(
                f"case '{name}': the mask is {labels.shape[1]} x {labels.shape[0]} pixels but the image "
                f"{size[1]} x {size[0]}; make the mask fit the image"
            )
        self._write(labels.astype(np.uint8), picture.geometry, place)

    def _place(self, kind: str) -> Path:
        folder = self.folder / kind
        if kind not in self._folders:
            folder.mkdir(exist_ok=True)
            self._folders.add(kind)
        return folder

    def _ignore_png(self, size: tuple[int, ...]) -> bytes:
        with self._lock:
            if size not in self._blank:
                buffer = io.BytesIO()
                Image.fromarray(np.full(size, self.ignore, np.uint8)).save(buffer, "PNG")
                self._blank[size] = buffer.getvalue()
            return self._blank[size]

    def _write(self, pixels: np.ndarray, geometry: Geometry | None, stem: Path) -> None:
        if self.header.medical:
            from cuescan.data.medical import write_slice

            write_slice(pixels, geometry or UNPLACED, Path(f"{stem}.nii.gz"))
        else:
            Image.fromarray(pixels).save(f"{stem}.png", compress_level=_COMPRESSION)
