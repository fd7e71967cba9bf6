"""Where a data set's ``cues.json`` is kept, and which one counts.

The file is written beside the raw data. Training reads a copy beside the preprocessed data, like everything else that
nnU-Net trains on, so that changing the raw file can never change a training unnoticed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw

from cuescan.errors import UserError

NAME = "cues.json"


def remedy(dataset_name: str, cues_only: bool = False) -> str:
    """Return the command that plans the data set ("DatasetXXX_Name") anew, or only takes over its cues."""
    number = int(dataset_name[len("Dataset") :].split("_")[0])
    return f"cuescan plan -d {number}" + (" --cues-only" if cues_only else "")


def copy_cues(dataset_name: str) -> Path:
    """Copy the raw ``cues.json`` beside the preprocessed data, atomically, and return the copy's path.

    Raises:
        UserError: there is no raw file.
    """
    raw = Path(nnUNet_raw) / dataset_name / NAME
    copy = Path(nnUNet_preprocessed) / dataset_name / NAME
    if not raw.is_file():
        raise UserError(f"{raw}: no such file; write the cues there, or make the data set with `cuescan prepare`")
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_name(f".{NAME}.{os.getpid()}")
    partial.write_bytes(raw.read_bytes())
    partial.replace(copy)
    return copy


def current_cues(dataset_name: str, plans_name: str) -> Path:
    """Return the path of the cues that belong to the plans, copying them at first use.

    Raises:
        UserError: there are no cues, or the raw file has changed since planning.
    """
    raw = Path(nnUNet_raw) / dataset_name / NAME if nnUNet_raw.is_set() else None
    copy = Path(nnUNet_preprocessed) / dataset_name / NAME
    plans = copy.with_name(f"{plans_name}.json")
    if copy.is_file():
        if raw is not None and raw.is_file() and raw.read_bytes() != copy.read_bytes():
            raise UserError(
                f"{raw} is not what {plans.name} was made with ({copy} differs); "
                f"take it over: {remedy(dataset_name, cues_only=True)}"
            )
        return copy
    if raw is None or not raw.is_file():
        raise UserError(
            f"{raw or copy}: no such file, so there is nothing to learn from; write the cues there, or make the data "
            "set with `cuescan prepare`"
        )
    if raw.stat().st_mtime > plans.stat().st_mtime:
        raise UserError(f"{raw} is newer than {plans}; take it over: {remedy(dataset_name, cues_only=True)}")
    return copy_cues(dataset_name)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
