"""A network that is handed one image at a time, with the prompts that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cuescan.cues.language import Box, Statement, Turn
from cuescan.networks.confine import confine
from cuescan.training.placement import on_patch, stated_places

Encode = Callable[[Sequence[Sequence[Statement]]], Tensor]
"""Statements of images to embeddings (B, K, d) of their prompts."""


class View(NamedTuple):
    """Mirrored ``axes`` (0 rows, 1 columns), and text (1, K, d) and place (1, K, R, 6) of the mirrored image."""

    axes: tuple[int, ...]
    text: Tensor | None
    place: Tensor | None


def mirrorings(axes: Sequence[int] | None) -> list[tuple[int, ...]]:
    """All combinations of the axes that may be mirrored, none of them first."""
    axes = tuple(axes or ())
    return [chosen for number in range(len(axes) + 1) for chosen in combinations(axes, number)]


def default_views(axes: Sequence[int] | None) -> list[View]:
    """Views with the network's default prompts."""
    return [View(chosen, None, None) for chosen in mirrorings(axes)]


def prompted_views(
    encode: Encode, statements: Sequence[Statement], kept: Box, valid: Tensor, axes: Sequence[int] | None
) -> list[View]:
    """Views of one image, in each of which the prompt says what is true of the mirrored image.

    Args:
        encode: embeds prompts.
        statements: what the prompt states, one per class.
        kept: the part of the raw image that preprocessing kept, in shares of it.
        valid: (1, 1, H, W) bool, where the image lies in its padding.
        axes: that may be mirrored.
    """
    views = []
    for chosen in mirrorings(axes):
        turn = Turn(flip_rows=0 in chosen, flip_columns=1 in chosen)
        mirrored = [[statement.turned(turn) for statement in statements]]
        place = stated_places(mirrored, [kept.turned(turn)], empty_where_denied=True)
        views.append(View(chosen, encode(mirrored), on_patch(place, valid.flip(_dims(chosen)))[1]))
    return views


def _dims(axes: Sequence[int]) -> list[int]:
    return [axis - 2 for axis in axes]


class PromptedNetwork(nn.Module):
    """Wraps a network for nnU-Net's inference, which hands over images alone; averages the logits of views.

    What is stated of boxes and shares holds for each view's logits and again for their mean.

    Args:
        network: maps image, text (B, K, d) and place (B, K, R, 6) to logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.views = default_views(None)

    def prompt(self, views: Sequence[View]) -> None:
        """Set the views of the images that follow."""
        self.views = list(views)

    def forward(self, image: Tensor) -> Tensor:
        """Segment images (B, C, H, W) by the prompts that are set."""
        logits = []
        for axes, *prompt in self.views:
            text, place = (
                None if tensor is None else tensor.to(image.device).expand(len(image), *tensor.shape[1:])
                for tensor in prompt
            )
            logits.append(self.network(image.flip(_dims(axes)), text, place).flip(_dims(axes)))
        mean = torch.stack(logits).mean(0)
        stated = self.views[0].place
        if stated is None:
            return mean
        stated = stated.to(image.device).expand(len(image), *stated.shape[1:])
        return torch.cat([mean[:, :1], confine(mean[:, 1:], stated)], dim=1)


def announcing(dataset_class: type, announce: Callable[[str, Any, Any], None]) -> type:
    """A data set of preprocessed cases that tells ``announce`` name, image and properties of each case it loads."""

    class Announcing(dataset_class):  # type: ignore[misc, valid-type]
        def load_case(self, identifier: str) -> Any:
            case = super().load_case(identifier)
            announce(identifier, case[0], case[3])
            return case

    return Announcing
