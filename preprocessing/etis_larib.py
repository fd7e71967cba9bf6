"""ETIS-Larib Polyp DB (polyps in colonoscopy) -> a cuescan data set with a sentence per image.

SOURCE is the download, with ETIS-LaribPolypDB/1.tif and Ground Truth/p1.tif, or a folder with images/ and masks/. The
196 frames come from few sequences that their names do not tell: a table cases.csv (case, group) in SOURCE says which
frames belong together; without it frames of one polyp fall into different folds.

    python preprocessing/etis_larib.py ETIS-LaribPolypDB --hold-out 0.2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cuescan.commands.options import add_destination, add_sentences, destination, run_script, wishes
from cuescan.data.entries import load_entry
from cuescan.data.mask_pairs import MaskPair, find_folder, pair_folders, read_case_folder, with_cases, write_pairs


def read_source(source: Path) -> list[MaskPair]:
    """Frames and masks of the download, or of a folder with images/."""
    if (source / "images").is_dir():
        return read_case_folder(source)
    images = find_folder(source, "ETIS-LaribPolypDB", "Original")
    masks = find_folder(source, "Ground Truth", "Ground_Truth", "GroundTruth")
    return with_cases(source, pair_folders(images, masks, key=lambda name: name.removeprefix("p")))


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("etis_larib")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with ETIS-LaribPolypDB/ and Ground Truth/")
    add_sentences(parser)
    add_destination(parser, dataset_id=123, name=entry.name)
    options = parser.parse_args(arguments)
    pairs = read_source(options.source)
    return write_pairs((options.dataset_id, options.name), entry, pairs, wishes(options), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
