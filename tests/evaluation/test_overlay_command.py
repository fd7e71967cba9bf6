"""``cuescan overlay``: the files it writes, what it shows of a cue, and what it says of bad input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cuescan.cli import main
from cuescan.cues import Cue, Cues, write_cues
from cuescan.evaluation import Labels
from cuescan.evaluation.case_picture import Case, case_picture
from cuescan.evaluation.lettering import font, wrapped
from cuescan.evaluation.overview import chosen

SENTENCE = "Mrs Example has one small red polyp."


@pytest.fixture
def folders(tmp_path, write_masks, write_dataset_json):
    """Three images, one under nnU-Net's name and one in gray, their predictions, and masks of two."""
    images = tmp_path / "images"
    images.mkdir()
    random = np.random.default_rng(0)
    for name, shape in (("a_0000", (40, 60, 3)), ("b", (40, 40, 3)), ("c", (32, 50))):
        Image.fromarray(random.integers(0, 255, shape).astype(np.uint8)).save(images / f"{name}.png")
    masks = {"a": np.zeros((40, 60)), "b": np.ones((40, 40)), "c": np.zeros((32, 50))}
    masks["a"][5:20, 5:30] = 1
    masks["c"][5:20, 5:30] = 2
    predictions = write_masks(tmp_path / "pred", masks)
    write_dataset_json(predictions, "tumour", "stroma")
    write_masks(tmp_path / "masks", {"a": masks["a"], "b": np.full((40, 40), 3)})
    cues = {"a": Cue({"tumour": 1, "stroma": 0}), "b": Cue({"tumour": 0}, SENTENCE)}
    write_cues(Cues(("tumour", "stroma"), True, cues), tmp_path / "cues.json")
    return images, predictions


def overlay(*arguments) -> int:
    return main(["overlay", *map(str, arguments)])


def size(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_a_picture_per_case_and_an_overview(folders, tmp_path, capsys):
    assert overlay(*folders, "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out" / "cases").iterdir()) == ["a.png", "b.png", "c.png"]
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "overview.png")
    assert min(size(tmp_path / "out" / "overview.png")) > 200


def test_masks_add_a_panel_unless_they_are_all_ignore(folders, tmp_path):
    overlay(*folders, "-o", tmp_path / "plain")
    assert (
        overlay(*folders, "-o", tmp_path / "out", "--masks", tmp_path / "masks", "--cues", tmp_path / "cues.json") == 0
    )
    width = {case: size(tmp_path / "out" / "cases" / f"{case}.png")[0] for case in "ab"}
    plain = {case: size(tmp_path / "plain" / "cases" / f"{case}.png")[0] for case in "ab"}
    assert width["a"] > 1.4 * plain["a"]
    assert width["b"] == plain["b"]


def test_a_sentence_is_drawn_only_on_request(folders, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "cuescan.evaluation.case_picture.ImageDraw.ImageDraw.text", lambda self, at, text, *rest: drawn.append(text)
    )
    cues = ("--cues", tmp_path / "cues.json")
    overlay(*folders, "-o", tmp_path / "out", *cues)
    assert "cue: a sentence, written out with --show-text" in drawn
    assert not any("Mrs" in text for text in drawn)
    overlay(*folders, "-o", tmp_path / "out", *cues, "--show-text")
    assert f"cue: {SENTENCE}" in drawn


def test_a_contradiction_of_the_cue_is_marked(monkeypatch):
    from cuescan.evaluation.lettering import ALARM

    inks = {}
    monkeypatch.setattr(
        "cuescan.evaluation.case_picture.ImageDraw.ImageDraw.text",
        lambda self, at, text, ink, face: inks.setdefault(text, ink),
    )
    prediction = np.array([[1, 1, 2, 2]])
    cue = Cue({"tumour": 0, "stroma": 1, "necrosis": None})
    case_picture(
        Case("a", np.zeros((1, 4, 3), np.uint8), prediction, None, cue), Labels(("tumour", "stroma", "necrosis"))
    )
    assert inks["absent"] == ALARM
    assert inks["present"] != ALARM and inks["not stated"] != ALARM


@pytest.mark.parametrize("shape", [(3, 900), (900, 3), (32, 32), (1100, 1200)])
def test_any_shape_is_drawn(shape):
    mask = np.zeros(shape, int)
    mask[: shape[0] // 2] = 1
    case = Case("a" * 300, np.zeros((*shape, 3), np.uint8), mask, mask, Cue({}, "word " * 200))
    labels = Labels(tuple(f"a class with a name that is rather long, number {number}" for number in range(20)))
    picture = case_picture(case, labels, show_text=True)
    assert picture.width < 2500


def test_the_overview_takes_cases_evenly():
    assert chosen([str(i) for i in range(9)], 3) == ["0", "4", "8"]
    assert chosen(["a", "b"], 12) == ["a", "b"]
    assert len(set(chosen([str(i) for i in range(100)], 30))) == 30


def test_long_sentences_are_wrapped():
    lines = wrapped("one two three " * 20, font(15), 200)
    assert all(font(15).getlength(line) <= 200 for line in lines)
    assert " ".join(lines).split() == ("one two three " * 20).split()


def test_bad_input_ends_in_one_sentence(folders, tmp_path, write_masks, capsys):
    images, predictions = folders
    out = ("-o", tmp_path / "out")
    write_cues(Cues(("polyp",), True, {"a": Cue({"polyp": 1})}), tmp_path / "other.json")
    other_masks = write_masks(tmp_path / "other", {"x": np.zeros((2, 2))})
    wrong_size = write_masks(tmp_path / "wrong", {"a": np.zeros((2, 2))})
    for arguments, message in (
        (("--cues", tmp_path / "other.json"), "the classes are polyp but dataset.json has tumour, stroma"),
        (("--masks", other_masks), "no mask has the name of a predicted case"),
        (("--masks", wrong_size), "case 'a' is 2 x 2 pixels but its image 60 x 40"),
        (("-n", 0), "at least one case"),
    ):
        assert overlay(images, predictions, *out, *arguments) == 2
        assert message in capsys.readouterr().err
    (images / "b.png").unlink()
    assert overlay(images, predictions, *out) == 2
    assert f"{images}: no image for the prediction of case 'b'" in capsys.readouterr().err
