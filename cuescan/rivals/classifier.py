"""What the published methods share: a trunk, class maps, and an image-level classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cuescan.networks.grid import crop, pad_to_tokens, rescale, resize, segment_content
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights
from cuescan.rivals.activations import keep_found, logits_of_shares, normalised_maps
from cuescan.rivals.pooling import mean_over_valid


class MapNetwork(nn.Module):
    """A network that gives the loss its maps while it learns, and logits (B, 1 + K, H, W) otherwise.

    A subclass gives ``trunk``, ``load_trunk``, ``maps``, what its loss takes of a padded image, and ``logits``, what
    follows of them for pixels.

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist. If false, label 0 is never predicted.
        image_scale: Factor by which the network sees the image enlarged.

    Shapes:
        image (B, in_channels, H, W), H and W at least 32 -> logits (B, 1 + K, H, W), background first. With
        ``deep_supervision`` set, what ``maps`` gives instead.

    Raises:
        ValueError: An argument is out of range, or an image is too small.
    """

    trunk_class: type[nn.Module] = ResNetTrunk

    def __init__(self, in_channels: int, num_classes: int, background: bool, image_scale: float) -> None:
        super().__init__()
        if in_channels < 1 or num_classes < 1:
            raise ValueError(f"in_channels and num_classes must be at least 1, got {in_channels} and {num_classes}")
        if image_scale <= 0:
            raise ValueError(f"image_scale must be positive, got {image_scale}")
        self.in_channels, self.num_classes, self.background = in_channels, num_classes, background
        self.image_scale = float(image_scale)
        self.deep_supervision = False

    def load_trunk(self, source: str | Path) -> None:
        """Load pretrained weights: a .safetensors file, or "timm"."""
        raise NotImplementedError

    def forward(self, image: Tensor) -> Any:
        """Segment an image (see the class for shapes), without the zeros around it."""
        if self.deep_supervision:
            return self.maps(rescale(pad_to_tokens(image), self.image_scale))
        return segment_content(self.segment, image)

    def segment(self, image: Tensor) -> Tensor:
        """Logits (B, 1 + K, H, W) of an image, of all that it shows."""
        padded = pad_to_tokens(image)
        maps = self.maps(rescale(padded, self.image_scale))
        logits = self.logits(maps, (padded.shape[2], padded.shape[3]))
        return crop(logits, image.shape[2], image.shape[3])

    def maps(self, image: Tensor) -> Any:
        """What the loss takes, of an image as the network sees it."""
        raise NotImplementedError

    def logits(self, maps: Any, size: tuple[int, int]) -> Tensor:
        """Logits (B, 1 + K, *size), background first, from what ``maps`` gave."""
        raise NotImplementedError


class ActivationNetwork(MapNetwork):
    """A 1x1 classifier on a ResNet trunk whose class activation maps are the masks.

    Here ``maps`` gives the loss the class maps (B, K, h, w) at stride 8. A subclass whose loss takes more also gives
    ``class_maps``, which picks the activation maps.

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist.
        image_scale: Factor by which the network sees the image enlarged.
        threshold: Share of its map's maximum from which on a class beats the background, in (0, 1).
        trunk: Further arguments of :class:`cuescan.networks.trunk.ResNetTrunk`; all its four stages by default.

    Shapes:
        As :class:`MapNetwork`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        background: bool = True,
        image_scale: float = 1.0,
        threshold: float = 0.2,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, background, image_scale)
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must lie in (0, 1), got {threshold}")
        self.threshold = float(threshold)
        self.trunk = ResNetTrunk(in_channels, **{"stages": 4, **(trunk or {})})
        self.classifier = nn.Conv2d(self.trunk.channels, num_classes, 1)

    def load_trunk(self, source: str | Path) -> None:
        """Load pretrained trunk weights: a .safetensors file, or "timm" (see :func:`load_trunk_weights`)."""
        load_trunk_weights(self.trunk, source)

    def maps(self, image: Tensor) -> Any:
        """Class maps (B, K, h, w) at stride 8."""
        return self.classifier(self.trunk(image))

    def class_maps(self, maps: Any) -> tuple[Tensor, Tensor]:
        """Class activation maps (B, K, h, w) and image-level logits (B, K) from what ``maps`` gave."""
        return maps, mean_over_valid(maps)

    def logits(self, maps: Any, size: tuple[int, int]) -> Tensor:
        """Logits (B, 1 + K, *size): the maps of the classes that the classifier finds, each by its own range."""
        activations, image_logits = self.class_maps(maps)
        activations = resize(activations.float(), size[0], size[1])
        shares = keep_found(normalised_maps(activations, self.background), image_logits)
        return logits_of_shares(shares, self.background, self.threshold)
