"""The data set that a bundle trains on where the user gives none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cuescan.data.prepare import Inputs, prepare
from cuescan.data.synthetic import make_histology
from cuescan.data.synthetic_lesions import make_lesions
from cuescan.monai.datalist import Datalist, read_datalist, write_datalist

TRAINING_CASES, TEST_CASES = 96, 24
TISSUE, POLYPS = "Dataset991_SyntheticTissue", "Dataset993_SyntheticPolyps"
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
    make = make_histology if folder.name == TISSUE else make_lesions
    table = "labels.csv" if folder.name == TISSUE else "captions.csv"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".synthetic") as workshop:
        train, test = Path(workshop) / "train", Path(workshop) / "test"
        make(train, TRAINING_CASES, SIZES[folder.name], seed=0)
        make(test, TEST_CASES, SIZES[folder.name], seed=1)
        inputs = Inputs(
            images=train / "images",
            cues=train / table,
            masks=train / "masks",
            test_images=test / "images",
            test_masks=test / "masks",
            classes=("polyp",) if folder.name == POLYPS else (),
            background=folder.name == POLYPS,
        )
        made = prepare(inputs, number, name, output=Path(workshop))
        write_datalist(made)
        if not folder.exists():  # another process may have been faster
            made.replace(folder)
