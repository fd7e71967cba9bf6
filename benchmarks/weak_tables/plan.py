"""From settings to steps: which commands make which table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cuescan.errors import UserError
from weak_tables.dataset_steps import DatasetSteps
from weak_tables.methods import Method, SecondStage, Stage
from weak_tables.settings import Settings, variables
from weak_tables.steps import Run, Step, Training

BEFORE = "{before}"
"""As the trunk of a later stage: the checkpoint of the stage before it, of the same fold."""
Trained = Callable[[tuple[int | str, ...]], Training]
"""Trains folds of a stage."""


def short_hash(content: Any) -> str:
    """Eight characters that only equal content shares."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]


class Plan(DatasetSteps):
    """The steps and runs of a benchmark.

    Args:
        settings: what is compared.
        output: the folder of everything that is written.
        data: the folder of real images.
        device: cpu, cuda or mps.
    """

    def __init__(self, settings: Settings, output: Path, data: Path, device: str) -> None:
        super().__init__(settings.data, output)
        self.settings, self.data, self.device = settings, data, device
        self.runs: list[Run] = []
        for seed in settings.seeds:
            for method in settings.methods:
                self._method(method, seed)

    def _train(
        self, stage: Stage, folds: tuple[int | str, ...], seed: int, label: str, source: str, needs: tuple[str, ...],
        origin: str = "", before: Training | None = None,
    ) -> Training:  # fmt: skip
        dataset, planned = self._planned(source, stage, needs)
        settings = self.settings
        minutes = (stage.minutes or settings.budget.minutes) if stage.timed else None
        copied = stage.timed and minutes is None
        leader = self._identity(settings.methods[0].first, "", None, "") if copied else ""
        identity = self._identity(stage, origin, minutes, leader)
        results = self.output / "nnUNet_results" / identity / f"seed_{seed}"
        model = results / dataset / f"{stage.trainer}__{stage.plans}__2d"
        environment = {"nnUNet_results": str(results), **variables(settings, stage, self.data)}
        environment["CUESCAN_SEED"] = str(seed)
        environment["CUESCAN_FINAL_VALIDATION"] = "0"  # no table shows it
        if minutes:
            environment["CUESCAN_MINUTES"] = f"{minutes:g}"
        steps: dict[int | str, str] = {}
        for fold in folds:
            command = (
                *("nnUNetv2_train", str(int(dataset[7:10])), "2d", str(fold), "-tr", stage.trainer),
                *("-p", stage.plans, "-device", self.device),
            )
            like = fold if fold in settings.folds else settings.folds[0]
            other = f"{leader}/seed_{seed}/fold_{like}/train" if copied else None
            needed = (planned, other) if other else (planned,)
            folder = model / f"fold_{fold}"
            given = environment
            if environment.get("CUESCAN_TRUNK") == BEFORE:
                trained = self._trunk(before, fold, label)
                given, needed = environment | {"CUESCAN_TRUNK": str(trained.product)}, (*needed, trained.name)
            steps[fold] = self._add(
                Step(f"{identity}/seed_{seed}/fold_{fold}/train", f"train {label}, seed {seed}, fold {fold}", command,
                     folder / "checkpoint_final.pth", given, needed, folder, other)
            )  # fmt: skip
        return Training(identity, steps, results, model, dataset)

    def _trunk(self, before: Training | None, fold: int | str, label: str) -> Step:
        """The training whose trunk a later stage starts from: that of the stage before it, of the same fold."""
        if before is None or fold not in before.steps:
            raise UserError(
                f"{label}: its trunk is {BEFORE}, but no stage trains fold {fold} before it; give this to later stages "
                "alone, and name the fold in label_folds"
            )
        return self.steps[before.steps[fold]]

    def _identity(self, stage: Stage, origin: str, minutes: float | None, leader: str) -> str:
        told = variables(self.settings, stage, Path("{data}"))
        data = self.settings.data.identity()
        content = [data, stage.trainer, stage.plans, stage.whole, told, origin, minutes, leader]
        return f"{stage.trainer}-{short_hash(content)}"

    def _method(self, method: Method, seed: int) -> None:
        def train(folds: tuple[int | str, ...]) -> Training:
            return self._train(method.first, folds, seed, method.name, self.base, ("prepare",))

        self._score(method, method.first, train(self.settings.folds), seed, method.name, ())
        for second in method.second:
            self._follow(method, method.first, second, train, seed, method.name, (), 2)

    def _follow(
        self, method: Method, stage: Stage, following: SecondStage, train: Trained, seed: int, before: str,
        trained: tuple[str, ...], number: int,
    ) -> None:  # fmt: skip
        """A stage that learns from the pseudo-labels of ``stage``, whose folds ``train`` trains, and those after it."""
        settings = self.settings
        label, folds = f"{before} + {following.name}", following.label_folds or settings.folds
        labelling = train(folds)
        told = [labelling.identity, sorted(map(str, folds)), following.keep, following.seen, following.scales]
        source, labelled = self._pseudo_label(stage, following, labelling, seed, label, told)

        def again(folds: tuple[int | str, ...]) -> Training:
            return self._train(following, folds, seed, label, source, (labelled,), short_hash(told), labelling)

        trained = (*trained, *labelling.steps.values())
        self._score(method, following, again(following.folds or settings.folds), seed, label, trained, number)
        for one in following.then:
            self._follow(method, following, one, again, seed, label, trained, number + 1)

    def _pseudo_label(
        self, first: Stage, second: SecondStage, training: Training, seed: int, label: str, told: list[Any]
    ) -> tuple[str, str]:
        """The data set of pseudo-labels, and the step that makes it."""
        tta = self.settings.tta
        dataset = self._dataset(f"{self.base.partition('_')[2]}-pseudo-{short_hash([told, seed, second.whole, tta])}")
        needs: tuple[str, ...] = tuple(training.steps.values())
        whole: tuple[str, ...] = ()
        if second.whole and not first.whole:
            images, joined = self._whole(("prepare",))
            needs, whole = (*needs, *joined), ("--images", str(self.raw / images / "imagesTr"))
        command = (
            *("cuescan", "pseudo-label", "-d", str(int(training.dataset[7:10])), "-tr", first.trainer),
            *("-o", dataset[7:10], "-n", dataset[11:], "--overwrite", "-p", first.plans, "-c", "2d"),
            *("-f", *map(str, training.steps), "-device", self.device),
            *(("--keep", f"{second.keep:g}") if second.keep else ()),
            *(("--seen",) if second.seen else ()),
            *(("--scales", *(f"{scale:g}" for scale in second.scales)) if second.scales else ()),
            *(() if tta else ("--disable_tta",)),
            *whole,
        )
        name = f"{dataset}/pseudo-label"
        environment = {"nnUNet_results": str(training.results)}
        step = Step(name, f"pseudo-labels of {label}, seed {seed}", command, self.raw / dataset / "dataset.json",
                    environment, needs)  # fmt: skip
        return dataset, self._add(step)

    def _score(
        self, method: Method, stage: Stage, training: Training, seed: int, label: str, before: tuple[str, ...],
        number: int = 1,
    ) -> None:  # fmt: skip
        folds = list(training.steps)
        for group in [folds] if self.settings.ensemble and len(folds) > 1 else [[fold] for fold in folds]:
            title = f"{label}, seed {seed}, fold {' '.join(map(str, group))}"
            name = f"{training.identity}/seed_{seed}/fold_{'_'.join(map(str, group))}"
            masks = self.output / "predictions" / name
            command = (
                *self._predictor(stage),
                *("-i", str(self.raw / self.base / "imagesTs"), "-o", str(masks)),
                *("-d", str(int(training.dataset[7:10])), "-c", "2d", "-f", *map(str, group), "-tr", stage.trainer),
                *("-p", stage.plans, "-device", self.device),
                *(() if self.settings.tta else ("--disable_tta",)),
            )
            trained = tuple(training.steps[fold] for fold in group)
            environment = {"nnUNet_results": str(training.results)}
            predicted = self._add(Step(f"{name}/predict", f"predict {title}", command, masks, environment, trained))
            command = (
                *("cuescan", "evaluate", str(masks), str(self.raw / self.base / "labelsTs")),
                *("--dataset-json", str(self.raw / self.base / "dataset.json")),
            )
            scored = self._add(
                Step(f"{name}/score", f"score {title}", command, masks / "scores.json", needs=(predicted,))
            )
            learns_from = "pseudo-labels" if number > 1 else "masks" if stage.on_masks else "labels"
            fold = group[0] if len(group) == 1 else " ".join(map(str, group))
            self.runs.append(
                Run(method.name, label, stage.trainer, learns_from, number, seed, fold,
                    training.model / f"fold_{group[0]}", (*before, *trained), masks, scored, stage.published)
            )  # fmt: skip

    def _predictor(self, stage: Stage) -> tuple[str, ...]:
        """The command that predicts with a stage's models, at several sizes where that is asked for and possible."""
        if self.settings.scales and stage.scalable:
            return ("cuescan", "predict", "--scales", *(f"{scale:g}" for scale in self.settings.scales))
        alone = ("-npp", "0", "-nps", "0") if self.device == "cpu" else ()  # helpers would take its cores
        return ("nnUNetv2_predict", *alone)
