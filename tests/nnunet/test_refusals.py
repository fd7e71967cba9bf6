"""What a training refuses: one sentence that names file, case and remedy, before anything is trained."""

from __future__ import annotations

import json
import shutil

import pytest
import tiny_dataset as tiny
from in_process import make_trainer, train

from cuescan.errors import UserError
from cuescan.networks import PathMamba
from cuescan.training.network_building import build_network

NAME = "Dataset001_Tiny"


@pytest.fixture
def own(active, tmp_path, monkeypatch):
    """A copy of the planned data set that a test may change."""
    for name in ("raw", "preprocessed"):
        folder = tmp_path / name
        shutil.copytree(getattr(active, name) / NAME, folder / NAME)
        monkeypatch.setenv(f"nnUNet_{name}", str(folder))
    return tmp_path


def refused(action, *arguments, **named) -> str:
    with pytest.raises(SystemExit) as caught:
        action(*arguments, **named)
    message = str(caught.value)
    assert message.startswith("cuescan: error: ") and "\n" not in message
    return message


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    tiny.write(path, content)


def change_cues(own, edit):
    for name in ("raw", "preprocessed"):
        change(own / name / NAME / "cues.json", edit)


def change_plans(own, edit):
    change(own / "preprocessed" / NAME / "nnUNetPlans.json", edit)


def test_a_patch_that_does_not_cover_the_images(own):
    change_plans(own, lambda plans: plans["configurations"]["2d"].update(patch_size=[32, 48]))
    message = refused(train)
    for part in ("32x48", "nnUNetPlans (2d)", "48x48 of case 'case_0", "cuescan plan -d 1"):
        assert part in message


def test_configurations_that_are_not_two_dimensional(own):
    def add(plans):
        plans["configurations"]["3d_fullres"] = {"inherits_from": "2d", "patch_size": [16, 48, 48]}

    change_plans(own, add)
    assert "configuration '3d_fullres' of nnUNetPlans is three-dimensional" in refused(
        make_trainer, configuration="3d_fullres"
    )
    assert "no configuration '3d_lowres' (it has: 2d, 3d_fullres)" in refused(make_trainer, configuration="3d_lowres")


def test_no_cues(own):
    for name in ("raw", "preprocessed"):
        (own / name / NAME / "cues.json").unlink()
    message = refused(make_trainer)
    assert str(own / "raw" / NAME / "cues.json") in message and "cuescan prepare" in message


def test_cues_that_changed_after_planning(own):
    change(own / "raw" / NAME / "cues.json", lambda cues: cues["cues"]["case_001"]["labels"].update(square=1))
    assert "take it over: cuescan plan -d 1 --cues-only" in refused(make_trainer)


def test_cues_that_are_newer_than_stock_plans(own):
    (own / "preprocessed" / NAME / "cues.json").unlink()
    (own / "raw" / NAME / "cues.json").touch()
    message = refused(make_trainer)
    assert "is newer than" in message and "cuescan plan -d 1 --cues-only" in message


def test_cues_that_are_older_than_stock_plans_are_taken_over(own):
    copy = own / "preprocessed" / NAME / "cues.json"
    expected = copy.read_bytes()
    copy.unlink()
    (own / "preprocessed" / NAME / "nnUNetPlans.json").touch()
    make_trainer()
    assert copy.read_bytes() == expected


def test_classes_that_are_not_the_labels(own):
    def rename(dataset):
        dataset["labels"] = {"background": 0, "square": 1, "circle": 2, "ignore": 3}

    change(own / "preprocessed" / NAME / "dataset.json", rename)
    message = refused(make_trainer)
    assert "{'square': 1, 'stripe': 2}" in message and "{'square': 1, 'circle': 2}" in message


def test_a_case_without_a_cue(own):
    change_cues(own, lambda cues: cues["cues"].pop("case_004"))
    message = refused(train)
    assert "cues.json: no cue for case 'case_004'" in message


def test_a_case_without_a_label(own):
    change_cues(own, lambda cues: cues["cues"].update(case_001={"text": tiny.SENTENCE}))
    message = refused(train)
    assert "case 'case_001' states no label" in message and tiny.SENTENCE not in message


def test_a_split_that_names_an_unknown_case_or_none(own):
    splits = own / "preprocessed" / NAME / "splits_final.json"
    change(splits, lambda folds: folds[0]["train"].append("case_999"))
    assert "names case 'case_999'" in refused(train)
    change(splits, lambda folds: folds[0].update(val=[]))
    assert "has no validation case" in refused(train)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("EPOCHS", "0", "must be a whole number of at least 1"),
        ("LR", "fast", "must be a number above 0"),
        ("LR", "nan", "must be a number above 0"),
        ("SIZE", "XL", "must be T, S or B"),
        ("TRUNK", "/nowhere/trunk.safetensors", "must be 'timm' or the path of a .safetensors file, or"),
        ("NETWORK_ARGUMENTS", "[1]", "must be a JSON object"),
        ("NETWORK_ARGUMENTS", '{"depth": 3}', "names 'depth', which PathMamba does not take"),
    ],
)
def test_bad_options(active, monkeypatch, name, value, rule):
    monkeypatch.setenv(f"CUESCAN_{name}", value)
    message = refused(make_trainer)
    assert f"CUESCAN_{name}" in message and rule in message


def test_bad_arguments_of_network_and_loss(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"xi": 3}')
    assert "xi must lie in [0, 1]" in refused(train)
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", "")
    monkeypatch.setenv("CUESCAN_LOSS_ARGUMENTS", '{"depth": 3}')
    assert "CUESCAN_LOSS_ARGUMENTS names 'depth', which DeepContrastLoss does not take" in refused(train)


@pytest.mark.parametrize("weight", ['"even"', "[1, 2, 3]", '[1, "2"]', "2"])
def test_weights_of_absence_that_do_not_fit_the_classes(active, monkeypatch, weight):
    monkeypatch.setenv("CUESCAN_LOSS_ARGUMENTS", f'{{"absent_weight": {weight}}}')
    message = refused(train)
    assert f'absent_weight is {weight} but must be "balanced" or one number for each of square, stripe' in message


def test_weights_of_absence_where_classes_compete(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_LOSS_ARGUMENTS", '{"absent_weight": "balanced"}')
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"exclusive": true}')
    assert "absent_weight needs absent 'pixels' and classes that do not compete" in refused(train)


def test_continuing_with_other_cues(own):
    train()
    change_cues(own, lambda cues: cues["cues"]["case_001"]["labels"].update(square=1))
    message = refused(make_trainer, continued=True)
    assert "checkpoint_latest.pth: trained with other cues" in message and "train anew without --c" in message


def test_a_checkpoint_that_is_broken_or_carries_code(own):
    import torch

    trainer = train()
    for name in ("latest", "final"):
        path = own / "results" / NAME / "PathMambaTrainer__nnUNetPlans__2d" / "fold_0" / f"checkpoint_{name}.pth"
        path.write_bytes(path.read_bytes()[:1000])
    assert "checkpoint_latest.pth: the checkpoint cannot be read" in refused(make_trainer, continued=True)
    torch.save({"network_weights": trainer.cues}, path.with_name("checkpoint_latest.pth"))
    assert "could run code" in refused(make_trainer, continued=True)


def test_the_command_ends_without_a_traceback(active):
    printed = active.run(
        *("nnUNetv2_train", "1", "2d", "0", "-tr", "PathMambaTrainer", "-device", "cpu"), ok=False, CUESCAN_EPOCHS="-1"
    )
    assert printed.rstrip().endswith("correct or unset it")
    assert active.status == 1 and "Traceback" not in printed


def test_a_model_of_other_classes_is_refused_in_one_sentence():
    plan = {"classes": ["a", "b", "c"], "background": True, "network_arguments": {}}
    with pytest.raises(UserError, match=r"3 classes \(a, b, c\) but dataset.json has 2; use the dataset.json"):
        build_network(PathMamba, plan, 3, 3)
    with pytest.raises(UserError, match="these plans hold no 'cuescan' entry"):
        build_network(PathMamba, None, 3, 3)
    with pytest.raises(UserError, match="size must be one of T, S, B, got 'XL'; correct CUESCAN_NETWORK_ARGUMENTS"):
        build_network(PathMamba, plan | {"network_arguments": {"size": "XL"}}, 3, 4)


def test_nuclei_where_the_loss_judges_no_pixel(own, monkeypatch):
    monkeypatch.setenv("CUESCAN_NUCLEI", "1")
    monkeypatch.setenv("CUESCAN_RECIPE", "paper")
    message = refused(train)
    assert 'add "absent": "pixels" to CUESCAN_LOSS_ARGUMENTS, or unset CUESCAN_NUCLEI' in message


def test_nuclei_where_stains_say_nothing(own, monkeypatch):
    monkeypatch.setenv("CUESCAN_NUCLEI", "1")
    message = refused(train, trainer_name="ClassActivationTrainer")
    assert "CUESCAN_NUCLEI is 1, but ClassActivationTrainer does not learn from stains; unset CUESCAN_NUCLEI" in message
    change_cues(own, lambda cues: cues.update(background=False))
    message = refused(train)
    assert "cues.json each pixel has a class, also outside nuclei; unset CUESCAN_NUCLEI" in message
    scheme = "ZScoreNormalization"
    change_plans(own, lambda plans: plans["configurations"]["2d"].update(normalization_schemes=[scheme] * 3))
    assert "the images are not RGB with stains to tell apart" in refused(train)
