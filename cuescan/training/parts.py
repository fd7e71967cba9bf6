"""Labels of parts of an image, brought to where the parts lie in what a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from cuescan.cues import Cues
from cuescan.cues.language import Turn
from cuescan.errors import UserError

Window = tuple[int, int, int, int]
"""Top, left, bottom and right of what is seen of an image, in its pixels."""


class Parts(NamedTuple):
    """Labelled rectangles of a batch of images.

    ``boxes`` (B, N, 4) float, top, left, bottom and right in pixels of the batch's images; ``labels`` (B, N, K) float:
    1 present, 0 absent, nan not stated. An image with fewer parts than N has empty boxes without a label.
    """

    boxes: Tensor
    labels: Tensor


def check_boxes(cues: Cues, case: str, size: Sequence[int], path: Path) -> None:
    """Refuse parts of a case that reach beyond its image.

    Args:
        cues: of the data set.
        case: its name.
        size: height and width of its raw image.
        path: where the cues are.

    Raises:
        UserError: names the case and the image's size.
    """
    boxes, _ = cues.parts(case)
    if (boxes[:, 2:] > tuple(size)).any():
        raise UserError(
            f"{path}: case '{case}': a part reaches beyond the image, which has {size[0]} rows and {size[1]} columns; "
            "correct its box"
        )


class CaseParts:
    """The parts of each case, as many for each; a case without any is a part as a whole.

    Args:
        cues: of the data set.
        cases: names of the cases.
    """

    def __init__(self, cues: Cues, cases: Sequence[str]) -> None:
        self.cues = cues
        self.number = max([1, *(len(cues.cues[case].parts) for case in cases)])

    def __call__(
        self,
        case: str,
        raw: Sequence[int],
        crop: Sequence[float],
        size: Sequence[int],
        turn: Turn,
        corner: Sequence[int],
        window: Window | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) and labels (N, K) of a case in the padded image, float32.

        Args:
            case: its name.
            raw: height and width of the raw image, which the cues speak of.
            crop: left, top, right and bottom of what preprocessing kept of it, as shares.
            size: height and width of that after resampling.
            turn: what was then done to what is seen of it.
            corner: row and column of the turned image in the patch.
            window: what is seen of it; None for all. Of a part that is seen in part, what is absent stays absent, but
                what is present may lie in what is not seen, so that it is no longer stated.
        """
        boxes, labels = self.cues.parts(case)
        if not len(boxes):
            boxes, labels = np.array([[0, 0, *raw]]), self.cues.label_vector(case)[None]
        left, top, right, bottom = crop
        start = np.array([top, left] * 2) * np.array([*raw] * 2)
        scale = np.array([*size] * 2) / (np.array([bottom - top, right - left] * 2) * np.array([*raw] * 2))
        moved = np.clip((boxes - start) * scale, 0, [*size] * 2)
        if window is not None:
            moved, labels = seen_through(window, moved, labels)
            size = window[2] - window[0], window[3] - window[1]
        moved = turned_boxes(moved, turn, size) + np.array([*corner] * 2)
        full = np.zeros((self.number, 4), np.float32), np.full((self.number, labels.shape[1]), np.nan, np.float32)
        full[0][: len(boxes)], full[1][: len(boxes)] = moved, labels
        return full


def seen_through(window: Window, boxes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) in a window of the image, cut to it, and what their labels (N, K) still state there.

    A box of which less than half a pixel is cut off counts as seen whole; of one that is not seen nothing is stated.
    """
    origin = np.array([*window[:2]] * 2)
    cut = np.clip(boxes, origin, [*window[2:]] * 2)
    partly = (np.abs(cut - boxes) > 0.5).any(1)
    unseen = (cut[:, 2:] <= cut[:, :2]).any(1)
    lost = (partly[:, None] & (labels == 1)) | unseen[:, None]
    return cut - origin, np.where(lost, np.nan, labels)


def turned_boxes(boxes: np.ndarray, turn: Turn, size: Sequence[int]) -> np.ndarray:
    """Boxes (N, 4) of an image of ``size`` (height, width), in the image that is transposed and then mirrored."""
    top, left, bottom, right = boxes.T
    height, width = size
    if turn.transpose:
        top, left, bottom, right, height, width = left, top, right, bottom, width, height
    if turn.flip_rows:
        top, bottom = height - bottom, height - top
    if turn.flip_columns:
        left, right = width - right, width - left
    return np.stack([top, left, bottom, right], 1)
