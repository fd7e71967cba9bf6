"""The public data sets' entries in ``dataset_json/``: classes, palettes, terms and protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.data.masks import MaskValues, parse_values
from cuescan.share import share_path


@dataclass(frozen=True)
class Entry:
    """A public data set as ``dataset_json/<key>.json`` describes it.

    Attributes:
        name: of the data set, for ``DatasetXXX_Name``.
        classes: the K class names.
        background: False where every pixel belongs to a class.
        mask_values: what the values of its mask files mean.
        facts: licence, source and citation, for dataset.json.
    """

    name: str
    classes: tuple[str, ...]
    background: bool
    mask_values: MaskValues
    facts: dict[str, Any]


def load_entry(key: str) -> Entry:
    """Load ``dataset_json/<key>.json``."""
    document = load_json(share_path("schema") / f"{key}.json")
    classes = tuple(document["classes"])
    values = parse_values([f"{value}={name}" for value, name in document["mask_values"].items()], classes)
    facts = {key: document[key] for key in ("description", "licence", "source", "citation", "protocol")}
    return Entry(document["name"], classes, document["background"], values, facts)
