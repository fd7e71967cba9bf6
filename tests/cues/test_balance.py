from __future__ import annotations

from cuescan.cues import Cue, Cues, Part
from cuescan.cues.balance import balanced_absence


def test_absence_counts_as_much_as_presence() -> None:
    labels = [{"a": 1, "b": 0}, {"a": 1, "b": 1}, {"a": 0, "b": None}, {"a": 1, "c": 1}]
    cues = Cues(("a", "b", "c"), True, {str(i): Cue(given) for i, given in enumerate([*labels, {"a": 0}])})
    assert balanced_absence(cues, ["0", "1", "2", "3"]) == [3.0, 1.0, 1.0]  # c is never absent, case 4 no training case


def test_labels_of_parts_count_where_there_are_some() -> None:
    parts = (Part((0, 0, 8, 8), {"a": 0}), Part((0, 8, 8, 16), {"a": 1}), Part((8, 0, 16, 8), {"a": 0}))
    cues = Cues(("a",), True, {"parts": Cue({"a": 1}, parts=parts), "whole": Cue({"a": 0})})
    assert balanced_absence(cues, ["parts", "whole"]) == [1 / 3]
