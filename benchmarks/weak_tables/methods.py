"""The methods of a benchmark: a trainer, and perhaps second stages that learn from its masks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cuescan.cues.checking import did_you_mean
from cuescan.errors import UserError
from cuescan.share import share_path
from weak_tables.reading import Keys

PLANS = "nnUNetPlans"
RESIDUAL = {f"nnUNetPlannerResEnc{size}": f"nnUNetResEncUNet{size}Plans" for size in ("M", "L", "XL")}
"""nnU-Net's planners of residual encoders, and the plans that each writes."""
STAGE_KEYS = ("trainer", "planner", "options", "minutes", "images", "supervision", "published")
SECOND_KEYS = (*STAGE_KEYS, "name", "folds", "label_folds", "keep", "seen", "scales", "then")
BY_TIME = ("SupervisedTrainer", "OEEMTrainer")
"""Trainers that last ``CUESCAN_MINUTES``."""
LABELS, MASKS = "labels", "masks"


@dataclass(frozen=True)
class Stage:
    """A training, apart from fold and seed.

    Attributes:
        trainer: the class that ``nnUNetv2_train -tr`` takes.
        planner: one of :data:`RESIDUAL`, or None for the plans of ``cuescan plan``.
        options: ``CUESCAN_*`` options of this training alone.
        minutes: length of a training by time; None: by the budget.
        whole: train on whole images that are put together from their crops, which are then labelled parts.
        on_masks: learns from masks (drawn ones, or pseudo-labels), not from image-level labels.
        published: name of the method in ``published.json`` whose numbers stand beside it.
    """

    trainer: str
    planner: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    minutes: float | None = None
    whole: bool = False
    on_masks: bool = False
    published: str | None = None

    @property
    def plans(self) -> str:
        """The plans' name, for ``-p``."""
        return RESIDUAL[self.planner] if self.planner else PLANS

    @property
    def timed(self) -> bool:
        """Whether the trainer stops after ``CUESCAN_MINUTES``."""
        return self.on_masks and self.trainer in BY_TIME

    @property
    def scalable(self) -> bool:
        """Whether ``cuescan predict --scales`` takes its models: those of cuescan's own networks."""
        return self.trainer not in BY_TIME and not self.trainer.startswith("nnUNet")

    def identity(self) -> dict[str, Any]:
        """What decides the training; what it is called and compared with does not."""
        return {key: value for key, value in vars(self).items() if key != "published"}


@dataclass(frozen=True)
class SecondStage(Stage):
    """A training on the pseudo-labels of the stage before it.

    Attributes:
        name: label in the table, after the method's.
        folds: folds of the second stage; None for those of the benchmark.
        label_folds: folds of the stage before that label; None for those of the benchmark. More than these are only
            trained, not scored.
        keep: share of the pixels that ``cuescan pseudo-label`` keeps; None for its default.
        seen: also label cases by models that trained on them.
        scales: at which ``cuescan pseudo-label`` sees the images; None for its default.
        then: stages that learn from the pseudo-labels of this one.
    """

    name: str = ""
    folds: tuple[int | str, ...] | None = None
    label_folds: tuple[int | str, ...] | None = None
    keep: float | None = None
    seen: bool = False
    scales: tuple[float, ...] | None = None
    then: tuple[SecondStage, ...] = ()

    def identity(self) -> dict[str, Any]:
        """See :meth:`Stage.identity`."""
        kept = {key: value for key, value in vars(self).items() if key not in ("published", "name")}
        return kept | {"then": [stage.identity() for stage in self.then]}

    @property
    def stages(self) -> tuple[SecondStage, ...]:
        """This stage and all that follow it."""
        return (self, *(stage for following in self.then for stage in following.stages))


@dataclass(frozen=True)
class Method:
    """A row of the table, or several with second stages."""

    name: str
    first: Stage
    second: tuple[SecondStage, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, the first one first."""
        return (self.first, *(stage for second in self.second for stage in second.stages))

    def identity(self) -> dict[str, Any]:
        """What the method is, for comparison with another run of the benchmark."""
        return {"first": self.first.identity(), "second": [stage.identity() for stage in self.second]}


@lru_cache
def known_trainers() -> frozenset[str]:
    """Names of the trainers that nnU-Net would find: its own and those behind cuescan's doorway."""
    doorway = (share_path("trainers") / "cuescan_trainers.py").read_text(encoding="utf-8")
    found = {name for name in re.findall(r"\w+", doorway) if name.endswith("Trainer")}
    package = find_spec("nnunetv2")
    for folder in (package.submodule_search_locations or []) if package else []:
        for path in (Path(folder) / "training" / "nnUNetTrainer").rglob("*.py"):
            found |= set(re.findall(r"^class (nnUNetTrainer\w*)", path.read_text(encoding="utf-8"), re.MULTILINE))
    return frozenset(found)


def read_method(name: str, told: Any, where: str) -> Method:
    """Read a method: the name of a trainer, or a mapping with at least ``trainer``.

    A method without any is taken for a trainer's name.

    Raises:
        UserError: an unknown key, trainer, planner or value.
    """
    where = f"{where}: {name}"
    content = {"trainer": told} if isinstance(told, str) else dict(Keys({} if told is None else told, where).content)
    keys = Keys({"trainer": name, **content}, where, (*STAGE_KEYS, "second_stage"))
    first = _stage(keys)
    second = _following(keys, "second_stage")
    if second and first.on_masks:
        raise UserError(f"{where}: a second stage learns from masks that labels gave, but {first.trainer} learns from "
                        "masks; remove second_stage")  # fmt: skip
    return Method(name, first, second)


def _following(keys: Keys, key: str) -> tuple[SecondStage, ...]:
    given = keys.get(key, [])
    where = f"{keys.where}: {key}"
    stages = tuple(_second(one, where) for one in (given if isinstance(given, list) else [given]))
    if len({stage.name for stage in stages}) < len(stages):
        raise UserError(f"{where}: two stages are called alike; give each a name")
    return stages


def _second(told: Any, where: str) -> SecondStage:
    content = {"trainer": told} if isinstance(told, str) else told
    keys = Keys(content, where, SECOND_KEYS)
    stage = _stage(keys, on_masks=True)
    return SecondStage(
        **vars(stage), name=keys.text("name") or stage.trainer, folds=keys.folds("folds"),
        label_folds=keys.folds("label_folds"), keep=keys.positive("keep", most=1), seen=keys.flag("seen", False),
        scales=keys.scales("scales"), then=_following(keys, "then"),
    )  # fmt: skip


def _stage(keys: Keys, on_masks: bool | None = None) -> Stage:
    trainer = keys.text("trainer") or ""
    if trainer not in known_trainers():
        known = sorted(known_trainers())
        hint = did_you_mean(trainer, known) or "; cuescan's are " + ", ".join(
            each for each in known if not each.startswith("nnUNetTrainer")
        )
        raise UserError(f"{keys.where}: there is no trainer '{trainer}'{hint}")
    planner = keys.text("planner")
    if planner is not None and planner not in RESIDUAL:
        raise UserError(f"{keys.where}: planner is '{planner}' but must be one of {', '.join(RESIDUAL)}")
    images = keys.get("images", "as prepared")
    if images not in ("as prepared", "whole"):
        raise UserError(f"{keys.where}: images is {images!r} but must be 'whole', or left out")
    by_name = MASKS if trainer in (*BY_TIME, "PretrainedTrainer") or trainer.startswith("nnUNetT") else LABELS
    supervision = keys.get("supervision", by_name)
    if supervision not in (LABELS, MASKS):
        raise UserError(f"{keys.where}: supervision is {supervision!r} but must be {LABELS} or {MASKS}")
    masks = supervision == MASKS if on_masks is None else on_masks
    if planner and not masks:
        raise UserError(f"{keys.where}: planner is for trainers that learn from masks; remove it")
    if images == "whole" and not masks and trainer != "PathMambaTrainer":
        raise UserError(
            f"{keys.where}: images: whole is for PathMambaTrainer, which learns from labels of parts, and for trainers "
            "that learn from masks; remove it"
        )
    return Stage(
        trainer, planner, keys.mapping("options"), keys.positive("minutes"), images == "whole", masks,
        keys.text("published"),
    )  # fmt: skip
