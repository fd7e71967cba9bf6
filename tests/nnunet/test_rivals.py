"""Published methods as trainers: nnU-Net's commands, rates of learning, continuation, refusals."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from in_process import equal, last_weights, make_trainer, train, train_and_stop
from nnunet_workplace import ROOT
from PIL import Image
from safetensors.torch import save_file

DOORWAY = ROOT / "nnunet_trainers" / "cuescan_trainers.py"
BASES = {"TrunkRateTrainer", "WeakTrainer", "RivalTrainer", "SentenceTrainer"}
FAST = ("ClassActivationTrainer", "WSSSTissueTrainer")
SLOW = ("SelfAttentionMILTrainer", "CCAMTrainer", "SCCAMTrainer", "HistoSegNetTrainer")


def trainers_in(path: Path) -> set[str]:
    """Names of the trainers that a module defines."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in nodes if isinstance(node, ast.ClassDef) and node.name.endswith("Trainer")}


def test_the_doorway_lists_every_trainer():
    defined = set().union(*(trainers_in(path) for path in (ROOT / "cuescan" / "nnunet").glob("*_trainer.py")))
    module = ast.parse(DOORWAY.read_text(encoding="utf-8"))
    (listed,) = [ast.literal_eval(node.value) for node in module.body if isinstance(node, ast.Assign)]
    assert set(listed) == defined - BASES


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_stock_commands_train_and_predict(workplace, name, tmp_path):
    command = ("1", "2d", "2", "-tr", name, "-device", "cpu")
    workplace.run("nnUNetv2_train", *command)
    fold = workplace.results / "Dataset001_Tiny" / f"{name}__nnUNetPlans__2d" / "fold_2"
    assert (fold / "checkpoint_final.pth").stat().st_size > 0 and (fold / "progress.png").is_file()
    images = workplace.raw / "Dataset001_Tiny" / "imagesTr"
    workplace.run(
        *("nnUNetv2_predict", "-d", "1", "-c", "2d", "-f", "2", "-tr", name, "-device", "cpu", "-npp", "1"),
        *("-nps", "1", "-i", str(images), "-o", str(tmp_path)),
    )
    masks = [np.array(Image.open(path)) for path in tmp_path.glob("*.png")]
    assert len(masks) == 10 and all(mask.shape == (48, 48) and mask.max() <= 2 for mask in masks)


def test_new_parts_learn_ten_times_as_fast_as_the_trunk_and_all_slow_down(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    trainer = make_trainer(trainer_name="ClassActivationTrainer")
    trainer.run_training()
    trunk, heads = trainer.optimizer.param_groups
    assert trainer.log["lrs"] == pytest.approx([1e-3, 1e-3 * 0.5**0.9])
    assert trunk["lr"] == pytest.approx(1e-3 * 0.5**0.9) and heads["lr"] == pytest.approx(10 * trunk["lr"])
    assert len(trunk["params"]) == len(list(trainer.bare_network.trunk.parameters())) and len(heads["params"]) == 2


def test_self_attention_has_the_rates_of_its_release(active, monkeypatch):
    for name in ("EPOCHS", "LR", "BATCH_SIZE"):
        monkeypatch.delenv(f"CUESCAN_{name}")
    trainer = make_trainer(trainer_name="SelfAttentionMILTrainer")
    trainer.initialize()
    trainer.current_epoch = 59
    assert (trainer.num_epochs, trainer.batch_size, trainer.schedule()) == (60, 4, 1)
    rates = {group["factor"]: len(group["params"]) for group in trainer.optimizer.param_groups}
    assert type(trainer.optimizer).__name__ == "Adam" and trainer.initial_lr == 1e-5 and rates[0.01] == 6


def test_a_continued_training_equals_an_uninterrupted_one(active, monkeypatch, tmp_path):
    """C-CAM, whose global context lies in a buffer, and whose rates follow the number of epochs."""
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    expected = last_weights(train(trainer_name="CCAMTrainer"))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "other"))
    train_and_stop("CCAMTrainer", 1)
    assert equal(expected, last_weights(train(continued=True, trainer_name="CCAMTrainer")))


def test_arguments_follow_from_the_data_and_can_be_given(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_IMAGE_SCALE", "2")
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"threshold": 0.4, "trunk": {"stages": 3}}')
    network = make_trainer(trainer_name="ClassActivationTrainer")
    network.initialize()
    network = network.bare_network
    assert (network.image_scale, network.threshold, network.background) == (2, 0.4, True)
    assert network.trunk.channels == 512 and network.trunk.input_mean.flatten().tolist() == pytest.approx(
        [0.485, 0.456, 0.406]
    )


def test_an_argument_that_a_network_does_not_take_is_refused(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"anatomy": 0.4}')
    with pytest.raises(
        SystemExit, match=r"names 'anatomy', which ClassActivation does not take \(in_channels, .*trunk"
    ):
        make_trainer(trainer_name="ClassActivationTrainer")


def test_resnet_weights_are_refused_where_the_method_has_vgg(active, monkeypatch, tmp_path):
    import torch

    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet50.safetensors")
    monkeypatch.setenv("CUESCAN_TRUNK", str(tmp_path / "resnet50.safetensors"))
    trainer = make_trainer(trainer_name="SelfAttentionMILTrainer")
    with pytest.raises(SystemExit, match="resnet50.safetensors: trunk weights do not fit VGG-16"):
        trainer.initialize()
