from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuescan.cues import Cue, Cues, Part, check_cues, parse_cues, read_cues, write_cues
from cuescan.cues.writing import cues_document
from cuescan.errors import UserError
from cuescan.share import share_path

SECRET = "Mrs Example, ward 7, has a red polyp."

# Text that UTF-8 can hold and that is more than blanks, also for the schema's regular expression.
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=12)
class_names = st.lists(
    words.filter(lambda name: name.casefold() not in ("background", "ignore")),
    min_size=1,
    max_size=4,
    unique_by=str.casefold,
)


@st.composite
def all_cues(draw: st.DrawFn) -> Cues:
    classes = draw(class_names)
    labels = st.dictionaries(st.sampled_from(classes), st.sampled_from([0, 1, None]))
    box = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(51, 99)] * 2)
    parts = st.lists(st.builds(Part, box, labels), max_size=3).map(tuple)
    cue = st.builds(Cue, labels, st.none() | words, parts).filter(lambda c: c.states_something)
    return Cues(tuple(classes), draw(st.booleans()), draw(st.dictionaries(words, cue, max_size=4)))


@pytest.fixture(scope="module")
def schema() -> dict:
    return json.loads((share_path("schema") / "cues.schema.json").read_text(encoding="utf-8"))


def document(**changes: object) -> dict:
    whole = {"version": 1, "classes": ["tumour", "stroma"], "cues": {"case_1": {"labels": {"tumour": 1}}}}
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def write(folder: Path, content: object) -> Path:
    path = folder / "cues.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@settings(deadline=None)
@given(all_cues())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, cues: Cues) -> None:
    path = tmp_path_factory.mktemp("cues") / "cues.json"
    write_cues(cues, path)
    assert read_cues(path) == cues


@settings(deadline=None)
@given(cues=all_cues())
def test_what_is_written_satisfies_the_schema(schema: dict, cues: Cues) -> None:
    jsonschema.Draft202012Validator(schema).validate(cues_document(cues))


def test_the_schema_is_itself_valid(schema: dict) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_label_vector_has_nan_where_nothing_is_stated() -> None:
    cues = Cues(("a", "b", "c", "d"), cues={"x": Cue({"a": 1, "b": 0, "c": None})})
    vector = cues.label_vector("x")
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, [1, 0, np.nan, np.nan])


def test_parts_are_arrays_too() -> None:
    parts = (Part((0, 8, 16, 24), {"a": 1}), Part((0, 0, 9, 9), {"b": 0, "a": None}))
    boxes, labels = Cues(("a", "b"), cues={"x": Cue(parts=parts)}).parts("x")
    assert boxes.tolist() == [[0, 8, 16, 24], [0, 0, 9, 9]]
    np.testing.assert_array_equal(labels, np.array([[1, np.nan], [np.nan, 0]], np.float32))
    boxes, labels = Cues(("a", "b"), cues={"x": Cue({"a": 1})}).parts("x")
    assert boxes.shape == (0, 4) and labels.shape == (0, 2)


def test_background_defaults_to_true(tmp_path: Path) -> None:
    assert read_cues(write(tmp_path, document())).background is True
    assert read_cues(write(tmp_path, document(background=False))).background is False


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "cues.json"
    path.write_text(json.dumps(document()), encoding="utf-8-sig")
    assert read_cues(path).classes == ("tumour", "stroma")


BAD = {
    "no version": (document(version=...), "version is None but this cuescan reads version 1"),
    "later version": (document(version=2), "install the cuescan that wrote the file"),
    "true as version": (document(version=True), "version is True"),
    "no classes": (document(classes=...), "'classes' must be a list of names"),
    "empty classes": (document(classes=[], cues={}), "the class list is empty; name at least one class"),
    "class twice": (document(classes=["tumour", "tumour"]), "class 'tumour' is listed twice"),
    "blank at the end": (document(classes=["tumour", "stroma "]), "has blanks at its ends"),
    "reserved class": (document(classes=["tumour", "Ignore"]), "class name 'Ignore' is reserved by nnU-Net"),
    "background no flag": (document(background="no"), "'background' must be true or false"),
    "unknown key": (document(clases=[]), "unknown key 'clases' (known: version, classes, background, cues), did you"),
    "no cues": (document(cues=...), "cues: must be a JSON object"),
    "unknown class": (
        document(cues={"case_1": {"labels": {"tumor": 1}}}),
        "case 'case_1': unknown class 'tumor' (classes: tumour, stroma), did you mean 'tumour'?",
    ),
    "label 2": (
        document(cues={"case_1": {"labels": {"tumour": 2}}}),
        "case 'case_1': the label of class 'tumour' must be 1 (present), 0 (absent) or null (not stated), not 2",
    ),
    "label true": (document(cues={"case_1": {"labels": {"tumour": True}}}), "not True"),
    "sentence as label": (document(cues={"case_1": {"labels": {"tumour": SECRET}}}), "not a str"),
    "label in a list": (document(cues={"case_1": {"labels": {"tumour": [1]}}}), "not a list"),
    "empty sentence": (
        document(cues={"case_1": {"text": " \n"}}),
        "case 'case_1': the sentence is empty; write one or leave 'text' out",
    ),
    "text of another type": (document(cues={"case_1": {"text": [SECRET]}}), "case 'case_1': 'text' must be a string"),
    "misspelt text": (
        document(cues={"case_1": {"txt": SECRET}}),
        "unknown key 'txt' (known: labels, text, parts), did you",
    ),
    "nothing stated": (
        document(cues={"case_1": {"labels": {"tumour": None}}}),
        "case 'case_1': no label is stated and there is no sentence",
    ),
    "empty cue": (document(cues={"case_1": {}}), "case 'case_1': no label is stated"),
    "cue as a list": (document(cues={"case_1": [SECRET]}), "case 'case_1': must be a JSON object"),
    "parts no list": (document(cues={"case_1": {"parts": {}}}), "case 'case_1': 'parts' must be a list"),
    "part without box": (
        document(cues={"case_1": {"parts": [{"labels": {"tumour": 1}}]}}),
        "case 'case_1': parts: 'box' must be four whole numbers: top, left, bottom and right",
    ),
    "part of nothing": (
        document(cues={"case_1": {"parts": [{"box": [8, 0, 8, 9], "labels": {"tumour": 1}}]}}),
        "case 'case_1': a part has the box [8, 0, 8, 9], which is no rectangle of the image",
    ),
    "unknown class of a part": (
        document(cues={"case_1": {"parts": [{"box": [0, 0, 8, 9], "labels": {"tumor": 1}}]}}),
        "case 'case_1': unknown class 'tumor' (classes: tumour, stroma), did you mean 'tumour'?",
    ),
    "part that states nothing": (
        document(cues={"case_1": {"parts": [{"box": [0, 0, 8, 9], "labels": {"tumour": None}}]}}),
        "case 'case_1': no label is stated",
    ),
    "empty case name": (document(cues={" ": {"text": "x"}}), "a cue has an empty case name"),
}


BEYOND_THE_SCHEMA = ("unknown class", "unknown class of a part", "part of nothing")


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_content_is_named_with_file_and_remedy(tmp_path: Path, content: dict, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_cues(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert message in text
    assert SECRET not in text
    assert "\n" not in text


@pytest.mark.parametrize("content", [content for name, (content, _) in BAD.items() if name not in BEYOND_THE_SCHEMA])
def test_the_schema_rejects_what_the_reader_rejects(schema: dict, content: dict) -> None:
    assert not jsonschema.Draft202012Validator(schema).is_valid(content)


def test_a_repeated_key_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, '{"version": 1, "classes": ["a"], "cues": {"x": {"text": "s"}, "x": {"text": "t"}}}')
    with pytest.raises(UserError, match="the key 'x' stands twice in one object; keep one of them"):
        read_cues(path)


def test_broken_json_is_located(tmp_path: Path) -> None:
    path = write(tmp_path, '{"version": 1,\n "classes": ["a" "b"]}')
    with pytest.raises(UserError, match="not valid JSON at line 2, column 18"):
        read_cues(path)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cues.json"
    path.write_bytes(b'{"version": 1, "classes": ["Dr\xfcse"]}')
    with pytest.raises(UserError, match="byte 30 is not valid UTF-8; save the file as UTF-8"):
        read_cues(path)


def test_half_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path, '{"version": 1, "classes": ["a"], "cues": {"x": {"text": "\\ud800"}}}')
    with pytest.raises(UserError, match="case 'x': the sentence is not valid UTF-8 text"):
        read_cues(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cues\.json: cannot be read .*; check the path"):
        read_cues(tmp_path / "cues.json")


def test_cues_and_images_must_belong_together() -> None:
    cues = Cues(("a",), cues={"case_1": Cue({"a": 1}), "case_2": Cue(text=SECRET)})
    check_cues(cues, ["case_1", "case_2"], Path("cues.json"))
    with pytest.raises(UserError, match=r"cues\.json: no cue for case 'case_3'; add the cue or remove the image"):
        check_cues(cues, ["case_1", "case_2", "case_3"], Path("cues.json"))
    with pytest.raises(UserError, match=r"no image for the cue of case 'case_2'; add the image or remove the cue"):
        check_cues(cues, ["case_1"], Path("cues.json"))
    with pytest.raises(UserError, match=r"no cue for case 'a0', 'a1', 'a2' and 7 more"):
        check_cues(Cues(("a",)), [f"a{n}" for n in range(10)], Path("cues.json"))


def test_a_sentence_is_not_shown_by_repr() -> None:
    assert SECRET not in repr(Cues(("a",), cues={"x": Cue(text=SECRET)}))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "cues.json"
    write_cues(Cues(("a",), cues={"x": Cue({"a": 1})}), path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="case 'y': unknown class 'b'"):
        write_cues(Cues(("a",), cues={"y": Cue({"b": 1})}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_parsing_names_the_given_source() -> None:
    with pytest.raises(UserError, match=r"^upload: must be a JSON object"):
        parse_cues([], "upload")


def test_an_image_states_what_parts_that_cover_it_state_together():
    states = [{"a": 1, "b": 0, "c": 0}, {"a": 0, "b": 0, "c": None}, {"a": None, "b": 0}]
    cue = Cue.of_parts(Part((0, 0, 4, 4), labels) for labels in states)
    assert cue.labels == {"a": 1, "b": 0, "c": None} and len(cue.parts) == 3
