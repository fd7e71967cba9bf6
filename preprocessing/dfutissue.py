"""DFUTissue (photographs of foot ulcers) -> a cuescan data set with image-level labels of three tissues.

SOURCE holds images/, masks/ (0 background, 1 fibrin, 2 granulation, 3 callus) and labels.csv with the columns case,
split (train, val, test) and one per class (1 present, 0 absent). Masks of training images serve evaluation only.

The photographs are padded with black on the right and below, which JPEG has made nearly black for up to 8 pixels; both
are cut off, of the masks too, so that no edge to them remains that every image shows.

Images of the split test become imagesTs and labelsTs, those of val imagesVal and labelsVal, which no training command
reads. Where a copy has no test images, those of val become the test set.

    python preprocessing/dfutissue.py dfutissue
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cuescan.commands.options import add_destination, destination, run_script
from cuescan.cues import Cue, check_cases
from cuescan.data.cue_tables import read_cue_table
from cuescan.data.entries import Entry, load_entry
from cuescan.data.images import Picture, read_picture
from cuescan.data.labelled_folder import Annotated, read_labelled_folder
from cuescan.data.masks import read_mask
from cuescan.data.raw_dataset import TEST, TRAINING, VALIDATION, RawDataset, Sample, write_raw_dataset
from cuescan.errors import UserError

PADDING = 16
"""Largest value of what was black before JPEG."""
PARTS = {"train": TRAINING, "val": VALIDATION, "test": TEST}


def read_parts(splits: Mapping[str, str], table: Path) -> dict[str, str]:
    """Case -> the part of the data set that its split becomes."""
    for case, split in splits.items():
        if split not in PARTS:
            raise UserError(f"{table}: case '{case}' has the split '{split}'; write one of {', '.join(PARTS)}")
    parts = PARTS if "test" in splits.values() else PARTS | {"val": TEST}
    return {case: parts[split] for case, split in splits.items()}


def photographed(pixels: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of an image (H, W) or (H, W, 3) up to the black padding on the right and below."""
    shown = pixels.reshape(*pixels.shape[:2], -1).max(axis=2) > PADDING
    rows, columns = (int(np.flatnonzero(shown.any(axis))[-1]) + 1 if shown.any() else None for axis in (1, 0))
    return slice(rows), slice(columns)


def sample(image: Annotated, entry: Entry, cue: Cue, part: str) -> Iterator[Sample]:
    """One photograph with its mask, without padding; its cue counts in training only."""
    picture, mask = read_picture(image.image), read_mask(image.mask, entry.mask_values)
    if mask.shape == picture.pixels.shape[:2]:  # else the writer names both sizes
        kept = photographed(picture.pixels)
        picture, mask = Picture(picture.pixels[kept]), mask[kept]
    yield Sample(image.name, picture, mask, cue, None, part)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("dfutissue")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with images/, masks/ and labels.csv")
    add_destination(parser, dataset_id=115, name=entry.name)
    options = parser.parse_args(arguments)

    images = read_labelled_folder(options.source)
    labels = options.source / "labels.csv"
    table = read_cue_table(labels, entry.classes, entry.background, group="split")
    check_cases(table.cues, [image.name for image in images], labels)
    parts = read_parts(table.groups, labels)
    sources = [partial(sample, image, entry, table.cues.cues[image.name], parts[image.name]) for image in images]
    dataset = RawDataset(options.dataset_id, options.name, entry.classes, entry.background, facts=entry.facts)
    return write_raw_dataset(dataset, sources, **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
