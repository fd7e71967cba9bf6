"""CVC-ColonDB (polyps in colonoscopy) -> a cuescan data set with a sentence per image.

SOURCE is a folder with images/ and masks/, the form in which the 380 frames are passed on. They come from 15 sequences
that their names do not tell: frames of one polyp fall into different folds, and scores are too good, unless a table
cases.csv (case, group) beside images/ says which frames belong together.

    python preprocessing/cvc_colondb.py CVC-ColonDB --hold-out 0.2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cuescan.commands.options import add_destination, add_sentences, destination, run_script, wishes
from cuescan.data.entries import load_entry
from cuescan.data.mask_pairs import read_case_folder, write_pairs


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("cvc_colondb")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with images/ and masks/")
    add_sentences(parser)
    add_destination(parser, dataset_id=122, name=entry.name)
    options = parser.parse_args(arguments)
    pairs = read_case_folder(options.source)
    return write_pairs((options.dataset_id, options.name), entry, pairs, wishes(options), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
