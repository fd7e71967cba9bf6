"""nnU-Net's inference with models that learned from cues, whose files are read safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from cuescan.cues.reading import load_json
from cuescan.errors import UserError
from cuescan.training.checkpoint import load_checkpoint


def cue_plan(folder: Path) -> dict[str, Any]:
    """What the plans of a model say of its cues.

    Raises:
        UserError: there is no model, its plans cannot be read, or it did not learn from cues.
    """
    if not (folder / "plans.json").is_file():
        raise UserError(f"{folder}: there is no trained model; train one first, or correct -d, -tr, -c and -p")
    plan = load_json(folder / "plans.json").get("cuescan") or {}
    if "network" not in plan:
        raise UserError(f"{folder}: this model did not learn from cues; give one that a cuescan trainer trained")
    return plan


class CuePredictor(nnUNetPredictor):
    """Predicts with the folds of a model that learned from cues.

    Args:
        options: of :class:`nnUNetPredictor`.
    """

    network: Any

    def initialize_from_trained_model_folder(
        self, model_training_output_dir: str, use_folds: Any, checkpoint_name: str = "checkpoint_final.pth"
    ) -> None:
        """Load a model; checkpoints that hold more than tensors and plain values are refused before anything runs.

        Raises:
            UserError: a file is missing or unsafe, or the model does not fit the predictor.
        """
        folder = Path(model_training_output_dir)
        cue_plan(folder)
        folds = use_folds or self.auto_detect_available_folds(str(folder), checkpoint_name)
        if not folds:
            raise UserError(f"{folder}: no fold has a {checkpoint_name}; finish a training, or correct -chk")
        for fold in folds:
            path = folder / f"fold_{fold}" / checkpoint_name
            self.inspect(load_checkpoint(path), path)
        super().initialize_from_trained_model_folder(str(folder), folds, checkpoint_name)

    def inspect(self, checkpoint: dict[str, Any], path: Path) -> None:
        """Look at a fold's checkpoint before the model is built."""

    @property
    def plan(self) -> dict[str, Any]:
        """What the plans say of the model's cues."""
        return self.plans_manager.plans["cuescan"]
