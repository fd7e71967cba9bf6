"""Stated places on the grid that a network sees: cropped as nnU-Net crops, turned, and padded to the patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cuescan.cues.grounding import place_array
from cuescan.cues.language import Box, Statement
from cuescan.networks.places import frame_of, in_frame


def stated_places(
    statements: Sequence[Sequence[Statement]], kept: Sequence[Box], empty_where_denied: bool = False
) -> Tensor:
    """Place arrays (B, K, R, 6) of a batch, in shares of the part of each raw image that preprocessing kept.

    Args:
        statements: for every image one per class.
        kept: that part, in shares of the raw image.
        empty_where_denied: see :func:`cuescan.cues.grounding.place_array`.
    """
    arrays = torch.from_numpy(np.stack([place_array(row, empty_where_denied) for row in statements]))
    frames = []
    for box in kept:
        width, height = box.right - box.left, box.bottom - box.top
        frames.append([-box.left / width, -box.top / height, (1 - box.left) / width, (1 - box.top) / height])
    frame = torch.tensor(frames)
    return with_share_of(in_frame(arrays, frame), frame)


def with_share_of(place: Tensor, frame: Tensor) -> Tensor:
    """The place array (B, K, R, 6) with its shares of the image as shares of the picture that the image is part of.

    Args:
        place: (B, K, R, 6).
        frame: (B, 4) left, top, right, bottom of the image in shares of the larger (or smaller) picture.
    """
    area = (frame[:, 2] - frame[:, 0]) * (frame[:, 3] - frame[:, 1])
    share = place[..., 5:] * area.to(place)[:, None, None, None]
    return torch.cat([place[..., :5], share.clamp_max(1)], dim=-1)


def on_patch(place: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Place arrays of padded images.

    Args:
        place: (B, K, R, 6) in shares of the image.
        valid: (B, 1, H, W) bool, a rectangle, the image in its padding.

    Returns:
        Two arrays with regions in shares of the patch: with shares of the image, for losses over its valid pixels, and
        with shares of the patch, for the network, which knows of no padding.
    """
    frame = frame_of(valid)
    framed = in_frame(place, frame)
    return framed, with_share_of(framed, frame)
