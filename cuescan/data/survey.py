"""Look at every image's header before anything is written: one set, one format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from cuescan.data.images import Header, read_header
from cuescan.errors import UserError


def survey(images: Sequence[Path], masks: Mapping[Path, Path], workers: int = 2) -> Header:
    """Find the format that all images of a data set share.

    Gray images beside RGB ones make an RGB set; all-gray sets stay gray.

    Args:
        images: every image of the set.
        masks: image -> its mask, whose size must be the image's.
        workers: threads.

    Returns:
        A header whose size is that of the first image.

    Raises:
        UserError: photographs beside DICOM or NIfTI, 16-bit beside 8-bit images, a damaged header, or a mask of
            another size than its image.
    """

    def look(path: Path) -> Header:
        header = read_header(path)
        if path in masks:
            _check_size(path, header, masks[path])
        return header

    with ThreadPoolExecutor(workers) as pool:
        bar = tqdm(pool.map(look, images), total=len(images), desc="checking", unit="image", disable=None)
        headers = list(bar)
    first = headers[0]
    for path, header in zip(images, headers, strict=True):
        if header.dtype != first.dtype:
            raise UserError(
                f"{path}: is {_kind(header)} while {images[0].name} is {_kind(first)}; convert the images to one format"
            )
    modalities = {header.modality for header in headers}
    channels = max(header.channels for header in headers)
    return Header(first.size, channels, first.dtype, modalities.pop() if len(modalities) == 1 else "")


def _kind(header: Header) -> str:
    names = {"any": "a DICOM or NIfTI slice", "uint16": "a 16-bit image", "uint8": "an 8-bit image"}
    return names[header.dtype]


def _check_size(image: Path, header: Header, mask: Path) -> None:
    height, width = read_header(mask).size
    if (height, width) != header.size:
        raise UserError(
            f"{mask}: the mask is {width} x {height} pixels but {image.name} is {header.size[1]} x {header.size[0]}; "
            "make the mask fit the image"
        )
