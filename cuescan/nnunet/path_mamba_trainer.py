"""PathMamba in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr PathMambaTrainer``."""

from __future__ import annotations

from typing import Any

from torch import nn

from cuescan.losses import DeepContrastLoss
from cuescan.networks import PathMamba
from cuescan.nnunet import refusals
from cuescan.nnunet.weak_trainer import WeakTrainer
from cuescan.training.network_arguments import path_mamba_arguments
from cuescan.training.network_building import build_loss


class PathMambaTrainer(WeakTrainer):
    """Trains PathMamba from image-level labels with the deep contrast supervised loss (MICCAI 2024)."""

    network_class = PathMamba

    def network_arguments(self) -> dict[str, Any]:
        """Return PathMamba's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from the data."""
        options, channels = self.options, len(self.configuration_manager.normalization_schemes)
        return path_mamba_arguments(
            channels, self.unit_range, self.cues.background, options.size, options.trunk, options.image_scale,
            options.network_arguments,
        )  # fmt: skip

    def check_cues(self) -> None:
        """Refuse training cases of which no label is stated."""
        refusals.check_image_labels(self.cues, self.training_cases, self.cue_path)

    def load_pretrained(self) -> None:
        """Load the trunk's weights, if any were asked for."""
        if self.options.trunk is not None:
            self.bare_network.load_trunk(self.options.trunk)

    def _build_loss(self) -> nn.Module:
        network = self.bare_network
        known = {"xi": network.xi, "exclusive": network.exclusive, "background": network.background}
        return build_loss(DeepContrastLoss, known, self.options.loss_arguments)
