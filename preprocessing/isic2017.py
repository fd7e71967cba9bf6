"""ISIC 2017 (skin lesions in dermoscopy) -> a cuescan data set with a sentence per image.

SOURCE holds the unpacked archives: ISIC-2017_Training_Data and ISIC-2017_Training_Part1_GroundTruth, and where they are
there the same of Validation and Test_v2; or images/, masks/ and cases.csv (case, split). Superpixels are left out. The
challenge's test images become imagesTs and labelsTs, its validation images imagesVal and labelsVal, which no training
command reads. Images are photographs of up to many megapixels: reduce them with --longest-side.

    python preprocessing/isic2017.py ISIC2017 --longest-side 512
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cuescan.commands.options import add_destination, add_sentences, destination, run_script, wishes
from cuescan.data.entries import load_entry
from cuescan.data.mask_pairs import MaskPair, find_folder, pair_folders, read_case_folder, write_pairs
from cuescan.data.raw_dataset import TEST, TRAINING, VALIDATION

PARTS = {"Training": TRAINING, "Validation": VALIDATION, "Test_v2": TEST}


def case_name(name: str) -> str:
    """The case that an image or a mask belongs to."""
    return name.removesuffix("_segmentation")


def read_source(source: Path) -> list[MaskPair]:
    """Images and masks of the parts that are there; those for training must be."""
    if (source / "images").is_dir():
        return read_case_folder(source)
    pairs: list[MaskPair] = []
    for name, part in PARTS.items():
        if part == TRAINING or (source / f"ISIC-2017_{name}_Data").is_dir():
            images = find_folder(source, f"ISIC-2017_{name}_Data")
            masks = find_folder(source, f"ISIC-2017_{name}_Part1_GroundTruth")
            pairs += pair_folders(images, masks, case_name, part, without="_superpixels")
    return pairs


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("isic2017")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="folder with ISIC-2017_Training_Data/ and the others"
    )
    add_sentences(parser)
    add_destination(parser, dataset_id=126, name=entry.name)
    options = parser.parse_args(arguments)
    pairs = read_source(options.source)
    return write_pairs((options.dataset_id, options.name), entry, pairs, wishes(options), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
