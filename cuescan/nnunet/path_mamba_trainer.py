"""PathMamba in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr PathMambaTrainer``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from cuescan.errors import UserError
from cuescan.losses import DeepContrastLoss
from cuescan.networks import PathMamba, trunk_arguments
from cuescan.nnunet import refusals
from cuescan.nnunet.weak_trainer import WeakTrainer

IMAGENET = {"input_mean": [0.485, 0.456, 0.406], "input_std": [0.229, 0.224, 0.225]}
NATURAL_SPREAD = 0.226
"""Standard deviation of natural images in [0, 1], the mean over the channels of ImageNet."""


class PathMambaTrainer(WeakTrainer):
    """Trains PathMamba from image-level labels with the deep contrast supervised loss (MICCAI 2024)."""

    network_name = "PathMamba"

    def network_arguments(self) -> dict[str, Any]:
        """Return PathMamba's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from the data.

        Classes compete for a pixel where the data set has no background (the paper does not say; we choose so).
        """
        options = self.options
        given = options.network_arguments
        check_names(given, PathMamba, "CUESCAN_NETWORK_ARGUMENTS")
        return {
            "size": options.size,
            "image_scale": options.image_scale,
            "exclusive": not self.cues.background,
            **given,
            "trunk": self._trunk_arguments() | given.get("trunk", {}),
        }

    def _trunk_arguments(self) -> dict[str, Any]:
        """Return how the trunk sees the images: as its weights expect, whatever nnU-Net's normalisation left."""
        channels = len(self.configuration_manager.normalization_schemes)
        if self.options.trunk is None:
            return dict(IMAGENET) if channels == 3 and self.unit_range else {}
        arguments = trunk_arguments(self.options.trunk, channels)
        if not self.unit_range:  # z-scores: mean 0 as after the weights' own normalisation, but spread 1
            spread = [std / NATURAL_SPREAD for std in arguments["input_std"]]
            arguments |= {"input_mean": None, "input_std": spread}
        return arguments

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build PathMamba from the plans alone, as nnU-Net's inference needs it."""
        with refusals.one_sentence():
            network = build_network(plans_manager.plans.get("cuescan"), num_input_channels, num_output_channels)
        network.deep_supervision = enable_deep_supervision
        return network

    def check_cues(self) -> None:
        """Refuse training cases of which no label is stated."""
        refusals.check_image_labels(self.cues, self.training_cases, self.cue_path)

    def load_pretrained(self) -> None:
        """Load the trunk's weights, if any were asked for."""
        if self.options.trunk is not None:
            self.bare_network.load_trunk(self.options.trunk)

    def _build_loss(self) -> nn.Module:
        network = self.bare_network
        given = self.options.loss_arguments
        check_names(given, DeepContrastLoss, "CUESCAN_LOSS_ARGUMENTS")
        return DeepContrastLoss(
            **{"xi": network.xi, "exclusive": network.exclusive, "background": network.background} | given
        )


def build_network(plan: Mapping[str, Any] | None, num_input_channels: int, num_output_channels: int) -> PathMamba:
    """Build PathMamba from the 'cuescan' entry of the plans.

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
    try:
        return PathMamba(
            num_input_channels, len(plan["classes"]), background=plan["background"], **plan["network_arguments"]
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"PathMamba cannot be built: {error}; correct CUESCAN_NETWORK_ARGUMENTS") from error


def check_names(given: Mapping[str, Any], target: Callable, variable: str) -> None:
    """Refuse arguments that ``target`` does not take.

    Raises:
        UserError: names the variable, the argument and those that there are.
    """
    known = inspect.signature(target).parameters
    for name in given:
        if name not in known:
            raise UserError(f"{variable} names '{name}', which {target.__name__} does not take ({', '.join(known)})")
