"""TIFCMamba in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr TIFCMambaTrainer``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cuescan.losses import TextSupervisionLoss
from cuescan.networks import TIFCMamba
from cuescan.nnunet.sentence_trainer import SentenceTrainer
from cuescan.training.cue_score import CueStatistics
from cuescan.training.network_arguments import tifc_mamba_arguments
from cuescan.training.network_building import build_loss
from cuescan.training.schedule import cosine_factor, decay_groups
from cuescan.training.sentence_supervision import lesson_loss, unit_images


class TIFCMambaTrainer(SentenceTrainer):
    """Trains TIFCMamba from sentences (MICCAI 2025).

    The losses see all that a sentence states. The network is told all of it, its place words, or only the class's
    name, drawn at random (:mod:`cuescan.training.telling`), so that it answers prompts of any detail, and finds a
    finding that nobody points at. After each epoch it is scored by the names alone and by place words.
    """

    network_class = TIFCMamba
    recipe = {"epochs": 60, "batch_size": 8, "lr": 5e-4, "weight_decay": 0.05, "stain_jitter": 0.0}
    """AdamW, weight decay 0.05 and a cosine as in TCL (CVPR 2023); the paper gives no recipe."""

    def network_arguments(self) -> dict[str, Any]:
        """Return TIFCMamba's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from data and encoder."""
        options, channels = self.options, len(self.configuration_manager.normalization_schemes)
        return tifc_mamba_arguments(
            channels, self.unit_range, options.size, options.trunk, options.encoder, options.network_arguments
        )

    def _build_loss(self) -> nn.Module:
        grounded = {} if self.bare_network.grounding else {"grounding": 0.0}
        return build_loss(TextSupervisionLoss, grounded, self.options.loss_arguments)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, None]:
        """AdamW, without weight decay of biases, norms and other vectors."""
        return torch.optim.AdamW(decay_groups(self.network, self.weight_decay), self.initial_lr), None

    def prepare_training(self) -> None:
        """Find the encoder, or train the small one, and take the default prompts from it."""
        self.use_encoder()
        self.loss.use_encoder(self.text.encoder)
        if self.current_epoch == 0:
            self.bare_network.prompts.copy_(self.supervision.default_prompts())

    def on_train_epoch_start(self) -> None:
        """Set the learning rate: a cosine over the epochs, after a first epoch at a tenth."""
        for group in self.optimizer.param_groups:
            group["lr"] = cosine_factor(self.current_epoch, self.num_epochs) * self.initial_lr
        super().on_train_epoch_start()

    def batch_loss(self, batch: dict) -> Tensor:
        """The loss of a batch: of each image the network is told a part, drawn anew, and has to fulfil all of it."""
        images, valid = (batch[key].to(self.device, non_blocking=True) for key in ("data", "valid"))
        lesson = self.supervision.lesson(batch, valid)
        maps = self.network(images, lesson.prompts, lesson.place, lesson.states)
        network = self.bare_network
        loss = lesson_loss(self.loss, network, maps, lesson, unit_images(images, valid, self.unit_range), valid)
        if self.is_ddp:  # DistributedDataParallel wants a gradient of each weight, also where its loss is switched off
            for weight in (network.log_temperature, *network.text_segmenter.parameters()):
                loss = loss + 0 * weight.sum()
        return loss

    def judge(self, batch: dict, images: Tensor, valid: Tensor, target: Tensor) -> CueStatistics:
        """Score masks by the class names alone, against all that the sentences state, and by place words."""
        return self.supervision.judge(self.bare_network, batch, images, valid, target)
