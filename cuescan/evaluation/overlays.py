"""Pictures of a whole folder of predictions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from cuescan.cues import Cues
from cuescan.cues.checking import some
from cuescan.data.images import list_images, read_picture
from cuescan.errors import UserError
from cuescan.evaluation.case_picture import Case, case_picture
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.overview import chosen, contact_sheet, tile
from cuescan.evaluation.paint import displayable


@dataclass(frozen=True)
class Sources:
    """Where the parts of a case come from.

    Attributes:
        images: case name -> image.
        predictions: case name -> predicted mask; these are the cases that are drawn.
        masks: case name -> reference mask, possibly of some cases only.
        cues: the data set's cues, or None.
        labels: what the integers of the masks mean.
    """

    images: dict[str, Path]
    predictions: dict[str, Path]
    masks: dict[str, Path]
    cues: Cues | None
    labels: Labels

    def read(self, name: str) -> Case:
        """Read one case.

        Raises:
            UserError: a file cannot be read or the sizes differ.
        """
        image = displayable(read_picture(self.images[name]).pixels)
        prediction = self.labels.read(self.predictions[name], reference=False)
        reference = self.labels.read(self.masks[name], reference=True) if name in self.masks else None
        for mask, path in ((prediction, self.predictions[name]), (reference, self.masks.get(name))):
            if mask is not None and mask.shape != image.shape[:2]:
                raise UserError(
                    f"{path}: case '{name}' is {mask.shape[1]} x {mask.shape[0]} pixels but its image "
                    f"{image.shape[1]} x {image.shape[0]}; give the images that were predicted"
                )
        if reference is not None and (reference == self.labels.ignore).all():
            reference = None
        return Case(name, image, prediction, reference, self.cues.cues.get(name) if self.cues else None)


def find_sources(
    images: Path, predictions: Path, masks: Path | None, cues: Cues | None, labels: Labels, cue_file: Path | None = None
) -> Sources:
    """List the files of every predicted case; images may carry nnU-Net's channel suffix (``case_0000.png``).

    Raises:
        UserError: an image is missing, no case has a mask, or the cues are of other classes.
    """
    found = Sources(
        _without_channel(list_images(images)),
        list_images(predictions),
        list_images(masks) if masks else {},
        cues,
        labels,
    )
    missing = sorted(set(found.predictions) - set(found.images))
    if missing:
        raise UserError(f"{images}: no image for the prediction of case {some(missing)}; give the predicted images")
    if masks and not set(found.masks) & set(found.predictions):
        raise UserError(f"{masks}: no mask has the name of a predicted case; check the folder, or leave --masks out")
    if cues and cues.classes != labels.classes:
        raise UserError(
            f"{cue_file}: the classes are {', '.join(cues.classes)} but dataset.json has {', '.join(labels.classes)}; "
            "give the cues of this data set"
        )
    return found


def write_overlays(sources: Sources, output: Path, overview_cases: int, show_text: bool = False) -> Path:
    """Write ``cases/<case>.png`` for every case and ``overview.png`` of some.

    Returns:
        The path of the overview.
    """
    names = list(sources.predictions)
    in_overview = set(chosen(names, overview_cases))
    folder = output / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    tiles = []
    for name in tqdm(names, desc="overlay", unit="case", disable=None):
        case = sources.read(name)
        _save(case_picture(case, sources.labels, show_text), folder / f"{name}.png")
        if name in in_overview:
            tiles.append(tile(case, sources.labels, with_reference=bool(sources.masks)))
    columns = ["image", "prediction"] + (["reference"] if sources.masks else [])
    caption = f"{' | '.join(columns)}: {len(tiles)} of {len(names)} cases"
    _save(contact_sheet(tiles, sources.labels, caption), output / "overview.png")
    return output / "overview.png"


def _without_channel(images: dict[str, Path]) -> dict[str, Path]:
    """Take the first channel's file for a case, under the case's own name."""
    first = {name.removesuffix("_0000"): path for name, path in images.items() if name.endswith("_0000")}
    return {**images, **first}


def _save(picture: Image.Image, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        picture.save(temporary, "PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
