"""The tiny data set with sentences that state boxes and shares, some images with black borders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny_dataset as tiny
from PIL import Image

NAME = "Dataset005_Tiny"
PRIVATE = "Patient Wilhelmina Quastenflosser."
WITHOUT_SENTENCE, SAYS_NOTHING = ("case_005", "case_007"), "case_003"


def box_of(mask: np.ndarray, label: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a label, the last two exclusive."""
    rows, columns = np.nonzero(mask == label)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def sentence(mask: np.ndarray) -> str:
    """What a mask shows, with boxes in pixels and shares."""
    said = [PRIVATE]
    for label, words in enumerate(("dark square", "bright stripe"), start=1):
        share = (mask == label).mean()
        if share:
            said.append(f"One {words}, box {box_of(mask, label)}, covering {100 * share:.2f}% of the image.")
        else:
            said.append(f"No {words.split()[1]}.")
    return " ".join(said)


def borders(case: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Black rows and columns before and after the content of a case's image; none in every other case."""
    return ((0, 0), (0, 0)) if case % 2 else ((case, 0), (3, case // 2))


def make_raw(root: Path, number: int = 5) -> Path:
    """Write ten cases in RGB and return the data set's folder."""
    folder = tiny.make_raw(root, number, sizes=((48, 48), (40, 56)))
    cues = json.loads((folder / "cues.json").read_text())
    for index, (case, cue) in enumerate(sorted(cues["cues"].items())):
        image, mask = folder / "imagesTr" / f"{case}_0000.png", folder / "labelsTr" / f"{case}.png"
        pixels, labels = np.array(Image.open(image)), np.array(Image.open(mask))
        pixels, labels = np.pad(pixels, (*borders(index), (0, 0))), np.pad(labels, borders(index))
        tiny.save(image, pixels)
        tiny.save(mask, labels)
        if case not in WITHOUT_SENTENCE:
            cue.pop("labels")
            cue["text"] = f"{PRIVATE} Poor light." if case == SAYS_NOTHING else sentence(labels)
    tiny.write(folder / "cues.json", cues)
    return folder
