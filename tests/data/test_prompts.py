"""Prompts in JSON, in tables and in a cues.json."""

from __future__ import annotations

import json

import pytest

from cuescan.data.prompts import read_any_cues, read_prompts
from cuescan.errors import UserError

CLASSES = ("polyp",)
CASES = ("case_1", "case_2")
SECRET = "Mrs Quastenflosser has one red polyp, upper left."


def write(path, content) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def refused(path, cases=CASES) -> str:
    with pytest.raises(UserError) as caught:
        read_prompts(path, CLASSES, cases)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and "Quastenflosser" not in message
    return message


@pytest.mark.parametrize("name", ["case_1", "case_1.png", "case_1.nii.gz"])
def test_an_object_of_sentences(tmp_path, name):
    write(tmp_path / "prompts.json", {name: SECRET})
    assert read_prompts(tmp_path / "prompts.json", CLASSES, CASES) == {"case_1": SECRET}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_sentences(tmp_path, delimiter):
    path = tmp_path / "prompts.csv"
    write(path, f'\ufeffimage{delimiter}text\nfolder/case_1.png{delimiter}"{SECRET}"\n')
    assert read_prompts(path, CLASSES, CASES) == {"case_1": SECRET}


def test_a_cues_json_gives_its_sentences_alone(tmp_path):
    cues = {"case_1": {"text": SECRET}, "case_2": {"labels": {"polyp": 1}}}
    write(tmp_path / "cues.json", {"version": 1, "classes": ["polyp"], "cues": cues})
    assert read_prompts(tmp_path / "cues.json", CLASSES, CASES) == {"case_1": SECRET}
    found = read_any_cues(tmp_path / "cues.json", ())
    assert found.classes == ("polyp",) and set(found.cues) == set(CASES)


def test_a_list_of_rows(tmp_path):
    write(tmp_path / "rows.json", [{"image": "case_2.png", "text": SECRET}])
    assert read_prompts(tmp_path / "rows.json", CLASSES, CASES) == {"case_2": SECRET}


def test_a_prompt_of_an_image_that_is_not_there(tmp_path):
    write(tmp_path / "prompts.json", {"case_1": SECRET, "case_9": SECRET})
    message = refused(tmp_path / "prompts.json")
    assert "there is no image for the prompt of case 'case_9'; correct the name or remove it" in message


@pytest.mark.parametrize("prompt", ["", "  ", None, 3, ["a polyp"]])
def test_a_prompt_that_is_no_sentence(tmp_path, prompt):
    write(tmp_path / "prompts.json", {"case_1": prompt})
    assert "case 'case_1': the prompt must be a sentence; write one or remove the case" in refused(
        tmp_path / "prompts.json"
    )


def test_an_empty_cell_of_a_table(tmp_path):
    write(tmp_path / "prompts.csv", "image,text\ncase_1,\n")
    assert "case 'case_1'" in refused(tmp_path / "prompts.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prompts.json", '{"case_1": "Mrs Quastenflosser, très petit polyp"}'),
        ("prompts.csv", "image,text\ncase_1,très"),
    ],
)
def test_another_encoding_is_refused_with_its_byte(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    byte = content.encode("latin-1").index("è".encode("latin-1"))
    assert f"byte {byte} is not valid UTF-8; save the " in refused(tmp_path / name)


def test_what_cannot_be_read(tmp_path):
    assert "cannot be read" in refused(tmp_path / "prompts.json")
    assert "cannot be read" in refused(tmp_path / "prompts.csv")
    write(tmp_path / "prompts.json", "{")
    assert "not valid JSON at line 1" in refused(tmp_path / "prompts.json")
    write(tmp_path / "prompts.json", '{"case_1": "a", "case_1": "b"}')
    assert "the key 'case_1' stands twice" in refused(tmp_path / "prompts.json")
    write(tmp_path / "prompts.json", {"case_1.png": SECRET, "case_1.jpg": SECRET})
    assert "case 'case_1' has two prompts; keep one of them" in refused(tmp_path / "prompts.json")
    write(tmp_path / "prompts.json", "3")
    assert "must be a cues.json or a list of objects" in refused(tmp_path / "prompts.json")
