"""TIFCMamba in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr TIFCMambaTrainer``."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from cuescan.cues.language import Statement
from cuescan.encoders import encoder_sizes
from cuescan.losses import TextSupervisionLoss
from cuescan.networks import TIFCMamba
from cuescan.nnunet.cue_score import CueStatistics, against_boxes, cue_statistics
from cuescan.nnunet.network_building import build_loss, check_names, natural_statistics
from cuescan.nnunet.placement import on_patch, stated_places
from cuescan.nnunet.sentence_trainer import SentenceTrainer
from cuescan.nnunet.telling import drawn_telling, pointed_telling


class TIFCMambaTrainer(SentenceTrainer):
    """Trains TIFCMamba from sentences (MICCAI 2025).

    The losses see all that a sentence states. The network is told all of it, its place words, or only the class's name,
    drawn at random (:mod:`cuescan.nnunet.telling`), so that it answers prompts of any detail, and finds a finding that
    nobody points at. After each epoch it is scored by the names alone and by place words.
    """

    network_class = TIFCMamba
    recipe = {"epochs": 60, "batch_size": 8, "lr": 5e-4, "weight_decay": 0.05, "stain_jitter": 0.0}
    """AdamW, weight decay 0.05 and a cosine as in TCL (CVPR 2023); the paper gives no recipe."""

    def network_arguments(self) -> dict[str, Any]:
        """Return TIFCMamba's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from data and encoder."""
        options = self.options
        given = options.network_arguments
        check_names(given, TIFCMamba, "CUESCAN_NETWORK_ARGUMENTS")
        sizes = encoder_sizes(options.encoder)
        arguments: dict[str, Any] = {"size": options.size, "text_dim": sizes.dim, "token_dim": sizes.token_dim}
        if self.unit_range:
            arguments |= natural_statistics(len(self.configuration_manager.normalization_schemes))
        if options.trunk is not None:
            arguments["trunk"] = self.trunk_arguments() | {"stages": 4, "frozen": 3}
        return {**arguments, **given}

    def _build_loss(self) -> nn.Module:
        grounded = {} if self.bare_network.grounding else {"grounding": 0.0}
        return build_loss(TextSupervisionLoss, grounded, self.options.loss_arguments)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, None]:
        """AdamW, without weight decay of biases, norms and other vectors."""
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in weights if weight.ndim > 1]},
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, self.initial_lr, weight_decay=self.weight_decay), None

    def load_pretrained(self) -> None:
        """Load the trunk's weights, if any were asked for."""
        if self.options.trunk is not None:
            self.bare_network.load_trunk(self.options.trunk)

    def prepare_training(self) -> None:
        """Find the encoder, or train the small one, and take the default prompts from it."""
        self.use_encoder()
        self.loss.use_encoder(self.text.encoder)
        if self.current_epoch == 0:
            names = [Statement(name) for name in self.cues.classes]
            self.bare_network.prompts.copy_(self.text.prompts([names])[0])

    def on_train_epoch_start(self) -> None:
        """Set the learning rate: a cosine over the epochs, after a first epoch at a tenth."""
        warm_up = self.current_epoch == 0 and self.num_epochs > 1
        factor = 0.1 if warm_up else (1 + math.cos(math.pi * self.current_epoch / self.num_epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = factor * self.initial_lr
        super().on_train_epoch_start()

    def batch_loss(self, batch: dict) -> Tensor:
        """The loss of a batch: of each image the network is told a part, drawn anew, and has to fulfil all of it."""
        images, valid = (batch[key].to(self.device, non_blocking=True) for key in ("data", "valid"))
        turns, statements, kept = self.stated(batch)
        told, demanded = zip(*(drawn_telling(row) for row in statements), strict=True)
        constraints, _ = on_patch(stated_places(demanded, kept).to(self.device), valid)
        _, place = on_patch(stated_places(told, kept).to(self.device), valid)
        sentences = self.text.sentences(
            self.sentences, batch["keys"], turns, batch["shape"].tolist(), self.cues.classes
        )
        with torch.no_grad():
            prompts = self.text.prompts(told)
            _, states = self.text.encoder.encode_text(sentences.tokens)
        maps = self.network(images, prompts, place, states)
        network = self.bare_network
        loss = self.loss(
            maps, prompts, self._unit(images, valid), valid, constraints, self.labels_of_statements(statements),
            sentences, network.text_segmenter, network.log_temperature,
        )  # fmt: skip
        if self.is_ddp:  # DistributedDataParallel wants a gradient of each weight, also where its loss is switched off
            for weight in (network.log_temperature, *network.text_segmenter.parameters()):
                loss = loss + 0 * weight.sum()
        return loss

    def _unit(self, images: Tensor, valid: Tensor) -> Tensor:
        """Images as the encoder expects them: grey or RGB, in [0, 1], as they are or stretched to that range."""
        images = images if images.shape[1] in (1, 3) else images[:, :1]
        if self.unit_range:
            return images
        low = images.masked_fill(~valid, math.inf).amin((1, 2, 3), keepdim=True)
        high = images.masked_fill(~valid, -math.inf).amax((1, 2, 3), keepdim=True)
        return ((images - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)

    def judge(self, batch: dict, images: Tensor, valid: Tensor, target: Tensor) -> CueStatistics:
        """Score masks by the class names alone, against all that the sentences state, and by place words."""
        _, statements, kept = self.stated(batch)
        place, _ = on_patch(stated_places(statements, kept).to(self.device), valid)
        labels = self.labels_of_statements(statements)
        statistics = cue_statistics(self.bare_network, images, valid, labels, target, place)
        if any(statement.places for row in statements for statement in row):
            told, demanded = zip(*(pointed_telling(row) for row in statements), strict=True)
            _, place = on_patch(stated_places(told, kept).to(self.device), valid)
            mask = self.bare_network(images, self.text.prompts(told), place).argmax(1)
            boxes, _ = on_patch(stated_places(demanded, kept).to(self.device), valid)
            statistics.pointed = against_boxes(mask, valid, labels, boxes)
        return statistics
