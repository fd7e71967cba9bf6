"""What a bundle's metadata says of its network, where the model knows other classes than the embedded data set's."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.cues.writing import write_json
from cuescan.monai.model_card import ModelCard
from cuescan.share import share_path

COLOURS = ("red", "green", "blue")
Z_SCORES = [-5, 5]
"""Range of z-scores as far as images usually have them."""


def fitted(metadata: dict[str, Any], card: ModelCard) -> dict[str, Any]:
    """A bundle's metadata with the channels and classes of a model, and without scores and data of another.

    Args:
        metadata: content of metadata.json.
        card: of the model.
    """
    found = copy.deepcopy(metadata)
    count = len(card.channel_names)
    channels = dict(enumerate(COLOURS if count == 3 else [f"channel {number}" for number in range(count)]))
    labels = dict(enumerate(["background", *card.classes]))  # MONAI Label offers all but a "background" as labels
    layout = found.get("network_data_format", {})
    for side, name, meaning in (("inputs", "image", channels), ("outputs", "pred", labels)):
        tensor = layout.get(side, {}).get(name)
        if tensor is not None:
            tensor["num_channels"] = len(meaning)
            tensor["spatial_shape"] = list(card.patch_size)
            tensor["channel_def"] = {str(number): word for number, word in meaning.items()}
            if side == "inputs" and not card.unit_range:
                tensor["value_range"] = Z_SCORES
    of_the_model = {
        "eval_metrics": {},
        "data_source": "the images that this model was trained on",
        "image_classes": _listed(channels),
        "label_classes": _listed(labels),
        "pred_classes": _listed(labels),
    }
    return {**found, **{key: value for key, value in of_the_model.items() if key in found}}


def write_metadata(card: ModelCard, path: Path) -> None:
    """Write the metadata of a model that was trained by its bundle, for exports and checks of that very model."""
    known = load_json(share_path("bundles") / card.network.lower() / "configs" / "metadata.json")
    write_json(fitted(known, card), path)


def _listed(meaning: dict[int, str]) -> str:
    return ", ".join(f"{number}: {word}" for number, word in meaning.items())
