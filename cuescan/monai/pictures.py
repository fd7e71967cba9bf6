"""The pictures of a folder by case, named freely or as nnU-Net names them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cuescan.data.images import list_images


def list_pictures(folder: Path) -> list[dict[str, Any]]:
    """Cases of a folder, each with its "image": its files, one per channel file.

    Where all names are nnU-Net's, CASE_0000.png and for further channels CASE_0001.png and so on, cases are called as
    nnU-Net calls them; else each picture is a case called as its file.

    Raises:
        UserError: there is no picture, or two share a name.
    """
    files = list_images(folder)
    cases: dict[str, list[str]] = {}
    for name in sorted(files):
        found = re.fullmatch(r"(.+)_(\d{4})", name)
        if found is None or int(found[2]) != len(cases.setdefault(found[1], [])):
            return [{"case": name, "image": [str(path)]} for name, path in files.items()]
        cases[found[1]].append(str(files[name]))
    return [{"case": case, "image": paths} for case, paths in cases.items()]
