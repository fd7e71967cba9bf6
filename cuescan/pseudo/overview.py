"""A picture of some pseudo-labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cuescan.data.images import read_picture
from cuescan.evaluation.case_picture import Case
from cuescan.evaluation.labels import read_labels
from cuescan.evaluation.overview import chosen, contact_sheet, tile
from cuescan.evaluation.paint import displayable

OVERVIEW = "pseudo_label.png"


def write_overview(folder: Path, images: Mapping[str, Path], count: int) -> None:
    """Write ``pseudo_label.png``: at most ``count`` images of a data set, evenly spaced, and what is labelled in them.

    Args:
        folder: the data set's.
        images: case -> image file, of the cases that may be shown.
        count: at least 1.
    """
    labels = read_labels(folder / "dataset.json")
    names = chosen(sorted(images), count)
    tiles = []
    for name in names:
        mask = labels.read(next((folder / "labelsTr").glob(f"{name}.*")), reference=True)
        tiles.append(tile(Case(name, displayable(read_picture(images[name]).pixels), mask), labels, False))
    caption = f"image | pseudo-label, grey where ignored: {len(names)} of {len(images)} cases"
    contact_sheet(tiles, labels, caption).save(folder / OVERVIEW)
