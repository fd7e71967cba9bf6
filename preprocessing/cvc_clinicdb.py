"""CVC-ClinicDB (polyps in colonoscopy) -> a cuescan data set with a sentence per image.

SOURCE is the download, with Original/ and Ground Truth/ (in some copies below PNG/ or TIF/), or a folder with images/
and masks/. Its 612 frames come from 29 sequences, which folds and --hold-out keep whole: the sequence of a frame is
read from metadata.csv (frame_id, sequence_id) where a copy has it, else from the frame numbers of the release. Random
splits, as often published, put frames of one polyp on both sides.

    python preprocessing/cvc_clinicdb.py CVC-ClinicDB --hold-out 0.2
"""

from __future__ import annotations

import argparse
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cuescan.commands.options import add_destination, add_sentences, destination, run_script, wishes
from cuescan.data.entries import load_entry
from cuescan.data.mask_pairs import CASES, MaskPair, find_folder, pair_folders, with_cases, write_pairs
from cuescan.data.tables import column, read_table
from cuescan.errors import UserError

LAST_FRAMES = (
    25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317, 342, 363, 383, 408, 428, 447, 466, 478, 503,
    528, 546, 571, 591, 612,
)  # of the 29 sequences, frames counted from 1  # fmt: skip
METADATA = "metadata.csv"


def read_sequences(source: Path) -> dict[str, str]:
    """Frame -> sequence."""
    path = source / METADATA
    if not path.is_file():
        frames = range(1, LAST_FRAMES[-1] + 1)
        return {str(frame): f"sequence {bisect_left(LAST_FRAMES, frame) + 1}" for frame in frames}
    rows = read_table(path)
    frame, sequence = column(rows, path, "frame_id"), column(rows, path, "sequence_id")
    return {row[frame]: f"sequence {row[sequence]}" for row in rows}


def read_source(source: Path) -> list[MaskPair]:
    """Frames and masks with their sequences."""
    root = next((source / name for name in ("PNG", "TIF", "TIFF") if (source / name).is_dir()), source)
    images = find_folder(root, "Original", "images")
    pairs = pair_folders(images, find_folder(root, "Ground Truth", "Ground_Truth", "GroundTruth", "masks"))
    if (source / CASES).is_file():
        return with_cases(source, pairs)
    sequences = read_sequences(source)
    lacking = next((case for case in pairs if case.name.lstrip("0") not in sequences), None)
    if lacking is not None:
        raise UserError(
            f"{lacking.image}: frame '{lacking.name}' belongs to no known sequence; restore the frame's number as its "
            f"name, or state groups in {source / CASES} (case, group)"
        )
    return [replace(case, group=sequences[case.name.lstrip("0")]) for case in pairs]


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("cvc_clinicdb")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with Original/ and Ground Truth/")
    add_sentences(parser)
    add_destination(parser, dataset_id=121, name=entry.name)
    options = parser.parse_args(arguments)
    pairs = read_source(options.source)
    return write_pairs((options.dataset_id, options.name), entry, pairs, wishes(options), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
