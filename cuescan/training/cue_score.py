"""How good masks are, judged without masks: by what the cues say about them and by their agreement with themselves.

Of an image-level label follows for the mask of that image: a class stated absent gets no pixel, a class stated present
gets some. And a mask should not depend on how the image is held or how large it is shown.

    leak       share of pixels given to classes stated absent, among the images with such a class
    vanish     share of (image, class stated present) pairs in which the class gets less than 1% of the pixels
    agreement  mean over classes of the IoU between the mask and the mask of a changed view, brought back:
               the mean of two, over views mirrored and views resized
    statement  the same IoU between the mask and the ellipses in the boxes that a sentence states, where it states any:
               the mask was predicted from the class's name alone, so this was not told
    pointed    the same for masks predicted from the place words of one stated finding, against its box alone
    score      (1 - leak) (1 - vanish) mean of agreement and, where known, statement and pointed, in [0, 1]

Neither part suffices alone: a mask of one class everywhere agrees with itself, and tiny spots neither leak nor vanish.
Image-level average precision is reported but not part of the score: it keeps rising while masks get worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cuescan.evaluation.confusion import ConfusionMatrix
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.scores import scores
from cuescan.losses.parts import denied, part_means
from cuescan.networks.places import ellipse_depth
from cuescan.training.parts import Parts

LEAST_SHARE = 0.01
"""A present class with a smaller share of the image's pixels counts as vanished."""
SCALES = (0.75, 1.25)
SMALLEST_SIDE = 32


def views(network: Callable[[Tensor], Tensor], images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield (kind, logits (B, 1 + K, H, W) of a changed view of ``images`` (B, C, H, W), brought back)."""
    yield "flip", network(images.flip(-1)).flip(-1)
    size = images.shape[-2:]
    for scale in SCALES:
        resized = [max(SMALLEST_SIDE, round(side * scale)) for side in size]
        view = functional.interpolate(images, resized, mode="bilinear", antialias=True)
        yield "scale", functional.interpolate(network(view).float(), size, mode="bilinear")


def confusion(reference: Tensor, predicted: Tensor, labels: int) -> np.ndarray:
    """Count pixels by (reference, predicted) label; labels outside [0, ``labels``) in the reference are left out."""
    known = (reference >= 0) & (reference < labels)
    pairs = reference[known] * labels + predicted[known]
    return torch.bincount(pairs, minlength=labels**2).reshape(labels, labels).cpu().numpy()


def mean_score(counts: np.ndarray, metric: str, include_background: bool) -> float:
    """Mean of a metric over the classes that occur in either of two masks; nan if none does."""
    matrix = ConfusionMatrix(Labels(tuple(str(label) for label in range(1, len(counts)))))
    matrix.counts = counts
    mean = scores(matrix, include_background).mean(metric)
    return math.nan if mean is None else mean


@dataclass
class CueStatistics:
    """Sums over images, from which the score follows; sums of parts of a data set add up.

    Attributes:
        leaked: pixels given to classes stated absent.
        judged: pixels of the images in which some class is stated absent.
        vanished: pairs of image and present class in which the class has (almost) no pixel.
        present: pairs of image and class stated present.
        flip: confusion matrix (1 + K, 1 + K) of masks against those of mirrored views.
        scale: the same for resized views.
        statement: confusion matrix (1 + K, 1 + K) of the ellipses in stated boxes, where all present classes have
            some, against masks.
        pointed: the same for one finding of each class, against masks predicted from its place words.
        dense: confusion matrix (1 + K, 1 + K) of reference masks, where there are any, against masks.
        image_scores: by image, how surely each class is there, (K,).
        image_labels: by image, 1 present, 0 absent, nan not stated, (K,).
    """

    leaked: int = 0
    judged: int = 0
    vanished: int = 0
    present: int = 0
    flip: np.ndarray | int = 0
    scale: np.ndarray | int = 0
    statement: np.ndarray | int = 0
    pointed: np.ndarray | int = 0
    dense: np.ndarray | int = 0
    image_scores: list[np.ndarray] = field(default_factory=list)
    image_labels: list[np.ndarray] = field(default_factory=list)

    def __add__(self, other: CueStatistics) -> CueStatistics:
        return CueStatistics(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def stated_ellipses(place: Tensor, labels: Tensor, like: Tensor) -> Tensor:
    """Masks (B, H, W) of the ellipses in stated boxes; -1 everywhere in images of which less is known.

    Args:
        place: (B, K, R, 6).
        labels: (B, K) float: 1 present, 0 absent, nan not stated.
        like: (B, H, W), for the size.
    """
    depth = ellipse_depth(place, like.shape[1], like.shape[2])
    boxes = (place[..., 4] == 1)[..., None, None]
    filled = (boxes & (depth >= 0)).any(2)
    classes = torch.arange(1, place.shape[1] + 1, device=place.device)[:, None, None]
    boxed = (labels == 1) & boxes.flatten(2).any(2)
    known = ((labels == 0) | boxed).all(1) & boxed.any(1)
    return torch.where(known[:, None, None], (filled * classes).amax(1), -1)


def against_boxes(mask: Tensor, valid: Tensor, labels: Tensor, place: Tensor) -> np.ndarray:
    """Confusion matrix (1 + K, 1 + K) of the ellipses in stated boxes against a mask (B, H, W); see below."""
    inside, number = valid[:, 0], place.shape[1] + 1
    return confusion(torch.where(inside, stated_ellipses(place, labels, inside), -1), mask, number)


def part_statistics(mask: Tensor, inside: Tensor, parts: Parts) -> CueStatistics:
    """Leak and vanish of masks (B, H, W) by labels of parts: a class is denied where any part denies it."""
    size = mask.shape[1:]
    classes = torch.arange(1, parts.labels.shape[2] + 1, device=mask.device)
    masks = mask[:, None] == classes[:, None, None]
    forbidden = denied(parts.boxes, parts.labels, size, size) & inside[:, None]
    areas = part_means(masks.float(), parts.boxes, size)
    present = parts.labels == 1
    return CueStatistics(
        leaked=int((masks & forbidden).sum()),
        judged=int(forbidden.any(1).sum()),
        vanished=int((areas < LEAST_SHARE)[present].sum()),
        present=int(present.sum()),
    )


@torch.no_grad()
def cue_statistics(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    valid: Tensor,
    labels: Tensor,
    target: Tensor | None = None,
    place: Tensor | None = None,
    parts: Parts | None = None,
) -> CueStatistics:
    """Judge the masks of one batch.

    Args:
        network: maps images to logits (B, 1 + K, H, W).
        images: (B, C, H, W).
        valid: (B, 1, H, W) bool, False where padded.
        labels: (B, K) float: 1 present, 0 absent, nan not stated.
        target: (B, 1, H, W) reference masks for the dense scores; labels above K are left out.
        place: (B, K, R, 6) what the sentences state (:func:`cuescan.networks.places.rasterise`).
        parts: labelled parts of the images, which then count for leak and vanish instead of the images.
    """
    logits = network(images).float()
    number = logits.shape[1]
    inside = valid[:, 0]
    mask = logits.argmax(1)
    pixels = inside.sum((1, 2))
    areas = torch.stack([((mask == label) & inside).sum((1, 2)) for label in range(1, number)], 1)
    absent, present = labels == 0, labels == 1
    if parts is None:
        statistics = CueStatistics(
            leaked=int(areas[absent].sum()),
            judged=int(pixels[absent.any(1)].sum()),
            vanished=int((areas < LEAST_SHARE * pixels[:, None])[present].sum()),
            present=int(present.sum()),
        )
    else:
        statistics = part_statistics(mask, inside, parts)
    kept = torch.where(inside, mask, -1)
    for kind, changed in views(network, images):
        counts = confusion(kept, changed.argmax(1), number)
        setattr(statistics, kind, getattr(statistics, kind) + counts)
    if place is not None:
        statistics.statement = against_boxes(mask, valid, labels, place)
    if target is not None:
        statistics.dense = confusion(torch.where(inside, target[:, 0], -1), mask, number)
    certainty = logits.softmax(1)[:, 1:] ** 4 * valid
    statistics.image_scores = list(((certainty.sum((2, 3)) / pixels[:, None]) ** 0.25).cpu().numpy())
    statistics.image_labels = list(labels.cpu().numpy())
    return statistics


def average_precision(scores: np.ndarray, present: np.ndarray) -> float:
    """Average precision of ``scores`` (N,) for ``present`` (N,) bool: the mean precision at the rank of each hit."""
    hits = present[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def mean_average_precision(statistics: CueStatistics) -> float:
    """Mean over the classes that are present in some images and absent in others; nan if there is none."""
    found = []
    for labels, certainty in zip(
        np.transpose(statistics.image_labels), np.transpose(statistics.image_scores), strict=True
    ):
        if (labels == 0).any() and (labels == 1).any():
            stated = ~np.isnan(labels)
            found.append(average_precision(certainty[stated], labels[stated] == 1))
    return float(np.mean(found)) if found else math.nan


def components(statistics: CueStatistics) -> dict[str, float]:
    """Return the score and its parts, all finite, and ``average_precision`` and dense scores, nan where unknown."""
    leak = statistics.leaked / statistics.judged if statistics.judged else 0.0
    vanish = statistics.vanished / statistics.present if statistics.present else 0.0
    flip, scale = (mean_score(np.asarray(c), "iou", True) for c in (statistics.flip, statistics.scale))
    dense = np.atleast_2d(statistics.dense)
    stated = [mean_score(np.atleast_2d(c), "iou", False) for c in (statistics.statement, statistics.pointed)]
    parts = [(flip + scale) / 2, *(part for part in stated if math.isfinite(part))]
    return {
        "score": (1 - leak) * (1 - vanish) * sum(parts) / len(parts),
        "leak": leak,
        "vanish": vanish,
        "agreement_flip": flip,
        "agreement_scale": scale,
        "statement": stated[0],
        "pointed": stated[1],
        "average_precision": mean_average_precision(statistics),
        "dense_miou": mean_score(dense, "iou", False),
        "dense_mdice": mean_score(dense, "dice", False),
    }
