"""PathMamba in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr PathMambaTrainer``."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cuescan.cues.balance import balanced_absence
from cuescan.errors import UserError
from cuescan.losses.deep_contrast import PIXELS
from cuescan.networks import PathMamba
from cuescan.nnunet import refusals
from cuescan.nnunet.trunk_rate_trainer import TrunkRateTrainer
from cuescan.training.label_loss import BALANCED, build_label_loss
from cuescan.training.network_arguments import path_mamba_arguments

LOADED_TRUNK = {"context": 2}
"""The network's arguments in our recipe where the trunk's weights are loaded; on random weights they cost accuracy."""
COMMON = 2.0
"""From how many present for each absent label on a class counts as common."""


class PathMambaTrainer(TrunkRateTrainer):
    """Trains PathMamba from image-level labels with the deep contrast supervised loss (MICCAI 2024).

    ``CUESCAN_RECIPE=paper`` restores the paper's recipe: the loss of its Eq. 4 and Adam with a fixed learning rate of
    1e-5. What our own changes, and what each change brought, is in ``docs/pathmamba.md``.
    """

    network_class = PathMamba
    learns_from_parts = learns_from_stain = True
    recipe = {
        "lr": 1e-3,
        "trunk_rate": 0.1,
        "schedule": "cosine",
        "average": 0.99,
        "network_arguments": {"borders": "replicate"},
        "loss_arguments": {"absent": "pixels"},
    }
    paper_recipe = {}

    def network_arguments(self) -> dict[str, Any]:
        """Return PathMamba's arguments; ``CUESCAN_NETWORK_ARGUMENTS`` overrides what follows from the data."""
        options, channels = self.options, len(self.configuration_manager.normalization_schemes)
        known = LOADED_TRUNK if options.trunk is not None and options.recipe != "paper" else {}
        return path_mamba_arguments(
            channels, self.unit_range, self.cues.background, options.size, options.trunk, options.image_scale,
            {**known, **options.network_arguments},
        )  # fmt: skip

    def check_cues(self) -> None:
        """Refuse training cases of which no label is stated, and nuclei where the loss does not judge pixels."""
        refusals.check_image_labels(self.cues, self.training_cases, self.cue_path, parts=True)
        if self.options.nuclei and self.options.loss_arguments.get("absent") != PIXELS:
            raise UserError(
                "CUESCAN_NUCLEI is 1, but the loss judges no single pixel, as in the paper's recipe; add "
                f'"absent": "{PIXELS}" to CUESCAN_LOSS_ARGUMENTS, or unset CUESCAN_NUCLEI'
            )

    def tell_cues(self) -> None:
        """Log how often each class is stated, and what helps where nearly all cases show one."""
        super().tell_cues()
        weights = balanced_absence(self.cues, self.training_cases)
        common = [name for name, weight in zip(self.cues.classes, weights, strict=True) if weight > COMMON]
        arguments = self.options.loss_arguments
        competing = self.plans_manager.plans["cuescan"]["network_arguments"]["exclusive"]
        if common and arguments.get("absent") == PIXELS and "absent_weight" not in arguments and not competing:
            self.print_to_log_file(
                f"{', '.join(common)}: absent in few training cases, so that whatever images have in common fulfils "
                f'most labels; if masks miss the classes, set CUESCAN_LOSS_ARGUMENTS=\'{{"absent_weight": '
                f'"{BALANCED}"}}\' (docs/pathmamba.md)'
            )

    def _build_loss(self) -> nn.Module:
        return build_label_loss(self.bare_network, self.cues, self.do_split()[0], self.options.loss_arguments)

    def batch_loss(self, batch: dict) -> Tensor:
        """The loss of a batch of :class:`cuescan.nnunet.images.WholeImages`."""
        if "empty" not in batch:
            return super().batch_loss(batch)
        images, valid, empty = (batch[key].to(self.device, non_blocking=True) for key in ("data", "valid", "empty"))
        if "boxes" not in batch:
            return self.loss(self.network(images), self.labels_of(batch["keys"]), valid, None, empty)
        parts = self.parts_of(batch)
        return self.loss(self.network(images), parts.labels, valid, parts.boxes, empty)
