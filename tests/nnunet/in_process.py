"""Train in this process, as nnUNetv2_train does after reading its command line."""

from __future__ import annotations

import pytest
import torch


def make_trainer(
    continued: bool = False,
    number: int = 1,
    configuration: str = "2d",
    trainer_name: str = "PathMambaTrainer",
    fold: int = 0,
):
    from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint

    trainer = get_trainer_from_args(
        str(number), configuration, fold, trainer_name, continue_training=continued, device=torch.device("cpu")
    )
    maybe_load_checkpoint(trainer, continued, False)
    return trainer


def train(continued: bool = False, number: int = 1, trainer_name: str = "PathMambaTrainer", fold: int = 0):
    trainer = make_trainer(continued, number, trainer_name=trainer_name, fold=fold)
    trainer.run_training()
    return trainer


class Interrupted(Exception):
    pass


def train_and_stop(trainer_name: str, epochs: int) -> None:
    """Train, and be interrupted once so many epochs are through."""
    trainer = make_trainer(trainer_name=trainer_name)
    end_epoch = trainer.on_epoch_end

    def end_epoch_and_stop() -> None:
        end_epoch()
        if trainer.current_epoch == epochs:
            raise Interrupted

    trainer.on_epoch_end = end_epoch_and_stop
    with pytest.raises(Interrupted):
        trainer.run_training()


def last_weights(trainer) -> dict[str, torch.Tensor]:
    from pathlib import Path

    from cuescan.training.checkpoint import load_checkpoint

    return load_checkpoint(Path(trainer.output_folder) / "checkpoint_latest.pth")["network_weights"]


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
