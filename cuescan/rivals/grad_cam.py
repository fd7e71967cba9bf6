"""Gradient-weighted class activation maps (Grad-CAM; Selvaraju et al., ICCV 2017), also where gradients are off.

A map is ``sum_c a_c F_c`` with ``a_c`` the mean over pixels of the score's gradient by feature map ``F_c``; the
rectification at its end is left to the caller, since not all methods that use it have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor


def grad_cam_of_linear(features: Tensor, weight: Tensor) -> Tensor:
    """Grad-CAM of scores that a linear layer reads from pooled features, in closed form.

    The mean gradient is ``weight / (h w)`` both for mean pooling, where each pixel has an equal share of it, and for
    maximum pooling, where one pixel has all of it.

    Args:
        features: (B, C, h, w), what is pooled.
        weight: (K, C), of the linear layer.

    Returns:
        (B, K, h, w) in float32.
    """
    weight = weight.float() / (features.shape[2] * features.shape[3])
    return torch.einsum("bchw,kc->bkhw", features.float(), weight)


def grad_cams(layers: Sequence[Tensor], scores: Tensor) -> list[Tensor]:
    """Grad-CAM of each class at each of some layers, from gradients.

    Args:
        layers: Feature maps (B, C, h, w) that ``scores`` were computed from with gradients on.
        scores: (B, K), such that those of an image depend on that image alone.

    Returns:
        For each layer (B, K, h, w).
    """
    maps: list[list[Tensor]] = [[] for _ in layers]
    for scores_of_class in scores.sum(0):
        gradients = torch.autograd.grad(scores_of_class, layers, retain_graph=True)
        for found, layer, gradient in zip(maps, layers, gradients, strict=True):
            found.append(torch.einsum("bchw,bc->bhw", layer.detach(), gradient.mean((2, 3))))
    return [torch.stack(found, dim=1) for found in maps]


@contextmanager
def gradients_in_float32(device: torch.device) -> Iterator[None]:
    """Switch gradients on and mixed precision off, whatever the caller runs under.

    Tensors made in inference mode have to be cloned inside before they take part. In half precision the small
    gradients of deep layers would vanish, and weights that inference mode has cast could not take part at all.
    """
    mixes = torch.amp.is_autocast_available(device.type)
    single = torch.autocast(device.type, enabled=False) if mixes else nullcontext()
    with torch.inference_mode(False), torch.enable_grad(), single:
        yield
