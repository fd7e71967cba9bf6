"""Where a raw data set goes, and how it gets there whole."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cuescan.errors import UserError

_MAX_ID = 999


def raw_root(output: Path | None) -> Path:
    """The folder of raw data sets: ``output``, else ``$nnUNet_raw``.

    Raises:
        UserError: neither is given.
    """
    if output is not None:
        return output
    value = os.environ.get("nnUNet_raw")
    if not value:
        raise UserError(
            "nnUNet_raw is not set, so there is no folder to write to; set that environment variable or give --output"
        )
    return Path(value)


def dataset_folder(root: Path, dataset_id: int, name: str, overwrite: bool, option: str = "-d") -> Path:
    """``root/DatasetXXX_Name``, checked before any work is done.

    Args:
        root: the folder of raw data sets.
        dataset_id: 1 ... 999.
        name: what follows ``DatasetXXX_``.
        overwrite: whether a data set of that id and name may be there.
        option: of the command line that gives the id, for messages.

    Raises:
        UserError: an id or name that nnU-Net cannot use, an id that another data set has, or a data set that is
            there already while ``overwrite`` is False.
    """
    if not 1 <= dataset_id <= _MAX_ID:
        raise UserError(
            f"the data set's id is {dataset_id} but must lie in 1 ... {_MAX_ID}; give another with {option}"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UserError(f"the data set's name {name!r} may hold only letters, digits, _ and -; give another with -n")
    folder = root / f"Dataset{dataset_id:03d}_{name}"
    environment = (os.environ.get(key) for key in ("nnUNet_preprocessed", "nnUNet_results"))
    for place in (root, *(Path(value) for value in environment if value)):
        for other in sorted(place.glob(f"Dataset{dataset_id:03d}_*")):
            if other.name != folder.name:
                raise UserError(f"{other}: this data set has the id {dataset_id} already; give another {option}")
    if folder.exists() and not overwrite:
        raise UserError(f"{folder}: this data set is there already; give --overwrite to replace it, or another id")
    return folder


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling to fill; it takes the folder's place only when the block ends without an error.

    What was there is kept until then, and afterwards removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new, old = workshop / "new", workshop / "old"
        new.mkdir()
        yield new
        if folder.exists():
            folder.replace(old)
        try:
            new.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
