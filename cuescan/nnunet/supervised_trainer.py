"""The fully supervised bound: nnU-Net's own trainer for a given time instead of a given number of epochs."""

from __future__ import annotations

import os
from time import monotonic

import torch

from cuescan.errors import UserError
from cuescan.nnunet import refusals
from cuescan.nnunet.final_validation import FinalValidationTrainer, asked_for

VARIABLE = "CUESCAN_MINUTES"
POWER = 0.9
"""Exponent of nnU-Net's polynomial decay of the learning rate."""


class SupervisedTrainer(FinalValidationTrainer):
    """Trains on dense masks as nnU-Net does, for ``CUESCAN_MINUTES`` minutes.

    It answers what full supervision gives for the time that a weak training takes. Network, loss, augmentation and
    optimiser are nnU-Net's; the learning rate falls over the given time as its own falls over its epochs, and an epoch
    has fewer iterations, so that a short time holds several.
    """

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's own signature
    ):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 10, 2
        with refusals.one_sentence():
            self.seconds = 60 * minutes()
            self.final_validation = asked_for()

    def on_train_epoch_start(self) -> None:
        """Set the learning rate by the time that has passed."""
        super().on_train_epoch_start()
        left = max(1 - (monotonic() - self.started) / self.seconds, 0.01)
        for group in self.optimizer.param_groups:
            group["lr"] = self.initial_lr * left**POWER

    def run_training(self) -> None:
        """Train epoch by epoch until the time is over."""
        self.on_train_start()
        self.started = monotonic()
        while monotonic() - self.started < self.seconds:
            self.on_epoch_start()
            self.on_train_epoch_start()
            steps = range(self.num_iterations_per_epoch)
            self.on_train_epoch_end([self.train_step(next(self.dataloader_train)) for _ in steps])
            with torch.no_grad():
                self.on_validation_epoch_start()
                steps = range(self.num_val_iterations_per_epoch)
                self.on_validation_epoch_end([self.validation_step(next(self.dataloader_val)) for _ in steps])
            self.on_epoch_end()
        self.on_train_end()


def minutes() -> float:
    """Read ``CUESCAN_MINUTES``.

    Raises:
        UserError: It is not set, or not a number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        value = float(text)
        if not 0 < value < float("inf"):
            raise ValueError(text)
    except ValueError:
        raise UserError(
            f"the environment variable {VARIABLE} is '{text}' but must be a number of minutes above 0; set it"
        ) from None
    return value
