"""Where the images, masks and cues of predicted cases are, if the user does not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cuescan.cues import Cues, read_cues
from cuescan.cues.reading import load_json
from cuescan.data.prompts import read_any_cues
from cuescan.errors import UserError
from cuescan.evaluation.labels import Labels

TRAINING_IMAGES, TRAINING_MASKS = "imagesTr", "labelsTr"
FOLDER_VARIABLES = ("nnUNet_raw", "nnUNet_preprocessed")


def existing(path: Path | None, what: str) -> Path | None:
    """A folder that the user named.

    Raises:
        UserError: it is not there.
    """
    if path is not None and not path.is_dir():
        raise UserError(f"{path}: there is no such folder; correct {what}")
    return path


def dataset_folders(name: str) -> list[Path]:
    """The folders of a data set in nnUNet_raw and nnUNet_preprocessed that exist."""
    roots = [Path(root) for variable in FOLDER_VARIABLES if (root := os.environ.get(variable))]
    return [folder for root in roots if (folder := root / name).is_dir()]


def first_folder(*candidates: Path | None) -> Path | None:
    """The first of the folders that exists."""
    return next((path for path in candidates if path is not None and path.is_dir()), None)


def images_beside(masks: Path | None) -> Path | None:
    """The folder of images that belongs to a folder of masks in nnU-Net's naming: imagesTs to labelsTs."""
    if masks is None or not masks.name.startswith("labels"):
        return None
    return first_folder(masks.with_name(masks.name.replace("labels", "images", 1)))


def cues_of(given: Path | None, candidates: list[Path], labels: Labels) -> tuple[Cues | None, Path | None]:
    """The cues that the user named, or those of the first ``cues.json`` that exists.

    Raises:
        UserError: the file cannot be read.
    """
    if given is not None:
        return read_any_cues(given, labels.classes), given
    found = next((path for path in candidates if path.is_file()), None)
    return (read_cues(found), found) if found else (None, None)


def optional_json(path: Path) -> dict[str, Any]:
    """A JSON object, empty where the file is not there.

    Raises:
        UserError: the file is there but cannot be read.
    """
    document = load_json(path) if path.is_file() else {}
    return document if isinstance(document, dict) else {}
