"""Take a cuescan data set that is in nnUNet_raw into a benchmark's own folder, with test images.

    python benchmarks/weak_tables/take_dataset.py $nnUNet_raw/Dataset101_Biopsies OUTPUT/nnUNet_raw/Dataset101_Biopsies

Where it has no test images with masks, the cases of its last fold become the test set and leave the training set: folds
never part a patient, so neither does this. Files are linked where the disk allows it, else copied; the source is only
read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cuescan.commands.options import run_script
from cuescan.cues import Cues, read_cues, write_cues
from cuescan.cues.reading import load_json
from cuescan.cues.writing import write_json
from cuescan.data.destination import complete_folder
from cuescan.data.images import list_images
from cuescan.data.masks import read_raw_mask
from cuescan.data.raw_dataset import TEST, TRAINING
from cuescan.errors import UserError


def link(source: Path, target: Path) -> None:
    """Link a file, or copy it where links are not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def held_out(source: Path, splits: list[dict[str, list[str]]]) -> frozenset[str]:
    """The cases of the last fold.

    Raises:
        UserError: fewer than two folds would be left, or the training cases have no masks to score by.
    """
    if len(splits) < 3:
        raise UserError(
            f"{source}: no imagesTs with labelsTs, and {len(splits)} folds are too few to hold one out; give test "
            "images with masks to `cuescan prepare`, or --folds 5"
        )
    cases = frozenset(splits[-1]["val"])
    masks = list_images(source / "labelsTr")
    ignore = load_json(source / "dataset.json")["labels"].get("ignore")
    if not any((read_raw_mask(masks[case]) != ignore).any() for case in sorted(cases)):
        raise UserError(
            f"{source}: no imagesTs with labelsTs, and the masks of the training cases are all 'ignore', so nothing "
            "can be scored; give test images with masks to `cuescan prepare`"
        )
    return cases


def take(source: Path, target: Path) -> Path:
    """Write the data set, atomically.

    Raises:
        UserError: it is no cuescan data set, or no test set can be made.
    """
    cues, splits = read_cues(source / "cues.json"), load_json(source / "splits_final.json")
    document = load_json(source / "dataset.json")
    tested = (source / "imagesTs").is_dir() and (source / "labelsTs").is_dir()
    held = frozenset() if tested else held_out(source, splits)
    with complete_folder(target) as new:
        for folder in ("imagesTr", "labelsTr", *(("imagesTs", "labelsTs") if tested else ())):
            for path in sorted((source / folder).iterdir()):
                case = path.name.removesuffix(document["file_ending"])
                moved = (case.rpartition("_")[0] if folder.startswith("images") else case) in held
                link(path, new / (folder.replace(TRAINING, TEST) if moved else folder) / path.name)
        kept = {case: cue for case, cue in cues.cues.items() if case not in held}
        write_cues(Cues(cues.classes, cues.background, kept), new / "cues.json")
        if held:
            splits = [
                {side: [case for case in cases if case not in held] for side, cases in fold.items()}
                for fold in splits[:-1]
            ]
        write_json(splits, new / "splits_final.json")
        write_json(document | {"numTraining": len(kept)}, new / "dataset.json")
    return target


def main(arguments: Sequence[str] | None = None) -> Path:
    """Parse the command line and write the data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="raw data set with cues.json and splits_final.json")
    parser.add_argument("target", type=Path, metavar="TARGET", help="raw data set to write")
    options = parser.parse_args(arguments)
    return take(options.source, options.target)


if __name__ == "__main__":
    sys.exit(run_script(main))
