"""benchmarks/weak.py: configurations are checked before anything runs, and say what is wrong in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from weak_stand_ins import plan, settings
from weak_tables.methods import known_trainers
from weak_tables.reading import load_yaml
from weak_tables.settings import read_settings, variables

from cuescan.errors import UserError

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "benchmarks" / "configs").glob("*.yaml"))


@pytest.fixture
def data(tmp_path) -> Path:
    """A folder with the folders that the example configurations name."""
    for name in ("glas", "consep", "dfutissue", "weights"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / "weights" / "resnet50_imagenet_stages1-4.safetensors").touch()
    return tmp_path / "data"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_example_configurations(path, data, tmp_path):
    told = read_settings(load_yaml(path), path, data)
    from weak_tables.plan import Plan

    made = Plan(told, tmp_path / "out", data, "cuda")
    assert made.runs
    assert {name for step in made.steps.values() for name in step.needs} <= set(made.steps)
    assert told.title


def test_an_example_for_each_purpose():
    assert {path.stem for path in CONFIGS} >= {"glas", "consep", "dfutissue", "quick", "ablation"}


def test_the_ablation_is_table_2(data):
    path = next(path for path in CONFIGS if path.stem == "ablation")
    told = read_settings(load_yaml(path), path, data)
    switches = []
    for method in told.methods:
        found = variables(told, method.first, data)
        network = json.loads(found.get("CUESCAN_NETWORK_ARGUMENTS", "{}"))
        loss = json.loads(found.get("CUESCAN_LOSS_ARGUMENTS", "{}"))
        switches.append((network.get("miml", True), network.get("cmb", True), loss.get("deep", True)))
    assert switches == [
        (False, False, False), (True, False, False), (False, True, False), (True, True, False), (True, True, True),
    ]  # fmt: skip


def test_a_method_overrides_common_options():
    told = settings(
        options={"lr": 1e-3, "network_arguments": {"eta": 0.1, "cmb": True}, "batch_size": 4},
        budget={"epochs": 7, "iterations": 3},
        methods={
            "a": {"trainer": "PathMambaTrainer", "options": {"network_arguments": {"cmb": False}, "batch_size": None}},
            "b": "SupervisedTrainer",
        },
    )
    first, second = (variables(told, method.first, Path("d")) for method in told.methods)
    assert json.loads(first.pop("CUESCAN_NETWORK_ARGUMENTS")) == {"eta": 0.1, "cmb": False}
    assert first == {"CUESCAN_LR": "0.001", "CUESCAN_EPOCHS": "7", "CUESCAN_ITERATIONS": "3"}
    assert second == {}  # masks get no option of the trainings from labels


def test_a_list_of_trainers_is_enough():
    told = settings(methods=["PathMambaTrainer", "SupervisedTrainer"])
    assert [(method.name, method.first.on_masks) for method in told.methods] == [
        ("PathMambaTrainer", False), ("SupervisedTrainer", True),
    ]  # fmt: skip


def test_trainers_are_those_that_nnunet_finds():
    assert {"PathMambaTrainer", "SupervisedTrainer", "nnUNetTrainer", "nnUNetTrainer_5epochs"} <= known_trainers()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"metods": {}}, "w.yaml: unknown key 'metods' (known: title, data, folds, seeds, budget, options, methods, "
                         "ensemble, tta, scales, environment), did you mean 'methods'?"),
        ({"methods": {}}, "w.yaml: no methods; name at least one under 'methods'"),
        ({"methods": {"a": "PathMambaTrainr"}},
         "w.yaml: methods: a: there is no trainer 'PathMambaTrainr', did you mean 'PathMambaTrainer'?"),
        ({"methods": {"a": {"trainer": "PathMambaTrainer", "second_stag": 1}}}, "did you mean 'second_stage'?"),
        ({"methods": {"a": {"trainer": "SupervisedTrainer", "second_stage": "OEEMTrainer"}}},
         "but SupervisedTrainer learns from masks; remove second_stage"),
        ({"methods": {"a": {"trainer": "PathMambaTrainer", "planner": "nnUNetPlannerResEncM"}}},
         "planner is for trainers that learn from masks; remove it"),
        ({"methods": {"a": {"trainer": "SCCAMTrainer", "images": "whole"}}},
         "images: whole is for PathMambaTrainer, which learns from labels of parts, and for trainers that learn from"),
        ({"methods": {"a": {"trainer": "SupervisedTrainer", "planner": "ResEncM"}}},
         "planner is 'ResEncM' but must be one of nnUNetPlannerResEncM,"),
        ({"methods": {"a": {"trainer": "PathMambaTrainer",
                            "second_stage": ["SupervisedTrainer", "SupervisedTrainer"]}}},
         "two stages are called alike; give each a name"),
        ({"methods": {"a": {"trainer": "PathMambaTrainer",
                            "second_stage": {"trainer": "SupervisedTrainer", "scales": [1, 0]}}}},
         "second_stage: scales is 0 but must be a factor from 0.25 to 4; correct it"),
        ({"methods": {"a": "SupervisedTrainer"}}, "give budget: minutes, or put a method that learns"),
        ({"options": {"learning_rate": 1}}, "method 'PathMamba': no trainer has the option 'learning_rate'"),
        ({"options": {"lr": -1}}, "method 'PathMamba': the environment variable CUESCAN_LR is '-1' but"),
        ({"options": {"trunk": "{data}/none.safetensors"}}, "CUESCAN_TRUNK is 'images/none.safetensors' but must be"),
        ({"budget": {"epochs": 1.5}}, "w.yaml: budget: epochs is 1.5 but must be a whole number of at least 1"),
        ({"budget": {"minutes": 0}}, "budget: minutes is 0 but must be a number above 0; correct it"),
        ({"seeds": [0, 0]}, "w.yaml: seeds: one of [0, 0] stands twice; keep one of them"),
        ({"seeds": [-1]}, "w.yaml: seeds: -1 is no seed"),
        ({"folds": ["first"]}, "w.yaml: folds: 'first' is no fold; give numbers from 0, or all"),
        ({"data": "glass"}, "w.yaml: data: there is no set 'glass'; give one of glas, consep,"),
        ({"data": {"set": "glas"}}, "images/glas: there is no such folder of glas's images; give source in w.yaml"),
        ({"data": {"set": "luad_histoseg"}}, "luad_histoseg is a download of yours; give its folder as source"),
        ({"data": {"set": "consep", "test": "t"}}, "test names GlaS's test images"),
        ({"data": {"set": "dfutissue", "hold_out": 0.2}}, "there is a test set, so nothing is held out; remove"),
        ({"data": {"set": "glas", "hold_out": 2}}, "hold_out is 2 but must be a share between 0 and 1, as 0.2"),
        ({"data": {"dataset": 7, "hold_out": 0.2}}, "hold_out has no meaning here, a data set of yours has its own"),
        ({"data": {"set": "glas", "size": 64}}, "size has no meaning here, only the synthetic set is drawn; remove it"),
        ({"folds": [5]}, "w.yaml: fold 5 is asked for, but data: folds is 5; raise it"),
        ({"data": {}}, "w.yaml: data: give either set (one of glas,"),
        ({"data": 1234}, "dataset is 1234 but must be the number of a data set in nnUNet_raw, 1 to 999"),
        ({"scales": [1, -2]}, "w.yaml: scales is -2 but must be a factor from 0.25 to 4; correct it"),
        ({"scales": [1, 8]}, "w.yaml: scales is 8 but must be a factor from 0.25 to 4; correct it"),
        ({"scales": [True]}, "w.yaml: scales is True but must be a factor from 0.25 to 4; correct it"),
        ({"tta": "no"}, "w.yaml: tta is 'no' but must be true or false; correct it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(changes, told):
    with pytest.raises(UserError) as error:
        settings(**changes)
    assert told in str(error.value).replace("\\", "/")
    assert "\n" not in str(error.value)


def test_masks_that_are_not_there(data, tmp_path):
    (tmp_path / "luad").mkdir()
    with pytest.raises(UserError, match="'b' learns from masks, but the training cases of this data set have none"):
        settings(data={"set": "luad_histoseg", "source": str(tmp_path / "luad")},
                 methods={"a": "PathMambaTrainer", "b": "SupervisedTrainer"})  # fmt: skip


def test_yaml_that_is_none(tmp_path):
    path = tmp_path / "w.yaml"
    with pytest.raises(UserError, match=r"w\.yaml: cannot be read \(No such file or directory\); check the path"):
        load_yaml(path)
    path.write_text("data: {set: glas\nmethods: [")
    with pytest.raises(UserError, match=r"w\.yaml: not valid YAML at line 2 \("):
        load_yaml(path)
    path.write_text("just a sentence")
    with pytest.raises(UserError, match="must be a mapping of names to values"):
        read_settings(load_yaml(path), path, tmp_path)


def test_where_data_lie_does_not_change_what_is_trained(data, tmp_path):
    other = tmp_path / "elsewhere"
    data_copy = {"data": "glas", "options": {"trunk": "{data}/weights/resnet50_imagenet_stages1-4.safetensors"}}
    here = plan(tmp_path / "out", data, **data_copy)
    data.rename(other)
    there = plan(tmp_path / "out", other, **data_copy)
    assert [run.score for run in here.runs] == [run.score for run in there.runs]
    assert settings(other, **data_copy).identity() == here.settings.identity()
