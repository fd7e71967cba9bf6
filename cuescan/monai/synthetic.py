"""The data set that a bundle trains on where the user gives none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cuescan.data.caption_table import Captions, describe_masks, write_captions
from cuescan.data.prepare import Inputs, prepare
from cuescan.data.synthetic import make_histology
from cuescan.data.synthetic_lesions import make_lesions
from cuescan.monai.datalist import Datalist, read_datalist, write_datalist

TISSUE, POLYPS = "Dataset991_SyntheticTissue", "Dataset993_SyntheticPolyps"
TRAINING_CASES, TEST_CASES = {TISSUE: 120, POLYPS: 150}, 24
SIZES = {TISSUE: 128, POLYPS: 96}
"""Name of each embedded data set and the side of its images in pixels."""


def open_datalist(folder: Path | str) -> Datalist:
    """Read the data set of a folder; an embedded one is made where it is not there yet.

    Args:
        folder: of a data set. If its name is that of an embedded one, it is drawn on first use.
    """
    folder = Path(folder).absolute()
    if not folder.exists() and folder.name in SIZES:
        print(f"no --dataset_dir was given: drawing synthetic images into {folder}", flush=True)
        _draw(folder)
    return read_datalist(folder)


def _draw(folder: Path) -> None:
    number, name = int(folder.name[len("Dataset") :][:3]), folder.name.partition("_")[2]
    polyps = folder.name == POLYPS
    make = make_lesions if polyps else make_histology
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".synthetic") as workshop:
        train, test = Path(workshop) / "train", Path(workshop) / "test"
        make(train, TRAINING_CASES[folder.name], SIZES[folder.name], seed=0)
        make(test, TEST_CASES, SIZES[folder.name], seed=1)
        table, texts = train / "labels.csv", None
        if polyps:  # in the manner of TIFCMamba's captions: place, box and share
            table = train / "sentences.csv"
            write_captions(Captions(train / "masks", ("polyp",)), table)
            texts = describe_masks(Captions(test / "masks", ("polyp",)))
        inputs = Inputs(
            images=train / "images",
            cues=table,
            masks=train / "masks",
            test_images=test / "images",
            test_masks=test / "masks",
            classes=("polyp",) if polyps else (),
            background=polyps,
        )
        made = prepare(inputs, number, name, output=Path(workshop))
        write_datalist(made, texts)
        if not folder.exists():  # another process may have been faster
            made.replace(folder)
