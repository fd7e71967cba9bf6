"""A step of a benchmark, and the runs that steps lead to."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: unique; its record and its log are ``steps/<name>.json`` and ``.log``.
        title: what it does, in words.
        command: program and arguments.
        product: what is there when it is finished.
        environment: variables beside those that all steps have.
        needs: names of the steps that must be finished before.
        fold: of a training, the folder that nnU-Net writes; it holds the checkpoint to go on from.
        as_long_as: of a training by time without a time, the training whose time it gets.
    """

    name: str
    title: str
    command: tuple[str, ...]
    product: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    fold: Path | None = None
    as_long_as: str | None = None

    def shown(self) -> str:
        """The command as one would type it, with the variables that are its own."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        if self.as_long_as is not None:
            variables.append(f"CUESCAN_MINUTES=(those of {self.as_long_as})")
        return " ".join([*variables, shlex.join(self.command)])


@dataclass(frozen=True)
class Training:
    """Where a training's products are, for all its folds.

    Attributes:
        identity: decides everything but fold and seed; equal trainings run once.
        steps: fold -> name of its step.
        results: nnU-Net's results folder.
        model: folder of the trained model, with one folder per fold.
        dataset: ``DatasetXXX_Name`` that it learns from.
    """

    identity: str
    steps: Mapping[int | str, str]
    results: Path
    model: Path
    dataset: str


@dataclass(frozen=True)
class Run:
    """A scored model: a line of ``results.json``.

    Attributes:
        method: name of the method.
        label: name of its row in the table.
        trainer: of this stage.
        learns_from: "labels", "masks" or "pseudo-labels".
        stage: 1, or how many trainings lead to it.
        seed: of all stages.
        fold: number, "all", or the numbers of an ensemble.
        training: folder of the fold (of the first one of an ensemble).
        trainings: names of its training steps, with those of the stages before.
        predictions: folder of predicted test masks, with scores.json.
        score: name of the step that scores it.
        published: name of the method in the published table.
    """

    method: str
    label: str
    trainer: str
    learns_from: str
    stage: int
    seed: int
    fold: int | str
    training: Path
    trainings: tuple[str, ...]
    predictions: Path
    score: str
    published: str | None = None


def closure(steps: Mapping[str, Step], wanted: Iterable[str]) -> list[Step]:
    """The wanted steps and all that they need, in the order of ``steps``."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += steps[name].needs
    return [step for name, step in steps.items() if name in found]
