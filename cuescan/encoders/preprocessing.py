"""An encoder's own preprocessing, differentiable and on tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Preprocessing(nn.Module):
    """Resize, crop or pad, and normalise images as open_clip's evaluation transform does.

    ``resize_mode`` of the configuration says what happens to an image of another shape than the encoder's: "squash"
    scales each side by itself, so all of the image is seen; "shortest" scales the shorter side and cuts the middle out,
    so the ends of the longer side are not seen; "longest" scales the longer side and pads.

    Args:
        size: height and width that the image tower takes.
        config: open_clip's ``preprocess_cfg``: mean and std (three numbers each, or one), interpolation, resize_mode,
            fill_color (0-255, of the padding).

    Shapes:
        images (B, C, H, W) in [0, 1], C 1 (repeated) or 3 -> (B, 3, height, width), normalised.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: tuple[int, int], config: dict[str, Any]) -> None:
        super().__init__()
        self.size, self.mode = size, config["resize_mode"]
        self.interpolation = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
        self.fill = config["fill_color"] / 255.0
        for name in ("mean", "std"):
            values = torch.tensor(config[name], dtype=torch.float32).reshape(-1).expand(3)
            self.register_buffer(name, values.clone().view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Prepare images for the image tower (see the class)."""
        if images.shape[1] not in (1, 3):
            raise ValueError(f"images must have 1 or 3 channels for an image encoder, got {images.shape[1]}")
        images = images.float()  # half precision has too few grey levels
        height, width = images.shape[-2:]
        rows, columns = self._scaled(height, width)
        if (rows, columns) != (height, width):
            images = nn.functional.interpolate(
                images, (rows, columns), mode=self.interpolation, align_corners=False, antialias=True
            ).clamp(0, 1)
        images = self._crop(self._pad(images)).expand(-1, 3, -1, -1)
        return (images - self.mean) / self.std

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """The size of an image before cropping and padding."""
        if self.mode == "squash":
            return self.size
        ratios = (height / self.size[0], width / self.size[1])
        if self.mode == "shortest" and self.size[0] == self.size[1]:  # torchvision rounds down
            short, side = min(height, width), self.size[0]
            return (side, width * side // short) if height == short else (height * side // short, side)
        ratio = max(ratios) if self.mode == "longest" else min(ratios)
        return max(round(height / ratio), 1), max(round(width / ratio), 1)

    def _pad(self, images: Tensor) -> Tensor:
        missing = [max(wanted - got, 0) for wanted, got in zip(self.size, images.shape[-2:], strict=True)]
        if not any(missing):
            return images
        (top, bottom), (left, right) = ((count // 2, (count + 1) // 2) for count in missing)
        return nn.functional.pad(images, (left, right, top, bottom), value=self.fill)

    def _crop(self, images: Tensor) -> Tensor:
        top, left = (round((got - wanted) / 2) for wanted, got in zip(self.size, images.shape[-2:], strict=True))
        return images[..., top : top + self.size[0], left : left + self.size[1]]
