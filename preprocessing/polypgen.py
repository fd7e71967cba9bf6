"""PolypGen (polyps in colonoscopy, six centres) -> a cuescan data set with a sentence per image.

SOURCE is the download, PolypGen2021_MultiCenterData_v3 with data_C1/ ... data_C6/ and sequenceData/, or a folder with
images/, masks/ and cases.csv (case, group). The 1,537 single frames are taken, with --sequences the videos' frames too;
frames of sequenceData/negativeOnly have no mask and show no polyp. The masks are JPEG: 128 and above is polyp.

Folds keep a centre together, since single frames and videos of one centre show the same patients. A frame's centre is
its folder's, that of a video frame stands in its name (seq1_C6_10); where it does not, its video is the group. Centre
C6 becomes imagesTs and labelsTs, as in the challenge; choose others with --test-centres.

    python preprocessing/polypgen.py PolypGen2021_MultiCenterData_v3 --longest-side 512
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cuescan.commands.options import add_destination, add_sentences, destination, run_script, wishes
from cuescan.data.entries import load_entry
from cuescan.data.images import list_images
from cuescan.data.mask_pairs import MaskPair, find_folder, pair_folders, read_case_folder, write_pairs
from cuescan.data.raw_dataset import TEST
from cuescan.errors import UserError

CENTRES = tuple(f"C{number}" for number in range(1, 7))
CENTRE_IN_NAME = re.compile(r"(?:^|_)(C[1-6])(?:_|$)")


def case_name(name: str) -> str:
    """The case that an image or a mask belongs to; one image of C3 has a blank underscore at its end."""
    return name.removesuffix("_mask").rstrip("_")


def with_video(case: MaskPair, video: str) -> MaskPair:
    """A video frame with its centre as its group, or its video where its name states none."""
    name = case.name if case.name.startswith("seq") else f"{video}_{case.name}"
    centre = CENTRE_IN_NAME.search(case.name)
    return replace(case, name=name, group=centre[1] if centre else video)


def read_sequences(root: Path) -> list[MaskPair]:
    """The frames of all videos."""
    pairs: list[MaskPair] = []
    for folder in sorted((root / "positive").glob("seq*")):
        found = pair_folders(folder / f"images_{folder.name}", folder / f"masks_{folder.name}", case_name)
        pairs += [with_video(case, folder.name) for case in found]
    for folder in sorted([*(root / "negativeOnly").glob("seq*"), *(root / "negative").glob("seq*")]):
        frames = [MaskPair(name, path, None) for name, path in list_images(folder).items()]
        pairs += [with_video(case, folder.name) for case in frames]
    return pairs


def read_source(source: Path, sequences: bool) -> list[MaskPair]:
    """Frames and masks of the download, or of a folder with images/."""
    if (source / "images").is_dir():
        return read_case_folder(source)
    root = source / "PolypGen2021_MultiCenterData_v3"
    root = root if root.is_dir() else source
    pairs: list[MaskPair] = []
    for centre in CENTRES:
        folder = root / f"data_{centre}"
        if folder.is_dir():
            images = find_folder(folder, f"images_{centre}", "images")
            found = pair_folders(images, find_folder(folder, f"masks_{centre}", "masks"), case_name)
            pairs += [replace(case, group=centre) for case in found]
    if not pairs:
        raise UserError(f"{source}: no data_C1/ ... data_C6/ and no images/ in it; give the folder of the download")
    return pairs + read_sequences(root / "sequenceData") if sequences else pairs


def hold_centres_back(pairs: Sequence[MaskPair], centres: Sequence[str]) -> list[MaskPair]:
    """Make the cases of these centres the test set."""
    unknown = next((name for name in centres if name not in CENTRES), None)
    if unknown:
        raise UserError(f"--test-centres: '{unknown}' is none of {', '.join(CENTRES)}; use their names")
    return [replace(case, part=TEST) if case.group in centres else case for case in pairs]


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    entry = load_entry("polypgen")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="folder with data_C1/ ... data_C6/ and sequenceData/"
    )
    parser.add_argument(
        "--sequences", action="store_true", help="take the frames of the videos too, with and without polyps"
    )
    parser.add_argument(
        "--test-centres", nargs="*", default=["C6"], metavar="C", help="centres that become the test set (default C6)"
    )
    add_sentences(parser)
    add_destination(parser, dataset_id=125, name=entry.name)
    options = parser.parse_args(arguments)
    pairs = hold_centres_back(read_source(options.source, options.sequences), options.test_centres)
    return write_pairs((options.dataset_id, options.name), entry, pairs, wishes(options), **destination(options))


if __name__ == "__main__":
    sys.exit(run_script(main))
