"""Check images before nnU-Net's worker processes read them, whose errors are tracebacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cuescan.data.images import read_picture
from cuescan.errors import UserError


def check_images(files: Sequence[Sequence[str]], channels: int, ending: str) -> None:
    """Read all images once.

    Args:
        files: by case the files of its channels.
        channels: that the model takes.
        ending: of the data set's files.

    Raises:
        UserError: names the file that is damaged or has other channels.
    """
    for paths in tqdm(files, desc="checking images", unit="image", disable=None):
        found = 0
        for path in paths:
            pixels = read_picture(Path(path)).pixels
            found += pixels.shape[2] if pixels.ndim == 3 else 1
        if found != channels:
            case = Path(paths[0]).name[: -len(f"_0000{ending}")]
            raise UserError(
                f"{paths[0]}: case '{case}' has {found} channel{'s' if found > 1 else ''} but the model takes "
                f"{channels}; convert the image, or use a model for such images"
            )
