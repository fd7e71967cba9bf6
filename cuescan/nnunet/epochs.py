"""An epoch of a weak training: steps with the cues' loss, then the score from cues over the validation cases."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm import tqdm

from cuescan.cues import Cues
from cuescan.nnunet import history
from cuescan.nnunet.persistence import BEST, LATEST, PersistentTrainer
from cuescan.training.cue_score import CueStatistics, components, cue_statistics
from cuescan.training.parts import Parts
from cuescan.training.weight_average import WeightAverage

NORM_LIMIT = 12
"""Gradients are scaled down to this norm, as nnU-Net's own trainer does."""


class EpochTrainer(PersistentTrainer):
    """The part of a weak trainer that nnU-Net calls in every epoch."""

    cues: Cues
    world: int
    average: WeightAverage

    def labels_of(self, cases: Sequence[str]) -> Tensor:
        """Return image-level labels (B, K) on the trainer's device: 1 present, 0 absent, nan not stated."""
        return torch.from_numpy(np.stack([self.cues.label_vector(case) for case in cases])).to(self.device)

    def on_train_epoch_start(self) -> None:
        """Start an epoch; its random numbers depend on seed and epoch only, so that resuming changes nothing."""
        self.average.show(False)
        self.network.train()
        self.set_deep_supervision_enabled(True)
        torch.manual_seed(self.options.seed + 1_000_003 * (self.current_epoch + 1) + self.local_rank)
        self.logger.log("lrs", self.optimizer.param_groups[0]["lr"], self.current_epoch)
        self.bar = tqdm(
            total=self.num_iterations_per_epoch,
            desc=f"epoch {self.current_epoch + 1}/{self.num_epochs}",
            unit="step",
            file=sys.stdout,
            leave=False,
            disable=self.local_rank != 0 or not sys.stdout.isatty(),
        )

    def precision(self) -> Any:
        """The context of mixed precision, where it is used."""
        if self.device.type == "cuda":
            return torch.autocast("cuda")
        if self.device.type == "cpu" and self.options.cpu_precision == "bfloat16":
            return torch.autocast("cpu", torch.bfloat16)
        return nullcontext()

    def batch_loss(self, batch: dict) -> Tensor:
        """The loss of a batch of :class:`cuescan.nnunet.images.WholeImages`."""
        images, valid = (batch[key].to(self.device, non_blocking=True) for key in ("data", "valid"))
        if "boxes" not in batch:
            return self.loss(self.network(images), self.labels_of(batch["keys"]), valid)
        parts = self.parts_of(batch)
        return self.loss(self.network(images), parts.labels, valid, parts.boxes)

    def parts_of(self, batch: dict) -> Parts:
        """The labelled parts of a batch's images on the trainer's device."""
        return Parts(*(batch[key].to(self.device, non_blocking=True) for key in ("boxes", "box_labels")))

    def train_step(self, batch: dict) -> dict:
        """Take one step; the batch has no target, only images, their valid pixels and the names of the cases."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision():
            loss = self.batch_loss(batch)
        if self.grad_scaler is None:
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), NORM_LIMIT)
            self.optimizer.step()
        else:
            self.grad_scaler.scale(loss).backward()
            self.grad_scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), NORM_LIMIT)
            self.grad_scaler.step(self.optimizer)
            self.grad_scaler.update()
        value = float(loss.detach())
        self.bar.set_postfix(loss=f"{value:.3f}", refresh=False)
        self.bar.update()
        return {"loss": value}

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """Log the mean loss; from here on the network holds the average of its weights, if one is kept."""
        self.bar.close()
        self.average.show(True)
        losses = [output["loss"] for output in train_outputs]
        self.logger.log("train_losses", float(np.mean(sum(self._gathered(losses), []))), self.current_epoch)

    def on_validation_epoch_start(self) -> None:
        """Let the network return logits."""
        super().on_validation_epoch_start()
        self.set_deep_supervision_enabled(False)

    def validation_step(self, batch: dict) -> CueStatistics:
        """Judge one batch by its cues, and by masks for the record; unwrapped, since processes may have unlike many."""
        images, valid, target = (batch[key].to(self.device) for key in ("data", "valid", "target"))
        if not self.cues.background:
            target = torch.where(target == 0, -1, target)
        with self.precision():
            return self.judge(batch, images, valid, target)

    def judge(self, batch: dict, images: Tensor, valid: Tensor, target: Tensor) -> CueStatistics:
        """Score the masks of a batch by its cues."""
        parts = self.parts_of(batch) if "boxes" in batch else None
        return cue_statistics(self.bare_network, images, valid, self.labels_of(batch["keys"]), target, parts=parts)

    def on_validation_epoch_end(self, val_outputs: list[CueStatistics]) -> None:
        """Log the score from cues as what nnU-Net takes for its Dice, and all parts of it."""
        parts = self._gathered(sum(val_outputs, CueStatistics()))
        values = components(sum(parts, CueStatistics()))
        self.logger.log("mean_fg_dice", values["score"], self.current_epoch)
        for key in history.KEYS:
            self.logger.log(history.PREFIX + key, values[key], self.current_epoch)

    def _gathered(self, value: Any) -> list[Any]:
        if not self.is_ddp:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def on_epoch_end(self) -> None:
        """Report, keep the best and the latest state, and write the curves."""
        self.logger.log("epoch_end_timestamps", time(), self.current_epoch)
        row = history.rows(self.log)[-1]
        best = history.chosen_epoch(self.log) == self.current_epoch
        folder = Path(self.output_folder)
        if best:
            self._best_ema = row["score"]
            self.save_checkpoint(str(folder / BEST))
        self.save_checkpoint(str(folder / LATEST))
        if self.local_rank == 0:
            history.write(self.log, folder, self.options.keep)
        told = ", ".join(f"{key} {value:.3f}" for key, value in row.items() if key != "epoch" and value is not None)
        self.print_to_log_file(f"epoch {self.current_epoch}: {told}{' (best so far)' if best else ''}")
        self.current_epoch += 1
