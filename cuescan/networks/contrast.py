"""DC-Mamba's contrast map: where patch tokens look like strongly, rather than weakly, attended pixels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from cuescan.networks.grid import scaled


def attention_means(tokens: Tensor, attention: Tensor, quantile: float = 0.25) -> tuple[Tensor, Tensor]:
    """Mean token over the most and the least attended pixels.

    PathMamba calls them the "vital and weak attention area vectors" A_s and A_w (section 2.2) and does not say how the
    areas are cut; we take the upper and lower quantile of the attention. Tokens are weighted by the attention (or one
    minus it), so that the attention map learns from the contrast.

    Args:
        tokens: (B, D, H, W) pixel-level tokens.
        attention: (B, 1, H, W) attention in [0, 1].
        quantile: Share of the pixels in each area, in (0, 0.5].

    Returns:
        A_s and A_w, each (B, D).
    """
    flat = attention.flatten(1).float()
    size = max(1, scaled(flat.shape[1], quantile))
    pixels = tokens.flatten(2).float()
    strong, strong_index = flat.topk(size, dim=1)
    weak, weak_index = flat.topk(size, dim=1, largest=False)
    return _mean_over(pixels, strong_index, strong), _mean_over(pixels, weak_index, 1 - weak)


def _mean_over(pixels: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    chosen = pixels.gather(2, index.unsqueeze(1).expand(-1, pixels.shape[1], -1))
    weight = weight.unsqueeze(1) + 1e-6
    return (chosen * weight).sum(2) / weight.sum(2)


def contrast_map(patches: Tensor, strong: Tensor, weak: Tensor, eta: float = 0.5) -> Tensor:
    """Contrast correlation of PathMamba, Eq. 2: ``N(relu(cos(P, A_s) - eta cos(P, A_w))^2)``.

    N is a two-dimensional normalisation; the paper does not say which: we scale each image's map to [0, 1] by its
    maximum and keep zero at zero, so that a pixel with no contrast is not gated open.

    Args:
        patches: (B, D, H, W) patch-level tokens P.
        strong: (B, D) vector A_s.
        weak: (B, D) vector A_w.
        eta: Weight of the weak area, in [0, 1].

    Returns:
        (B, 1, H, W) map in [0, 1], float32.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta}")
    unit = F.normalize(patches.float(), dim=1)
    contrast = F.relu(_cosine(unit, strong) - eta * _cosine(unit, weak)).square()
    peak = contrast.flatten(1).amax(1).clamp_min(1e-6)
    return (contrast / peak[:, None, None]).unsqueeze(1)


def _cosine(unit: Tensor, vector: Tensor) -> Tensor:
    return (unit * F.normalize(vector.float(), dim=1)[:, :, None, None]).sum(1)
