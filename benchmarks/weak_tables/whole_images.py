"""Put the training crops of a data set together to the whole images that they were cut from, with their masks.

    python benchmarks/weak_tables/whole_images.py nnUNet_raw/Dataset501_GlaS nnUNet_raw/Dataset601_GlaS-whole

Crops of 112 pixels show a network for dense masks little of what surrounds them, so a fully supervised bound is
fairer on whole images. The crops must cover their image, as those of preprocessing/glas.py do. A class is present in
an image where any crop has it, and absent where it is absent from every crop; what each crop states becomes the label
of that part of the image, which PathMamba learns from. Folds keep their patients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cuescan.commands.options import run_script
from cuescan.cues import Cue, Cues, Part, read_cues, write_cues
from cuescan.cues.reading import load_json
from cuescan.cues.writing import write_json
from cuescan.data.crops import crop_corner
from cuescan.data.destination import complete_folder
from cuescan.data.images import Picture, list_images, read_header, read_picture
from cuescan.data.masks import read_raw_mask
from cuescan.data.pixel_files import PixelFiles
from cuescan.data.raw_dataset import TRAINING
from cuescan.errors import UserError
from cuescan.pseudo.folds import splits_of

Placed = list[tuple[int, int, np.ndarray]]
"""Crops with the row and the column where they begin."""


def join(crops: Placed) -> np.ndarray:
    """The image that crops cover; where they overlap they are taken to be equal.

    Raises:
        ValueError: a pixel is in no crop.
    """
    height, width = (max(crop[axis] + crop[2].shape[axis] for crop in crops) for axis in (0, 1))
    whole = np.zeros((height, width, *crops[0][2].shape[2:]), crops[0][2].dtype)
    covered = np.zeros((height, width), bool)
    for top, left, pixels in crops:
        window = np.s_[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        whole[window], covered[window] = pixels, True
    if not covered.all():
        raise ValueError(f"{(~covered).sum()} pixels are in no crop")
    return whole


def crops_by_image(source: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Whole image -> crop -> where it begins.

    Raises:
        UserError: a case is not named as a crop.
    """
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for case in read_cues(source / "cues.json").cues:
        corner = crop_corner(case)
        if corner is None:
            raise UserError(
                f"{source}: case '{case}' is not named as a crop (IMAGE_y0056_x0112), so there are no whole images to "
                "train on; leave images: whole away"
            )
        found.setdefault(corner[0], {})[case] = corner[1:]
    return found


def stated(cues: Cues, crops: Mapping[str, tuple[int, int]], sizes: Mapping[str, tuple[int, int]]) -> Cue:
    """What the crops of an image state about it and its parts; crops with their corners and sizes."""
    return Cue.of_parts(
        Part((top, left, top + sizes[case][0], left + sizes[case][1]), cues.cues[case].labels)
        for case, (top, left) in crops.items()
    )


def join_dataset(source: Path, target: Path) -> Path:
    """Write the data set of whole images, atomically.

    Raises:
        UserError: the cases are no crops, or do not cover their images.
    """
    images, masks = list_images(source / "imagesTr"), list_images(source / "labelsTr")
    cues, document = read_cues(source / "cues.json"), load_json(source / "dataset.json")
    groups = crops_by_image(source)
    ignore = len(cues.classes) + 1
    with complete_folder(target) as new:
        files = PixelFiles(new, read_header(next(iter(images.values()))), ignore)
        partial = False
        for name, crops in tqdm(sorted(groups.items()), desc="join crops", unit="image", disable=None):
            try:
                pixels, mask = (
                    join([(*corner, read(case)) for case, corner in crops.items()])
                    for read in (lambda case: read_picture(images[f"{case}_0000"]).pixels,
                                 lambda case: read_raw_mask(masks[case]))
                )  # fmt: skip
            except ValueError as error:
                raise UserError(f"{source}: image '{name}': {error}; cut crops that cover it, or leave images: whole "
                                "away") from None  # fmt: skip
            partial |= bool((mask == ignore).any())
            picture = Picture(pixels)
            files.write_image(name, picture, TRAINING)
            files.write_mask(name, picture, mask, TRAINING)
        members = {name: frozenset(crops) for name, crops in groups.items()}
        write_json(splits_of(members, load_json(source / "splits_final.json")), new / "splits_final.json")
        sizes = {case: read_header(images[f"{case}_0000"]).size for case in cues.cues}
        told = {name: stated(cues, crops, sizes) for name, crops in sorted(groups.items())}
        write_cues(Cues(cues.classes, cues.background, told), new / "cues.json")
        write_json(_document(document, len(groups), partial), new / "dataset.json")
    return target


def _document(document: dict[str, Any], cases: int, ignore: bool) -> dict[str, Any]:
    """dataset.json; without 'ignore' where every pixel is labelled, since nnU-Net then samples as it always does."""
    labels = {name: value for name, value in document["labels"].items() if ignore or name != "ignore"}
    return document | {"labels": labels, "numTraining": cases}


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="raw data set of crops")
    parser.add_argument("target", type=Path, metavar="TARGET", help="raw data set to write")
    options = parser.parse_args(arguments)
    return join_dataset(options.source, options.target)


if __name__ == "__main__":
    sys.exit(run_script(main))
