from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuescan.data.folds import groups_of, hold_out, make_folds
from cuescan.errors import UserError

grouped = st.dictionaries(st.text(max_size=4), st.sampled_from("abcdefgh"), min_size=1, max_size=40)


@settings(deadline=None)
@given(grouped, st.integers(2, 6), st.integers(0, 3))
def test_folds_cover_all_cases_and_part_no_group(groups: dict[str, str], folds: int, seed: int) -> None:
    if len(set(groups.values())) < folds:
        with pytest.raises(UserError, match=f"groups of cases cannot be split into {folds} folds; "):
            make_folds(groups, folds, seed)
        return
    parts = make_folds(groups, folds, seed)
    assert len(parts) == folds
    assert sorted(case for part in parts for case in part["val"]) == sorted(groups)
    for part in parts:
        assert part["val"]
        assert sorted(part["train"] + part["val"]) == sorted(groups)
        assert not {groups[case] for case in part["train"]} & {groups[case] for case in part["val"]}


@settings(deadline=None)
@given(grouped, st.floats(0.01, 0.99), st.integers(0, 3))
def test_hold_out_takes_whole_groups_and_leaves_some(groups: dict[str, str], share: float, seed: int) -> None:
    if len(set(groups.values())) < 2:
        with pytest.raises(UserError, match="leave --hold-out away"):
            hold_out(groups, share, seed)
        return
    held = hold_out(groups, share, seed)
    assert 0 < len(held) < len(groups)
    assert not {groups[case] for case in held} & {groups[case] for case in groups if case not in held}


def test_hold_out_is_close_to_the_share() -> None:
    groups = {f"{n:03d}": str(n // 4) for n in range(100)}
    assert len(hold_out(groups, 0.2)) == 20


def test_folds_depend_on_the_seed_alone() -> None:
    groups = groups_of([f"{n:03d}" for n in range(50)], [None] * 50)
    backwards = dict(reversed(groups.items()))
    assert make_folds(groups) == make_folds(backwards)
    assert make_folds(groups, seed=0) != make_folds(groups, seed=1)
    assert [len(part["val"]) for part in make_folds(groups)] == [10] * 5


def test_cases_without_a_group_stand_alone() -> None:
    groups = groups_of(["a", "b", "c", "d"], ["x", None, "x", ""])
    assert groups["a"] == groups["c"]
    assert len(set(groups.values())) == 3


@pytest.mark.parametrize("share", [0, 1, -1, 1.5])
def test_a_share_out_of_range_is_an_error(share: float) -> None:
    with pytest.raises(UserError, match="must lie between 0 and 1; give a share such as 0.2"):
        hold_out({"a": "1", "b": "2"}, share)


def test_one_fold_is_an_error() -> None:
    with pytest.raises(UserError, match="give --folds 2 or more"):
        make_folds({"a": "1", "b": "2"}, 1)
