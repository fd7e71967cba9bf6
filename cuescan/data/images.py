"""Read a 2-D image of any supported format into pixels that an nnU-Net raw data set can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cuescan.errors import UserError

PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MEDICAL_SUFFIXES = (".nii.gz", ".nii", ".dcm")
SUFFIXES = PHOTO_SUFFIXES + MEDICAL_SUFFIXES


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a DICOM or NIfTI slice lie: spacing and origin in mm, (x, y), and the 2 x 2 direction."""

    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


UNPLACED = Geometry((1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Picture:
    """A 2-D image.

    Attributes:
        pixels: (H, W) or (H, W, 3); uint8 or uint16 for photographs, any number type for a DICOM or NIfTI slice.
        geometry: None for photographs.
    """

    pixels: np.ndarray
    geometry: Geometry | None = None


@dataclass(frozen=True)
class Header:
    """What must be known of every image before one is written.

    Attributes:
        size: (height, width).
        channels: 1 or 3.
        dtype: "uint8", "uint16", or "any" for the values of a medical slice.
        modality: DICOM modality such as "CT", or "" where unknown.
    """

    size: tuple[int, int]
    channels: int
    dtype: str
    modality: str = ""

    @property
    def medical(self) -> bool:
        """Whether the image keeps its geometry and is written as NIfTI."""
        return self.dtype == "any"

    @property
    def channel_name(self) -> str:
        """What nnU-Net calls a channel, which decides how it is normalised."""
        if self.modality == "CT":
            return "CT"
        return "rgb_to_0_1" if self.dtype == "uint8" else "zscore"


def suffix(path: Path) -> str:
    """The lower-case file ending, ``.nii.gz`` as one; "" where it is not an image's."""
    name = path.name.lower()
    return next((ending for ending in SUFFIXES if name.endswith(ending)), "")


def case_name(path: Path) -> str:
    """The file name without its image ending."""
    return path.name[: len(path.name) - len(suffix(path))]


def check_file(path: Path) -> None:
    """Check that a file exists, is not empty, and has an image's ending.

    Raises:
        UserError: it does not.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such image; correct the path or remove the case")
    if not suffix(path):
        raise UserError(f"{path}: not an image format that is read ({', '.join(SUFFIXES)}); convert it")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file has size zero; copy it again or remove the case")


def read_header(path: Path) -> Header:
    """Size, channels and value type of an image.

    Raises:
        UserError: the file is missing, empty, damaged or of a kind that is not read.
    """
    check_file(path)
    if suffix(path) in MEDICAL_SUFFIXES:
        from cuescan.data.medical import read_slice_header

        return read_slice_header(path)
    from cuescan.data.photos import read_photo_header

    return read_photo_header(path)


def read_picture(path: Path) -> Picture:
    """Decode an image.

    Raises:
        UserError: the file is missing, empty, truncated or of a kind that is not read.
    """
    check_file(path)
    if suffix(path) in MEDICAL_SUFFIXES:
        from cuescan.data.medical import read_slice

        return read_slice(path)
    from cuescan.data.photos import read_photo

    return Picture(read_photo(path))


def as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Repeat a gray image (H, W) three times where the data set is RGB; leave everything else."""
    return np.repeat(pixels[..., None], 3, axis=-1) if channels == 3 and pixels.ndim == 2 else pixels


def list_images(folder: Path) -> dict[str, Path]:
    """The images of a folder by case name (hidden files and other files are left out).

    Raises:
        UserError: there is no such folder, no image in it, or two images share a case name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; correct the path")
    found: dict[str, Path] = {}
    seen: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not suffix(path) or not path.is_file():
            continue
        name = case_name(path)
        if name.casefold() in seen:
            raise UserError(
                f"{folder}: case '{name}' has two images ({seen[name.casefold()].name}, {path.name}); "
                "rename or remove one of them"
            )
        seen[name.casefold()] = found[name] = path
    if not found:
        raise UserError(f"{folder}: no image in this folder ({', '.join(SUFFIXES)}); correct the path")
    return found
