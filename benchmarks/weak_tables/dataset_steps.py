"""The steps that make and plan data sets: the benchmark's own, and those that are derived from it."""

from __future__ import annotations

import os
from pathlib import Path

from weak_tables.datasets import DataSettings, raw_name
from weak_tables.methods import Stage
from weak_tables.preparing import HERE, prepare_commands
from weak_tables.steps import Step

FIRST_NUMBER = 601
"""Of the data sets that the benchmark makes from others."""


def processes(most: int = 8) -> int:
    """Processes that read and preprocess: half of the cores, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(most, cores // 2))


class DatasetSteps:
    """Collects steps; the data sets' own come first.

    Args:
        data: the data set.
        output: the folder of everything that is written.
    """

    def __init__(self, data: DataSettings, output: Path) -> None:
        self.output = output
        self.raw, self.preprocessed = output / "nnUNet_raw", output / "nnUNet_preprocessed"
        self.steps: dict[str, Step] = {}
        self.numbers: dict[str, str] = {}
        self.base = raw_name(data)
        needs: tuple[str, ...] = ()
        commands = prepare_commands(data, output)
        for number, command in enumerate(commands):
            last = number == len(commands) - 1
            name, title = ("prepare", "prepare the data set") if last else ("draw", "draw the images")
            product = self.raw / self.base / "dataset.json" if last else self.output / "synthetic"
            needs = (self._add(Step(name, title, command, product, needs=needs)),)

    def _add(self, step: Step) -> str:
        self.steps.setdefault(step.name, step)
        return step.name

    def _dataset(self, name: str) -> str:
        """``DatasetXXX_<name>`` of a derived data set: the number that it has, or the next free one."""
        if name not in self.numbers:
            found = [path.name for path in self.raw.glob(f"Dataset*_{name}")]
            others = (self.base, *self.numbers.values(), *(path.name for path in self.raw.glob("Dataset*")))
            taken = {other[:10] for other in others}
            free = (f"Dataset{n}" for n in range(FIRST_NUMBER, 1000) if f"Dataset{n}" not in taken)
            self.numbers[name] = found[0] if found else f"{next(free)}_{name}"
        return self.numbers[name]

    def _whole(self, needs: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """The data set of the whole images that the training cases were cut from, and the step that makes it."""
        whole = self._dataset(f"{self.base.partition('_')[2]}-whole")
        command = ("python", str(HERE / "whole_images.py"), str(self.raw / self.base), str(self.raw / whole))
        step = Step(f"{whole}/join", f"put the crops of {self.base} together", command,
                    self.raw / whole / "dataset.json", needs=needs)  # fmt: skip
        return whole, (self._add(step),)

    def _planned(self, dataset: str, stage: Stage, needs: tuple[str, ...]) -> tuple[str, str]:
        """The data set that a stage learns from, planned, and the step that planned it last."""
        if stage.whole and dataset == self.base:
            dataset, needs = self._whole(needs)
        folder, number = self.preprocessed / dataset, dataset[7:10]
        command: tuple[str, ...] = ("cuescan", "plan", "-d", str(int(number)), "-np", str(processes()))
        title, product = f"plan and preprocess {dataset}", folder / "nnUNetPlans.json"
        planned = self._add(Step(f"{dataset}/plan", title, command, product, needs=needs))
        if stage.planner:
            command = ("nnUNetv2_plan_experiment", "-d", str(int(number)), "-pl", stage.planner)
            title = f"plan {dataset} for {stage.planner}"
            product = folder / f"{stage.plans}.json"
            planned = self._add(Step(f"{dataset}/{stage.plans}", title, command, product, needs=(planned,)))
        return dataset, planned
