"""A trained model of nnU-Net as a bundle."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from cuescan.cues.reading import load_json
from cuescan.data.destination import complete_folder
from cuescan.errors import UserError
from cuescan.monai.metadata import write_metadata
from cuescan.monai.model_card import FILE, NETWORKS
from cuescan.monai.nnunet_plans import card_of
from cuescan.monai.own_encoder import keep_encoder
from cuescan.monai.supervision import ENCODERS
from cuescan.monai.trained_model import TrainedModel, checked_weights
from cuescan.share import share_path
from cuescan.training.checkpoint import load_checkpoint

CHECKPOINT, MODEL = "checkpoint_final.pth", "model.pt"
NNUNET_ENCODERS = "cuescan_encoders"
COPIED = ("configs", "docs", "LICENSE")
"""What a bundle has beside its model."""


def read_model(folder: Path, fold: str | None = None, checkpoint: str = CHECKPOINT) -> TrainedModel:
    """Read a fold of a model's folder.

    Args:
        folder: with plans.json, dataset.json and fold_N.
        fold: number, or "all"; None for the only one there is.
        checkpoint: name of the file in the fold.

    Raises:
        UserError: there is no such model, it is unsafe to load, of another trainer, or nothing for a bundle.
    """
    path = _checkpoint(folder, fold, checkpoint)
    content = load_checkpoint(path)
    try:
        trainer, given = content["trainer_name"], content["init_args"]
        trainers = {f"{name}Trainer": name for name in NETWORKS}
        plan = given["plans"].get("cuescan") or {}
        if plan.get("network") is None or trainers.get(trainer) != plan["network"]:
            raise UserError(
                f"{path}: written by {trainer}, but bundles hold models of {' and '.join(trainers)}; give one of those"
            )
        if set(content["inference_allowed_mirroring_axes"] or ()) != {0, 1}:
            raise UserError(f"{path}: not to be mirrored along both axes, as bundles do; predict with nnU-Net")
        plans, dataset_json = load_json(folder / "plans.json"), load_json(folder / "dataset.json")
        plan = {**plan, "options": {**plan["options"], "fold": given["fold"]}}
        card = card_of(plan, plans, dataset_json, given["configuration"], folder)
        weights = checked_weights(content["network_weights"], card, path)
        return TrainedModel(card, weights, _encoders(folder, plans["dataset_name"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a checkpoint of a cuescan trainer with its plans ({error}); use another"
        ) from None


def _encoders(folder: Path, dataset: str) -> list[Path]:
    """Where the encoder of a model may lie, as ``cuescan predict`` looks for it."""
    named, preprocessed = (os.environ.get(key) for key in ("CUESCAN_ENCODER", "nnUNet_preprocessed"))
    places = [Path(named)] if named else []
    places.append(folder / NNUNET_ENCODERS)
    return [*places, Path(preprocessed) / dataset / NNUNET_ENCODERS] if preprocessed else places


def _checkpoint(folder: Path, fold: str | None, checkpoint: str) -> Path:
    if fold is not None:
        return folder / f"fold_{fold}" / checkpoint
    found = sorted(folder.glob(f"fold_*/{checkpoint}"))
    if not found:
        raise UserError(f"{folder}: no fold has a {checkpoint}; finish a training, or correct -chk")
    if len(found) > 1:
        names = ", ".join(path.parent.name[len("fold_") :] for path in found)
        raise UserError(f"{folder}: a bundle holds one fold but there are {names}; say which with -f")
    return found[0]


def write_bundle(model: TrainedModel, output: Path, encoder: Path | None = None) -> bool:
    """Write a bundle that predicts the model's masks; returns whether it has all that prompts need.

    Args:
        model: from :func:`read_model`.
        output: the bundle's folder, which is replaced as a whole.
        encoder: folder of the text encoder, or one that holds it; None to look where nnU-Net's side keeps it.

    Raises:
        UserError: ``encoder`` is another one.
    """
    template = share_path("bundles") / model.card.network.lower()
    with complete_folder(output) as new:
        for name in COPIED:
            source = template / name
            if source.is_dir():
                shutil.copytree(source, new / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            elif source.is_file():
                shutil.copyfile(source, new / name)
        models = new / "models"
        models.mkdir()
        for folder in (new / "configs", models):
            write_metadata(model.card, folder / "metadata.json")
        card, complete = keep_encoder(model.card, encoder, model.encoders, models / ENCODERS)
        torch.save(model.weights, models / MODEL)
        card.write(models / FILE)
    return complete
