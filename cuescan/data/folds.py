"""Cross-validation folds and hold-outs that never part a group (a patient, a slide)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from cuescan.errors import UserError


def _members(groups: Mapping[str, str], seed: int) -> list[list[str]]:
    """The cases of each group, groups in an order that only the seed and the names decide."""
    by_group: dict[str, list[str]] = {}
    for case in sorted(groups):
        by_group.setdefault(groups[case], []).append(case)
    order = sorted(by_group)
    random.Random(seed).shuffle(order)
    return [by_group[group] for group in order]


def make_folds(groups: Mapping[str, str], folds: int = 5, seed: int = 0) -> list[dict[str, list[str]]]:
    """Split cases into folds of about equal size, a group always whole.

    Groups, largest first and otherwise in random order, each go to the fold that is smallest so far.

    Args:
        groups: case -> group; give every case a group of its own to split by case.
        folds: number of folds, at least 2.
        seed: decides the order of equally large groups.

    Returns:
        nnU-Net's ``splits_final.json``: a list of {"train": [...], "val": [...]}, each sorted.

    Raises:
        UserError: fewer than 2 folds, or fewer groups than folds.
    """
    if folds < 2:
        raise UserError(f"--folds is {folds} but cross-validation needs at least 2; give --folds 2 or more")
    members = sorted(_members(groups, seed), key=len, reverse=True)
    if len(members) < folds:
        remedy = f"give --folds {len(members)} or add cases" if len(members) > 1 else "add cases of other groups"
        raise UserError(f"{len(members)} groups of cases cannot be split into {folds} folds; {remedy}")
    parts: list[list[str]] = [[] for _ in range(folds)]
    for cases in members:
        min(parts, key=lambda part: len(part)).extend(cases)
    return [
        {"train": sorted(case for other in parts if other is not part for case in other), "val": sorted(part)}
        for part in parts
    ]


def hold_out(groups: Mapping[str, str], share: float, seed: int = 0) -> list[str]:
    """Choose whole groups that together hold about a share of the cases.

    Groups are visited in random order; one is taken when it brings the number of cases closer to the goal.

    Args:
        groups: case -> group.
        share: wanted share of the cases, in (0, 1).
        seed: decides the order.

    Returns:
        The chosen cases, sorted; at least one, and never all.

    Raises:
        UserError: the share is out of range, or there are fewer than two groups.
    """
    if not 0 < share < 1:
        raise UserError(f"--hold-out is {share} but must lie between 0 and 1; give a share such as 0.2")
    members = _members(groups, seed)
    if len(members) < 2:
        raise UserError("one group of cases cannot be held out in part; leave --hold-out away or add cases")
    goal = share * len(groups)
    chosen: list[str] = []
    for cases in members:
        taken = len(chosen) + len(cases)
        if taken < len(groups) and abs(taken - goal) < abs(len(chosen) - goal):
            chosen.extend(cases)
    if not chosen:
        chosen = sorted(members, key=len)[0]
    return sorted(chosen)


def groups_of(cases: Sequence[str], groups: Sequence[str | None]) -> dict[str, str]:
    """Case -> group, a case without a group being its own."""
    return {case: f"group {group}" if group else f"case {case}" for case, group in zip(cases, groups, strict=True)}
