"""The pictures of a folder by case, named freely or as nnU-Net names them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cuescan.data.images import list_images, read_header


def list_pictures(folder: Path, channels: int) -> list[dict[str, Any]]:
    """Cases of a folder, each with its "image": its files, one per channel file.

    Where all names are nnU-Net's, cases are called as nnU-Net calls them: CASE_0000.png alone, or one grey file for
    each channel, CASE_0000.png, CASE_0001.png and so on. Else each picture is a case called as its file: pictures that
    are only numbered are no channels of each other.

    Args:
        folder: of pictures.
        channels: that the network takes.

    Raises:
        UserError: there is no picture, or two share a name.
    """
    files = list_images(folder)
    cases: dict[str, list[Path]] = {}
    for name in sorted(files):
        found = re.fullmatch(r"(.+)_(\d{4})", name)
        if found is None or int(found[2]) != len(cases.setdefault(found[1], [])):
            break
        cases[found[1]].append(files[name])
    else:
        if all(len(paths) == 1 or _one_per_channel(paths, channels) for paths in cases.values()):
            return [{"case": case, "image": [str(path) for path in paths]} for case, paths in cases.items()]
    return [{"case": name, "image": [str(path)]} for name, path in files.items()]


def _one_per_channel(paths: list[Path], channels: int) -> bool:
    return len(paths) == channels and all(read_header(path).channels == 1 for path in paths)
