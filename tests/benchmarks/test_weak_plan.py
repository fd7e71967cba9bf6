"""benchmarks/weak.py: which commands make a table, and that equal trainings run once."""

from __future__ import annotations

import pytest
from weak_stand_ins import plan

from cuescan.errors import UserError


def commands(made, program: str) -> list[tuple[str, ...]]:
    return [step.command for step in made.steps.values() if step.command[0] == program]


def word(command: tuple[str, ...], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_the_commands_of_one_model(tmp_path):
    made = plan(tmp_path, budget={"epochs": 2}, options={"lr": 0.01})
    raw = tmp_path / "nnUNet_raw" / "Dataset506_Synthetic"
    assert [step.command[0] for step in made.steps.values()] == [
        "python", "cuescan", "cuescan", "nnUNetv2_train", "nnUNetv2_predict", "cuescan",
    ]  # fmt: skip
    _, prepare, planned, train, predict, score = made.steps.values()
    assert prepare.command[:4] == ("cuescan", "prepare", "-d", "506")
    assert planned.command[:4] == ("cuescan", "plan", "-d", "506")
    assert train.command == (
        *("nnUNetv2_train", "506", "2d", "0", "-tr", "PathMambaTrainer", "-p", "nnUNetPlans", "-device", "cpu"),
    )
    environment = dict(train.environment)
    assert environment.pop("nnUNet_results").endswith("seed_0")
    assert environment == {
        "CUESCAN_EPOCHS": "2", "CUESCAN_LR": "0.01", "CUESCAN_SEED": "0", "CUESCAN_FINAL_VALIDATION": "0",
    }  # fmt: skip
    assert predict.environment["nnUNet_results"] == train.environment["nnUNet_results"]
    assert word(predict.command, "-i") == str(raw / "imagesTs")
    assert score.command[2:4] == (word(predict.command, "-o"), str(raw / "labelsTs"))


def test_equal_trainings_run_once(tmp_path):
    same = {"trainer": "PathMambaTrainer", "options": {"lr": 0.01}}
    made = plan(tmp_path, options={"lr": 0.01}, methods={"a": "PathMambaTrainer", "b": same, "c": "CCAMTrainer"})
    assert [word(command, "-tr") for command in commands(made, "nnUNetv2_train")] == ["PathMambaTrainer", "CCAMTrainer"]
    assert [run.method for run in made.runs] == ["a", "b", "c"]
    assert made.runs[0].score == made.runs[1].score != made.runs[2].score


def test_seeds_have_results_of_their_own(tmp_path):
    made = plan(tmp_path, seeds=[0, 7])
    trainings = [step for step in made.steps.values() if step.fold]
    assert [step.environment["CUESCAN_SEED"] for step in trainings] == ["0", "7"]
    assert len({step.environment["nnUNet_results"] for step in trainings}) == 2
    assert len({run.predictions for run in made.runs}) == 2


def test_folds_one_by_one_and_together(tmp_path):
    one_by_one = plan(tmp_path, folds=[0, 1])
    assert [run.fold for run in one_by_one.runs] == [0, 1]
    together = plan(tmp_path, folds=[0, 1], ensemble=True)
    (run,) = together.runs
    assert run.fold == "0 1"
    (predict,) = commands(together, "nnUNetv2_predict")
    assert predict[predict.index("-f") + 1 : predict.index("-tr")] == ("0", "1")
    assert len(commands(together, "nnUNetv2_train")) == 2


def test_a_second_stage_waits_for_all_that_label(tmp_path):
    second = {"trainer": "SupervisedTrainer", "label_folds": [0, 1, 2], "keep": 0.5, "minutes": 3}
    made = plan(tmp_path, methods={"PathMamba": {"trainer": "PathMambaTrainer", "second_stage": second}})
    (label,) = [step for step in made.steps.values() if step.command[:2] == ("cuescan", "pseudo-label")]
    assert [made.steps[name].command[3] for name in label.needs] == ["0", "1", "2"]
    assert label.command[label.command.index("-f") + 1 : label.command.index("-device")] == ("0", "1", "2")
    assert (word(label.command, "-d"), word(label.command, "-o"), word(label.command, "--keep")) == (
        "506",
        "601",
        "0.5",
    )
    assert "--seen" not in label.command
    train = commands(made, "nnUNetv2_train")[-1]
    assert (train[1], train[3], word(train, "-tr")) == ("601", "0", "SupervisedTrainer")
    step = next(step for step in made.steps.values() if step.command == train)
    assert step.environment["CUESCAN_MINUTES"] == "3"
    assert made.steps[step.needs[0]].command[:4] == ("cuescan", "plan", "-d", "601")
    assert [(run.label, run.stage, len(run.trainings)) for run in made.runs] == [
        ("PathMamba", 1, 1), ("PathMamba + SupervisedTrainer", 2, 4),
    ]  # fmt: skip
    assert word(commands(made, "nnUNetv2_predict")[-1], "-i").endswith(
        "Dataset506_Synthetic/imagesTs".replace("/", "/")
    )


def test_cuescans_networks_may_see_test_images_at_several_sizes(tmp_path):
    methods = ["PathMambaTrainer", "PretrainedTrainer", "SupervisedTrainer"]
    made = plan(tmp_path, scales=[1, 1.5], tta=False, methods=methods)
    scaled = [
        command
        for command in commands(made, "cuescan")
        if command[:5] == ("cuescan", "predict", "--scales", "1", "1.5")
    ]
    stock = commands(made, "nnUNetv2_predict")
    assert [word(command, "-tr") for command in scaled] == ["PathMambaTrainer", "PretrainedTrainer"]
    assert [word(command, "-tr") for command in stock] == ["SupervisedTrainer"]
    assert all("--disable_tta" in command for command in (*scaled, *stock))


def test_a_second_stage_may_start_from_the_first_ones_trunk(tmp_path):
    second = {"trainer": "PretrainedTrainer", "options": {"trunk": "{before}"}, "scales": [1, 1.5], "seen": True}
    methods = {"PathMamba": {"trainer": "PathMambaTrainer", "second_stage": second}}
    made = plan(tmp_path, folds=[0, 1], methods=methods)
    label = next(step for step in made.steps.values() if step.command[:2] == ("cuescan", "pseudo-label"))
    at = label.command.index("--scales")
    assert label.command[at + 1 : at + 3] == ("1", "1.5")
    trainings = [step for step in made.steps.values() if step.command[0] == "nnUNetv2_train"]
    for fold in ("0", "1"):
        weak, pretrained = (step for step in trainings if step.command[3] == fold)
        assert pretrained.environment["CUESCAN_TRUNK"] == str(weak.product) and weak.name in pretrained.needs
        assert f"fold_{fold}" in pretrained.environment["CUESCAN_TRUNK"]
    methods["PathMamba"]["second_stage"] |= {"folds": [2]}
    with pytest.raises(UserError, match=r"its trunk is \{before\}, but no stage trains fold 2 before it"):
        plan(tmp_path, folds=[0, 1], methods=methods)


def test_a_third_stage_learns_from_the_second_ones_labels(tmp_path):
    third = {"trainer": "PretrainedTrainer", "name": "third", "options": {"trunk": "{before}"}, "keep": 0.9}
    second = {"trainer": "PretrainedTrainer", "name": "second", "label_folds": [0, 1], "then": third}
    made = plan(tmp_path, methods={"PathMamba": {"trainer": "PathMambaTrainer", "second_stage": second}})
    labelled = [step for step in made.steps.values() if step.command[:2] == ("cuescan", "pseudo-label")]
    told = [(word(s.command, "-d"), word(s.command, "-tr"), word(s.command, "-o")) for s in labelled]
    assert told == [("506", "PathMambaTrainer", "601"), ("601", "PretrainedTrainer", "602")]
    *_, before, last = [step for step in made.steps.values() if step.command[0] == "nnUNetv2_train"]
    assert (before.command[1], last.command[1]) == ("601", "602")
    assert last.environment["CUESCAN_TRUNK"] == str(before.product) and before.name in last.needs
    assert [(run.label, run.learns_from, run.stage, len(run.trainings)) for run in made.runs] == [
        ("PathMamba", "labels", 1, 1),
        ("PathMamba + second", "pseudo-labels", 2, 3),
        ("PathMamba + second + third", "pseudo-labels", 3, 4),
    ]


def test_second_stages_share_pseudo_labels(tmp_path):
    stages = ["SupervisedTrainer", {"trainer": "OEEMTrainer"}, {"trainer": "OEEMTrainer", "name": "half", "keep": 0.5}]
    made = plan(tmp_path, seeds=[0, 1], methods={"a": {"trainer": "PathMambaTrainer", "second_stage": stages}})
    labelled = [step.command for step in made.steps.values() if step.command[:2] == ("cuescan", "pseudo-label")]
    assert [word(command, "-o") for command in labelled] == ["601", "602", "603", "604"]  # two per seed
    assert len({word(command, "-n") for command in labelled}) == 4


def test_derived_data_sets_keep_their_numbers(tmp_path):
    methods = {"a": {"trainer": "PathMambaTrainer", "second_stage": "SupervisedTrainer"}}
    first = plan(tmp_path, seeds=[0, 1], methods=methods)
    folder = next(iter(first.numbers.values()))
    (tmp_path / "nnUNet_raw" / folder.replace("601", "605")).mkdir(parents=True)
    again = plan(tmp_path, seeds=[0, 1], methods=methods)
    assert [name[:10] for name in again.numbers.values()] == ["Dataset605", "Dataset601"]


def test_whole_images_with_labels_of_parts(tmp_path):
    (tmp_path / "data" / "glas").mkdir(parents=True)
    second = {"trainer": "PretrainedTrainer", "images": "whole", "options": {"epochs": 7}}
    made = plan(
        tmp_path / "out", tmp_path / "data", data={"set": "glas"}, budget={"minutes": 5},
        methods={"weak": {"trainer": "PathMambaTrainer", "images": "whole", "second_stage": second}},
    )  # fmt: skip
    (whole,) = [step.product.parent.name for step in made.steps.values() if step.name.endswith("/join")]
    first, following = [step for step in made.steps.values() if step.fold]
    assert first.command[1] == whole[7:10]
    label = next(step for step in made.steps.values() if step.command[:2] == ("cuescan", "pseudo-label"))
    assert word(label.command, "-d") == whole[7:10] and "--images" not in label.command
    assert following.command[1] == word(label.command, "-o")
    assert "CUESCAN_MINUTES" not in following.environment and following.environment["CUESCAN_EPOCHS"] == "7"


def test_whole_images_for_masks(tmp_path):
    (tmp_path / "data" / "glas").mkdir(parents=True)
    second = {"trainer": "SupervisedTrainer", "images": "whole"}
    made = plan(
        tmp_path / "out", tmp_path / "data", data={"set": "glas", "hold_out": 0.25}, budget={"minutes": 5},
        methods={
            "weak": {"trainer": "PathMambaTrainer", "second_stage": second},
            "crops": "SupervisedTrainer",
            "whole": {"trainer": "SupervisedTrainer", "images": "whole", "planner": "nnUNetPlannerResEncM"},
        },
    )  # fmt: skip
    prepare = made.steps["prepare"].command
    assert prepare[1].endswith("glas.py")
    assert word(prepare, "--hold-out") == "0.25"
    joined = [step for step in made.steps.values() if step.name.endswith("/join")]
    assert len(joined) == 1
    whole = joined[0].product.parent
    label = next(step for step in made.steps.values() if step.command[:2] == ("cuescan", "pseudo-label"))
    assert word(label.command, "--images") == str(whole / "imagesTr")
    assert joined[0].name in label.needs
    residual = next(step for step in made.steps.values() if step.command[0] == "nnUNetv2_plan_experiment")
    assert residual.command == ("nnUNetv2_plan_experiment", "-d", whole.name[7:10], "-pl", "nnUNetPlannerResEncM")
    train = commands(made, "nnUNetv2_train")[-1]
    assert (train[1], word(train, "-p")) == (whole.name[7:10], "nnUNetResEncUNetMPlans")
    tested = {word(command, "-i") for command in commands(made, "nnUNetv2_predict")}
    assert tested == {str(tmp_path / "out" / "nnUNet_raw" / "Dataset501_GlaS" / "imagesTs")}
