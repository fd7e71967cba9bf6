"""Write a synthetic data set as a person would keep it: images, masks, and a table of cues."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

Drawn = tuple[np.ndarray, np.ndarray, Sequence[Any]]
"""An image, its mask, and the cells of its row after the image's name."""


def write_folder(
    output_folder: Path | str,
    cases: int,
    seed: int,
    kind: str,
    table: str,
    header: Sequence[str],
    draw: Callable[[np.random.Generator], Drawn],
) -> Path:
    """Write ``images/*.png``, ``masks/*.png`` and a table.

    The same seed gives the same files; case n does not depend on how many cases are made.

    Args:
        output_folder: is made if it is not there.
        cases: number of images.
        seed: of the data set.
        kind: what is drawn; the cases are named after it.
        table: the table's file name.
        header: names of its columns after ``image``.
        draw: draws a case.

    Returns:
        The folder.
    """
    folder = Path(output_folder)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows: list[list[Any]] = [["image", *header]]
    for number in tqdm(range(cases), desc=f"synthetic {kind}", unit="image", disable=None):
        image, mask, cells = draw(np.random.default_rng((seed, number)))
        case = f"{kind}_{number:04d}"
        Image.fromarray(image).save(folder / "images" / f"{case}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{case}.png")
        rows.append([case, *cells])
    with (folder / table).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder
