"""Which fold's model may label a case: one that did not train on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cuescan.cues.checking import some
from cuescan.cues.reading import load_json
from cuescan.errors import UserError

Fold = int | str
"""A number of nnU-Net's splits, or "all", the model that trained on every case."""
Splits = Sequence[Mapping[str, Sequence[str]]]
Members = Mapping[str, frozenset[str]]
"""For each case to label the training cases that it consists of: itself, or the crops that were cut from it."""


def read_splits(path: Path) -> Splits:
    """Read nnU-Net's ``splits_final.json`` of the preprocessed data, which its trainings went by.

    Raises:
        UserError: the file is missing or something else.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: no such file, so nobody knows which cases a fold trained on; restore the file of the training, "
            "or train a fold"
        )
    splits = load_json(path)
    if not isinstance(splits, list) or not all(
        isinstance(part, dict) and {"train", "val"} <= set(part) for part in splits
    ):
        raise UserError(f"{path}: must be a list of objects with 'train' and 'val'; restore the file of the training")
    return splits


def check_folds(folds: Sequence[Fold], splits: Splits, path: Path, model: Path) -> None:
    """Refuse folds that the splits do not define, and splits that changed after a fold was trained.

    Args:
        folds: of the model.
        splits: the content of ``path``.
        path: of ``splits_final.json``.
        model: the model's folder; what lies in ``fold_X/validation`` are the cases that fold X held out.

    Raises:
        UserError: names the file, the fold and a case.
    """
    for fold in folds:
        if fold == "all":
            continue
        if not isinstance(fold, int) or fold >= len(splits):
            raise UserError(f"{path}: has folds 0 to {len(splits) - 1} but no fold {fold}; correct -f")
        trained = set(splits[fold]["train"])
        for file in sorted((model / f"fold_{fold}" / "validation").glob("*")):
            if file.name.split(".")[0] in trained:
                raise UserError(
                    f"{path}: fold {fold} has case '{file.name.split('.')[0]}' in training, but the model was "
                    f"validated on it ({file}), so the splits were changed after its training; restore them or train "
                    "the fold again"
                )


def labelling_folds(
    members: Members, splits: Splits, folds: Sequence[Fold], path: Path, seen: bool = False
) -> dict[str, tuple[Fold, ...]]:
    """For each case the folds that trained on none of its members; with ``seen``, else all folds.

    Args:
        members: case -> its training cases.
        splits: nnU-Net's.
        folds: those that are trained.
        path: of ``splits_final.json``, for messages.
        seen: let a case that all folds trained on be labelled by all of them.

    Raises:
        UserError: names cases that every fold trained on, unless ``seen``.
    """
    trained = {fold: frozenset(splits[fold]["train"]) for fold in folds if isinstance(fold, int)}
    chosen: dict[str, tuple[Fold, ...]] = {}
    refused = []
    for case, parts in members.items():
        chosen[case] = tuple(fold for fold, cases in trained.items() if not cases & parts)
        if not chosen[case]:
            refused.append(case)
            chosen[case] = tuple(folds)
    if refused and not seen:
        parts = members[refused[0]]
        unseen = [str(number) for number, split in enumerate(splits) if not parts.intersection(split["train"])]
        remedy = f"train fold {unseen[0]}, which holds '{refused[0]}' out, " if unseen else "correct the splits "
        raise UserError(
            f"{path}: case {some(refused)} was trained on by every fold of the model ({', '.join(map(str, folds))}); "
            f"{remedy}or let models label what they trained on with --seen"
        )
    return chosen


def splits_of(members: Members, splits: Splits) -> list[dict[str, list[str]]]:
    """The same folds for the cases to label, so that what they kept together stays together.

    A case is in training where one of its members is, and in validation where its members are held out.
    """
    found = []
    for split in splits:
        train = {case for case, parts in members.items() if parts.intersection(split["train"])}
        val = {case for case, parts in members.items() if parts.intersection(split["val"])} - train
        found.append({"train": sorted(train), "val": sorted(val)})
    return found


def check_sides(splits: Splits) -> None:
    """Refuse a fold without a training or a validation case.

    Raises:
        UserError: names the fold and the side.
    """
    for number, split in enumerate(splits):
        for side, name in (("train", "training"), ("val", "validation")):
            if not split[side]:
                raise UserError(
                    f"fold {number} of the new data set would have no {name} case with a labelled pixel; "
                    "label more with a higher --keep"
                )
