"""Stand-ins for tests of ``benchmarks/weak.py``: settings of synthetic data, and commands that only leave products."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weak_tables.plan import Plan
from weak_tables.settings import read_settings
from weak_tables.work import Worker

METRICS = ("dice", "iou", "precision", "recall")
STAMP = {"machine": {"processor": "abacus", "cores": 1, "gpu": None}, "commit": "0123456789abc", "dirty": False,
         "versions": {"python": "3"}}  # fmt: skip


def settings(images: Path = Path("images"), **changes: Any):
    """Settings of a benchmark on synthetic images."""
    return read_settings(
        {"data": "synthetic", "methods": {"PathMamba": "PathMambaTrainer"}, **changes}, "w.yaml", images
    )


def plan(output: Path, images: Path = Path("images"), **changes: Any) -> Plan:
    return Plan(settings(images, **changes), output, images, "cpu")


def score(iou: float, dice: float = 0.5, names: Sequence[str] = ("tumour", "stroma")) -> dict[str, Any]:
    """What ``cuescan evaluate`` writes, as far as the table reads it."""
    values = {"dice": dice, "iou": iou, "precision": 0.25, "recall": 0.75}
    return {
        "predictions": "p",
        "masks": "m",
        "mean": values,
        "classes": {name: {**values, "iou": iou / (n + 1)} for n, name in enumerate(names)},
        "cases": {"a": {}, "b": {}},
    }


class Hands:
    """Does what the commands of a benchmark would leave on disk.

    Args:
        output: the benchmark's folder.
        seconds: of each command.
        iou: the mean IoU of a model, by its folder of predictions.
        fail: whether a command fails.
    """

    def __init__(
        self, output: Path, seconds: float = 60.0, iou: Callable[[Path], float] = lambda _: 0.5,
        fail: Callable[[Sequence[str]], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        self.output, self.seconds, self.iou, self.fail = output, seconds, iou, fail
        self.calls: list[tuple[list[str], dict[str, str]]] = []

    def __call__(
        self, words: Sequence[str], variables: Mapping[str, str], log: Path, note: Callable[[float], None]
    ) -> int:
        self.calls.append((list(words), dict(variables)))
        note(self.seconds)
        if self.fail(words):
            log.write_text("epoch 1\nout of luck\n")
            return 1
        if words[0] == "cuescan" and words[1] == "evaluate":
            folder = Path(words[2])
            (folder / "scores.json").write_text(json.dumps(score(self.iou(folder))))
        elif words[0] == "nnUNetv2_predict":
            Path(words[words.index("-o") + 1]).mkdir(parents=True, exist_ok=True)
        return 0

    def of(self, program: str) -> list[tuple[list[str], dict[str, str]]]:
        """The calls of a program."""
        return [call for call in self.calls if call[0][0] == program]


def worker(made: Plan, hands: Hands) -> Worker:
    """A worker whose steps find their products, apart from predictions and scores, which the hands leave."""
    for step in made.steps.values():
        if not step.name.endswith(("/predict", "/score")):
            step.product.parent.mkdir(parents=True, exist_ok=True)
            step.product.touch()
    for step in made.steps.values():
        if step.fold:
            step.product.unlink()
    return Worker(made.output, Trainer(made, hands), STAMP)


class Trainer:
    """Hands that leave a final checkpoint after a training."""

    def __init__(self, made: Plan, hands: Hands) -> None:
        self.made, self.hands = made, hands

    def __call__(self, words: Sequence[str], variables: Mapping[str, str], log: Path, note: Any) -> int:
        status = self.hands(words, variables, log, note)
        if words[0] == "nnUNetv2_train" and not status:
            plain = tuple(word for word in words if word != "--c")
            for step in self.made.steps.values():
                own = step.environment.get("nnUNet_results") == variables["nnUNet_results"]
                if own and step.command == plain:
                    step.product.parent.mkdir(parents=True, exist_ok=True)
                    step.product.touch()
        return status
