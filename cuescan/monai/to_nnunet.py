"""A bundle's model as a model of nnU-Net."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from cuescan.cues.writing import write_json
from cuescan.data.destination import complete_folder
from cuescan.errors import UserError
from cuescan.monai.from_nnunet import CHECKPOINT, MODEL, NNUNET_ENCODERS
from cuescan.monai.model_card import FILE, read_card
from cuescan.monai.nnunet_plans import CONFIGURATION, dataset_json_of, plans_of
from cuescan.monai.own_encoder import keep_encoder
from cuescan.monai.supervision import ENCODERS
from cuescan.monai.trained_model import TrainedModel, checked_weights
from cuescan.nnunet import history
from cuescan.training.checkpoint import load_checkpoint


def read_bundle(folder: Path, checkpoint: str = MODEL) -> TrainedModel:
    """Read a bundle's model.

    Args:
        folder: of the bundle.
        checkpoint: name of a file in its ``models``: weights, or the state of a training, whose weights are taken.

    Raises:
        UserError: there is no such model, it is unsafe to load, or the weights are not of the network on the card.
    """
    card = read_card(folder / "models" / FILE)
    path = folder / "models" / checkpoint
    content: Any = load_checkpoint(path)
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    try:
        return TrainedModel(card, checked_weights(content, card, path), [folder / "models" / ENCODERS])
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'models' / FILE}: not the card of a model ({error}); use another") from None


def write_model(model: TrainedModel, output: Path, fold: str = "0", encoder: Path | None = None) -> bool:
    """Write a folder by which nnU-Net predicts the bundle's masks; returns whether it has all that prompts need.

    Args:
        model: from :func:`read_bundle`.
        output: the folder, which is replaced as a whole.
        fold: number of the fold that the model is to be.
        encoder: folder of the text encoder, or one that holds it; None for the bundle's own.

    Raises:
        UserError: ``encoder`` is another one.
    """
    dataset = output.absolute().parent.name
    dataset_json = dataset_json_of(model.card)
    with complete_folder(output) as new:
        card, complete = keep_encoder(model.card, encoder, model.encoders, new / NNUNET_ENCODERS)
        plans = plans_of(card, dataset if re.fullmatch(r"Dataset\d{3}_.+", dataset) else "Dataset000_Bundle")
        write_json(plans, new / "plans.json")
        write_json(dataset_json, new / "dataset.json")
        (new / f"fold_{fold}").mkdir()
        torch.save(_checkpoint(model, plans, dataset_json, fold), new / f"fold_{fold}" / CHECKPOINT)
    return complete


def _checkpoint(model: TrainedModel, plans: dict[str, Any], dataset_json: dict[str, Any], fold: str) -> dict[str, Any]:
    """What nnU-Net's predictor and the trainers read; the training itself stays behind."""
    from nnunetv2.training.logging.nnunet_logger import LocalLogger

    log = LocalLogger().get_checkpoint()
    history.add_keys(log)
    return {
        "network_weights": model.weights,
        "optimizer_state": None,
        "grad_scaler_state": None,
        "logging": log,
        "_best_ema": None,
        "current_epoch": 0,
        "init_args": {
            "plans": plans,
            "configuration": CONFIGURATION,
            "fold": int(fold) if fold.isdigit() else fold,
            "dataset_json": dataset_json,
            "device": torch.device("cpu"),
        },
        "trainer_name": f"{model.card.network}Trainer",
        "inference_allowed_mirroring_axes": (0, 1),
    }
