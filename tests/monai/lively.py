"""Networks whose masks show every label, without a training that would take minutes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST = 0.1
"""Each label's share of the image's pixels is at least this."""


@torch.no_grad()
def enliven(network: nn.Module, image: Tensor) -> None:
    """Draw the last layers anew until each label has its share of an image (1, C, H, W)."""
    network.eval()
    for seed in range(100):
        torch.manual_seed(seed)
        if hasattr(network, "decoder"):
            _path_mamba(network, image)
        else:
            network.head.weight.normal_()
            network.prompts.copy_(nn.functional.normalize(torch.randn_like(network.prompts), dim=1))
            network.bias -= network(image)[:, 1:].median()
        logits = network(image)
        if torch.bincount(logits.argmax(1).flatten(), minlength=logits.shape[1]).min() >= LEAST * image[0, 0].numel():
            return
    raise AssertionError("no seed gives all labels")


def _path_mamba(network: nn.Module, image: Tensor) -> None:
    """Each class likely in half of the image."""
    heads = [network.class_head, network.decoder.classify]
    for head in heads:
        head.weight.normal_()
    maps = network.maps(image)
    for head, logits in zip(heads, (maps.pixel, maps.patch), strict=True):
        head.bias -= logits.flatten(2).median(2).values[0]
