"""How a model was made, as groups of names and values."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuescan import __version__
from cuescan.report.curves import Training

LONGEST = 200
PLANNED = {"patch_size": "patch size", "spacing": "spacing", "normalization_schemes": "normalisation"}
MACHINE = {"device": "device", "gpu_name": "GPU", "torch_version": "torch", "cudnn_version": "cuDNN"}


@dataclass(frozen=True)
class Group:
    """A heading and its rows.

    Attributes:
        title: the heading.
        rows: names and values.
    """

    title: str
    rows: tuple[tuple[str, str], ...]


def group(title: str, values: Mapping[str, Any]) -> list[Group]:
    """One group of what is known, nested objects under dotted names; none where nothing is."""
    rows = tuple((name, shown(value)) for name, value in flattened(values) if value is not None)
    return [Group(title, rows)] if rows else []


def flattened(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Names and values of nested objects, with dotted names; an empty object is {}."""
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += flattened(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def shown(value: Any) -> str:
    """A value as people write it, of long ones the beginning, and of paths, which may be private, the last part."""
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:g}"
    elif isinstance(value, Mapping):
        text = ", ".join(f"{name} {shown(entry)}" for name, entry in value.items()) or "none"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        entries = [shown(entry) for entry in value]
        one_word = len(set(entries)) == 1 and entries[0][:1].isalpha()  # a normalisation is repeated for each channel
        text = entries[0] if one_word else ", ".join(entries) or "none"
    else:
        text = Path(str(value)).name if Path(str(value)).is_absolute() else str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def of_model(plans: Mapping[str, Any], configuration: str, first: Mapping[str, Any]) -> list[Group]:
    """What nnU-Net's plans say of a model, and what cuescan added to them; no path and no case.

    Args:
        plans: the document ``plans.json``.
        configuration: of the plans, such as "2d".
        first: what else is known of the training, shown first.
    """
    added = plans.get("cuescan") or {}
    planned = (plans.get("configurations") or {}).get(configuration) or {}
    options = added.get("options") or {}
    network = {"network": added.get("network"), **(added.get("network_arguments") or {})}
    identity = {"commit": added.get("commit"), "cues (SHA-256)": (added.get("cues_sha256") or "")[:12] or None}
    return [
        *group("Model", {**first, "seed": options.get("seed")}),
        *group(
            "Options", {name: value for name, value in options.items() if name != "seed" and value not in (None, {})}
        ),
        *group("Network", network),
        *group("Planning", {name: planned.get(key) for key, name in PLANNED.items()}),
        *group("Trained with", {**(added.get("versions") or {}), **identity}),
    ]


def of_training(training: Training | None, debug: Mapping[str, Any]) -> dict[str, Any]:
    """Length of a training and the machine it ran on, from nnU-Net's ``debug.json``."""
    facts: dict[str, Any] = {}
    if training is not None:
        facts["epochs"] = training.epochs
        facts["weights of epoch"] = training.chosen
        facts["time"] = duration(training.seconds)
    known = {name: debug.get(key) for key, name in MACHINE.items()}
    return facts | {name: value for name, value in known.items() if value not in (None, "None")}


def duration(seconds: float) -> str | None:
    """Seconds in words, None for none."""
    if not seconds:
        return None
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"


def of_report(scores: Mapping[str, Any] | None) -> list[Group]:
    """What made the report and its scores."""
    software = {f"scored with {name}": number for name, number in ((scores or {}).get("software") or {}).items()}
    now = datetime.datetime.now().astimezone()
    return group("Report", {"cuescan": __version__, "written": now.strftime("%Y-%m-%d %H:%M %Z"), **software})
