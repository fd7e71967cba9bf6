"""What the trainers of the published methods share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cuescan.nnunet import refusals
from cuescan.nnunet.weak_trainer import WeakTrainer
from cuescan.rivals.classifier import MapNetwork
from cuescan.training.network_arguments import rival_arguments
from cuescan.training.network_building import build_loss
from cuescan.training.schedule import polynomial_factor, rate_groups

MOMENTUM = 0.9


class RivalTrainer(WeakTrainer):
    """Trains a published method (:mod:`cuescan.rivals`) from image-level labels, beside ours and like them.

    Same images, augmentation, cues, trunk and choice of the checkpoint as PathMamba; own network, loss and recipe. A
    subclass gives ``network_class``, ``loss_class`` and, where it differs, its recipe. Here that is SGD with momentum
    0.9, ten times the learning rate for all but the trunk, and a polynomial schedule of power 0.9, set per epoch; rates
    and schedule are those of AffinityNet's classifier (Ahn and Kwak, CVPR 2018), which many methods took over.
    """

    network_class: type[MapNetwork]
    loss_class: type[nn.Module]
    recipe = {"epochs": 20, "lr": 0.01, "weight_decay": 5e-4}

    def network_arguments(self) -> dict[str, Any]:
        """Return the network's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from the data."""
        options, channels = self.options, len(self.configuration_manager.normalization_schemes)
        return rival_arguments(
            self.network_class, channels, self.unit_range, options.trunk, options.image_scale, options.network_arguments
        )

    def check_cues(self) -> None:
        """Refuse training cases of which no label is stated."""
        refusals.check_image_labels(self.cues, self.training_cases, self.cue_path)

    def _build_loss(self) -> nn.Module:
        return build_loss(self.loss_class, {}, self.options.loss_arguments)

    def rate_factor(self, weight: str) -> float:
        """Learning rate of the weight of this name, over that of the training: what is new learns ten times as fast."""
        return 1.0 if weight.startswith("trunk.") else 10.0

    def schedule(self) -> float:
        """What all learning rates of the current epoch are multiplied by."""
        return polynomial_factor(self.current_epoch, self.num_epochs)

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser of these groups of weights."""
        return torch.optim.SGD(groups, self.initial_lr, momentum=MOMENTUM, weight_decay=self.weight_decay)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, None]:
        """Group the weights by their learning rate."""
        return self.optimiser(rate_groups(self.network, self.rate_factor)), None

    def on_train_epoch_start(self) -> None:
        """Set the learning rates of the epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule() * group["factor"] * self.initial_lr
        super().on_train_epoch_start()
