"""nnU-Net's own commands, end to end, as subprocesses."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_dataset as tiny
from nnunet_workplace import Workplace
from PIL import Image


@pytest.fixture(scope="module")
def trained(workplace):
    workplace.printed = workplace.run(
        "nnUNetv2_train", "1", "2d", "0", "-tr", "PathMambaTrainer", "-device", "cpu", "--npz"
    )
    return workplace


@pytest.fixture(scope="module")
def predicted(trained, tmp_path_factory):
    """Predictions of the training images and of one wide, large image that no patch covers."""
    images = shutil.copytree(trained.raw / "Dataset001_Tiny" / "imagesTr", tmp_path_factory.mktemp("in") / "images")
    wide, _ = tiny.draw(np.random.default_rng(0), (50, 101), True, True)
    tiny.save(images / "wide_0000.png", wide)
    masks = tmp_path_factory.mktemp("out")
    predict(trained, images, masks)
    return images, masks


def predict(place, images, masks, **environment):
    place.run(
        *("nnUNetv2_predict", "-d", "1", "-c", "2d", "-f", "0", "-tr", "PathMambaTrainer", "-device", "cpu"),
        *("-i", str(images), "-o", str(masks), "-npp", "1", "-nps", "1"),
        **environment,
    )


def test_training_writes_checkpoints_curves_and_scores(trained):
    fold = trained.fold()
    for name in ("checkpoint_best.pth", "checkpoint_latest.pth", "checkpoint_final.pth"):
        assert (fold / name).stat().st_size > 0
    assert Image.open(fold / "progress.png").size[0] > 100
    (row,) = [json.loads(line) for line in (fold / "progress_cues.jsonl").read_text().splitlines()]
    for key in ("loss", "score", "leak", "vanish", "agreement_flip", "agreement_scale", "dense_miou", "dense_mdice"):
        assert np.isfinite(row[key])
    assert json.loads((fold / "validation" / "summary.json").read_text())["foreground_mean"]["Dice"] is not None
    assert sorted(path.stem for path in (fold / "validation").glob("*.npz")) == ["case_000", "case_005"]


def test_training_says_what_the_cues_state(trained):
    assert "square: present in 4, absent in 4, not stated in 0 training cases" in trained.printed


def test_the_model_folder_tells_inference_all_it_needs(trained):
    plan = json.loads((trained.fold().parent / "plans.json").read_text())["cuescan"]
    assert plan["network"] == "PathMamba" and plan["classes"] == list(tiny.CLASSES) and plan["background"] is True
    assert plan["options"]["epochs"] == 1 and plan["options"]["lr"] == 1e-3
    assert plan["network_arguments"]["trunk"]["input_mean"] == [0.485, 0.456, 0.406]
    assert plan["versions"]["cuescan"] and len(plan["cues_sha256"]) == 64
    assert "cues" not in json.loads((trained.fold().parent / "dataset.json").read_text())


def test_validation_and_continuation_take_the_stored_options(trained):
    command = ("nnUNetv2_train", "1", "2d", "0", "-tr", "PathMambaTrainer", "-device", "cpu")
    before = (trained.fold() / "progress_cues.jsonl").read_text()
    (trained.fold() / "validation" / "case_000.png").unlink()
    tiny.save(trained.fold() / "validation" / "stale.png", np.zeros((48, 48), np.uint8))
    trained.run(*command, "--val", CUESCAN_LR="", CUESCAN_BATCH_SIZE="")
    assert sorted(path.name for path in (trained.fold() / "validation").glob("*.png")) == [
        "case_000.png",
        "case_005.png",
    ]
    assert (trained.fold() / "progress_cues.jsonl").read_text() == before
    printed = trained.run(*command, "--c", ok=False, CUESCAN_LR="0.5", CUESCAN_SEED="3")
    assert "CUESCAN_LR is 0.5 but was 0.001; CUESCAN_SEED is 3 but was 0" in printed
    assert trained.status == 1 and "Traceback" not in printed


def test_a_training_without_final_validation_goes_on_without_one_unless_asked(workplace, tmp_path):
    command = ("nnUNetv2_train", "1", "2d", "1", "-tr", "PathMambaTrainer", "-device", "cpu")
    results = {"nnUNet_results": str(tmp_path), "CUESCAN_FINAL_VALIDATION": "0"}
    fold = tmp_path / "Dataset001_Tiny" / "PathMambaTrainer__nnUNetPlans__2d" / "fold_1"
    assert "No final validation" in workplace.run(*command, **results)
    assert (fold / "checkpoint_final.pth").is_file() and not (fold / "validation").exists()
    assert "No final validation" in workplace.run(*command, "--c", **results, CUESCAN_EPOCHS="2")
    workplace.run(*command, "--val", **results)
    assert (fold / "validation" / "summary.json").is_file()
    printed = workplace.run(*command, ok=False, **results | {"CUESCAN_FINAL_VALIDATION": "no"})
    assert "CUESCAN_FINAL_VALIDATION is 'no' but must be 1 or 0; correct or unset it" in printed
    assert "Traceback" not in printed


def test_predictions_have_the_images_shapes_and_only_known_labels(predicted):
    images, masks = predicted
    for path in images.glob("*.png"):
        mask = np.array(Image.open(masks / path.name.replace("_0000", "")))
        assert mask.shape == np.array(Image.open(path)).shape[:2]
        assert set(np.unique(mask)) <= {0, 1, 2}


def test_predictions_are_evaluated(trained, predicted):
    masks = predicted[1]
    (masks / "wide.png").unlink()
    reference = str(trained.raw / "Dataset001_Tiny" / "labelsTr")
    files = ("-djfile", str(masks / "dataset.json"), "-pfile", str(masks / "plans.json"), "-np", "1")
    trained.run("nnUNetv2_evaluate_folder", reference, str(masks), *files)
    assert len(json.loads((masks / "summary.json").read_text())["metric_per_case"]) == 10


def test_a_trained_fold_is_reported_on_with_all_its_parts(trained):
    printed = trained.run("cuescan", "report", str(trained.fold()))
    assert printed.strip().splitlines()[-1] == str(trained.fold() / "report.html")
    page = (trained.fold() / "report.html").read_text(encoding="utf-8")
    for section in ("scores", "cases", "confusion", "cues", "training", "recipe"):
        assert f'<section id="{section}">' in page
    for panel in ("image", "prediction", "reference", "confidence"):
        assert f'alt="{panel} of case_000"' in page


def test_best_configuration_is_found_where_masks_exist(trained):
    trained.run("nnUNetv2_find_best_configuration", "1", "-c", "2d", "-tr", "PathMambaTrainer", "-f", "0", "-np", "1")
    told = (trained.results / "Dataset001_Tiny" / "inference_instructions.txt").read_text()
    assert "nnUNetv2_predict -d Dataset001_Tiny" in told and "PathMambaTrainer" in told


def test_an_exported_model_predicts_the_same_elsewhere(trained, predicted, tmp_path):
    archive = str(tmp_path / "model.zip")
    trained.run(
        *("nnUNetv2_export_model_to_zip", "-d", "1", "-c", "2d", "-f", "0", "-tr", "PathMambaTrainer", "-o", archive)
    )
    elsewhere = {"nnUNet_results": str(tmp_path / "elsewhere"), "nnUNet_preprocessed": "", "nnUNet_raw": ""}
    trained.run("nnUNetv2_install_pretrained_model_from_zip", archive, **elsewhere)
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(predicted[0] / "case_003_0000.png", images)
    predict(trained, images, tmp_path / "masks", **elsewhere)
    one, other = (np.array(Image.open(folder / "case_003.png")) for folder in (predicted[1], tmp_path / "masks"))
    assert np.array_equal(one, other)


@pytest.mark.slow
def test_plans_of_the_stock_command_train_too(tmp_path):
    place = Workplace(tmp_path)
    tiny.make_raw(place.raw, number=4, masks=False)
    place.run(
        "nnUNetv2_plan_and_preprocess", "-d", "4", "-c", "2d", "-np", "1", "-npfp", "1", "--verify_dataset_integrity"
    )
    place.run("nnUNetv2_train", "4", "2d", "1", "-tr", "PathMambaTrainer", "-device", "cpu")
    assert (place.fold("Dataset004_Tiny", 1) / "checkpoint_final.pth").is_file()
