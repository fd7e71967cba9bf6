"""TIFCMamba: segmentation by sentences, with text and image fused by selective scans (MICCAI 2025)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.confine import confine
from cuescan.networks.fusion import BiDF
from cuescan.networks.grid import check_size, resize
from cuescan.networks.maps import TIFCMambaMaps
from cuescan.networks.places import place_features
from cuescan.networks.text_segmenter import TextSegmenter
from cuescan.networks.trunk import load_trunk_weights
from cuescan.networks.vss import LayerNorm2d
from cuescan.networks.vss_encoder import VSSEncoder

SIZES: dict[str, dict[str, Any]] = {
    "T": {"dims": (48, 96, 160, 256), "depths": (1, 1, 2, 1), "state": 8, "width": 48},
    "S": {"dims": (64, 128, 256, 384), "depths": (2, 2, 4, 2), "state": 16, "width": 64},
    "B": {"dims": (96, 192, 384, 768), "depths": (2, 2, 9, 2), "state": 16, "width": 96},
}
SCALE, BIAS = 10.0, -2.5  # of the cosine similarity, as in TCL (CVPR 2023)
REGIONS = 4  # rows of a place array


class TIFCMamba(nn.Module):
    """TIFCMamba (Pan, Huang and Zheng, MICCAI 2025), sizes T, S and B.

    A hierarchical VSS encoder reads the image. At each decoder stage BiDF fuses the prompt of a class into the image
    features. The last feature e_I is compared with the prompt's text embedding e_T: ``w cos(e_I, e_T) + b`` is the
    class's logit, background has logit 0. In training a text segmenter scores which words of the sentence carry the
    keyword, for the mutual alignment loss.

    Ours, since the paper is silent: a last step to stride 2, without fusion, for sharper borders; widths and depths;
    one prompt per class for several classes; a learned residual on the frozen text embedding, tied to it by a loss;
    what a prompt states of place, box and share of the image travels beside its embedding (``place``), joins the
    expanded text feature, and at inference bounds the mask: no pixel outside a stated box, and as many as the stated
    share.

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        text_dim: Length of a prompt's embedding.
        token_dim: Width of the text encoder's token states; None for no text segmenter.
        size: "T", "S" or "B".
        space: Fuse over space (BiDF's 2-D scan).
        channel: Fuse over channels (BiDF's 1-D scan).
        grounding: Use what prompts state of place and extent, where it is given.
        trunk: Arguments of :class:`cuescan.networks.trunk.ResNetTrunk`, or None for no trunk.
        input_mean: Per-channel mean that the encoder subtracts, or None.
        input_std: Per-channel divisor, or None.

    Shapes:
        image (B, in_channels, H, W), H and W at least 32; text (B, K, text_dim) or None for the default prompts in the
        buffer ``prompts``; place (B, K, 4, 6) or None for prompts that state no place (see
        :func:`cuescan.networks.places.place_features`) -> logits (B, 1 + K, H, W), background first. With
        ``deep_supervision`` set, :class:`TIFCMambaMaps` instead, with word logits if ``states`` (B, T, token_dim) of
        the sentences are given.

    Raises:
        ValueError: An argument is out of range, or an image is too small.

    Example:
        >>> net = TIFCMamba(in_channels=3, num_classes=1, text_dim=64)
        >>> net(torch.rand(1, 3, 64, 48), torch.rand(1, 1, 64)).shape
        torch.Size([1, 2, 64, 48])
    """

    prompts: Tensor  # TorchScript reads this, hence no postponed annotations in this file

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        text_dim: int,
        token_dim: int | None = None,
        size: str = "T",
        space: bool = True,
        channel: bool = True,
        grounding: bool = True,
        trunk: dict[str, Any] | None = None,
        input_mean: Sequence[float] | None = None,
        input_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        for name, number in (("in_channels", in_channels), ("num_classes", num_classes), ("text_dim", text_dim)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        self.in_channels, self.num_classes, self.text_dim = in_channels, num_classes, text_dim
        self.grounding = grounding
        self.regions = REGIONS
        self.deep_supervision = False
        dims, depths, state, width = (SIZES[size][key] for key in ("dims", "depths", "state", "width"))
        self.encoder = VSSEncoder(in_channels, dims, depths, state, trunk, input_mean, input_std)
        self.laterals = nn.ModuleList(nn.Conv2d(dim, width, 1) for dim in reversed(dims))
        self.fusions = nn.ModuleList(BiDF(width, text_dim, state, space, channel) for _ in dims)
        self.finest = nn.Conv2d(dims[0] // 2, width, 1)
        self.refine = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), LayerNorm2d(width), nn.GELU())
        self.head = nn.Conv2d(width, text_dim, 1)
        self.adapter = nn.Linear(text_dim, text_dim)
        nn.init.zeros_(self.adapter.weight)
        nn.init.zeros_(self.adapter.bias)
        self.scale = nn.Parameter(torch.tensor(SCALE))
        self.bias = nn.Parameter(torch.tensor(BIAS))
        self.text_segmenter = None if token_dim is None else TextSegmenter(token_dim, text_dim)
        self.log_temperature = None if token_dim is None else nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.register_buffer("prompts", torch.zeros(num_classes, text_dim))

    def load_trunk(self, source: str | Path) -> None:
        """Load pretrained trunk weights: a .safetensors file, or "timm" (see :func:`load_trunk_weights`)."""
        if self.encoder.trunk is not None:
            load_trunk_weights(self.encoder.trunk, source)

    def forward(
        self, image: Tensor, text: Tensor | None = None, place: Tensor | None = None, states: Tensor | None = None
    ) -> Tensor:
        """Segment an image (see the class for shapes); a scripted network always gives logits."""
        batch, _, height, width = image.shape
        check_size(image)
        if text is None:
            text = self.prompts[None].expand(batch, -1, -1)
        if place is None or not self.grounding:
            place = torch.full((batch, self.num_classes, self.regions, 6), math.nan, device=image.device)
        adapted = text + self.adapter(text)
        features = self.features(image, adapted, place)
        logits = self.compare(features, adapted)
        if not torch.jit.is_scripting() and self.deep_supervision:
            words = None
            if self.text_segmenter is not None and states is not None:
                number = text.shape[1]
                words = self.text_segmenter(states.repeat_interleave(number, 0), adapted.flatten(0, 1))
                words = words.unflatten(0, (batch, number))
            return TIFCMambaMaps(logits, features, adapted, words)  # type: ignore[return-value]
        logits = confine(resize(logits, height, width), place)
        return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)

    def features(self, image: Tensor, text: Tensor, place: Tensor) -> Tensor:
        """The last feature e_I (B, K, text_dim, h, w) of each prompt, at stride 2."""
        batch, number, _ = text.shape
        maps = self.encoder(image)
        prompts = text.flatten(0, 1)
        x = torch.zeros(0)
        for i, (lateral, fusion) in enumerate(zip(self.laterals, self.fusions)):  # noqa: B905, TorchScript
            stage = lateral(maps[len(maps) - 1 - i]).repeat_interleave(number, 0)
            height, width = stage.shape[2], stage.shape[3]
            if i > 0:
                stage = stage + resize(x, height, width)
            x = fusion(stage, prompts, place_features(place, height, width).flatten(0, 1))
        fine = self.finest(maps[0]).repeat_interleave(number, 0)
        x = self.refine(fine + resize(x, fine.shape[2], fine.shape[3]))
        return self.head(x).unflatten(0, (batch, number))

    def compare(self, features: Tensor, text: Tensor) -> Tensor:
        """Logits (B, K, h, w): ``w cos(e_I, e_T) + b`` in float32."""
        similarity = (F.normalize(features.float(), dim=2) * F.normalize(text.float(), dim=2)[..., None, None]).sum(2)
        return self.scale * similarity + self.bias
