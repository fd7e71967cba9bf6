"""BCSS-WSSS (breast cancer tiles) -> a cuescan data set with the image-level labels of the file names.

Tile names end in ``[1101]``: 1 or 0 for tumour, stroma, lymphocytic infiltrate and necrosis. Mask value 4 is excluded
tissue: it becomes "ignore" and takes no part in any score. White areas can be fat, so brightness is never thresholded.

train/ (or training/) becomes the training set, weak only; folds keep the tiles of a patient together. test/ becomes
imagesTs and labelsTs. val/ becomes imagesVal and labelsVal, which no training command reads: nnU-Net's folds come from
the training tiles, so checkpoints are chosen from cues alone, and val/ stays free for choosing settings.

    python preprocessing/bcss_wsss.py BCSS-WSSS
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from cuescan.commands.options import add_destination, destination, run_script
from cuescan.data.entries import load_entry
from cuescan.data.raw_dataset import RawDataset, write_raw_dataset
from cuescan.data.tissue_tiles import tile_sources

GROUP = re.compile(r"TCGA-\w+-\w+")  # the patient's part of a TCGA barcode


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("bcss_wsss")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with train/, val/ and test/")
    add_destination(parser, dataset_id=113, name=entry.name)
    options = parser.parse_args(arguments)
    dataset = RawDataset(options.dataset_id, options.name, entry.classes, entry.background, facts=entry.facts)
    return write_raw_dataset(dataset, tile_sources(options.source, entry, GROUP), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
