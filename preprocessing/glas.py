"""GlaS (colon glands) -> a cuescan data set of 112 px crops with image-level labels "normal" and "gland".

The protocol of OEEM (MICCAI 2022): crops at stride 56, the last of each row and column flush with the border (9,703
crops from the 85 training images), a class present where it covers more than 5 % of a crop. Masks stay in labelsTr for
evaluation only; folds keep a patient's crops together.

SOURCE is the download (train_1.bmp, train_1_anno.bmp, Grade.csv) or a folder with images/, masks/ and labels.csv
(case, patient). Whole test images come from --test (its test*.bmp, or all images of such a folder), or from patients
that --hold-out keeps away from training. With --whole training images stay whole, and the labels of the crops become
labels of parts of them: the same cues, and a network sees what surrounds a crop.

    python preprocessing/glas.py "Warwick QU Dataset (Released 2016_07_08)" --hold-out 0.2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from cuescan.commands.options import add_destination, add_hold_out, destination, run_script
from cuescan.data.crops import crop_samples, whole_sample
from cuescan.data.entries import Entry, load_entry
from cuescan.data.folds import groups_of, hold_out
from cuescan.data.images import list_images, read_picture
from cuescan.data.labelled_folder import Annotated, pair, read_labelled_folder
from cuescan.data.masks import read_mask
from cuescan.data.raw_dataset import TEST, RawDataset, Sample, write_raw_dataset
from cuescan.data.tables import column, read_table
from cuescan.errors import UserError

SIZE, STRIDE, LEAST_SHARE = 112, 56, 0.05


def read_source(source: Path, prefix: str) -> list[Annotated]:
    """Images and masks of the download whose names begin with ``prefix``, or all of a folder with images/."""
    if (source / "images").is_dir():
        return read_labelled_folder(source)
    found = list_images(source)
    masks = {name.removesuffix("_anno"): path for name, path in found.items() if name.endswith("_anno")}
    images = {name: path for name, path in found.items() if name.startswith(prefix) and not name.endswith("_anno")}
    if not images:
        raise UserError(f"{source}: no {prefix}*.bmp and no images/ in this folder; give the folder of the download")
    return pair(images, masks)


def read_patients(source: Path) -> dict[str, str]:
    """Image name -> patient, from labels.csv or Grade.csv."""
    path = next((source / name for name in ("labels.csv", "Grade.csv") if (source / name).is_file()), None)
    if path is None:
        raise UserError(f"{source}: neither labels.csv nor Grade.csv; add the table, it says whose image each is")
    rows = read_table(path)
    name, patient = column(rows, path, "case", "name"), column(rows, path, "patient", "patient ID")
    return {row[name]: row[patient] for row in rows}


def training(image: Annotated, entry: Entry, patient: str, uncut: bool) -> Iterator[Sample]:
    """The labelled crops of one training image, or the image with its crops as labelled parts."""
    pixels, mask = read_picture(image.image).pixels, read_mask(image.mask, entry.mask_values)
    cut = crop_samples(image.name, pixels, mask, entry.classes, LEAST_SHARE, patient, SIZE, STRIDE)
    yield from [whole_sample(image.name, pixels, mask, cut)] if uncut else cut


def whole(image: Annotated, entry: Entry) -> Iterator[Sample]:
    """One test image, uncut."""
    yield Sample(image.name, read_picture(image.image), read_mask(image.mask, entry.mask_values), part=TEST)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("glas")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="the training images' folder")
    test = parser.add_mutually_exclusive_group()
    test.add_argument("--test", type=Path, metavar="SOURCE", help="the test images' folder")
    add_hold_out(test)
    parser.add_argument("--whole", action="store_true", help="keep training images whole, with labels of their crops")
    add_destination(parser, dataset_id=111, name=entry.name)
    options = parser.parse_args(arguments)

    images = read_source(options.source, "train")
    patients = read_patients(options.source)
    missing = next((image.name for image in images if image.name not in patients), None)
    if missing:
        raise UserError(f"{options.source}: case '{missing}' is not in the table of patients; add its row")
    names = [image.name for image in images]
    groups = groups_of(names, [patients[name] for name in names])
    held = set(hold_out(groups, options.hold_out, options.seed)) if options.hold_out is not None else set()
    tests = [image for image in images if image.name in held]
    if options.test is not None:
        tests = read_source(options.test, "test")
    sources = [
        partial(training, image, entry, patients[image.name], options.whole)
        for image in images
        if image.name not in held
    ]
    dataset = RawDataset(options.dataset_id, options.name, entry.classes, entry.background, facts=entry.facts)
    return write_raw_dataset(
        dataset, [*sources, *(partial(whole, image, entry) for image in tests)], **destination(options)
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
