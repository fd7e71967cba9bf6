"""Sizes of images and maps: padding to whole tokens, and resizing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_SIZE = 32
TOKEN_GRID = 16  # images are padded on the right and below to a multiple of it


def check_size(image: Tensor, least: int = MIN_SIZE) -> None:
    """Refuse an image (B, C, H, W) that is too small.

    Raises:
        ValueError: names the size and the least one.
    """
    height, width = image.shape[2], image.shape[3]
    if height < least or width < least:
        raise ValueError(f"image must be at least {least} x {least} pixels, got {height} x {width}")


def pad_to_tokens(image: Tensor, least: int = MIN_SIZE, grid: int = TOKEN_GRID) -> Tensor:
    """Pad an image (B, C, H, W) on the right and below to whole tokens.

    Raises:
        ValueError: The image is too small.
    """
    check_size(image, least)
    height, width = image.shape[2], image.shape[3]
    return F.pad(image, [0, -width % grid, 0, -height % grid], mode="replicate")


def content_box(image: Tensor) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is not padding of an image (C, H, W): beyond them all is exactly 0.

    A side of which less than ``MIN_SIZE`` would be left is kept whole.
    """
    filled = (image != 0).any(0)
    box = []
    for axis in (0, 1):
        places = filled.any(1 - axis).nonzero()
        start, stop = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
        box += [start, stop] if stop - start >= MIN_SIZE else [0, filled.shape[axis]]
    return box[0], box[1], box[2], box[3]


def segment_content(segment: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Segment an image without the zeros that nnU-Net pads it with before inference.

    Padding can be a third of what a network sees. Black is no tissue: it is taken for a class, and it moves what
    normalisation over an image is made of.

    Args:
        segment: From images to logits of the same height and width.
        image: (B, C, H, W).

    Returns:
        Logits (B, L, H, W); those of the padding repeat the nearest ones within.
    """
    boxes = {content_box(one) for one in image}
    if len(boxes) > 1:
        return torch.cat([segment_content(segment, one[None]) for one in image])
    top, bottom, left, right = boxes.pop()
    logits = segment(image[:, :, top:bottom, left:right])
    around = [left, image.shape[3] - right, top, image.shape[2] - bottom]
    return F.pad(logits, around, mode="replicate") if any(around) else logits


def is_traced() -> bool:
    """Whether a graph is made of what runs, so that sizes must not depend on what an image shows."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def padded_size(image: Tensor) -> tuple[int, int]:
    """Height and width that :func:`pad_to_tokens` gives an image (B, C, H, W)."""
    return tuple(side + -side % TOKEN_GRID for side in image.shape[2:])  # type: ignore[return-value]


def valid_share(valid: Tensor, like: Tensor) -> Tensor:
    """Share of valid pixels below each pixel of a map; what :func:`pad_to_tokens` adds is not valid either.

    Args:
        valid: (B, 1, H, W) boolean, of the image before it was padded to tokens.
        like: (B, C, h, w), for the size.

    Returns:
        (B, 1, h, w) in [0, 1].
    """
    height, width = padded_size(valid)
    padded = F.pad(valid.float(), [0, width - valid.shape[3], 0, height - valid.shape[2]])
    return F.adaptive_avg_pool2d(padded, (like.shape[2], like.shape[3]))


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left part of a (B, C, H, W) map, copied: a view's strides would fix the sizes for torch.export."""
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    return x.index_select(2, rows).index_select(3, columns)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Resize a (B, C, H, W) map bilinearly; the same size costs nothing."""
    if x.shape[2] == height and x.shape[3] == width:
        return x
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


def rescale(x: Tensor, factor: float) -> Tensor:
    """Enlarge a (B, C, H, W) map bilinearly, to whole pixels; a factor of 1 costs nothing."""
    if factor == 1:
        return x
    size = [scaled(x.shape[2], factor), scaled(x.shape[3], factor)]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def shrunk_to_tokens(x: Tensor, factor: float, grid: int = TOKEN_GRID) -> Tensor:
    """Shrink a (B, C, H, W) image to about ``factor`` of its size, in whole tokens; a factor of 1 costs nothing."""
    if factor == 1:
        return x
    height, width = scaled(x.shape[2], factor), scaled(x.shape[3], factor)
    size = [max((side + grid // 2) // grid, 1) * grid for side in (height, width)]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)


def scaled(n: int, factor: float) -> int:
    """``round(n * factor)`` in integers, as torch.export can save it where n is open; the factor has six decimals."""
    millionths = int(round(factor * 1_000_000))
    odd = n * millionths // 1_000_000 % 2  # halves go to the even neighbour
    return (2 * n * millionths + 999_999 + odd) // 2_000_000


def window_mean(x: Tensor, side: int) -> Tensor:
    """Mean of a (B, C, H, W) map over the square window of an odd side around each pixel, within the map."""
    half = side // 2
    rows = F.avg_pool2d(x, [side, 1], [1, 1], [half, 0], count_include_pad=False)
    return F.avg_pool2d(rows, [1, side], [1, 1], [0, half], count_include_pad=False)


def replicate_borders(network: nn.Module) -> None:
    """Let the convolutions of a network repeat the outermost pixels where they reach beyond a map, instead of zeros."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and any(module.padding):
            module.padding_mode = "replicate"
