"""Training options from ``CUESCAN_*`` environment variables, since nnU-Net's command line takes none of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cuescan.errors import UserError

PREFIX = "CUESCAN_"
FREE_ON_RESUME = frozenset({"epochs", "workers", "trunk", "encoder"})
"""What may change when a training is continued: its length, the loading, the trunk, which is loaded only once, and
where the encoder is found, whose weights are compared by hash."""


def _default_workers() -> int:
    return min(4, (os.cpu_count() or 1) // 2)


@dataclass(frozen=True)
class TrainingOptions:
    """What a training run is told; every field is read from ``CUESCAN_`` + its name in capitals.

    Defaults here are the recipe of PathMamba (MICCAI 2024); a trainer has its own, and may have those of its paper.

    Attributes:
        recipe: which of the trainer's defaults hold: "own", or "paper" for those of its paper.
        epochs: passes over the training cases.
        batch_size: images per step, over all GPUs.
        lr: learning rate.
        trunk_rate: factor of the learning rate of a trunk whose weights were loaded.
        schedule: of the learning rate over the epochs: constant, or cosine after a first epoch at a tenth.
        keep: what becomes the final checkpoint: "best", the epoch with the highest score from cues, or "last".
        average: decay of the running average of the weights, which is what is judged and kept; 0 for none.
        weight_decay: of the optimiser.
        size: size of the network: T, S or B.
        trunk: a .safetensors file, the .pth checkpoint of a network with such a trunk, "timm" (timm's pretrained
            weights), or None for random weights.
        encoder: text and image encoder of TIFCMamba: "small" (trained on the data set's own pairs) or any that
            :func:`cuescan.encoders.load_encoder` knows.
        image_scale: factor by which PathMamba's pixel branch sees the images enlarged.
        seed: of weights, order and augmentation.
        workers: processes that load data; results do not depend on it.
        iterations: at most so many steps per epoch; None for a pass over all cases.
        validation_cases: at most so many cases in the validation after each epoch, evenly spaced; None for all.
        window: training sees random square windows of so many pixels a side; None for whole images. Only for masks and
            labels of parts, which hold for a window.
        nuclei: all classes are nuclei in images stained with haematoxylin and eosin, so that what haematoxylin does not
            stain is background (RGB images).
        stain_jitter: largest relative change of a stain (RGB images); 0 for none.
        colour_jitter: largest relative change of each channel (RGB images); 0 for none.
        cpu_precision: float32, or bfloat16 for mixed precision on a CPU that has it; GPUs always mix, as in nnU-Net.
        network_arguments: further arguments of the network, a JSON object.
        loss_arguments: further arguments of the loss, a JSON object.
    """

    recipe: str = "own"
    epochs: int = 100
    batch_size: int = 16
    lr: float = 1e-5
    trunk_rate: float = 1.0
    schedule: str = "constant"
    keep: str = "best"
    average: float = 0.0
    weight_decay: float = 5e-4
    size: str = "T"
    trunk: str | None = None
    encoder: str = "small"
    image_scale: float = 1.0
    seed: int = 0
    workers: int = field(default_factory=_default_workers)
    iterations: int | None = None
    validation_cases: int | None = None
    window: int | None = None
    nuclei: bool = False
    stain_jitter: float = 0.05
    colour_jitter: float = 0.0
    cpu_precision: str = "float32"
    network_arguments: dict[str, Any] = field(default_factory=dict)
    loss_arguments: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        recipe: Mapping[str, Any] | None = None,
        paper: Mapping[str, Any] | None = None,
    ) -> TrainingOptions:
        """Read the options that are set (an empty value counts as not set).

        Arguments of network and loss complete those of the recipe, one by one.

        Args:
            environment: with the variables.
            recipe: a trainer's own defaults.
            paper: its defaults where ``CUESCAN_RECIPE`` is "paper"; None if they are the same.

        Raises:
            UserError: names the variable, its value and the rule.
        """
        given = _given(environment)
        defaults = paper if paper is not None and given.get("recipe") == "paper" else recipe or {}
        for name in _OBJECTS & set(given):
            given[name] = {**defaults.get(name, {}), **given[name]}
        return cls(**{**defaults, **given})

    def resumed(self, environment: Mapping[str, str] = os.environ) -> TrainingOptions:
        """Return these options, as stored with a training, with the changes that the environment asks for.

        Raises:
            UserError: an option that has to stay as it was is set to something else; names all that differ.
        """
        given = _given(environment)
        fixed = {name: value for name, value in given.items() if name not in FREE_ON_RESUME}
        differences = [
            f"{PREFIX}{name.upper()} is {value} but was {getattr(self, name)}"
            for name, value in fixed.items()
            if not _agree(name, value, getattr(self, name))
        ]
        if differences:
            raise UserError(
                f"this training cannot go on with other options: {'; '.join(differences)}; "
                "unset them, or train anew without --c"
            )
        workers = given.get("workers", _default_workers())
        return replace(self, **{name: given[name] for name in FREE_ON_RESUME & set(given)} | {"workers": workers})

    def stored(self) -> dict[str, Any]:
        """Return what plans and checkpoints keep; of paths only the last part, since a path may be private."""
        private = {"trunk": None if self.trunk is None else Path(self.trunk).name, "encoder": _public(self.encoder)}
        return asdict(self) | private

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> TrainingOptions:
        """Restore what ``stored`` gave; unknown names (of another version) are left out."""
        names = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in names})


def _public(encoder: str) -> str:
    """The encoder's name without the folders of a path."""
    architecture, colon, file = encoder.rpartition(":")
    path = Path(file if colon else encoder).expanduser()
    if not path.exists():
        return encoder
    return f"{architecture}{colon}{path.resolve().name}"


def _agree(name: str, given: Any, kept: Any) -> bool:
    """Whether an option is as it was; objects may leave out what the recipe gave."""
    return {**kept, **given} == kept if name in _OBJECTS else given == kept


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def _switch(text: str) -> bool:
    return {"1": True, "0": False}[text]


Rule = tuple[Callable[[str], Any], Callable[[Any], bool], str]


def _integer(least: int) -> Rule:
    return int, lambda value: value >= least, f"must be a whole number of at least {least}"


_JITTER: Rule = (float, lambda value: 0 <= value <= 0.5, "must be a number from 0 to 0.5")
_OBJECTS = frozenset({"network_arguments", "loss_arguments"})
_RULES: dict[str, Rule] = {
    "recipe": (str.lower, lambda value: value in ("own", "paper"), "must be own or paper"),
    "epochs": _integer(1),
    "batch_size": _integer(1),
    "lr": (float, lambda value: 0 < value < float("inf"), "must be a number above 0"),
    "trunk_rate": (float, lambda value: 0 < value <= 1, "must be a number above 0 and at most 1"),
    "schedule": (str.lower, lambda value: value in ("constant", "cosine"), "must be constant or cosine"),
    "keep": (str.lower, lambda value: value in ("best", "last"), "must be best or last"),
    "average": (float, lambda value: 0 <= value < 1, "must be a number from 0 to below 1"),
    "weight_decay": (float, lambda value: 0 <= value < float("inf"), "must be a number of at least 0"),
    "size": (str.upper, lambda value: value in ("T", "S", "B"), "must be T, S or B"),
    "trunk": (
        str,
        lambda value: value == "timm" or (value.endswith((".safetensors", ".pth")) and Path(value).is_file()),
        "must be 'timm' or the path of a .safetensors file, or of a cuescan trainer's .pth checkpoint, that exists",
    ),
    "encoder": (str, bool, "must name an encoder"),
    "image_scale": (float, lambda value: 0 < value <= 8, "must be a number above 0 and at most 8"),
    "seed": _integer(0),
    "workers": _integer(0),
    "iterations": _integer(1),
    "validation_cases": _integer(1),
    "window": _integer(32),
    "nuclei": (_switch, lambda value: True, "must be 1 or 0"),
    "stain_jitter": _JITTER,
    "colour_jitter": _JITTER,
    "cpu_precision": (str.lower, lambda value: value in ("float32", "bfloat16"), "must be float32 or bfloat16"),
    "network_arguments": (_json_object, lambda value: True, "must be a JSON object"),
    "loss_arguments": (_json_object, lambda value: True, "must be a JSON object"),
}


def _given(environment: Mapping[str, str]) -> dict[str, Any]:
    given = {}
    for name, (parse, accept, rule) in _RULES.items():
        variable = PREFIX + name.upper()
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            value = parse(text)
            if not accept(value):
                raise ValueError(text)
        except (ValueError, KeyError):
            raise UserError(
                f"the environment variable {variable} is '{text}' but {rule}; correct or unset it"
            ) from None
        given[name] = value
    return given
