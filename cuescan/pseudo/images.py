"""The images that get pseudo-labels: a data set's training cases, or the whole images that they were cut from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from cuescan.cues import Cue, Cues, Part, check_cues
from cuescan.cues.checking import some
from cuescan.data.crops import crop_corner
from cuescan.data.images import list_images, read_header, read_picture
from cuescan.data.pixel_files import PixelFiles
from cuescan.data.raw_dataset import TRAINING
from cuescan.data.survey import survey
from cuescan.errors import UserError
from cuescan.nnunet.input_images import check_images

WRITTEN = (".png", ".nii.gz")


@dataclass(frozen=True)
class Unlabelled:
    """An image to label.

    Attributes:
        name: of the new case.
        files: of its channels.
        members: the training cases that it consists of: itself, or the crops that were cut from it.
        cue: its labels without the sentence; of a whole image also those of the crops that were cut from it, as parts.
    """

    name: str
    files: tuple[Path, ...]
    members: frozenset[str]
    cue: Cue


def training_cases(folder: Path, dataset_json: Mapping[str, Any], cues: Cues, source: Path) -> list[Unlabelled]:
    """The training cases of a raw data set; of their masks only the names are known here.

    Args:
        folder: the raw data set.
        dataset_json: its dataset.json.
        cues: its cues.
        source: the file of the cues, for messages.

    Raises:
        UserError: a case has no cue, or a file is damaged or has other channels than dataset.json names.
    """
    files = _files(folder, dataset_json)
    if not files:
        raise UserError(f"{folder / 'imagesTr'}: no images; restore the images that the model was trained on")
    check_cues(cues, files, source)
    check_images(list(files.values()), len(dataset_json["channel_names"]), dataset_json["file_ending"])
    return [
        Unlabelled(case, tuple(map(Path, paths)), frozenset([case]), replace(cues.cues[case], text=None))
        for case, paths in files.items()
    ]


def _files(folder: Path, dataset_json: Mapping[str, Any]) -> dict[str, list[str]]:
    """The files of each case's channels, without the processes that nnU-Net starts to list them."""
    if "dataset" in dataset_json:
        named = get_filenames_of_train_images_and_targets(str(folder), deepcopy(dict(dataset_json)))
        return {case: named[case]["images"] for case in sorted(named)}
    files: dict[str, list[str]] = {}
    ending = dataset_json["file_ending"]
    for path in sorted((folder / "imagesTr").glob(f"*_[0-9][0-9][0-9][0-9]{ending}")):
        files.setdefault(path.name[: -len(f"_0000{ending}")], []).append(str(path))
    return files


def copy_images(case: Unlabelled, folder: Path, ending: str) -> list[Path]:
    """Copy the files of a training case to ``imagesTr`` of a new data set."""
    copies = [folder / f"{case.name}_{channel:04d}{ending}" for channel in range(len(case.files))]
    for file, copy in zip(case.files, copies, strict=True):
        shutil.copyfile(file, copy)
    return copies


def whole_images(folder: Path, crops: Sequence[Unlabelled], ending: str) -> list[Unlabelled]:
    """The images of a folder that training cases were cut from; others in the folder are left alone.

    Args:
        folder: images by the names that stand before ``_y0056_x0112`` in the crops' names, or with nnU-Net's ``_0000``.
        crops: the training cases.
        ending: of their files.

    Raises:
        UserError: a case is not named as a crop, its image is missing, smaller than where the crop lies, or of another
            kind.
    """
    if len(crops[0].files) > 1 or ending not in WRITTEN:
        raise UserError(
            f"{crops[0].files[0]}: whole images are written as one {' or '.join(WRITTEN)} file each, which is not how "
            "this data set has its images; leave --images away, or make the data set with `cuescan prepare`"
        )
    found = {name.removesuffix("_0000"): path for name, path in list_images(folder).items()}
    by_image: dict[str, list[Unlabelled]] = {}
    for crop in crops:
        corner = crop_corner(crop.name)
        if corner is None:
            raise UserError(
                f"{crop.files[0]}: case '{crop.name}' is not named as a crop (IMAGE_y0056_x0112); leave --images away, "
                "or rename the cases by where they were cut"
            )
        by_image.setdefault(corner[0], []).append(crop)
    missing = sorted(set(by_image) - set(found))
    if missing:
        raise UserError(f"{folder}: no image {some(missing)}, which crops were cut from; add it, or correct --images")
    images = {name: found[name] for name in by_image}
    header, expected = survey(list(images.values()), {}), survey([parts[0].files[0] for parts in by_image.values()], {})
    if (header.dtype, max(header.channels, expected.channels)) != (expected.dtype, expected.channels):
        raise UserError(
            f"{folder}: these images have {header.channels} channels of {header.dtype} but the crops "
            f"{expected.channels} of {expected.dtype}; give the images that the crops were cut from"
        )
    return [_whole(name, images[name], by_image[name]) for name in sorted(images)]


def _whole(name: str, path: Path, crops: Sequence[Unlabelled]) -> Unlabelled:
    height, width = read_header(path).size
    parts = []
    for crop in crops:
        _, top, left = crop_corner(crop.name) or ("", 0, 0)
        rows, columns = read_header(crop.files[0]).size
        if top + rows > height or left + columns > width:
            raise UserError(
                f"{path}: {width} x {height} pixels, but crop '{crop.name}' reaches beyond that; give the image in the "
                "size in which it was cut"
            )
        parts.append(Part((top, left, top + rows, left + columns), crop.cue.labels))
    return Unlabelled(name, (path,), frozenset(crop.name for crop in crops), Cue.of_parts(parts))


def write_whole(case: Unlabelled, files: PixelFiles, ending: str) -> list[Path]:
    """Write a whole image as the data set's images are written."""
    picture = read_picture(case.files[0])
    files.write_image(case.name, picture, TRAINING)
    return [files.folder / f"images{TRAINING}" / f"{case.name}_0000{ending}"]
