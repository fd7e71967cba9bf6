"""nnU-Net's trainers on a data set of pseudo-labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from in_process import make_trainer, train

FOLD = "Dataset002_TinyPseudo/{}__nnUNetPlans__2d/fold_0"
SHORT = {"CUESCAN_MINUTES": "0.02", "nnUNet_n_proc_DA": "0"}


@pytest.fixture(scope="module")
def planned(made, tmp_path_factory):
    """A workplace with data set 2, pseudo-labels that are planned, as this process's environment."""
    from cuescan.cli import main

    place = made.copied(tmp_path_factory.mktemp("second") / "place")
    with place.entered() as patch:
        assert main(["pseudo-label", "-d", "1", "-o", "2", "-device", "cpu"]) == 0
        assert main(["plan", "-d", "2"]) == 0
        for name, value in SHORT.items():
            patch.setenv(name, value)
        yield place


@pytest.mark.parametrize("trainer", ["SupervisedTrainer", "OEEMTrainer"])
def test_trainers_for_masks_learn_from_it(planned, trainer):
    trained = train(number=2, trainer_name=trainer)
    assert (planned.results / FOLD.format(trainer) / "checkpoint_final.pth").is_file()
    log = trained.logger.local_logger.my_fantastic_logging
    assert np.isfinite(log["train_losses"]).all() and np.isfinite(log["mean_fg_dice"]).all()
    assert sorted(trained.do_split()[1]) == ["case_000", "case_005"]
    assert trainer == "SupervisedTrainer" or min(log["train_losses"]) > 0, "cross-entropy alone, without nnU-Net's Dice"


def test_the_stock_trainer_learns_from_it(planned):
    trainer = make_trainer(number=2, trainer_name="nnUNetTrainer")
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 1, 3, 2
    trainer.run_training()
    assert np.isfinite(trainer.logger.local_logger.my_fantastic_logging["train_losses"]).all()
    assert all(torch.isfinite(weight).all() for weight in trainer.network.state_dict().values())


@pytest.mark.slow
def test_the_stock_commands_take_it(label, place):
    label()
    planning = ("-c", "2d", "-np", "1", "-npfp", "1", "--verify_dataset_integrity")
    place.run("nnUNetv2_plan_and_preprocess", "-d", "2", *planning)
    for trainer in ("SupervisedTrainer", "OEEMTrainer"):
        place.run("nnUNetv2_train", "2", "2d", "0", "-tr", trainer, "-device", "cpu", **SHORT)
        fold = place.results / FOLD.format(trainer)
        assert sorted(path.stem for path in (fold / "validation").glob("*.png")) == ["case_000", "case_005"]
        assert np.isfinite(json.loads((fold / "validation" / "summary.json").read_text())["foreground_mean"]["Dice"])
