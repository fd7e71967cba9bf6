"""nnU-Net's own commands and ``cuescan predict`` with TIFCMamba, end to end, as subprocesses."""

from __future__ import annotations

import csv
import json
import os
import shutil

import numpy as np
import pytest
import tiny_dataset as tiny
from nnunet_workplace import ROOT
from PIL import Image
from tiny_sentences import NAME

FITS, WIDE, EMPTY, UNPROMPTED = "case_004", "wide", "case_000", "case_002"
BOXES = {FITS: (20, 22, 44, 44), WIDE: (70, 40, 110, 80)}
SHARES = {FITS: 0.08, WIDE: 0.1}
PROMPTS = {
    case: f"Mrs Quastenflosser: one square, box {BOXES[case]}, {SHARES[case]:.0%} of the image. No stripe."
    for case in (FITS, WIDE)
} | {EMPTY: "No square, no stripe."}


@pytest.fixture(scope="module")
def trained(workplace, planned_sentences, encoder):
    workplace.printed = workplace.run(
        *("nnUNetv2_train", "5", "2d", "0", "-tr", "TIFCMambaTrainer", "-device", "cpu"), CUESCAN_ENCODER=str(encoder)
    )
    return workplace


@pytest.fixture(scope="module")
def images(trained, tmp_path_factory):
    """Two images with black borders, one of the training's size, and a large one that no patch covers."""
    folder = tmp_path_factory.mktemp("in")
    for case in (FITS, EMPTY, UNPROMPTED):
        shutil.copy(trained.raw / NAME / "imagesTr" / f"{case}_0000.png", folder)
    wide, _ = tiny.draw(np.random.default_rng(0), (90, 120), True, True)
    tiny.save(folder / f"{WIDE}_0000.png", wide)
    return folder


@pytest.fixture(scope="module")
def default(trained, images, encoder, tmp_path_factory):
    """Masks of nnU-Net's own command, with neither an encoder nor open_clip at hand."""
    masks, blocked = tmp_path_factory.mktemp("default"), tmp_path_factory.mktemp("blocked")
    (blocked / "open_clip.py").write_text("raise ImportError('open_clip is not there')")
    away = encoder.rename(encoder.with_name("away"))
    try:
        trained.run(
            *("nnUNetv2_predict", "-d", "5", "-c", "2d", "-f", "0", "-tr", "TIFCMambaTrainer", "-device", "cpu"),
            *("-i", str(images), "-o", str(masks), "-npp", "1", "-nps", "1"),
            PYTHONPATH=os.pathsep.join([str(blocked), str(ROOT)]),
        )
    finally:
        away.rename(encoder)
    return masks


@pytest.fixture(scope="module")
def prompted(trained, images, encoder, tmp_path_factory):
    """Masks of ``cuescan predict`` by prompts in JSON, and what was printed."""
    folder = tmp_path_factory.mktemp("prompted")
    tiny.write(folder / "prompts.json", PROMPTS)
    printed = trained.run(
        *("cuescan", "predict", "-i", str(images), "-o", str(folder / "masks"), "-d", "5", "-device", "cpu"),
        *("--prompts", str(folder / "prompts.json")),
        CUESCAN_ENCODER=str(encoder),
    )
    return folder / "masks", printed


def mask_of(folder, case) -> np.ndarray:
    return np.array(Image.open(folder / f"{case}.png"))


def test_training_says_what_the_sentences_state(trained):
    assert "square: present 4, absent 3, with a place 0, with a box 4, with a share 4 of 8" in trained.printed
    assert "1 of 2 cases prompted by their own sentence" in trained.printed
    fold = trained.results / NAME / "TIFCMambaTrainer__nnUNetPlans__2d" / "fold_0"
    assert (fold / "checkpoint_final.pth").is_file() and (fold / "progress.png").is_file()


def test_stock_prediction_needs_no_encoder(images, default):
    for path in images.glob("*.png"):
        mask = mask_of(default, path.stem[:-5])
        assert mask.shape == np.array(Image.open(path)).shape[:2] and set(np.unique(mask)) <= {0, 1, 2}


def test_a_case_without_a_prompt_gets_the_default_prediction(prompted, default):
    assert np.array_equal(mask_of(prompted[0], UNPROMPTED), mask_of(default, UNPROMPTED))
    assert "3 of 4 cases have a prompt" in prompted[1]


@pytest.mark.parametrize("case", [FITS, WIDE])
def test_a_stated_box_and_share_bound_the_mask(prompted, case):
    mask = mask_of(prompted[0], case)
    rows, columns = np.nonzero(mask)
    left, top, right, bottom = BOXES[case]
    assert set(np.unique(mask)) == {0, 1}
    assert left <= columns.min() and columns.max() < right and top <= rows.min() and rows.max() < bottom
    assert (mask == 1).sum() == pytest.approx(SHARES[case] * mask.size, rel=0.02)


def test_a_denied_class_has_no_pixel(prompted, default):
    assert mask_of(default, EMPTY).any() and not mask_of(prompted[0], EMPTY).any()


def test_prompts_are_written_nowhere(prompted):
    masks, printed = prompted
    assert "Quastenflosser" not in printed
    written = [path for path in masks.parent.rglob("*") if path.is_file() and path.name != "prompts.json"]
    assert len(written) > 4 and not any(b"Quastenflosser" in path.read_bytes() for path in written)


def test_an_exported_model_takes_the_prompts_of_a_table_elsewhere(trained, images, prompted, encoder, tmp_path):
    archive = str(tmp_path / "model.zip")
    trained.run(
        *("nnUNetv2_export_model_to_zip", "-d", "5", "-c", "2d", "-f", "0", "-tr", "TIFCMambaTrainer", "-o", archive)
    )
    elsewhere = {"nnUNet_results": str(tmp_path / "elsewhere"), "nnUNet_preprocessed": "", "nnUNet_raw": ""}
    trained.run("nnUNetv2_install_pretrained_model_from_zip", archive, **elsewhere)
    with (tmp_path / "prompts.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";").writerows([("image", "text"), *((f"{k}.png", v) for k, v in PROMPTS.items())])
    model = tmp_path / "elsewhere" / NAME / "TIFCMambaTrainer__nnUNetPlans__2d"
    trained.run(
        *("cuescan", "predict", "-i", str(images), "-o", str(tmp_path / "masks"), "-m", str(model), "-device", "cpu"),
        *("--prompts", str(tmp_path / "prompts.csv"), "--encoder", str(encoder)),
        **elsewhere,
    )
    for case in (*PROMPTS, UNPROMPTED):
        assert np.array_equal(mask_of(tmp_path / "masks", case), mask_of(prompted[0], case))


def test_validation_alone_uses_the_sentences_again(trained, encoder):
    fold = trained.results / NAME / "TIFCMambaTrainer__nnUNetPlans__2d" / "fold_0"
    before = mask_of(fold / "validation", "case_000")
    (fold / "validation_prompts.json").unlink()
    trained.run(
        *("nnUNetv2_train", "5", "2d", "0", "-tr", "TIFCMambaTrainer", "-device", "cpu", "--val"),
        CUESCAN_ENCODER=str(encoder),
    )
    assert np.array_equal(mask_of(fold / "validation", "case_000"), before)
    told = json.loads((fold / "validation_prompts.json").read_text())
    assert told == {"case_000": "its own sentence", "case_005": "default prompts"}
