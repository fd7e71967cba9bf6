"""A folder of ``images/``, ``masks/`` and one table, the form in which public sets are often passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cuescan.data.images import list_images
from cuescan.errors import UserError


@dataclass(frozen=True)
class Annotated:
    """An image, its mask, and the table's row about it."""

    name: str
    image: Path
    mask: Path
    row: Mapping[str, str] = field(default_factory=dict)


def pair(images: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Annotated]:
    """Pair images and masks by case name, sorted.

    Raises:
        UserError: an image without a mask.
    """
    for name, path in images.items():
        if name not in masks:
            raise UserError(f"{path}: case '{name}' has no mask of that name; add the mask or remove the image")
    return [Annotated(name, images[name], masks[name]) for name in sorted(images)]


def read_labelled_folder(folder: Path, image_folder: str = "images", mask_folder: str = "masks") -> list[Annotated]:
    """Pair ``images/`` and ``masks/`` of a folder.

    Raises:
        UserError: a folder or a mask is missing.
    """
    return pair(list_images(folder / image_folder), list_images(folder / mask_folder))
