"""Arguments of the networks that follow from data, encoder and trunk."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cuescan.encoders import encoder_sizes
from cuescan.networks import PathMamba, TIFCMamba, trunk_arguments
from cuescan.networks.trained_trunk import is_checkpoint
from cuescan.networks.trunk_unet import TrunkUNet
from cuescan.training.network_building import NATURAL_SPREAD, check_names, natural_statistics

if TYPE_CHECKING:
    from cuescan.rivals.classifier import MapNetwork

VARIABLE = "CUESCAN_NETWORK_ARGUMENTS"


def trunk_input(trunk: str | None, channels: int, unit_range: bool) -> dict[str, Any]:
    """How a trunk sees the images: as its weights expect, whatever normalisation left.

    Without weights to be loaded, RGB images are standardised as natural ones are.

    Args:
        trunk: a .safetensors file, the checkpoint of a network that saw images normalised alike, "timm", or None for
            random weights.
        channels: of the images.
        unit_range: all channels lie in [0, 1]; else they are z-scores.
    """
    if trunk is None:
        return natural_statistics(channels) if channels == 3 and unit_range else {}
    arguments = trunk_arguments(trunk, channels)
    if is_checkpoint(trunk):
        return arguments
    if not unit_range:  # z-scores: mean 0 as after the weights' own normalisation, but spread 1
        spread = [std / NATURAL_SPREAD for std in arguments["input_std"]]
        arguments |= {"input_mean": None, "input_std": spread}
    return arguments


def path_mamba_arguments(
    channels: int, unit_range: bool, background: bool, size: str, trunk: str | None, image_scale: float,
    given: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """PathMamba's arguments; ``given`` ones override what follows from the data.

    Classes compete for a pixel where the data set has no background (the paper does not say; we choose so).

    Raises:
        UserError: a given argument that PathMamba does not take.
    """
    check_names(given, PathMamba, VARIABLE)
    return {
        "size": size,
        "image_scale": image_scale,
        "exclusive": not background,
        **given,
        "trunk": trunk_input(trunk, channels, unit_range) | given.get("trunk", {}),
    }


def trunk_unet_arguments(
    channels: int, unit_range: bool, trunk: str | None, image_scale: float, given: Mapping[str, Any]
) -> dict[str, Any]:
    """TrunkUNet's arguments; ``given`` ones override what follows from the data.

    Raises:
        UserError: a given argument that TrunkUNet does not take.
    """
    check_names(given, TrunkUNet, VARIABLE)
    sees = trunk_input(trunk, channels, unit_range)
    return {"image_scale": image_scale, **given, "trunk": sees | given.get("trunk", {})}


def rival_arguments(
    network_class: type[MapNetwork], channels: int, unit_range: bool, trunk: str | None, image_scale: float,
    given: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Arguments of a network of :mod:`cuescan.rivals`; ``given`` ones override what follows from the data.

    Raises:
        UserError: a given argument that the network does not take.
    """
    check_names(given, network_class, VARIABLE)
    known = inspect.signature(network_class.trunk_class).parameters
    sees = trunk_input(trunk, channels, unit_range)
    fitting = {name: value for name, value in sees.items() if name in known}
    return {"image_scale": image_scale, **given, "trunk": fitting | given.get("trunk", {})}


def tifc_mamba_arguments(
    channels: int, unit_range: bool, size: str, trunk: str | None, encoder: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """TIFCMamba's arguments; ``given`` ones override what follows from data and encoder.

    Raises:
        UserError: a given argument that TIFCMamba does not take, or there is no such encoder.
    """
    check_names(given, TIFCMamba, VARIABLE)
    sizes = encoder_sizes(encoder)
    arguments: dict[str, Any] = {"size": size, "text_dim": sizes.dim, "token_dim": sizes.token_dim}
    if unit_range:
        arguments |= natural_statistics(channels)
    if trunk is not None:
        arguments["trunk"] = trunk_input(trunk, channels, unit_range) | {"stages": 4, "frozen": 3}
    return {**arguments, **given}
