"""SA-MIL in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr SelfAttentionMILTrainer``."""

from __future__ import annotations

from typing import Any

import torch

from cuescan.nnunet.rival_trainer import RivalTrainer
from cuescan.rivals import SelfAttentionMIL, SelfAttentionMILLoss


class SelfAttentionMILTrainer(RivalTrainer):
    """Trains SA-MIL (Li et al., Medical Image Analysis 2023) from image-level labels.

    The recipe is that of the released code: Adam at a fixed learning rate of 1e-5, a hundredth of it for the side
    outputs, weight decay 5e-4, 60 epochs, 4 images per step. It begins from VGG-16's ImageNet weights: give
    ``CUESCAN_TRUNK`` as ``timm`` or a file with vgg16 keys (a file for ResNet-50 does not fit). From random weights
    take a larger ``CUESCAN_LR``. Stains are varied here as for all trainers; the paper mirrors only.
    """

    network_class = SelfAttentionMIL
    loss_class = SelfAttentionMILLoss
    recipe = {"epochs": 60, "batch_size": 4, "lr": 1e-5, "weight_decay": 5e-4}

    def rate_factor(self, weight: str) -> float:
        """The side outputs learn at a hundredth of the rate."""
        return 0.01 if weight.startswith("heads.") else 1.0

    def schedule(self) -> float:
        """Fixed rates."""
        return 1.0

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(groups, self.initial_lr, weight_decay=self.weight_decay)
