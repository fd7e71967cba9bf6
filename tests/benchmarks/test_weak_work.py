"""benchmarks/weak.py: finished steps are left alone, interrupted ones go on, failed ones stop only what needs them."""

from __future__ import annotations

import pytest
from weak_stand_ins import Hands, plan, settings, worker
from weak_tables import folder
from weak_tables.steps import Step, closure

from cuescan.errors import UserError

TWO = {"PathMamba": "PathMambaTrainer", "nnU-Net": "SupervisedTrainer"}


def work(made, hands):
    return worker(made, hands).work(list(made.steps.values()), lambda step: None)


def test_every_step_runs_once(tmp_path):
    made, hands = plan(tmp_path, methods=TWO, seeds=[0, 1]), Hands(tmp_path)
    assert work(made, hands) == {}
    assert [words for words, _ in hands.calls] == [list(step.command) for step in made.steps.values()]
    again = Hands(tmp_path)
    one = worker(made, again)
    for step in made.steps.values():
        if step.fold:
            step.product.touch()
    assert one.work(list(made.steps.values()), lambda step: None) == {}
    assert again.calls == []


def test_a_step_without_its_product_runs_again(tmp_path):
    made, hands = plan(tmp_path), Hands(tmp_path)
    one = worker(made, hands)
    one.work(list(made.steps.values()), lambda step: None)
    (run,) = made.runs
    (run.predictions / "scores.json").unlink()
    count = len(hands.calls)
    one.work(list(made.steps.values()), lambda step: None)
    assert [words[:2] for words, _ in hands.calls[count:]] == [["cuescan", "evaluate"]]


@pytest.mark.parametrize(
    ("checkpoint", "flag"),
    [("checkpoint_latest.pth", "--c"), ("checkpoint_best.pth", None)],
)
def test_an_interrupted_training_goes_on(tmp_path, checkpoint, flag):
    made = plan(tmp_path)
    failing = Hands(tmp_path, seconds=120, fail=lambda words: words[0] == "nnUNetv2_train")
    one = worker(made, failing)
    failed = one.work(list(made.steps.values()), lambda step: None)
    train, predict, score = list(made.steps)[-3:]
    assert failed[train].endswith("train.log: the command ended with status 1 (out of luck)")
    assert (failed[predict], failed[score]) == (f"it needs {train}", f"it needs {predict}")

    step = made.steps[train]
    step.fold.mkdir(parents=True, exist_ok=True)
    (step.fold / checkpoint).touch()
    hands = Hands(tmp_path, seconds=30)
    one.command.hands = hands
    assert one.work(list(made.steps.values()), lambda step: None) == {}
    (words, _), *_ = hands.of("nnUNetv2_train")
    assert words == [*step.command, *([flag] if flag else [])]
    record = one.record(train)
    assert (record["done"], record["attempts"]) == (True, 2)
    assert record["seconds"] == (150 if flag else 30)  # a training that begins anew counts from there
    assert record["commit"] == "0123456789abc"


def test_a_training_that_ended_in_its_validation_is_finished(tmp_path):
    made = plan(tmp_path)
    one = worker(made, Hands(tmp_path, seconds=120, fail=lambda words: words[0] == "nnUNetv2_train"))
    one.work(list(made.steps.values()), lambda step: None)
    step = next(step for step in made.steps.values() if step.fold)
    step.product.parent.mkdir(parents=True, exist_ok=True)
    step.product.touch()
    one.command.hands = hands = Hands(tmp_path)
    assert one.work(list(made.steps.values()), lambda step: None) == {}
    assert hands.calls and not hands.of("nnUNetv2_train")
    assert one.record(step.name)["seconds"] == 120


def test_masks_get_the_minutes_that_labels_took(tmp_path):
    made, hands = plan(tmp_path, methods=TWO), Hands(tmp_path, seconds=90)
    assert work(made, hands) == {}
    weak, dense = hands.of("nnUNetv2_train")
    assert "CUESCAN_MINUTES" not in weak[1]
    assert dense[1]["CUESCAN_MINUTES"] == "1.50"


def test_a_training_by_time_goes_on_for_what_is_left(tmp_path):
    made = plan(tmp_path, methods={"nnU-Net": "SupervisedTrainer"}, budget={"minutes": 10})
    step = next(step for step in made.steps.values() if step.fold)
    hands = Hands(tmp_path, seconds=240, fail=lambda words: words[0] == "nnUNetv2_train")
    one = worker(made, hands)
    one.work(list(made.steps.values()), lambda step: None)
    step.fold.mkdir(parents=True, exist_ok=True)
    (step.fold / "checkpoint_latest.pth").touch()
    one.work(list(made.steps.values()), lambda step: None)
    assert [variables["CUESCAN_MINUTES"] for _, variables in hands.of("nnUNetv2_train")] == ["10.00", "6.00"]


def test_a_failure_leaves_the_others(tmp_path):
    made = plan(tmp_path, methods={"A": "PathMambaTrainer", "B": "ClassActivationTrainer"})
    hands = Hands(tmp_path, fail=lambda words: "PathMambaTrainer" in words)
    failed = work(made, hands)
    assert len(failed) == 3
    assert [run.method for run in made.runs if run.score not in failed] == ["B"]


def test_a_command_without_its_product_is_a_failure(tmp_path):
    made = plan(tmp_path)
    one = worker(made, Hands(tmp_path))
    step = Step("odd", "do nothing", ("true",), tmp_path / "nothing")
    assert one.work([step], lambda step: None)["odd"].endswith(f"odd.log: the command left no {tmp_path / 'nothing'}")


def test_what_is_needed_comes_along(tmp_path):
    made = plan(tmp_path, methods=TWO, seeds=[0, 1])
    score = next(run.score for run in made.runs if run.method == "nnU-Net" and run.seed == 1)
    titles = [step.title for step in closure(made.steps, [score])]
    assert titles == ["draw the images", "prepare the data set", "plan and preprocess Dataset506_Synthetic",
                      "train PathMamba, seed 1, fold 0", "train nnU-Net, seed 1, fold 0",
                      "predict nnU-Net, seed 1, fold 0", "score nnU-Net, seed 1, fold 0"]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"budget": {"epochs": 3}}, "budget: epochs was 2, now 3"),
        ({"options": {"lr": 1e-3}}, "options: lr was 0.0001, now 0.001"),
        ({"data": {"set": "synthetic", "size": 96}}, "data: size was 64, now 96"),
        ({"tta": False}, "tta was True, now False"),
        ({"methods": {"PathMamba": "CCAMTrainer"}},
         "method 'PathMamba': first: trainer was 'PathMambaTrainer', now 'CCAMTrainer'"),
    ],
)  # fmt: skip
def test_other_settings_in_the_same_folder_are_refused(tmp_path, changes, told):
    common = {"budget": {"epochs": 2}, "options": {"lr": 1e-4}}
    output = tmp_path / "out"
    folder.begin(output, settings(**common))
    with pytest.raises(UserError, match="this folder was begun with other settings") as error:
        folder.begin(output, settings(**{**common, **changes}))
    assert f"({told}); set them back" in str(error.value)
    assert str(output / "configuration.json") in str(error.value)


def test_the_same_settings_go_on(tmp_path):
    second = {"trainer": "OEEMTrainer", "label_folds": [0, 1], "folds": "all"}
    methods = {"PathMamba": {"trainer": "PathMambaTrainer", "second_stage": second}}
    for _ in range(2):
        folder.begin(tmp_path / "out", settings(methods=methods, options={"network_arguments": {"cmb": False}}))


def test_methods_seeds_and_folds_may_be_added(tmp_path):
    output = tmp_path / "out"
    folder.begin(output, settings())
    folder.begin(output, settings(methods={"C-CAM": "CCAMTrainer"}, seeds=[0, 1], folds=[0, 1]))
    assert list(folder.check(output, settings())["methods"]) == ["PathMamba", "C-CAM"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds files that no benchmark wrote; give another --output"):
        folder.begin(tmp_path, settings())
