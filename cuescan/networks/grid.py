"""Sizes of images and maps: padding to whole tokens, and resizing."""

from __future__ import annotations

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
