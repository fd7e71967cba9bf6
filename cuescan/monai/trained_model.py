"""A trained model on its way between nnU-Net and MONAI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from cuescan.errors import UserError
from cuescan.monai.model_card import ModelCard


@dataclass(frozen=True)
class TrainedModel:
    """A model that was read.

    Attributes:
        card: what it is.
        weights: tensors by name.
        encoders: folders where its text encoder may lie.
    """

    card: ModelCard
    weights: dict[str, Tensor]
    encoders: Sequence[Path]


def checked_weights(weights: Any, card: ModelCard, source: Path) -> dict[str, Tensor]:
    """Weights by name, in memory of their own, that are those of the network on the card.

    Args:
        weights: what was found in a file.
        card: of the model.
        source: the file, for messages.

    Raises:
        UserError: they are not tensors, or of another network; names the first that is missing, extra or misshapen.
    """
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(
            f"{source}: does not hold weights alone, as a model.pt does; use one that was written by a bundle"
        )
    try:
        own = card.build().state_dict()
    except UserError as error:
        reason = error.__cause__ or error
        raise UserError(
            f"{source}: {_size(card)} cannot be built ({reason}); use the file with the description that was "
            "written with it"
        ) from None
    missing = [f"'{name}' is missing" for name in own if name not in weights]
    extra = [f"'{name}' is not one of its weights" for name in weights if name not in own]
    unlike = [
        f"'{name}' is {_shape(weights[name])} but has to be {_shape(value)}"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    for wrong in (*missing, *extra, *unlike):
        raise UserError(
            f"{source}: not the weights of {_size(card)} ({wrong}); use the file with the description that was written "
            "with it"
        )
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}


def _size(card: ModelCard) -> str:
    return f"a {card.network} with {len(card.channel_names)} channels and {len(card.classes)} classes"


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "a single number"
