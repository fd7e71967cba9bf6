"""CoNSeP (nuclei of colon tissue) in 256 px crops -> a cuescan data set with image-level labels of four classes.

SOURCE holds images/, masks/ (0 background, 1 other, 2 inflammatory, 3 epithelial, 4 spindle) and labels.csv with the
columns case, source_image and one per class (1 present, 0 absent). Masks stay in labelsTr for evaluation only; folds
keep the crops of a source image together, and --hold-out keeps whole source images away as the test set.

    python preprocessing/consep.py consep --hold-out 0.2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from cuescan.commands.options import add_destination, add_hold_out, destination, run_script
from cuescan.cues import Cue, check_cases
from cuescan.data.cue_tables import read_cue_table
from cuescan.data.entries import Entry, load_entry
from cuescan.data.folds import hold_out
from cuescan.data.images import read_picture
from cuescan.data.labelled_folder import Annotated, read_labelled_folder
from cuescan.data.masks import read_mask
from cuescan.data.raw_dataset import TEST, TRAINING, RawDataset, Sample, write_raw_dataset


def crop(image: Annotated, entry: Entry, cue: Cue, group: str, part: str) -> Iterator[Sample]:
    """One crop with its mask; its cue counts in training only."""
    yield Sample(image.name, read_picture(image.image), read_mask(image.mask, entry.mask_values), cue, group, part)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("consep")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with images/, masks/ and labels.csv")
    add_hold_out(parser)
    add_destination(parser, dataset_id=114, name=entry.name)
    options = parser.parse_args(arguments)

    images = read_labelled_folder(options.source)
    labels = options.source / "labels.csv"
    table = read_cue_table(labels, entry.classes, entry.background, group="source_image")
    check_cases(table.cues, [image.name for image in images], labels)
    held = set(hold_out(table.groups, options.hold_out, options.seed)) if options.hold_out is not None else set()
    sources = [
        partial(
            crop, image, entry, table.cues.cues[image.name], table.groups[image.name],
            TEST if image.name in held else TRAINING,
        )
        for image in images
    ]  # fmt: skip
    dataset = RawDataset(options.dataset_id, options.name, entry.classes, entry.background, facts=entry.facts)
    return write_raw_dataset(dataset, sources, **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
