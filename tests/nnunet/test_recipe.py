"""What PathMamba's own recipe and the paper's set up."""

from __future__ import annotations

import numpy as np
import pytest
from in_process import make_trainer


def initialised():
    trainer = make_trainer()
    trainer.initialize()
    return trainer


def test_own_recipe_unless_the_papers_is_asked_for(active, monkeypatch):
    monkeypatch.delenv("CUESCAN_LR")
    own = initialised()
    assert own.loss.absent == "pixels" and own.average.decay == 0.99
    assert len(own.network.neck) == 2, "a context is for trunks that were loaded"
    assert own.network.trunk.conv1.padding_mode == "replicate"

    monkeypatch.setenv("CUESCAN_RECIPE", "paper")
    paper = initialised()
    assert paper.loss.absent == "pooled" and paper.average.decay == 0
    assert [group["lr"] for group in paper.optimizer.param_groups] == [1e-5]
    assert paper.options.schedule == "constant" and paper.network.trunk.conv1.padding_mode == "zeros"


def test_balanced_absence_follows_from_the_training_cases(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_LOSS_ARGUMENTS", '{"absent_weight": "balanced"}')
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"exclusive": false}')
    trainer = initialised()
    labels = np.stack([trainer.cues.label_vector(case) for case in trainer.do_split()[0]])
    present, absent = (labels == 1).sum(0), (labels == 0).sum(0)
    assert present.all() and absent.all()
    assert trainer.loss.absent_weight.flatten().tolist() == pytest.approx(list(present / absent))
    assert trainer.plans_manager.plans["cuescan"]["options"]["loss_arguments"]["absent_weight"] == "balanced"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LOSS_ARGUMENTS", "", True),
        ("LOSS_ARGUMENTS", '{"absent_weight": "balanced"}', False),
        ("NETWORK_ARGUMENTS", '{"exclusive": true}', False),  # where absent_weight would be refused
    ],
)
def test_a_class_that_nearly_all_cases_show_is_told(active, monkeypatch, capsys, name, value, told):
    monkeypatch.setenv(f"CUESCAN_{name}", value)
    trainer = make_trainer()
    trainer.training_cases = trainer.do_split()[0]
    for case in trainer.training_cases[1:]:
        trainer.cues.cues[case].labels.update(square=1)
    trainer.cues.cues[trainer.training_cases[0]].labels.update(square=0)
    trainer.tell_cues()
    assert ("square: absent in few training cases" in capsys.readouterr().out) == told


def test_a_loaded_trunk_learns_more_slowly_and_sees_its_neighbours(active, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    random = initialised()
    assert [group["factor"] for group in random.optimizer.param_groups] == [1.0]
    weights = {key: value.contiguous() for key, value in random.network.trunk.state_dict().items()}
    save_file(weights, tmp_path / "trunk.safetensors")
    monkeypatch.setenv("CUESCAN_TRUNK", str(tmp_path / "trunk.safetensors"))
    loaded = initialised()
    rates = {group["factor"]: group["params"] for group in loaded.optimizer.param_groups}
    assert set(rates) == {0.1, 1.0}
    assert {id(weight) for weight in rates[0.1]} == {id(weight) for weight in loaded.network.trunk.parameters()}
    assert len(loaded.network.neck) == 4
    assert loaded.plans_manager.plans["cuescan"]["network_arguments"]["context"] == 2
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"context": 1}')
    assert initialised().plans_manager.plans["cuescan"]["network_arguments"]["context"] == 1
    monkeypatch.delenv("CUESCAN_NETWORK_ARGUMENTS")
    monkeypatch.setenv("CUESCAN_RECIPE", "paper")
    assert len(initialised().network.neck) == 2
