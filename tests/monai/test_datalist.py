"""Data lists: the same cases from a data list as from the nnU-Net raw data set, and text that stays text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cuescan.data.prepare import Inputs, prepare
from cuescan.errors import UserError
from cuescan.monai.datalist import read_datalist, read_images, write_datalist

TEXTS = ["test", "", "masks", "No polyp.", "images/a.png", "One polyp in the upper left, 123 #2 (a) $x %y @z"]


@pytest.fixture
def raw(tmp_path) -> Path:
    """A raw data set of sentences, some of which look like paths or like MONAI's own syntax."""
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    (tmp_path / "unseen").mkdir()
    rows = ["image,text,polyp"]
    for number, text in enumerate(TEXTS):
        size = (40 + 8 * (number % 2), 56)
        Image.fromarray(generator.integers(1, 256, (*size, 3), dtype=np.uint8)).save(
            tmp_path / "images" / f"c{number}.png"
        )
        rows.append(f'c{number},"{text}",1')
    Image.fromarray(generator.integers(1, 256, (33, 70, 3), dtype=np.uint8)).save(tmp_path / "unseen" / "u0.png")
    (tmp_path / "cues.csv").write_text("\n".join(rows), encoding="utf-8")
    inputs = Inputs(
        tmp_path / "images", tmp_path / "cues.csv", test_images=tmp_path / "unseen", classes=("polyp",), background=True
    )
    return prepare(inputs, 5, "Texts", output=tmp_path / "raw", folds=3)


def shown(datalist):
    items = [datalist.training(fold) + datalist.validation(fold) for fold in range(len(datalist.splits))]
    return items, datalist.cues.cues, datalist.classes, datalist.channel_names, datalist.patch_size


def test_a_data_list_says_the_same_as_the_raw_data_set(raw):
    before = read_datalist(raw)
    assert len(before.splits) == 3 and len(before.training(0)) + len(before.validation(0)) == len(TEXTS)
    write_datalist(raw)
    (raw / "dataset.json").unlink()
    (raw / "splits_final.json").unlink()
    after = read_datalist(raw)
    assert shown(after) == shown(before)
    assert before.patch_size == (48, 64)


def test_text_that_looks_like_a_path_stays_text(raw):
    write_datalist(raw)
    found = read_datalist(raw)
    told = {case: cue.text for case, cue in found.cues.cues.items()}
    assert told == {f"c{number}": text or None for number, text in enumerate(TEXTS)}


def test_training_items_carry_no_mask_and_no_sentence(raw):
    for item in read_datalist(raw).training(1):
        assert set(item) == {"case", "image", "may_turn", "may_stain"}


def test_images_to_segment_come_from_a_data_set_or_a_plain_folder(raw, tmp_path):
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps({"u0": "A polyp on the left."}))
    (item,) = read_images(raw, prompts, ("polyp",))
    assert item["case"] == "u0" and item["text"] == "A polyp on the left." and "label" not in item
    (item,) = read_images(tmp_path / "unseen")
    assert item == {"case": "u0", "image": [str(tmp_path / "unseen" / "u0.png")], "text": ""}


def test_the_list_may_say_by_what_a_test_case_is_segmented(raw):
    write_datalist(raw, {"u0": "No polyp."})
    assert read_images(raw)[0]["text"] == "No polyp."


def test_fewer_validation_cases_are_spread_evenly(raw):
    found = read_datalist(raw)
    every = [item["case"] for item in found.validation(0)]
    assert [item["case"] for item in found.validation(0, 1)] == every[:1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "dataset.json").unlink(), "neither a datalist.json nor a dataset.json; make the"),
        (lambda folder: next((folder / "imagesTr").glob("c1_*")).unlink(), "no image for the cue of"),
        (lambda folder: (folder / "cues.json").unlink(), "cues.json"),
        (lambda folder: (folder / "datalist.json").write_text('{"training": [{}]}'), "not a data list"),
    ],
)
def test_what_is_not_whole_is_refused(raw, spoil, message):
    spoil(raw)
    with pytest.raises(UserError, match=message) as caught:
        read_datalist(raw)
    assert not any(text and text in str(caught.value) for text in TEXTS[3:])


def test_an_unknown_fold_and_an_unknown_prompt_are_refused(raw, tmp_path):
    with pytest.raises(UserError, match="there is no fold 7; give one of 0 ... 2"):
        read_datalist(raw).training(7)
    (tmp_path / "p.json").write_text('{"nobody": "A polyp."}')
    with pytest.raises(UserError, match="no image for the prompt of case 'nobody'"):
        read_images(raw, tmp_path / "p.json", ("polyp",))
    with pytest.raises(UserError, match="there is no test image with a mask"):
        read_images(tmp_path / "unseen", masks=True)
