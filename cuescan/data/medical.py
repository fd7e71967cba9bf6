"""Single slices in DICOM and NIfTI through SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cuescan.data.images import UNPLACED, Geometry, Header, Picture
from cuescan.errors import UserError

_MODALITY = "0008|0060"
_RGB_COMPONENTS = 3


def _tag(image: Any, key: str) -> str:
    return image.GetMetaData(key).strip() if image.HasMetaDataKey(key) else ""


def _plane(size: tuple[int, ...], path: Path) -> tuple[int, int]:
    """(height, width) of an image whose further dimensions all have size 1."""
    if len(size) < 2 or any(length != 1 for length in size[2:]):
        raise UserError(f"{path}: not a single slice but {' x '.join(map(str, size))}; save the slice as its own file")
    return size[1], size[0]


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: the image is truncated or damaged; copy it again or remove the case")


def read_slice_header(path: Path) -> Header:
    """Size, channels and modality; colour DICOM (dermoscopy, endoscopy) counts as an RGB photograph."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise _damaged(path) from None
    size = _plane(reader.GetSize(), path)
    if reader.GetNumberOfComponents() == _RGB_COMPONENTS:
        return Header(size, 3, "uint8")
    if reader.GetNumberOfComponents() != 1:
        raise UserError(f"{path}: {reader.GetNumberOfComponents()} values per pixel; save it with 1 or 3")
    return Header(size, 1, "any", _tag(reader, _MODALITY))


def read_slice(path: Path) -> Picture:
    """Read one slice; SimpleITK inverts DICOM's MONOCHROME1 (white is low) and reads NaN in NIfTI as 0.

    Raises:
        UserError: the file is damaged, or a volume.
    """
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise _damaged(path) from None
    height, width = _plane(image.GetSize(), path)
    pixels = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == _RGB_COMPONENTS:
        if pixels.dtype != np.uint8:
            raise UserError(f"{path}: colour of {pixels.dtype}; save it with 8 bit per channel")
        return Picture(pixels.reshape(height, width, _RGB_COMPONENTS))
    pixels = pixels.reshape(height, width)
    return Picture(pixels, Geometry(image.GetSpacing()[:2], image.GetOrigin()[:2], UNPLACED.direction))


def write_slice(pixels: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Write a 2-D NIfTI with the given geometry."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(image, str(path), True)
