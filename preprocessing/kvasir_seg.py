"""Kvasir-SEG (polyps in endoscopy) -> a cuescan data set with a sentence per image.

SOURCE is the download, with images/ and masks/ (its kavsir_bboxes.json is not needed). The masks are JPEG, whose
compression leaves values in between: 128 and above is polyp. The 1,000 images name no patient; a table cases.csv
(case, group, or split with train and test) beside images/ states groups or a published split.

    python preprocessing/kvasir_seg.py Kvasir-SEG --hold-out 0.2
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
    entry = load_entry("kvasir_seg")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with images/ and masks/")
    add_sentences(parser)
    add_destination(parser, dataset_id=124, name=entry.name)
    options = parser.parse_args(arguments)
    pairs = read_case_folder(options.source)
    return write_pairs((options.dataset_id, options.name), entry, pairs, wishes(options), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
