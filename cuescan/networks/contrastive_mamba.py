"""The contrastive Mamba block (CMB) of PathMamba and its dual-granularity scan, DC-Mamba."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cuescan.networks.contrast import attention_means, contrast_map
from cuescan.networks.vss import LayerNorm2d, SelectiveScan2d


class DCMamba(nn.Module):
    """Dual-granularity comparative Mamba: parallel scans of patch and pixel tokens, fused by their contrast.

    Source: PathMamba (MICCAI 2024), section 2.2 and Eq. 2. The paper names the operations but not the fusion; we take
    ``(C * S6(E) + (1 - C) * S6(P)) * SiLU(gate)`` with the contrast map C: strongly attended regions are read from
    the pixel tokens E, the others from the patch tokens P.

    Args:
        dim: Channels D of both kinds of tokens.
        state: State size N of the scans.
        dual: Read pixel tokens too; if false, this is a plain gated scan of the patch tokens.
        eta: Weight of the weak area in Eq. 2, in [0, 1].
        quantile: Share of the pixels in the strong and in the weak area.
        contrast: Gate by the contrast map; if false, the two scans are averaged (ablation).

    Shapes:
        patches (B, D, H, W), and with ``dual`` pixels (B, D, H, W), attention (B, 1, H, W) -> (B, D, H, W).
    """

    def __init__(
        self,
        dim: int,
        state: int,
        dual: bool = True,
        eta: float = 0.5,
        quantile: float = 0.25,
        contrast: bool = True,
    ) -> None:
        super().__init__()
        self.eta, self.quantile, self.contrast = eta, quantile, contrast
        self.in_projection = nn.Conv2d(dim, 2 * dim, 1)
        self.patch_scan = SelectiveScan2d(dim, state)
        self.pixel_projection = nn.Sequential(LayerNorm2d(dim), nn.Conv2d(dim, dim, 1)) if dual else None
        self.pixel_scan = SelectiveScan2d(dim, state) if dual else None
        self.out_projection = nn.Conv2d(dim, dim, 1)

    def forward(self, patches: Tensor, pixels: Tensor | None = None, attention: Tensor | None = None) -> Tensor:
        """Fuse the two granularities (see the class for shapes)."""
        patches, gate = self.in_projection(patches).chunk(2, dim=1)
        fused = self.patch_scan(patches)
        if (
            self.pixel_projection is not None
            and self.pixel_scan is not None
            and pixels is not None
            and attention is not None
        ):
            fused = self._fuse(fused, self.pixel_scan(self.pixel_projection(pixels)), attention)
        return self.out_projection(fused * nn.functional.silu(gate))

    def _fuse(self, patches: Tensor, pixels: Tensor, attention: Tensor) -> Tensor:
        if not self.contrast:
            return (patches + pixels) / 2
        strong, weak = attention_means(pixels, attention, self.quantile)
        weight = contrast_map(patches, strong, weak, self.eta).to(patches.dtype)
        return weight * pixels + (1 - weight) * patches


class ContrastiveMambaBlock(nn.Module):
    """One CMB layer, PathMamba Eq. 1: ``h1 = DCMamba(LN(h)) + h; h = DepthwiseConv(LN(h1)) + h1``.

    Args:
        dim: Channels D.
        mamba: Mix tokens by DC-Mamba; if false, the layer is its depthwise convolution alone (ablation).
        state: State size N of the scans.
        options: Further arguments of :class:`DCMamba`.

    Shapes:
        As :class:`DCMamba`.
    """

    def __init__(self, dim: int, state: int, mamba: bool = True, **options: Any) -> None:
        super().__init__()
        self.norm = LayerNorm2d(dim) if mamba else None
        self.mixer = DCMamba(dim, state, **options) if mamba else None
        self.conv_norm = LayerNorm2d(dim)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, patches: Tensor, pixels: Tensor | None = None, attention: Tensor | None = None) -> Tensor:
        """Apply the layer (see the class for shapes)."""
        hidden = patches
        if self.norm is not None and self.mixer is not None:
            hidden = self.mixer(self.norm(patches), pixels, attention) + patches
        return self.conv(self.conv_norm(hidden)) + hidden


class Stage(nn.ModuleList):
    """Contrastive Mamba blocks in sequence, all of which see the same pixel tokens and attention."""

    def forward(self, patches: Tensor, pixels: Tensor | None, attention: Tensor | None) -> Tensor:
        """Apply the blocks; shapes as :class:`DCMamba`."""
        for block in self:
            patches = block(patches, pixels, attention)
        return patches
