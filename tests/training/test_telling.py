"""What a network is told of a sentence."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from cuescan.cues.language import Box, Statement
from cuescan.training.telling import drawn_telling, pointed_telling

LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)
BOXES = (Box(0.1, 0.2, 0.3, 0.4), Box(0.6, 0.5, 0.9, 0.8))
TWO = Statement(
    "polyp", True, count=2, places=(LEFT, RIGHT), boxes=BOXES, share=0.13, place_words=("left half", "right half")
)


def test_pointing_tells_the_place_of_the_first_finding_and_demands_its_box_alone():
    (told,), (demanded,) = pointed_telling([TWO])
    assert told == Statement("polyp", True, count=1, places=(LEFT,), place_words=("left half",))
    assert demanded.boxes == BOXES[:1] and demanded.share is None


def test_findings_in_one_place_are_told_and_demanded_together():
    whole = Box(0, 0, 1, 1)
    statement = Statement("polyp", True, count=2, places=(whole,), boxes=BOXES, place_words=("image",))
    (told,), (demanded,) = pointed_telling([statement])
    assert demanded == statement
    assert told == statement.reduced("place")


def test_that_a_class_is_absent_is_demanded_but_never_told():
    absent = Statement("polyp", False)
    assert pointed_telling([absent]) == ([Statement("polyp")], [absent])


@given(st.integers(0, 10_000))
def test_what_is_told_is_true_of_what_is_demanded(seed):
    torch.manual_seed(seed)
    (told,), (demanded,) = drawn_telling([TWO])
    assert set(demanded.boxes) <= set(BOXES) and demanded.count in (1, 2)
    assert len(told.places) in (0, len(demanded.places))
    for place, stated in zip(told.places, demanded.places, strict=False):  # as stated, or larger
        assert place.left <= stated.left and place.top <= stated.top
        assert place.right >= stated.right and place.bottom >= stated.bottom
    if demanded.count == 1 and told.places:
        inside = [told.places[0].left <= (b.left + b.right) / 2 <= told.places[0].right for b in BOXES]
        assert sum(inside) == 1
