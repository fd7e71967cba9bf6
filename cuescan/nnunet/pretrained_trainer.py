"""A pretrained U-Net on labels of pixels: ``nnUNetv2_train DatasetXXX 2d 0 -tr PretrainedTrainer``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cuescan.losses.partial_labels import PartialLabelLoss
from cuescan.networks.trunk_unet import TrunkUNet
from cuescan.nnunet.trunk_rate_trainer import TrunkRateTrainer
from cuescan.training.network_arguments import trunk_unet_arguments
from cuescan.training.network_building import build_loss


class PretrainedTrainer(TrunkRateTrainer):
    """Trains a U-Net on a pretrained ResNet-50 (``CUESCAN_TRUNK``) from what ``labelsTr`` holds.

    Made for a second stage: labelsTr are pseudo-labels with ``ignore`` where a weak model was in doubt, and cues.json
    may say of parts of the images which classes they show; both are learned from. On real masks it is the fully
    supervised bound of the same network. It sees random windows of the images. Order, augmentation, schedule, average
    of the weights, checkpoints and options are those of cuescan's weak trainers; the score that picks the checkpoint is
    the cues'.
    """

    network_class = TrunkUNet
    learns_from_masks = learns_from_parts = True
    recipe = {
        "epochs": 40,
        "batch_size": 4,
        "lr": 1e-3,
        "trunk_rate": 0.1,
        "schedule": "cosine",
        "average": 0.99,
        "weight_decay": 1e-2,
        "window": 512,
        "colour_jitter": 0.15,
    }

    def network_arguments(self) -> dict[str, Any]:
        """Return TrunkUNet's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from the data."""
        options, channels = self.options, len(self.configuration_manager.normalization_schemes)
        return trunk_unet_arguments(
            channels, self.unit_range, options.trunk, options.image_scale, options.network_arguments
        )

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """AdamW: weight decay apart from the gradient."""
        return torch.optim.AdamW(groups, self.initial_lr, weight_decay=self.weight_decay)

    def _build_loss(self) -> nn.Module:
        return build_loss(PartialLabelLoss, {"background": self.bare_network.background}, self.options.loss_arguments)

    def batch_loss(self, batch: dict) -> Tensor:
        """The loss of a batch of :class:`cuescan.nnunet.images.WholeImages` with masks."""
        images, target = (batch[key].to(self.device, non_blocking=True) for key in ("data", "target"))
        parts = self.parts_of(batch) if "boxes" in batch else None
        return self.loss(self.network(images), target, *((parts.labels, parts.boxes) if parts else ()))
