"""Build a network from what the plans keep of it, and a loss from what is asked of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from cuescan.errors import UserError

NATURAL_MEAN, NATURAL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of natural RGB images in [0, 1]: ImageNet's."""
NATURAL_SPREAD = 0.226
"""The mean of NATURAL_STD."""
LOSS_ARGUMENTS = "CUESCAN_LOSS_ARGUMENTS"
"""Where users of nnU-Net state a loss's arguments."""


def natural_statistics(channels: int) -> dict[str, list[float]]:
    """Mean and deviation by which images in [0, 1] are standardised: ImageNet's, or their average over the channels."""
    mean, std = list(NATURAL_MEAN), list(NATURAL_STD)
    if channels != 3:
        mean, std = [sum(mean) / 3] * channels, [sum(std) / 3] * channels
    return {"input_mean": mean, "input_std": std}


def build_network(
    network_class: Callable[..., nn.Module],
    plan: Mapping[str, Any] | None,
    num_input_channels: int,
    num_output_channels: int,
) -> Any:
    """Build a network from the 'cuescan' entry of the plans.

    Raises:
        UserError: there is no such entry, it is for other classes, or its arguments do not fit.
    """
    if plan is None:
        raise UserError("these plans hold no 'cuescan' entry; use the plans.json of a model that cuescan trained")
    if num_output_channels != 1 + len(plan["classes"]):
        raise UserError(
            f"the network has {len(plan['classes'])} classes ({', '.join(plan['classes'])}) but dataset.json has "
            f"{num_output_channels - 1}; use the dataset.json of the model's folder"
        )
    known = {"background": plan["background"]} if "background" in inspect.signature(network_class).parameters else {}
    try:
        return network_class(num_input_channels, len(plan["classes"]), **known, **plan["network_arguments"])
    except (TypeError, ValueError) as error:
        name = getattr(network_class, "__name__", "the network")
        raise UserError(f"{name} cannot be built: {error}; correct CUESCAN_NETWORK_ARGUMENTS") from error


def check_names(given: Mapping[str, Any], target: Callable, variable: str) -> None:
    """Refuse arguments that ``target`` does not take.

    Raises:
        UserError: names the variable, the argument and those that there are.
    """
    known = inspect.signature(target).parameters
    for name in given:
        if name not in known:
            raise UserError(f"{variable} names '{name}', which {target.__name__} does not take ({', '.join(known)})")


def build_loss(
    loss_class: Callable[..., nn.Module],
    known: Mapping[str, Any],
    given: Mapping[str, Any],
    variable: str = LOSS_ARGUMENTS,
) -> nn.Module:
    """Build a loss; arguments ``given`` in ``variable`` override those that are ``known``.

    Raises:
        UserError: the loss does not take them; names the variable.
    """
    check_names(given, loss_class, variable)
    try:
        return loss_class(**{**known, **given})
    except (TypeError, ValueError) as error:
        raise UserError(f"{variable} does not fit: {error}; correct it") from error
