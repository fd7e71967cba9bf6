"""LUAD-HistoSeg (lung adenocarcinoma tiles) -> a cuescan data set with the image-level labels of the file names.

Tile names read ``1031280-2300-27920-[1 0 0 1].png``: slide, position, then 1 or 0 for tumour epithelium, necrosis,
lymphocyte and tumour-associated stroma. Mask value 4 is white background: it becomes "ignore" and takes no part in any
score.

train/ (or training/) becomes the training set, weak only; folds keep the tiles of a slide together. test/ becomes
imagesTs and labelsTs. val/ becomes imagesVal and labelsVal, which no training command reads: nnU-Net's folds come from
the training tiles, so checkpoints are chosen from cues alone, and val/ stays free for choosing settings.

    python preprocessing/luad_histoseg.py LUAD-HistoSeg
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

GROUP = re.compile(r"[^-]+")  # the slide leads a tile's name


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("luad_histoseg")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with train/, val/ and test/")
    add_destination(parser, dataset_id=112, name=entry.name)
    options = parser.parse_args(arguments)
    dataset = RawDataset(options.dataset_id, options.name, entry.classes, entry.background, facts=entry.facts)
    return write_raw_dataset(dataset, tile_sources(options.source, entry, GROUP), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
