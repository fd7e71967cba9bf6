from __future__ import annotations

import json
from pathlib import Path

import pytest

from cuescan.cues import Cue
from cuescan.data.cue_tables import read_cue_table
from cuescan.errors import UserError

SECRET = "Mrs Example, ward 7, has a red polyp."


def table(folder: Path, content: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_column_per_class(tmp_path: Path, delimiter: str, encoding: str, newline: str) -> None:
    rows = ["image,tumour,Drüse", "a.png,1,0", "dir/b,,1.0", "", "C:\\x\\c.v2.jpg,0, "]
    path = table(tmp_path, newline.join(rows).replace(",", delimiter), encoding=encoding)
    found = read_cue_table(path).cues
    assert found.classes == ("tumour", "Drüse")
    assert found.cues == {
        "a": Cue({"tumour": 1, "Drüse": 0}),
        "b": Cue({"tumour": None, "Drüse": 1}),
        "c.v2": Cue({"tumour": 0, "Drüse": None}),
    }


def test_a_list_of_classes_states_what_is_absent(tmp_path: Path) -> None:
    path = table(tmp_path, "image,labels\na,stroma; tumour\nb,tumour\nc,\nd,tumour|fat\n")
    found = read_cue_table(path, ("tumour", "stroma", "fat")).cues.cues
    assert [tuple(cue.labels.values()) for cue in found.values()] == [(1, 1, 0), (1, 0, 0), (0, 0, 0), (1, 0, 1)]


def test_text_may_stand_alone_or_beside_labels(tmp_path: Path) -> None:
    path = table(tmp_path, 'image,labels,text\na,,"A polyp,\u2028upper left."\nb,polyp,\nc,polyp,Two polyps.\n')
    found = read_cue_table(path, ("polyp",)).cues.cues
    assert found == {
        "a": Cue({}, "A polyp,\u2028upper left."),
        "b": Cue({"polyp": 1}),
        "c": Cue({"polyp": 1}, "Two polyps."),
    }


def test_groups_and_other_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "image,patient,age,tumour\na,P1,50,1\nb,P2,60,0\n")
    found = read_cue_table(path, ("tumour",), group="patient")
    assert found.groups == {"a": "P1", "b": "P2"}
    assert found.cues.cues["a"].labels == {"tumour": 1}


def test_json_records(tmp_path: Path) -> None:
    records = [
        {"image": "a.png", "labels": ["tumour"], "site": 3},
        {"image": "b", "labels": {"tumour": 0, "stroma": None}, "site": 4},
        {"image": "c", "text": "Mostly stroma.", "site": 4},
        {"image": "d", "tumour": 1, "stroma": None, "site": 3},
    ]
    path = table(tmp_path, json.dumps(records), "labels.json")
    found = read_cue_table(path, ("tumour", "stroma"), group="site")
    assert found.groups == {"a": "3", "b": "4", "c": "4", "d": "3"}
    assert found.cues.label_vector("a").tolist() == [1, 0]
    assert found.cues.cues["b"].labels == {"tumour": 0, "stroma": None}
    assert found.cues.cues["c"].text == "Mostly stroma."
    assert found.cues.cues["d"].labels["tumour"] == 1


def test_a_cues_file_is_taken_as_it_is(tmp_path: Path) -> None:
    document = {"version": 1, "classes": ["a"], "background": False, "cues": {"x": {"labels": {"a": 1}}}}
    path = table(tmp_path, json.dumps(document), "cues.json")
    found = read_cue_table(path).cues
    assert (found.classes, found.background, found.cues["x"].labels) == (("a",), False, {"a": 1})
    with pytest.raises(UserError, match="its classes are a; leave --classes away"):
        read_cue_table(path, ("b",))
    with pytest.raises(UserError, match="a cues.json has no column 'patient'"):
        read_cue_table(path, group="patient")


BAD = {
    "no image column": ("file_,tumour\na,1\n", (), "no column 'image' (columns: file_, tumour); add it"),
    "no rows": ("image,tumour\n", (), "needs a header and at least one row"),
    "column twice": ("image,tumour,tumour\na,1,0\n", (), "the column 'tumour' stands twice"),
    "too many values": ("image,tumour\na,1,0\n", (), "row 2 has 3 values but the header 2 columns"),
    "not a label": ("image,patient,tumour\na,P1,1\n", (), "case 'a': column 'patient' must hold 1, 0 or nothing"),
    "label 2": ("image,tumour\na,2\n", (), "case 'a': column 'tumour' must hold 1, 0 or nothing"),
    "two rows": ("image,tumour\na.png,1\na.jpg,0\n", (), "case 'a' has two rows; keep one of them"),
    "nothing stated": ("image,tumour\na,\n", (), "case 'a': no label is stated and there is no sentence"),
    "no name": ("image,tumour\n,1\n", (), "a row has no image name"),
    "unknown class listed": ("image,labels\na,tumor\n", ("tumour",), "unknown class 'tumor' (classes: tumour), did"),
    "classes unknown": ("image,labels\na,tumour\n", (), "which classes there are; name them with --classes"),
    "classes of a sentence": (f'image,text\na,"{SECRET}"\n', (), "which classes there are; name them with --classes"),
    "class without column": ("image,tumor\na,1\n", ("tumour",), "no column of a class, no 'labels' and no 'text'"),
    "second class without column": (
        "image,tumour,strom\na,1,1\n",
        ("tumour", "stroma"),
        "no column for class 'stroma'",
    ),
    "reserved class": ("image,background\na,1\n", (), "class name 'background' is reserved"),
    "open quotation mark": (f'image,text\na,"{SECRET}\n', ("tumour",), "not a readable table (unexpected end of data)"),
}


@pytest.mark.parametrize(("content", "classes", "message"), BAD.values(), ids=BAD)
def test_a_bad_table_is_explained(tmp_path: Path, content: str, classes: tuple[str, ...], message: str) -> None:
    path = table(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_cue_table(path, classes)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert message in text
    assert "Example" not in text


def test_groups_must_be_complete(tmp_path: Path) -> None:
    path = table(tmp_path, "image,patient,tumour\na,,1\n")
    with pytest.raises(UserError, match="case 'a': the column 'patient' is empty; fill it, or leave --group away"):
        read_cue_table(path, group="patient")
    with pytest.raises(UserError, match=r"no column 'slide' \(columns: image, patient, tumour\); add it"):
        read_cue_table(path, group="slide")


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "image,Drüse\na,1\n", encoding="latin-1")
    with pytest.raises(UserError, match="byte 8 is not valid UTF-8; save the table as CSV in UTF-8"):
        read_cue_table(path)
