"""What ``cuescan pseudo-label`` refuses before it writes anything."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_dataset as tiny
import torch
from weak_folds import edit, forbid_background


def test_a_missing_checkpoint(refused, place):
    path = place.model / "fold_3" / "checkpoint_final.pth"
    path.unlink()
    assert refused("-f", "0", "3") == (f"{path}: no such checkpoint; train fold 3 to its end, or correct -f or -chk")
    assert (
        "case 'case_003', 'case_008' was trained on by every fold of the model (0, 1, 2, 4); train fold 3" in refused()
    )
    assert "no numbered fold has a best.pth; train one to its end, or correct -chk" in refused("-chk", "best.pth")


def test_a_missing_model(refused, place):
    folder = place.results / "Dataset001_Tiny" / "CCAMTrainer__nnUNetPlans__2d"
    assert refused("-tr", "CCAMTrainer") == (
        f"{folder}: there is no trained model; train one first, or correct -d, -tr, -c and -p"
    )


def test_missing_splits(refused, place):
    place.splits.unlink()
    assert refused().startswith(f"{place.splits}: no such file, so nobody knows which cases a fold trained on")


def test_a_target_that_is_there(refused, place):
    (place.raw / "Dataset002_TinyPseudo").mkdir()
    assert "this data set is there already; give --overwrite to replace it, or another id" in refused()
    assert "this data set has the id 2 already; give another -o" in refused("-n", "Other")
    shutil.rmtree(place.raw / "Dataset002_TinyPseudo")
    assert "-o is 1, the data set that is to be labelled; give another number" in refused("-o", "1")


def test_a_target_is_replaced_when_asked(label, place):
    first, _ = label()
    (first / "stale.txt").touch()
    again, _ = label("--overwrite")
    assert again == first and not (again / "stale.txt").exists()


def test_images_of_other_channels(refused, place):
    path = place.source / "imagesTr" / "case_004_0000.png"
    tiny.save(path, np.zeros((48, 48), np.uint8))
    assert refused().startswith(f"{path}: case 'case_004' has 1 channel but the model takes 3")


def test_a_damaged_image(refused, place):
    path = place.source / "imagesTr" / "case_004_0000.png"
    path.write_bytes(path.read_bytes()[:300])
    assert refused().startswith(f"{path}: the image is truncated or damaged")


@pytest.mark.parametrize("scale", ["0", "-1", "8", "nan", "large"])
def test_a_scale_outside_its_range(label, capsys, scale):
    with pytest.raises(SystemExit) as exited:
        label("--scales", "1", scale)
    message = capsys.readouterr().err
    assert exited.value.code == 2
    assert f"argument --scales: '{scale}' is no factor from 0.25 to 4; 1 is the usual size" in message


@pytest.mark.parametrize("keep", ["0", "-0.5", "1.5", "nan"])
def test_a_share_outside_its_range(refused, keep):
    assert "is a share; give one above 0 and at most 1, such as 0.7" in refused("--keep", keep)


def test_cues_of_other_classes(refused, place):
    def change(cues):
        cues["classes"] = ["square", "band"]
        for cue in cues["cues"].values():
            cue["labels"].pop("stripe")

    for path in (place.source / "cues.json", place.splits.with_name("cues.json")):
        edit(path, change)
    assert refused() == (
        f"{place.splits.with_name('cues.json')}: the classes are square, band but {place.model} was trained with "
        "square, stripe; restore those cues, or train again"
    )


def test_a_case_with_no_possible_class(refused, place):
    forbid_background(place)
    for path in (place.source / "cues.json", place.splits.with_name("cues.json")):
        edit(path, lambda cues: cues["cues"]["case_002"]["labels"].update(square=0, stripe=0))
    assert refused() == (
        f"{place.source / 'cues.json'}: 'case_002' has no class, although this data set has no background; state which "
        "class is present"
    )


def test_models_that_learned_from_masks_or_sentences(refused, place):
    edit(place.model / "plans.json", lambda plans: plans["cuescan"].update(network="TIFCMamba"))
    assert "this model is told by a sentence what to segment" in refused()
    edit(place.model / "plans.json", lambda plans: plans.pop("cuescan"))
    assert "this model did not learn from cues; give one that a cuescan trainer trained" in refused()


def test_checkpoints_that_could_run_code(refused, place):
    path = place.model / "fold_2" / "checkpoint_final.pth"
    torch.save({"network_weights": np.random.default_rng}, path)
    assert refused().startswith(f"{path}: not a checkpoint of tensors and plain values only")


def test_help_shows_an_example(place):
    printed = place.run("cuescan", "pseudo-label", "--help")
    assert "cuescan pseudo-label -d 501 -tr PathMambaTrainer -o 601" in printed


def test_the_command_ends_with_one_sentence_and_status_2(place):
    printed = place.run("cuescan", "pseudo-label", "-d", "9", "-o", "2", ok=False)
    assert place.status == 2 and "has 0 data sets with number 9" in printed and "Traceback" not in printed


def test_unset_folders(place, refused, monkeypatch):
    monkeypatch.delenv("nnUNet_results")
    assert refused() == "the environment variable nnUNet_results is not set; set it to nnU-Net's folder"


def test_splits_of_another_training(refused, place):
    (place.model / "fold_0" / "validation").mkdir()
    (place.model / "fold_0" / "validation" / "case_001.png").touch()
    assert "fold 0 has case 'case_001' in training, but the model was validated on it" in refused()
    assert json.loads(place.splits.read_text())
