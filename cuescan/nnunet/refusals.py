"""What a weak trainer refuses before it starts, each with the remedy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cuescan.cues import Cues
from cuescan.errors import UserError


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """End the program with a user error's message and status 1, without a traceback: nnU-Net's commands catch none."""
    try:
        yield
    except UserError as error:
        raise SystemExit(f"cuescan: error: {error}") from None


def check_configuration(plans: Mapping[str, Any], configuration: str) -> None:
    """Refuse configurations that are not two-dimensional or not in the plans.

    Raises:
        UserError: names the configuration and the ones that fit.
    """
    name = plans["plans_name"]
    planned = plans["configurations"]
    if configuration not in planned:
        raise UserError(
            f"{name} has no configuration '{configuration}' (it has: {', '.join(planned)}); choose one of them"
        )
    settings = dict(planned[configuration])
    while "inherits_from" in settings:
        settings = {**planned[settings.pop("inherits_from")], **settings}
    if len(settings["patch_size"]) != 2:
        raise UserError(
            f"configuration '{configuration}' of {name} is three-dimensional but this trainer learns from whole 2-D "
            "images; train configuration 2d"
        )


def check_labels(cues: Cues, dataset_json: Mapping[str, Any], source: Path) -> None:
    """Refuse cues whose classes are not the labels of dataset.json.

    Raises:
        UserError: names both.
    """
    labels = {name: value for name, value in dataset_json["labels"].items() if name not in ("background", "ignore")}
    expected = {name: number for number, name in enumerate(cues.classes, start=1)}
    if labels != expected:
        raise UserError(
            f"{source}: the classes {expected} are not the labels {labels} of the data set's dataset.json; "
            "make them the same (class number i of the cues is label i) and plan again"
        )


def check_split(
    training: Sequence[str], validation: Sequence[str], preprocessed: Iterable[str], folder: Path, remedy: str
) -> None:
    """Refuse a split with an empty side or with cases that are not preprocessed.

    Raises:
        UserError: names the side or the first such case.
    """
    for cases, side in ((training, "training"), (validation, "validation")):
        if not cases:
            raise UserError(
                f"the fold has no {side} case (splits_final.json beside {folder}); correct the splits or train "
                "another fold"
            )
    missing = sorted({*training, *validation} - set(preprocessed))
    if missing:
        raise UserError(
            f"splits_final.json names case '{missing[0]}' but {folder} has no such preprocessed case; "
            f"preprocess again: {remedy}"
        )


def check_patch(
    source: Any, cases: Iterable[str], patch_size: Sequence[int], plans: str, configuration: str, remedy: str
) -> None:
    """Refuse a patch that does not cover every image: a cue speaks of the whole image.

    Args:
        source: nnU-Net's data set of preprocessed cases.
        cases: names of the cases.
        patch_size: (height, width).
        plans: name of the plans.
        configuration: name of the configuration.
        remedy: the command that plans anew.

    Raises:
        UserError: names plans, patch and the largest image, or a case that is a volume.
    """
    largest, name = (0, 0), ""
    uncovered = False
    for case in cases:
        _, depth, height, width = source.load_case(case)[0].shape
        if depth != 1:
            raise UserError(f"case '{case}' is a volume of {depth} slices but this trainer takes 2-D images; split it")
        outside = height > patch_size[0] or width > patch_size[1]
        if (outside, height * width) > (uncovered, largest[0] * largest[1]):
            largest, name, uncovered = (height, width), case, outside
    if uncovered:
        raise UserError(
            f"the patch {patch_size[0]}x{patch_size[1]} of {plans} ({configuration}) does not cover the largest image, "
            f"{largest[0]}x{largest[1]} of case '{name}', and a cue speaks of the whole image; plan again: {remedy}"
        )


def check_nuclei(trainer: str, learns_from_stain: bool, rgb: bool, cues: Cues, path: Path) -> None:
    """Refuse ``CUESCAN_NUCLEI`` where it says nothing, or what is not so.

    Raises:
        UserError: the trainer's loss does not take it, images are not RGB, or each pixel has a class.
    """
    remedy = "unset CUESCAN_NUCLEI"
    if not learns_from_stain:
        raise UserError(f"CUESCAN_NUCLEI is 1, but {trainer} does not learn from stains; {remedy}")
    if not rgb:
        raise UserError(f"CUESCAN_NUCLEI is 1, but the images are not RGB with stains to tell apart; {remedy}")
    if not cues.background:
        raise UserError(f"CUESCAN_NUCLEI is 1, but by {path} each pixel has a class, also outside nuclei; {remedy}")


def check_image_labels(cues: Cues, cases: Iterable[str], source: Path, parts: bool = False) -> None:
    """Refuse cases of which no label is stated, for networks that learn from nothing else.

    Args:
        cues: of the data set.
        cases: to check.
        source: the file of the cues.
        parts: labels of parts of an image count too.

    Raises:
        UserError: names the first such case.
    """
    for case in sorted(cases):
        stated = [cues.label_vector(case), *(cues.parts(case)[1] if parts else ())]
        if np.isnan(stated).all():
            raise UserError(
                f"{source}: case '{case}' states no label, but this network learns from labels only; state one, or "
                "take the case out of splits_final.json"
            )
