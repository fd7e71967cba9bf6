"""What a sentence states of where a finding lies, drawn on a grid of pixels.

A place array (B, K, R, 6) holds up to R regions for each class: left, top, right, bottom, whether it is a tight
bounding box (1) or the place of a finding's centre (0), and the class's share of the image's area. What is not stated
is NaN. Coordinates are shares of the grid's width and height: column c of w has its centre at
(c + 0.5) / w.
"""

from typing import NamedTuple

import torch
from torch import Tensor

MARGIN = 1 / 6  # half a cell of the nine: a finding centred in a place may stick out so far on every side


class Regions(NamedTuple):
    """A place array on a grid: ``allowed`` (B, K, h, w), ``rows`` (B, K, R, h, w), ``stated`` and ``tight`` (B, K, R).

    All are boolean. ``allowed`` is where the class may be: everywhere if no region is stated, otherwise the union of
    the stated regions with their margins. ``rows`` are the regions one by one, without margin, each at least a pixel.
    """

    allowed: Tensor
    rows: Tensor
    stated: Tensor
    tight: Tensor


def rasterise(place: Tensor, height: int, width: int, margin: float = MARGIN) -> Regions:
    """Draw a place array on a grid.

    A pixel belongs to a region if its centre lies in it, or if it holds the region's centre.

    Args:
        place: (B, K, R, 6), see the module.
        height: Rows of the grid.
        width: Columns of the grid.
        margin: Added around places, in shares of the image; a tight box allows every pixel that it touches.
    """
    left, top, right, bottom = place[..., 0], place[..., 1], place[..., 2], place[..., 3]
    stated, tight = _stated(place), _tight(place)
    none = torch.zeros_like(left)
    rows = _box(_span(left, right, width, none), _span(top, bottom, height, none))
    touch = 0.499  # pixels from a box to the centre of one that it touches by more than a rounding error
    across = torch.where(tight, none + touch / width, none + margin)
    down = torch.where(tight, none + touch / height, none + margin)
    wide = _box(_span(left, right, width, across), _span(top, bottom, height, down))
    allowed = wide.any(dim=2) | ~stated.any(dim=2)[:, :, None, None]
    return Regions(allowed, rows, stated, tight)


def ellipse_depth(place: Tensor, height: int, width: int, scale: float = 1.0) -> Tensor:
    """How deep each pixel lies in the ellipse that touches each region's sides: 1 in the centre, 0 on the rim.

    ``1 - ((x - cx) / (scale rx))^2 - ((y - cy) / (scale ry))^2``, scaled radii at least 3/4 of a pixel, so that every
    ellipse in the grid holds the centre of a pixel.

    Args:
        place: (B, K, R, 6), see the module.
        height: Rows of the grid.
        width: Columns of the grid.
        scale: Of both radii.

    Returns:
        (B, K, R, h, w) at most 1; NaN for what is not stated.
    """
    across = _offset(place[..., 0], place[..., 2], width, scale)
    down = _offset(place[..., 1], place[..., 3], height, scale)
    return 1 - across.square().unsqueeze(-2) - down.square().unsqueeze(-1)


def place_features(place: Tensor, height: int, width: int) -> Tensor:
    """What a place array states, as feature maps for a network.

    Args:
        place: (B, K, R, 6), see the module.
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        (B, K, 6, h, w): whether a region is stated, whether a tight one is, inside the union of the regions (without
        margin), the depth in the deepest of their ellipses in [-1, 1], whether a share is stated, and its square root;
        0 where nothing is stated.
    """
    share = stated_share(place)
    regions = rasterise(place, height, width)
    stated = regions.stated[..., None, None]
    depth = ellipse_depth(place, height, width).clamp(-1, 1)
    deepest = torch.where(stated, depth, torch.full_like(depth, -1)).amax(dim=2)
    any_stated = regions.stated.any(dim=2)[:, :, None, None]
    plane = torch.zeros_like(deepest)
    features = [
        plane + any_stated.to(plane.dtype),
        plane + regions.tight.any(dim=2)[:, :, None, None].to(plane.dtype),
        regions.rows.any(dim=2).to(plane.dtype),
        torch.where(any_stated, deepest, plane),
        plane + (~torch.isnan(share))[:, :, None, None].to(plane.dtype),
        plane + torch.nan_to_num(share, nan=0.0).sqrt()[:, :, None, None],
    ]
    return torch.stack(features, dim=2)


def stated_share(place: Tensor) -> Tensor:
    """The stated share of the image's area of each class, (B, K), NaN if none; the largest if rows differ."""
    share = torch.nan_to_num(place[..., 5], nan=-1.0).amax(dim=2)
    return torch.where(share >= 0, share, torch.full_like(share, float("nan")))


def in_frame(place: Tensor, frame: Tensor) -> Tensor:
    """A place array in shares of a padded image, from one in shares of the image alone.

    Args:
        place: (B, K, R, 6), see the module.
        frame: (B, 4) or (4,) left, top, right, bottom of the image in shares of the padded image.
    """
    frame = frame.to(place).reshape(-1, 1, 1, 4)
    start, size = frame[..., :2], frame[..., 2:] - frame[..., :2]
    return torch.cat([place[..., :2] * size + start, place[..., 2:4] * size + start, place[..., 4:]], dim=-1)


def frame_of(valid: Tensor) -> Tensor:
    """Where the image lies in its padding, (B, 4) left, top, right, bottom in shares.

    Args:
        valid: (B, 1, H, W) boolean, true in a rectangle, the image.
    """
    columns, rows = valid[:, 0].any(dim=1).int(), valid[:, 0].any(dim=2).int()
    width, height = columns.shape[1], rows.shape[1]
    left, top = columns.argmax(dim=1), rows.argmax(dim=1)
    right, bottom = left + columns.sum(dim=1), top + rows.sum(dim=1)
    return torch.stack([left / width, top / height, right / width, bottom / height], dim=1)


def _stated(place: Tensor) -> Tensor:
    return ~torch.isnan(place[..., :4]).any(dim=-1)


def _tight(place: Tensor) -> Tensor:
    return _stated(place) & (place[..., 4] > 0.5)


def _centres(n: int, like: Tensor) -> Tensor:
    return (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n


def _span(low: Tensor, high: Tensor, n: int, slack: Tensor) -> Tensor:
    """Which of n pixels in a line lie in [low - slack, high + slack] or hold its middle; (..., n) boolean."""
    centres = _centres(n, low)
    within = (centres >= (low - slack).unsqueeze(-1)) & (centres <= (high + slack).unsqueeze(-1))
    middle = ((low + high) / 2 * n).floor().clamp(0, n - 1).unsqueeze(-1)
    return within | (torch.arange(n, device=low.device) == middle)


def _box(columns: Tensor, rows: Tensor) -> Tensor:
    return columns.unsqueeze(-2) & rows.unsqueeze(-1)


def _offset(low: Tensor, high: Tensor, n: int, scale: float) -> Tensor:
    """Distance of n pixels in a line from the middle of a span, in its scaled half lengths."""
    radius = ((high - low) / 2 * scale).clamp_min(0.75 / n).unsqueeze(-1)
    return (_centres(n, low) - ((low + high) / 2).unsqueeze(-1)) / radius
