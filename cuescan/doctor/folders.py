"""The folders that nnU-Net and numba use: whether they are set, there and writable; where they are is not told."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

NNUNET = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
TRAINERS = "nnUNet_extTrainer"
DOORWAY = "cuescan_trainers.py"


def _writable(folder: Path) -> bool:
    """Whether a file can be made there, found out by making one."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _state(variable: str) -> str:
    text = os.environ.get(variable)
    if not text:
        return "not set"
    folder = Path(text)
    if not folder.is_dir():
        return "set, but there is no such folder"
    return "writable" if _writable(folder) else "set, but not writable"


def _trainers() -> str:
    text = os.environ.get(TRAINERS)
    if not text:
        return "not set"
    return "holds cuescan's trainers" if (Path(text) / DOORWAY).is_file() else f"set, but {DOORWAY} is not in it"


def folders() -> dict[str, str]:
    """The state of each of nnU-Net's folders, in words."""
    return {**{variable: _state(variable) for variable in NNUNET}, TRAINERS: _trainers()}


def advice(found: dict[str, str]) -> list[str]:
    """What to set, out of what :func:`folders` found."""
    given = []
    unset = [variable for variable in NNUNET if found[variable] == "not set"]
    if unset:
        given.append(f"nnU-Net's commands need folders: export {' '.join(f'{name}=...' for name in unset)}")
    for variable in NNUNET:
        if found[variable].startswith("set, but"):
            given.append(f"{variable} is {found[variable]}: make it, or point to another")
    if not found[TRAINERS].startswith("holds"):
        given.append(f'nnU-Net does not find cuescan\'s trainers: export {TRAINERS}="$(cuescan path trainers)"')
    return given


def numba_cache() -> str:
    """Where numba keeps the compiled scan, and whether it can; compiles the scan if it has not been.

    Raises:
        Exception: Whatever numba raises where it does not work.
    """
    from cuescan.scan.numba_cache import compiled
    from cuescan.scan.numba_kernels import forward

    path = compiled(forward).stats.cache_path  # type: ignore[attr-defined]
    if path is None:
        return "nowhere: no folder for it is writable"
    folder = Path(path)
    home = Path.home()
    shown = Path("~") / folder.relative_to(home) if folder.is_relative_to(home) else folder
    return f"{shown} ({'writable' if _writable(folder) else 'not writable'})"
