from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuescan.cues.language import Box, Statement, Turn, can_follow, follow, keyword, keyword_spans, read_sentence

_spec = importlib.util.spec_from_file_location("sentences", Path(__file__).with_name("sentences.py"))
table: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(table)

SHAPE = (table.HEIGHT, table.WIDTH)
TURNS = [Turn(*choice) for choice in itertools.product((False, True), repeat=3)]
turns = st.sampled_from(TURNS)


def check(found: Statement, expected: Any) -> None:
    """Compare a statement with a reading of the table."""
    if expected is None or expected == table.NO:
        assert found == Statement(found.name, None if expected is None else False)
        return
    assert found.present is True
    assert found.count == expected.get("count")
    assert found.colours == expected.get("colours", ())
    assert found.size == expected.get("size")
    assert found.place_words == expected.get("places", ())
    assert found.share == (pytest.approx(expected["share"]) if "share" in expected else None)
    assert [edges(box) for box in found.places] == [
        pytest.approx(table.BOXES[words]) for words in expected.get("places", ())
    ]
    sides = np.array([table.WIDTH, table.HEIGHT] * 2)
    assert [edges(box) for box in found.boxes] == [
        pytest.approx(tuple(pixels / sides)) for pixels in map(np.array, expected.get("boxes", ()))
    ]


def edges(box: Box) -> tuple[float, ...]:
    return box.left, box.top, box.right, box.bottom


def test_the_table_is_large_and_has_no_sentence_twice() -> None:
    sentences = [text for text, _ in table.POLYP]
    assert len(sentences) == len(set(sentences)) > 250


@pytest.mark.parametrize(("text", "expected"), table.POLYP, ids=[text[:50] for text, _ in table.POLYP])
def test_what_a_sentence_says_of_one_class(text: str, expected: Any) -> None:
    (found,) = read_sentence(text, ["polyp"], SHAPE)
    check(found, expected)


@pytest.mark.parametrize(("classes", "text", "expected"), table.SEVERAL)
def test_what_a_sentence_says_of_several_classes(classes: tuple[str, ...], text: str, expected: Any) -> None:
    found = read_sentence(text, classes, SHAPE)
    assert [statement.name for statement in found] == list(classes)
    for statement, reading in zip(found, expected, strict=True):
        check(statement, reading)


@pytest.mark.parametrize(("synonyms", "text", "expected"), table.SYNONYMS)
def test_synonyms_that_a_user_gives(synonyms: dict[str, tuple[str, ...]], text: str, expected: Any) -> None:
    (found,) = read_sentence(text, ["polyp"], SHAPE, synonyms)
    check(found, expected)


def test_boxes_in_pixels_need_the_images_size() -> None:
    assert read_sentence("polyp (12, 30, 90, 120)", ["polyp"])[0].boxes == ()
    assert read_sentence("polyp (0.1, 0.2, 0.5, 0.6)", ["polyp"])[0].boxes == (Box(0.1, 0.2, 0.5, 0.6),)


def test_a_statement_shows_nothing_of_the_sentence() -> None:
    (found,) = read_sentence("Mrs Example has a crimson polyp in the upper left.", ["polyp"], SHAPE)
    assert "Example" not in repr(found)
    assert "crimson" not in repr(found)


# turning


def arrow(shape: tuple[int, int], box: Box, turn: Turn) -> np.ndarray:
    """The box painted into an image that is then turned by numpy."""
    height, width = shape
    image = np.zeros(shape, bool)
    rows = slice(round(box.top * height), round(box.bottom * height))
    image[rows, round(box.left * width) : round(box.right * width)] = True
    image = image.T if turn.transpose else image
    image = image[::-1] if turn.flip_rows else image
    return image[:, ::-1] if turn.flip_columns else image


@given(turns)
def test_a_box_turns_with_its_image(turn: Turn) -> None:
    shape, box = (10, 20), Box(0.1, 0.2, 0.4, 0.9)
    expected = arrow(shape, box, turn)
    np.testing.assert_array_equal(arrow(turn.shape(shape), box.turned(turn), Turn()), expected)
    assert expected.shape == turn.shape(shape)


@given(turns)
def test_the_inverse_undoes_a_turn(turn: Turn) -> None:
    box = Box(1 / 3, 0.1, 2 / 3, 0.7)
    assert box.turned(turn).turned(turn.inverse) == box


@pytest.mark.parametrize("text", [text for text, _ in table.POLYP], ids=lambda text: text[:50])
def test_a_sentence_follows_its_image(text: str) -> None:
    (plain,) = read_sentence(text, ["polyp"], SHAPE)
    for turn in TURNS:
        turned = follow(text, turn, SHAPE)
        (found,) = read_sentence(turned, ["polyp"], turn.shape(SHAPE))
        assert found == plain.turned(turn), (turned, turn)
        back = follow(turned, turn.inverse, turn.shape(SHAPE))
        assert read_sentence(back, ["polyp"], SHAPE)[0] == plain, (turned, back, turn)


@pytest.mark.parametrize(
    ("text", "turn", "expected"),
    [
        ("Upper left: a polyp.", Turn(flip_columns=True), "Upper right: a polyp."),
        ("A polyp, top-left.", Turn(flip_rows=True), "A polyp, bottom-left."),
        ("A polyp in the left third", Turn(True), "A polyp in the top third"),
        ("A polyp in the left column", Turn(True), "A polyp in the top row"),
        ("A polyp at 2 o'clock", Turn(flip_columns=True), "A polyp at 10 o'clock"),
        ("A polyp from 9 to 11 o'clock", Turn(flip_columns=True), "A polyp from 1 to 3 o'clock"),
        ("A polyp, box (12, 30, 90, 120)", Turn(flip_columns=True), "A polyp, box (210, 30, 288, 120)"),
        ("A polyp, box (12, 30, 90, 120)", Turn(True), "A polyp, box (30, 12, 120, 90)"),
        ("A polyp at x 12-90, y 30-120", Turn(flip_rows=True), "A polyp at x 12-90, y 80-170"),
        ("x=12, y=30, width=78, height=90 polyp", Turn(True), "x=30, y=12, width=90, height=78 polyp"),
        ("A polyp left of the centre", Turn(True), "A polyp above the centre"),
        ("A polyp in the left colon", Turn(flip_columns=True), "A polyp in the left colon"),
        ("Mrs Example's polyp", Turn(True, True, True), "Mrs Example's polyp"),
    ],
)
def test_only_places_and_boxes_are_rewritten(text: str, turn: Turn, expected: str) -> None:
    assert follow(text, turn, SHAPE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red polyp in the upper left, box (12, 30, 90, 120)", True),
        ("polyp: left 12, top 30, right 90, bottom 120", True),
        ("A polyp at 3 o'clock", True),
        ("No polyp", True),
        ("A polyp in the left colon", False),
        ("A polyp in the upper left, to the right of a fold", False),
    ],
)
def test_a_sentence_says_whether_it_can_follow(text: str, expected: bool) -> None:
    assert can_follow(text) is expected


_PLACES = [
    *("in the upper left", "top-left", "on the right", "in the lower half", "in the left third", "at 4 o'clock"),
    *("near the bottom edge", "in the centre", "middle right", "in the top row", "in the upper right quadrant"),
    *("left of the centre", "in the left or right half", "at the far left", "in the lower left and right corners"),
    *("from 8 to 10 o'clock", "in the upper two thirds of the image", "in the lower right-hand corner"),
]
_LEADS = [
    "A small red polyp {}",
    "One polyp {}",
    "Polyps {}",
    "There is a polyp {}",
    "polyp: {}",
    "Two polyps {} and {}",
]
_TAILS = ["", ", covering 5% of the image", ", bounding box ({}, {}, {}, {})", ", x {}-{x}, y {}-{y}", "; no ulcer"]


@st.composite
def sentences(draw: st.DrawFn) -> tuple[str, tuple[int, int]]:
    height, width = draw(st.integers(20, 400)), draw(st.integers(20, 400))
    left, right = sorted(draw(st.lists(st.integers(0, width), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(st.integers(0, height), min_size=2, max_size=2, unique=True)))
    lead = draw(st.sampled_from(_LEADS))
    lead = lead.format(*(draw(st.sampled_from(_PLACES)) for _ in range(2)))
    tail = draw(st.sampled_from(_TAILS))
    numbers = (left, top) if "{x}" in tail else (left, top, right, bottom)
    return lead + tail.format(*numbers, x=right, y=bottom), (height, width)


@settings(max_examples=200)
@given(sentences(), turns)
def test_generated_sentences_follow_their_image(generated: tuple[str, tuple[int, int]], turn: Turn) -> None:
    text, shape = generated
    (plain,) = read_sentence(text, ["polyp"], shape)
    assert plain.present is True
    turned = follow(text, turn, shape)
    assert read_sentence(turned, ["polyp"], turn.shape(shape)) == (plain.turned(turn),)
    assert read_sentence(follow(turned, turn.inverse, turn.shape(shape)), ["polyp"], shape) == (plain,)


# anything at all

_WORDS = [
    "a",
    "the",
    "no",
    "not",
    "polyp",
    "polyps",
    "ulcer",
    "one",
    "two",
    "another",
    "left",
    "right",
    "upper",
    "lower",
    "centre",
    "of",
    "image",
    "and",
    "or",
    "with",
    ",",
    ".",
    ":",
    ";",
    "(",
    ")",
    "-",
    "red",
    "small",
    "12",
    "%",
    "covers",
    "third",
    "half",
    "box",
    "x",
    "y",
    "at",
    "o'clock",
    "3",
    "without",
    "is",
    "seen",
    "cannot",
    "exclude",
    "patient's",
    "colon",
    "?",
]


@settings(max_examples=200)
@given(st.one_of(st.text(), st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join)), turns)
def test_no_text_is_too_strange(text: str, turn: Turn) -> None:
    found = read_sentence(text, ["polyp", "ulcer"], SHAPE)
    assert [statement.name for statement in found] == ["polyp", "ulcer"]
    for statement in found:
        assert len(statement.places) == len(statement.place_words)
        assert all(0 <= value <= 1 for box in statement.places + statement.boxes for value in edges(box))
        assert statement.turned(turn).turned(turn.inverse) == statement
        assert isinstance(keyword(statement), str)
    follow(text, turn, SHAPE)
    spans = keyword_spans(text, ["polyp", "ulcer"], {})
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(first[1] <= second[0] for first, second in zip(spans, spans[1:], strict=False))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_no_class_name_is_too_strange(name: str) -> None:
    read_sentence(f"One {name} in the upper left", [name, "polyp"], SHAPE, {"polyp": (name,)})


def test_a_long_text_is_read_quickly() -> None:
    import time

    start = time.perf_counter()
    read_sentence("A polyp in the upper left, box (1, 2, 3, 4) covers 5% of the image. " * 200, ["polyp"], SHAPE)
    assert time.perf_counter() - start < 5


# the keyword


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One small red polyp, upper left.", "one small red polyp, upper left"),
        ("A red polyp left side", "one red polyp, left half"),
        ("two polyps: top left and bottom right", "two polyps, top left and bottom right"),
        ("polyp", "polyp"),
        ("There is no evidence of a polyp.", "no polyp"),
        ("polyp, box (12, 30, 90, 120), 12% of the image", "polyp"),
        ("nothing known", "polyp"),
    ],
)
def test_the_keyword_of_a_sentence(text: str, expected: str) -> None:
    assert keyword(read_sentence(text, ["polyp"], SHAPE)[0]) == expected


@pytest.mark.parametrize("text", [text for text, _ in table.POLYP], ids=lambda text: text[:50])
def test_a_keyword_says_what_its_statement_says_without_boxes_and_share(text: str) -> None:
    (statement,) = read_sentence(text, ["polyp"], SHAPE)
    if statement.present is not None:
        (again,) = read_sentence(keyword(statement), ["polyp"], SHAPE)
        assert again == statement.reduced("place")


@pytest.mark.parametrize(
    ("name", "noun"), [("skin_lesion", "skin lesions"), ("biopsy", "biopsies"), ("mass", "masses")]
)
def test_plurals_of_a_keyword(name: str, noun: str) -> None:
    assert keyword(Statement(name, True, 2)) == f"two {noun}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One small red polyp, upper left.", ["One", "small", "red", "polyp", "upper left"]),
        ("There is no evidence of a polyp.", ["no", "a", "polyp"]),
        ("Polyps are not seen.", ["Polyps", "not"]),
        ("A fold, and two polyps on the left of the image covering 5%", ["two", "polyps", "left"]),
        ("A polyp, box (12, 30, 90, 120)", ["A", "polyp"]),
        ("A fold in the upper left", []),
    ],
)
def test_the_words_that_carry_the_keyword(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in keyword_spans(text, ["polyp"], {})] == words


def test_levels_of_a_statement() -> None:
    (full,) = read_sentence("A red polyp top left, box (0, 0, 30, 20), 1% of the image", ["polyp"], SHAPE)
    assert full.reduced("full") == full
    place = full.reduced("place")
    assert (place.boxes, place.share, place.places, place.colours) == ((), None, full.places, ("red",))
    assert full.reduced("name") == Statement("polyp", True)
    with pytest.raises(ValueError, match="level is 'box' but must be one of name, place, full"):
        full.reduced("box")
