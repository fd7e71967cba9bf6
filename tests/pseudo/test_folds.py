"""No case is labelled by a model that trained on it, and what shared a fold still does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.errors import UserError
from cuescan.pseudo.folds import check_folds, check_sides, labelling_folds, read_splits, splits_of

SPLITS = [{"train": ["b", "c"], "val": ["a"]}, {"train": ["a", "c"], "val": ["b"]}, {"train": ["a", "b"], "val": ["c"]}]


def own(cases):
    return {case: frozenset([case]) for case in cases}


@st.composite
def grouped_splits(draw):
    """Splits of cases into folds, and images that consist of some of the cases each."""
    folds = draw(st.integers(2, 4))
    cases = [f"case{number}" for number in range(draw(st.integers(folds, 12)))]
    held = {case: draw(st.integers(0, folds - 1)) for case in cases}
    image = {case: f"image{draw(st.integers(0, 3))}" for case in cases}
    splits = [
        {"train": [c for c in cases if held[c] != fold], "val": [c for c in cases if held[c] == fold]}
        for fold in range(folds)
    ]
    members = {name: frozenset(c for c in cases if image[c] == name) for name in set(image.values())}
    trained = draw(st.lists(st.integers(0, folds - 1), min_size=1, unique=True))
    return splits, members, trained


@given(grouped_splits())
def test_no_fold_labels_what_it_trained_on(drawn):
    splits, members, trained = drawn
    try:
        chosen = labelling_folds(members, splits, trained, "splits")
    except UserError:
        chosen = {}
    for image, folds in chosen.items():
        assert folds and set(folds) <= set(trained)
        assert all(not members[image] & set(splits[fold]["train"]) for fold in folds)


@given(grouped_splits())
def test_new_splits_have_an_image_in_training_where_any_part_of_it_is(drawn):
    splits, members, _ = drawn
    for old, new in zip(splits, splits_of(members, splits), strict=True):
        assert not set(new["train"]) & set(new["val"])
        assert set(new["train"]) == {name for name, parts in members.items() if parts & set(old["train"])}
        assert all(members[name] <= set(old["val"]) for name in new["val"])


def test_a_case_that_every_fold_trained_on_is_refused_by_name():
    with pytest.raises(UserError) as refusal:
        labelling_folds(own("abc"), SPLITS, [0, 1], "S.json")
    assert str(refusal.value) == (
        "S.json: case 'c' was trained on by every fold of the model (0, 1); train fold 2, which holds 'c' out, or let "
        "models label what they trained on with --seen"
    )
    everywhere = [{"train": ["a", "b"], "val": ["a"]}] * 2
    with pytest.raises(UserError, match="case 'a', 'b' was trained on by every fold .*; correct the splits or let"):
        labelling_folds(own("ab"), everywhere, [0, 1], "S.json")


def test_seen_concerns_only_the_cases_that_no_other_fold_can_label():
    assert labelling_folds(own("abc"), SPLITS, [0, 1], "S.json", seen=True) == {"a": (0,), "b": (1,), "c": (0, 1)}
    assert labelling_folds(own("ab"), SPLITS, ["all"], "S.json", seen=True) == {"a": ("all",), "b": ("all",)}
    with pytest.raises(UserError, match=r"every fold of the model \(all\)"):
        labelling_folds(own("ab"), SPLITS, ["all"], "S.json")


def test_a_case_in_no_split_is_labelled_by_all_folds():
    assert labelling_folds(own("ax"), SPLITS, [0, 1, 2], "S.json") == {"a": (0,), "x": (0, 1, 2)}


def test_splits_must_be_there_and_be_splits(tmp_path):
    path = tmp_path / "splits_final.json"
    with pytest.raises(UserError, match="splits_final.json: no such file, so nobody knows .*restore the file"):
        read_splits(path)
    for wrong in ({}, [1], [{"train": []}]):
        path.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match="must be a list of objects with 'train' and 'val'"):
            read_splits(path)


def test_folds_outside_the_splits_are_refused(tmp_path):
    with pytest.raises(UserError, match="S.json: has folds 0 to 2 but no fold 3; correct -f"):
        check_folds([0, 3], SPLITS, "S.json", tmp_path)


def test_splits_that_were_changed_after_the_training_are_refused(tmp_path):
    (tmp_path / "fold_1" / "validation").mkdir(parents=True)
    (tmp_path / "fold_1" / "validation" / "b.png").touch()
    check_folds([0, 1, "all"], SPLITS, "S.json", tmp_path)
    (tmp_path / "fold_1" / "validation" / "c.nii.gz").touch()
    with pytest.raises(UserError, match="fold 1 has case 'c' in training, but the model was validated on it"):
        check_folds([0, 1], SPLITS, "S.json", tmp_path)


def test_a_fold_with_an_empty_side_is_refused():
    check_sides(SPLITS)
    with pytest.raises(UserError, match="fold 1 of the new data set would have no validation case with a labelled"):
        check_sides([SPLITS[0], {"train": ["a"], "val": []}])
