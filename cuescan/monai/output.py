"""Masks and pictures of them as files, and their scores."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import SaveImaged
from PIL import Image

from cuescan.cues.writing import write_json
from cuescan.data.images import read_picture
from cuescan.errors import UserError
from cuescan.evaluation.folders import evaluate_pairs
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.paint import displayable, paint
from cuescan.evaluation.report import document, summary, table
from cuescan.monai.datalist import Item
from cuescan.monai.model_card import ModelCard

OVERLAYS = "overlays"


def labels_of(card: ModelCard) -> Labels:
    """What the integers of the model's masks mean."""
    return Labels(tuple(card.classes), card.background, len(card.classes) + 1)


class SaveMaskd(SaveImaged):
    """Write masks as ``CASE.png``, 8-bit labels of the input's size, and colours over the image in ``overlays``.

    It counts as MONAI's own SaveImaged, which programs that save masks themselves, such as MONAI Label, leave out.

    Args:
        keys: of the masks (1, H, W).
        output_dir: folder to write to.
        card: of the model.
        overlays: whether to write the pictures too.
    """

    def __init__(self, keys: KeysCollection, output_dir: Path | str, card: ModelCard, overlays: bool = True) -> None:
        super().__init__(keys, output_dir=output_dir, output_ext=".png", print_log=False)
        self.folder, self.labels, self.overlays = Path(output_dir), labels_of(card), overlays

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files of one case."""
        found = dict(data)
        pictures = self.folder / OVERLAYS
        (pictures if self.overlays else self.folder).mkdir(parents=True, exist_ok=True)
        for key in self.key_iterator(found):
            mask = np.asarray(found[key])[0].astype(np.uint8)
            Image.fromarray(mask).save(self.folder / f"{found['case']}.png")
            if self.overlays:
                pixels = read_picture(Path(found["image"].meta["filename_or_obj"])).pixels
                painted = paint(displayable(pixels), mask.astype(np.int64), self.labels)
                Image.fromarray(painted).save(pictures / f"{found['case']}.png")
        return found


def score_masks(folder: Path | str, items: Sequence[Item], card: ModelCard) -> dict[str, Any]:
    """Score a folder of masks over one confusion matrix, print the table and write ``scores.json`` into the folder.

    Args:
        folder: with ``CASE.png``.
        items: the cases, each with the path of its mask as "label".
        card: of the model.

    Raises:
        UserError: no case has a mask, or one does not fit.
    """
    pairs = {item["case"]: (Path(item["label"]), Path(folder) / f"{item['case']}.png") for item in items}
    if not pairs:
        raise UserError(f"{folder}: no case has a mask to be scored against; give a --dataset_dir with masks")
    evaluation = evaluate_pairs(pairs, labels_of(card))
    scores = document(evaluation, Path(folder), next(iter(pairs.values()))[0].parent)
    write_json(scores, Path(folder) / "scores.json")
    print(table(evaluation.total))
    print(f"\n{summary(evaluation.total)}  ({len(evaluation.cases)} cases); saved {Path(folder) / 'scores.json'}")
    return scores
