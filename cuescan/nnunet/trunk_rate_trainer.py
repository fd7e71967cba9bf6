"""What trainers of networks on a pretrained trunk share: two learning rates and a schedule."""

from __future__ import annotations

from typing import Any

import torch

from cuescan.nnunet.weak_trainer import WeakTrainer
from cuescan.training.schedule import cosine_factor, rate_groups


class TrunkRateTrainer(WeakTrainer):
    """A weak trainer whose trunk, where its weights were loaded, may learn more slowly than what is new.

    ``CUESCAN_TRUNK_RATE`` and ``CUESCAN_SCHEDULE`` are its options.
    """

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, None]:
        """Group the weights by their learning rate."""
        rate = self.options.trunk_rate if self.options.trunk is not None else 1.0
        groups = rate_groups(self.network, lambda weight: rate if weight.startswith("trunk.") else 1.0)
        return self.optimiser(groups), None

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser of these groups of weights: Adam."""
        return torch.optim.Adam(groups, self.initial_lr, weight_decay=self.weight_decay)

    def on_train_epoch_start(self) -> None:
        """Set the learning rates of the epoch."""
        cosine = self.options.schedule == "cosine"
        factor = cosine_factor(self.current_epoch, self.num_epochs) if cosine else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = factor * group.get("factor", 1.0) * self.initial_lr
        super().on_train_epoch_start()
