"""The nnU-Net trainer that learns from cues: what all networks share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from cuescan.cues import check_cues, read_cues
from cuescan.nnunet import cue_file, history, refusals
from cuescan.nnunet.epochs import EpochTrainer
from cuescan.nnunet.final_validation import asked_for
from cuescan.nnunet.images import EndlessTraining, EndlessValidation, WholeImages, endless_batches
from cuescan.nnunet.options import TrainingOptions
from cuescan.training import provenance
from cuescan.training.augmentation import Augmentation
from cuescan.training.network_building import build_network
from cuescan.training.parts import CaseParts, check_boxes
from cuescan.training.weight_average import WeightAverage


class WeakTrainer(EpochTrainer):
    """Trains on whole images with image-level cues; dense masks of training cases are never read.

    A subclass gives ``network_class``, ``network_arguments``, ``_build_loss`` and, where needed, ``check_cues``. The
    network maps images (B, C, H, W) to logits (B, 1 + K, H, W), or, with its attribute ``deep_supervision`` set, to
    what the loss takes; its method ``load_trunk`` loads pretrained weights.

    Options come from the environment (:class:`cuescan.nnunet.options.TrainingOptions`). The checkpoint is chosen by
    the score from cues alone (:mod:`cuescan.training.cue_score`), not by its moving average: each epoch's score is that
    of a full pass over the same validation cases, so there is no sampling noise to average out.
    """

    network_class: type[nn.Module]
    recipe: Mapping[str, Any] = {}
    """Defaults of options, where they are not those of :class:`TrainingOptions`."""
    paper_recipe: Mapping[str, Any] | None = None
    """The same of the network's paper, for ``CUESCAN_RECIPE=paper``; None if ``recipe`` is that."""
    learns_from_parts = False
    """Whether the loss takes labels of parts of images."""
    learns_from_masks = False
    """Whether the loss takes what ``labelsTr`` holds."""
    learns_from_stain = False
    """Whether the loss takes where no nucleus can lie."""

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's own signature
    ):
        with refusals.one_sentence():
            self.options = TrainingOptions.from_environment(recipe=self.recipe, paper=self.paper_recipe)
            self.final_validation = asked_for()
            refusals.check_configuration(plans, configuration)
            name = plans["dataset_name"]
            self.cue_path = cue_file.current_cues(name, plans["plans_name"])
            self.cues = read_cues(self.cue_path)
            refusals.check_labels(self.cues, dataset_json, self.cue_path)
            self.continues = plans["continue_training"]
            plans["cuescan"] = {
                "network": self.network_class.__name__,
                "classes": list(self.cues.classes),
                "background": self.cues.background,
                "cues_sha256": cue_file.digest(self.cue_path),
            }
        super().__init__(plans, configuration, fold, dataset_json, device)
        history.add_keys(self.log)
        with refusals.one_sentence():
            self.adopt(self.options)
        self.enable_deep_supervision = True
        self.inference_allowed_mirroring_axes = (0, 1)

    def adopt(self, options: TrainingOptions, network_arguments: dict[str, Any] | None = None) -> None:
        """Train with these options, and put them and the network's arguments (None: by the options) into the plans."""
        self.options = options
        self.num_epochs = options.epochs
        self.initial_lr, self.weight_decay = options.lr, options.weight_decay
        self.plans_manager.plans["cuescan"].update(
            network_arguments=self.network_arguments() if network_arguments is None else network_arguments,
            options=options.stored(),
            versions=provenance.versions(),
            commit=provenance.commit(),
        )

    def network_arguments(self) -> dict[str, Any]:
        """Return the network's arguments as JSON values; they travel in the plans, all that inference sees."""
        raise NotImplementedError

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network from the plans alone, as nnU-Net's inference needs it."""
        with refusals.one_sentence():
            plan = plans_manager.plans.get("cuescan")
            network = build_network(cls.network_class, plan, num_input_channels, num_output_channels)
        network.deep_supervision = enable_deep_supervision
        return network

    def check_cues(self) -> None:
        """Refuse training cases whose cues the network cannot learn from."""

    def load_pretrained(self) -> None:
        """Load the trunk's weights, if any were asked for, before a training starts."""
        if self.options.trunk is not None:
            self.bare_network.load_trunk(self.options.trunk)

    def prepare_training(self) -> None:
        """Get ready what takes long, after all checks and before the first epoch."""

    def may_turn(self, case: str) -> bool:
        """Whether the image of ``case`` may be mirrored and turned: what its cue says stays true, or follows."""
        return self.cues.cues[case].text is None

    def may_stain(self, case: str) -> bool:
        """Whether the colours of the image of ``case`` may change."""
        return self.cues.cues[case].text is None

    @property
    def unit_range(self) -> bool:
        """Whether nnU-Net's normalisation leaves all channels in [0, 1]."""
        schemes = self.configuration_manager.normalization_schemes
        return all(scheme in ("RGBTo01Normalization", "RescaleTo01Normalization") for scheme in schemes)

    def initialize(self) -> None:
        """Build network, optimiser and loss from the seed; pretrained weights only where no checkpoint follows."""
        torch.manual_seed(self.options.seed)
        with refusals.one_sentence():
            super().initialize()
            self.average = WeightAverage(self.optimizer, self.options.average)
            if not self.restoring:
                self.load_pretrained()

    def _set_batch_size_and_oversample(self) -> None:
        world, rank = (dist.get_world_size(), dist.get_rank()) if self.is_ddp else (1, 0)
        if self.options.batch_size < world:
            raise refusals.UserError(
                f"CUESCAN_BATCH_SIZE is {self.options.batch_size} but there are {world} processes that each need an "
                "image; raise it"
            )
        self.world, self.batch_size = world, self.options.batch_size // world

    def _do_i_compile(self) -> bool:
        return False  # the compiler does not see into the selective scan's kernels

    def plot_network_architecture(self) -> None:
        """Plot nothing: nnU-Net's plot needs a package that is gone."""

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, None]:
        """Adam with a fixed learning rate, the recipe of PathMamba (MICCAI 2024)."""
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        return torch.optim.Adam(weights, self.initial_lr, weight_decay=self.weight_decay), None

    def on_train_start(self) -> None:
        """Check splits, cues and patch before anything is trained or written."""
        with refusals.one_sentence():
            folder = Path(self.preprocessed_dataset_folder)
            name, plans = self.plans_manager.dataset_name, self.plans_manager.plans_name
            remedy = cue_file.remedy(name)
            self.training_cases, self.validation_cases = self.do_split()
            source = self.dataset_class(self.preprocessed_dataset_folder)
            refusals.check_split(self.training_cases, self.validation_cases, source.identifiers, folder, remedy)
            check_cues(self.cues, source.identifiers, self.cue_path)
            self.check_cues()
            if self.options.window is not None and not self.learns_from_masks and self.case_parts([]) is None:
                raise refusals.UserError(
                    f"CUESCAN_WINDOW is {self.options.window}, but {type(self).__name__} learns here from what cues "
                    "say of whole images, which need not hold for a window; unset it, or label parts of the images"
                )
            if self.options.nuclei:
                rgb = self.unit_range and len(self.configuration_manager.normalization_schemes) == 3
                refusals.check_nuclei(type(self).__name__, self.learns_from_stain, rgb, self.cues, self.cue_path)
            if self.learns_from_parts:
                for case in (case for case in source.identifiers if self.cues.cues[case].parts):
                    size = source.load_case(case)[3]["shape_before_cropping"][1:]
                    check_boxes(self.cues, case, size, self.cue_path)
            patch = self.configuration_manager.patch_size
            refusals.check_patch(source, source.identifiers, patch, plans, self.configuration_name, remedy)
            self.tell_cues()
            if not self.was_initialized:
                self.initialize()
            self.prepare_training()
            super().on_train_start()

    def tell_cues(self) -> None:
        """Log how often each class is stated."""
        labels = np.stack([self.cues.label_vector(case) for case in self.training_cases])
        for name, column in zip(self.cues.classes, labels.T, strict=True):
            told = f"present in {(column == 1).sum()}, absent in {(column == 0).sum()}"
            self.print_to_log_file(f"{name}: {told}, not stated in {np.isnan(column).sum()} training cases")

    def get_dataloaders(self) -> tuple[Iterator, Iterator]:
        """Endless batches of whole images: one pass over the training cases per epoch, all validation cases each."""
        options = self.options
        source = self.dataset_class(self.preprocessed_dataset_folder)
        patch = tuple(self.configuration_manager.patch_size)
        turning = patch if options.window is None else (max(patch), max(patch))
        training = WholeImages(
            source,
            self.training_cases,
            patch,
            options.seed,
            Augmentation(turning, self.unit_range, options.stain_jitter, options.colour_jitter),
            [self.may_turn(case) for case in self.training_cases],
            [self.may_stain(case) for case in self.training_cases],
            masks=self.learns_from_masks,
            parts=self.case_parts(self.training_cases),
            nuclei=options.nuclei,
            window=options.window,
        )
        scored_cases = self._scored_cases()
        validation = WholeImages(source, scored_cases, patch, masks=True, parts=self.case_parts(scored_cases))
        rank = self.local_rank
        share = min(self.batch_size, math.ceil(len(training) / self.world))
        passes = math.ceil(len(training) / (share * self.world))
        self.num_iterations_per_epoch = min(passes, options.iterations or passes)
        ordered = EndlessTraining(
            len(training),
            share * self.world,
            self.num_iterations_per_epoch,
            options.seed,
            self.current_epoch,
            slice(rank * share, (rank + 1) * share),
        )
        scored = EndlessValidation(range(len(validation))[rank :: self.world], share)
        self.num_val_iterations_per_epoch = len(scored.batches)
        pin = self.device.type == "cuda"
        return (
            endless_batches(training, ordered, options.workers, pin),
            endless_batches(validation, scored, options.workers, pin),
        )

    def case_parts(self, cases: Sequence[str]) -> CaseParts | None:
        """Labels of parts of the images, if the network learns from such and any case has some."""
        return CaseParts(self.cues, cases) if self.learns_from_parts and self.cues.has_parts else None

    def _scored_cases(self) -> list[str]:
        cases = sorted(self.validation_cases)
        most = min(len(cases), self.options.validation_cases or len(cases))
        return [cases[number * len(cases) // most] for number in range(most)]
