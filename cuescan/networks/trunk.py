"""ResNet-50 trunk that turns pixels into instance features, and the loading of its pretrained weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cuescan.networks.pretrained import adapt_channels, fit_weights, read_metadata, read_weights
from cuescan.networks.trained_trunk import is_checkpoint, trained_arguments

CHANNELS = {3: 512, 4: 1024}
BATCH_NORM = nn.modules.batchnorm._BatchNorm  # the synchronised kind of distributed training too
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResNetTrunk(nn.Module):
    """First stages of timm's ResNet-50 as a dense feature extractor.

    Source: PathMamba (MICCAI 2024), section 2.1, "the initial three convolution stages of ResNet-50". The phrase can
    mean stem + conv2_x + conv3_x (``stages=3``: stride 8, 512 channels) or, counting the stem apart, conv2_x to conv4_x
    (``stages=4``: stride 16, 1024 channels). With ``stages=4`` both maps are joined at stride 8 (1536 channels).

    Args:
        in_channels: Channels of the image.
        stages: 3 or 4, as above.
        input_mean: Per-channel mean that is subtracted from the image, or None. Length ``in_channels``.
        input_std: Per-channel divisor, or None. Length ``in_channels``.
        norm_eps: Epsilon of the batch normalisation (a property of the pretrained weights).
        stride_in_first_conv: Put the stride of a stage in its first 1x1 convolution, as the original ResNet does,
            instead of in its 3x3 convolution (also a property of the weights).
        frozen: Number of leading stages (0 to ``stages``) whose weights stay as loaded; the stem is stage 1.
        frozen_norm: Keep all batch normalisation statistics as loaded (right for pretrained weights).

    Shapes:
        image (B, in_channels, H, W) -> features (B, ``channels``, ceil(H / 8), ceil(W / 8)).
    """

    input_mean: Tensor  # TorchScript reads these two, hence no postponed annotations in this file
    input_std: Tensor

    def __init__(
        self,
        in_channels: int,
        stages: int = 3,
        input_mean: Sequence[float] | None = None,
        input_std: Sequence[float] | None = None,
        norm_eps: float = 1e-5,
        stride_in_first_conv: bool = False,
        frozen: int = 0,
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        import timm

        if stages not in CHANNELS:
            raise ValueError(f"stages must be 3 or 4, got {stages}")
        if not 0 <= frozen <= stages:
            raise ValueError(f"frozen must lie in [0, stages={stages}], got {frozen}")
        resnet = timm.create_model("resnet50", pretrained=False, in_chans=in_channels, num_classes=0)
        self.conv1, self.bn1, self.act1, self.maxpool = resnet.conv1, resnet.bn1, resnet.act1, resnet.maxpool
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3 = resnet.layer3 if stages == 4 else None
        self.channels = CHANNELS[3] if stages == 3 else CHANNELS[3] + CHANNELS[4]
        self.frozen, self.frozen_norm = frozen, frozen_norm
        for name, values, default in (("mean", input_mean, 0.0), ("std", input_std, 1.0)):
            row = [default] * in_channels if values is None else list(values)
            if len(row) != in_channels:
                raise ValueError(f"input_{name} must have {in_channels} values, one per channel, got {len(row)}")
            self.register_buffer(f"input_{name}", torch.tensor(row).view(1, -1, 1, 1), persistent=False)
        for module in self.modules():
            if isinstance(module, BATCH_NORM):
                module.eps = norm_eps
        if stride_in_first_conv:
            for layer in (self.layer2, self.layer3):
                if layer is not None:
                    layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
        for module in self._frozen_modules():
            module.requires_grad_(False)

    def _frozen_modules(self) -> list[nn.Module]:
        stages: list[list[nn.Module | None]] = [[self.conv1, self.bn1], [self.layer1], [self.layer2], [self.layer3]]
        return [module for stage in stages[: self.frozen] for module in stage if module is not None]

    def train(self, mode: bool = True) -> "ResNetTrunk":
        """Set the mode; frozen normalisation layers stay in evaluation mode."""
        super().train(mode)
        modules = [self] if self.frozen_norm else self._frozen_modules()
        for root in modules:
            for module in root.modules():
                if isinstance(module, BATCH_NORM):
                    module.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Map an image to its pixel-level features (see the class for shapes)."""
        x, deep = self.stages(image)
        return self.joined(x, deep)

    def joined(self, x: Tensor, deep: Tensor | None) -> Tensor:
        """Features from the two maps of ``stages``."""
        if deep is None:
            return x
        deep = nn.functional.interpolate(deep, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([x, deep], dim=1)

    def stages(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Maps of conv3_x (stride 8, 512 channels) and, with four stages, of conv4_x (stride 16, 1024 channels)."""
        maps = self.pyramid(image)
        return maps[1], None if self.layer3 is None else maps[2]

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Maps of conv2_x (stride 4, 256 channels), conv3_x (8, 512) and, with four stages, conv4_x (16, 1024)."""
        x = ((image - self.input_mean) / self.input_std).contiguous(memory_format=torch.channels_last)
        fine = self.layer1(self.maxpool(self.act1(self.bn1(self.conv1(x)))))
        middle = self.layer2(fine)
        return [fine, middle] if self.layer3 is None else [fine, middle, self.layer3(middle)]


def trunk_arguments(source: str | Path, in_channels: int) -> dict[str, Any]:
    """Arguments of :class:`ResNetTrunk` that fit the weights at ``source``.

    They are read from the safetensors header ("preprocessing", "bn_eps", "stride"), because a network that normalises
    its input otherwise than the weights expect works badly without any error. ``"timm"``, and files whose header says
    nothing, get torchvision's conventions. Three-channel images must hold RGB in [0, 1]. The checkpoint of a cuescan
    trainer says how its network saw its images.

    Raises:
        UserError: The file does not exist or is no safetensors file.
    """
    if is_checkpoint(source):
        return trained_arguments(source, in_channels)
    header = {} if source == "timm" else read_metadata(Path(source))
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if header.get("preprocessing", "").startswith("BGR, 0-255, minus"):
        numbers = header["preprocessing"].split("(")[1].rstrip(") ").split(",")
        blue, green, red = (float(number) / 255.0 for number in numbers)
        mean, std = (red, green, blue), (1 / 255.0,) * 3
    colour = in_channels == 3
    return {
        "input_mean": list(mean) if colour else [sum(mean) / 3] * in_channels,
        "input_std": list(std) if colour else [sum(std) / 3] * in_channels,
        "norm_eps": float(header.get("bn_eps", 1e-5)),
        "stride_in_first_conv": "first 1x1 conv" in header.get("stride", ""),
        "frozen_norm": True,
    }


def load_trunk_weights(trunk: ResNetTrunk, source: str | Path) -> None:
    """Load ResNet-50 weights into ``trunk``; classifier and later stages in the file are left out.

    Args:
        trunk: The trunk, built with :func:`trunk_arguments` of the same source.
        source: A ``.safetensors`` file, a cuescan trainer's ``.pth`` checkpoint, or ``"timm"`` to let timm fetch its
            ImageNet weights (downloads on first use).

    Raises:
        UserError: The keys or shapes do not match; the message lists them.
    """
    state, bgr = read_weights(source, "resnet50")
    later = ("layer4.", "fc.") if trunk.layer3 is not None else ("layer3.", "layer4.", "fc.")
    state = {key: value for key, value in state.items() if not key.startswith(later)}
    if "conv1.weight" in state:
        state["conv1.weight"] = adapt_channels(state["conv1.weight"], trunk.conv1.in_channels, bgr)
    fit_weights(trunk, state, source, "ResNet-50", "torchvision's or timm's resnet50 keys")
