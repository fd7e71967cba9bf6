"""Where the doorway folders are: the checkout's root folders, or the wheel's ``cuescan/share``."""

from __future__ import annotations

from pathlib import Path

from cuescan.errors import UserError

FOLDERS = {
    "trainers": "nnunet_trainers",
    "bundles": "monai_bundles",
    "schema": "dataset_json",
    "preprocessing": "preprocessing",
}


def share_path(name: str) -> Path:
    """Return the folder that nnU-Net, MONAI or a person opens.

    Args:
        name: ``trainers`` (for nnU-Net's ``nnUNet_extTrainer``), ``bundles``, ``schema`` or ``preprocessing``.

    Returns:
        An absolute path: beside the package when it is imported from a checkout (an editable install), inside the
        package when it comes from a wheel.

    Raises:
        UserError: The name is unknown, or the installation lacks the folder.
    """
    if name not in FOLDERS:
        raise UserError(f"There is no folder called '{name}': choose one of {', '.join(FOLDERS)}.")
    package = Path(__file__).resolve().parent
    candidates = [package / "share" / FOLDERS[name], package.parent / FOLDERS[name]]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise UserError(f"The folder {candidates[0]} is missing: reinstall cuescan from a wheel or a full checkout.")
