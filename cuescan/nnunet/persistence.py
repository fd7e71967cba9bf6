"""Checkpoints of a weak training: atomic, safe to load, and the one that the score chose is the final one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch.distributed as dist
from nnunetv2.utilities.helpers import empty_cache
from torch import nn
from torch._dynamo import OptimizedModule
from torch.nn.parallel import DistributedDataParallel

from cuescan.nnunet import history, refusals
from cuescan.nnunet.final_validation import FinalValidationTrainer
from cuescan.nnunet.options import TrainingOptions
from cuescan.training.checkpoint import load_checkpoint

BEST, LATEST, FINAL = "checkpoint_best.pth", "checkpoint_latest.pth", "checkpoint_final.pth"


class PersistentTrainer(FinalValidationTrainer):
    """The part of a weak trainer that writes and reads checkpoints.

    ``checkpoint_best.pth`` is the state after the epoch with the best score, ``checkpoint_latest.pth`` that after the
    last epoch, which ``--c`` goes on from (also after the training has ended, with more ``CUESCAN_EPOCHS``), and
    ``checkpoint_final.pth``, written at the end and used by all of nnU-Net's commands, holds the weights of the best,
    or of the last where ``CUESCAN_KEEP`` says so.
    """

    network: Any
    dataset_class: type
    options: TrainingOptions
    continues: bool
    restoring = False

    def adopt(self, options: TrainingOptions, network_arguments: dict[str, Any] | None = None) -> None:
        """Train with these options and network arguments."""
        raise NotImplementedError

    @property
    def log(self) -> dict[str, list]:
        """nnU-Net's log: one list per key, one number per epoch."""
        return self.logger.local_logger.my_fantastic_logging

    @property
    def bare_network(self) -> Any:
        """The network without the wrappers of distributed training and compilation."""
        network: nn.Module = self.network
        if isinstance(network, DistributedDataParallel):
            network = network.module
        return network._orig_mod if isinstance(network, OptimizedModule) else network

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Let the network return what the loss takes (``enabled``) or logits."""
        self.bare_network.deep_supervision = enabled

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint, atomically."""
        partial = Path(f"{filename}.partial")
        super().save_checkpoint(str(partial))
        if partial.exists():
            partial.replace(filename)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Restore a training with the options that it was started with; nnU-Net passes the path of the final one."""
        path = Path(filename_or_checkpoint)
        with refusals.one_sentence():
            if self.continues and path.name == FINAL and path.with_name(LATEST).is_file():
                path = path.with_name(LATEST)
            checkpoint = load_checkpoint(path, self.device)
            self._adopt_stored(checkpoint, path)
        if not self.was_initialized:
            self.restoring = True
            self.initialize()
            self.restoring = False
        self.bare_network.load_state_dict(checkpoint["network_weights"])
        if checkpoint["optimizer_state"] is not None:  # a converted model has none
            self.optimizer.load_state_dict(checkpoint["optimizer_state"])
        if self.grad_scaler is not None and checkpoint["grad_scaler_state"] is not None:
            self.grad_scaler.load_state_dict(checkpoint["grad_scaler_state"])
        self.current_epoch, self._best_ema = checkpoint["current_epoch"], checkpoint["_best_ema"]
        self.inference_allowed_mirroring_axes = checkpoint["inference_allowed_mirroring_axes"]
        self.logger.load_checkpoint(checkpoint["logging"])
        history.add_keys(self.log)

    def _adopt_stored(self, checkpoint: dict, path: Path) -> None:
        stored = checkpoint["init_args"]["plans"].get("cuescan")
        if stored is None or checkpoint["trainer_name"] != type(self).__name__:
            raise refusals.UserError(
                f"{path}: written by {checkpoint['trainer_name']}, not by this {type(self).__name__}; use its trainer"
            )
        own = self.plans_manager.plans["cuescan"]
        for what in ("classes", "background", "cues_sha256"):
            if what == "cues_sha256" and not self.continues:
                continue
            if stored[what] != own[what]:
                raise refusals.UserError(
                    f"{path}: trained with other cues ({what}: {stored[what]}, now {own[what]}); "
                    "restore those cues or train anew without --c"
                )
        self.adopt(TrainingOptions.from_stored(stored["options"]).resumed(), stored["network_arguments"])

    def on_train_end(self) -> None:
        """Keep the last state for ``--c``, and make its weights, or those that the score chose, the final ones."""
        folder = Path(self.output_folder)
        self.current_epoch -= 1  # saving adds 1
        self.save_checkpoint(str(folder / LATEST))
        if not self.disable_checkpointing and self.options.keep == "best":
            if self.is_ddp:
                dist.barrier()
            self.bare_network.load_state_dict(load_checkpoint(folder / BEST, self.device)["network_weights"])
            epoch = history.chosen_epoch(self.log)
            self.print_to_log_file(f"The final weights are those of epoch {epoch}, which has the best score.")
        self.save_checkpoint(str(folder / FINAL))
        self.current_epoch += 1
        self.dataloader_train = self.dataloader_val = None
        empty_cache(self.device)
        self.print_to_log_file("Training done.")

    def validate(self, save_probabilities: bool) -> None:
        """Predict and score the validation cases as nnU-Net does, with a summary that is valid JSON without masks."""
        folder = Path(self.output_folder) / "validation"
        if self.local_rank == 0:
            _remove_other_cases(folder, set(self.do_split()[1]))
        super().validate(save_probabilities)
        if self.local_rank == 0 and replace_nan(folder / "summary.json"):
            self.print_to_log_file(
                "A score without reference masks is null in validation/summary.json; nnUNetv2_find_best_configuration "
                "needs masks in labelsTr."
            )


def _remove_other_cases(folder: Path, cases: set[str]) -> None:
    """Remove predictions of an earlier split: nnU-Net scores whatever lies in the folder."""
    for path in folder.glob("*"):
        if path.name != "summary.json" and path.name.split(".")[0] not in cases:
            path.unlink()


def replace_nan(path: Path) -> bool:
    """Replace what JSON has no word for by null in a JSON file, atomically; return whether there was any."""
    content = json.loads(path.read_text(encoding="utf-8"))
    cleaned = _without_nan(content)
    text = json.dumps(cleaned, indent=4)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return repr(cleaned) != repr(content)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
