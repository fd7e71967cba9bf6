"""What a benchmark of weak methods is told: a YAML file, or options of the command line in the same form."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cuescan.cues.checking import did_you_mean
from cuescan.errors import UserError
from weak_tables.datasets import DataSettings
from weak_tables.methods import Method, Stage, read_method
from weak_tables.reading import Keys, distinct

CHECKOUT = Path(__file__).resolve().parents[2]
KEYS = ("title", "data", "folds", "seeds", "budget", "options", "methods", "ensemble", "tta", "scales",
        "environment")  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """How long the trainings are.

    Attributes:
        epochs: of every training from labels.
        iterations: at most so many steps per epoch of such a training; None for whole passes.
        minutes: of a training on masks (``CUESCAN_MINUTES``); None: as long as the first method of the list took.
    """

    epochs: int | None = None
    iterations: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Settings:
    """A whole benchmark.

    Attributes:
        data: the data set and its test images.
        methods: what is compared, in the order of the table.
        folds: folds that each method trains, numbers or "all".
        seeds: each repeats everything with ``CUESCAN_SEED`` set to it.
        budget: length of the trainings.
        options: ``CUESCAN_*`` options of all trainings from labels.
        ensemble: score the folds' models together instead of one by one.
        tta: mirrored views at test time.
        scales: at which models that ``cuescan predict`` takes see test images; None: at their own size, as all others.
        environment: variables of the machine (workers, threads), which do not say what is trained.
        title: heading of table and figure.
    """

    data: DataSettings
    methods: tuple[Method, ...]
    folds: tuple[int | str, ...] = (0,)
    seeds: tuple[int, ...] = (0,)
    budget: Budget = field(default_factory=Budget)
    options: Mapping[str, Any] = field(default_factory=dict)
    ensemble: bool = False
    tta: bool = True
    scales: tuple[float, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    title: str = ""

    def identity(self) -> dict[str, Any]:
        """What a folder of results was made by; seeds, folds and methods may be added to it later."""
        return {
            "data": self.data.identity(),
            "budget": vars(self.budget),
            "options": dict(self.options),
            "ensemble": self.ensemble,
            "tta": self.tta,
            "scales": self.scales and list(self.scales),
            "methods": {method.name: method.identity() for method in self.methods},
        }


def data_folder(given: Path | None) -> Path:
    """The folder of real images: ``given``, else ``CUESCAN_DATA``, else shared/data beside the checkout."""
    if given is not None:
        return given
    return Path(os.environ.get("CUESCAN_DATA") or CHECKOUT.parent / "shared" / "data")


def read_settings(document: Any, source: Path | str, data: Path) -> Settings:
    """Check a document and fill in defaults.

    Args:
        document: what the YAML file holds.
        source: the file that messages name.
        data: the folder that ``{data}`` stands for in paths.

    Raises:
        UserError: one sentence with the file, the key and the remedy.
    """
    keys = Keys(document, str(source), KEYS)
    budget = Keys(keys.get("budget", {}), f"{source}: budget", ("epochs", "iterations", "minutes"))
    length = Budget(budget.whole("epochs", 1), budget.whole("iterations", 1), budget.positive("minutes"))
    options = keys.mapping("options")
    listed = keys.get("methods", {})
    if isinstance(listed, list):
        listed = {name: {} for name in listed}
    methods = Keys(listed, f"{source}: methods").content
    if not methods:
        raise UserError(f"{source}: no methods; name at least one under 'methods', as 'PathMamba: PathMambaTrainer'")
    settings = Settings(
        DataSettings.read(keys.get("data", None), f"{source}: data", data),
        tuple(read_method(str(name), told, f"{source}: methods") for name, told in methods.items()),
        keys.folds("folds") or (0,),
        _seeds(keys.get("seeds", [0]), source),
        length,
        options,
        keys.flag("ensemble", False),
        keys.flag("tta", True),
        keys.scales("scales"),
        {name: str(value) for name, value in keys.mapping("environment").items()},
        str(keys.get("title", "")),
    )
    _check(settings, source, data)
    return settings


def variables(settings: Settings, stage: Stage, data: Path) -> dict[str, str]:
    """The ``CUESCAN_*`` variables of a training, without seed and minutes; on masks only those that its stage names."""
    told: dict[str, Any] = {}
    if not stage.on_masks:
        lengths = {"epochs": settings.budget.epochs, "iterations": settings.budget.iterations}
        told = {name: value for name, value in lengths.items() if value is not None} | dict(settings.options)
    for name, value in stage.options.items():
        mix = isinstance(value, Mapping) and isinstance(told.get(name), Mapping)
        told[name] = {**told[name], **value} if mix else value
    return {f"CUESCAN_{name.upper()}": _text(value, data) for name, value in told.items() if value is not None}


def _text(value: Any, data: Path) -> str:
    if isinstance(value, (Mapping, list)):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(int(value))
    return str(value).replace("{data}", str(data)) if isinstance(value, str) else str(value)


def _check(settings: Settings, source: Path | str, data: Path) -> None:
    """Check options as the trainers will, and that a training as long as another has that other."""
    from cuescan.nnunet.options import TrainingOptions

    for method in settings.methods:
        for stage in method.stages:
            if stage.on_masks:
                continue
            found = variables(settings, stage, data)
            known = [name for name in TrainingOptions.__dataclass_fields__ if name != "seed"]
            for name in found:
                option = name.removeprefix("CUESCAN_").lower()
                if option not in known:
                    hint = did_you_mean(option, known) or f" (known: {', '.join(known)}); remove it"
                    raise UserError(f"{source}: method '{method.name}': no trainer has the option '{option}'{hint}")
            try:
                TrainingOptions.from_environment(found)
            except UserError as error:
                raise UserError(f"{source}: method '{method.name}': {error}") from None
    asked = [*settings.folds, *(fold for m in settings.methods for s in m.stages[1:] for fold in s.label_folds or ())]
    beyond = next((fold for fold in asked if isinstance(fold, int) and fold >= settings.data.folds), None)
    if settings.data.key and beyond is not None:
        raise UserError(f"{source}: fold {beyond} is asked for, but data: folds is {settings.data.folds}; raise it")
    dense = next((method for method in settings.methods if method.first.on_masks), None)
    if dense and not settings.data.has_masks():
        raise UserError(
            f"{source}: method '{dense.name}' learns from masks, but the training cases of this data set have none; "
            "remove the method"
        )
    timed = [m for m in settings.methods for s in m.stages if s.timed and s.minutes is None]
    if timed and settings.budget.minutes is None and settings.methods[0].first.on_masks:
        raise UserError(
            f"{source}: method '{timed[0].name}' trains as long as the first method, which learns from masks itself; "
            "give budget: minutes, or put a method that learns from labels first"
        )


def _seeds(value: Any, source: Path | str) -> tuple[int, ...]:
    seeds = distinct(value, f"{source}: seeds")
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise UserError(f"{source}: seeds: {seed!r} is no seed; give whole numbers of at least 0")
    return seeds
