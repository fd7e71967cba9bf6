"""Whether nnU-Net predicts the fold's validation cases at the end of a training."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from cuescan.errors import UserError

VARIABLE = "CUESCAN_FINAL_VALIDATION"


class FinalValidationTrainer(nnUNetTrainer):
    """Lets ``CUESCAN_FINAL_VALIDATION=0`` leave it out: with many small images it can take as long as the training.

    ``nnUNetv2_train ... --val`` makes up for it, whatever the variable says.
    """

    final_validation: bool
    """What ``asked_for`` says; a subclass reads it before any work."""
    trains = False

    def on_train_start(self) -> None:
        """Note that this process trains and does not only validate."""
        super().on_train_start()
        self.trains = True

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Predict and score the validation cases, unless that was to be left out; older predictions go in any case."""
        if self.final_validation or not self.trains:
            self.validate(save_probabilities)
            return
        if self.local_rank == 0:
            shutil.rmtree(Path(self.output_folder) / "validation", ignore_errors=True)
        self.print_to_log_file(f"No final validation ({VARIABLE}=0); nnUNetv2_train ... --val makes up for it.")

    def validate(self, save_probabilities: bool) -> None:
        """Predict and score the validation cases as nnU-Net does."""
        super().perform_actual_validation(save_probabilities)


def asked_for() -> bool:
    """Read ``CUESCAN_FINAL_VALIDATION``: unset or 1 is yes, 0 is no.

    Raises:
        UserError: It is something else.
    """
    text = os.environ.get(VARIABLE, "").strip() or "1"
    if text not in ("0", "1"):
        raise UserError(f"the environment variable {VARIABLE} is '{text}' but must be 1 or 0; correct or unset it")
    return text == "1"
