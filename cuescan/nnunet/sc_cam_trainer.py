"""SC-CAM in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr SCCAMTrainer``."""

from __future__ import annotations

import sys
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cuescan.nnunet import refusals
from cuescan.nnunet.images import EndlessValidation, WholeImages, endless_batches
from cuescan.nnunet.rival_trainer import RivalTrainer
from cuescan.rivals import SCCAM, SubCategoryLoss
from cuescan.rivals.sc_cam import UNASSIGNED, find_sub_categories, sub_category_labels

ROUNDS = 3


def clustering_epochs(epochs: int, rounds: int = ROUNDS) -> set[int]:
    """Before which epochs (from 0) sub-categories are looked for: ``rounds`` times, evenly spread, never at first."""
    return {epochs * number // (rounds + 1) for number in range(1, rounds + 1)} - {0}


class SCCAMTrainer(RivalTrainer):
    """Trains SC-CAM (Chang et al., CVPR 2020) from image-level labels.

    After each quarter of the training all training images are clustered by their features, class by class
    (:func:`cuescan.rivals.sc_cam.find_sub_categories`); from the first time on, the network also learns which cluster
    an image belongs to. The paper trains a network per round: batch 16, SGD, learning rate 0.01 (ten times that for the
    classifiers), weight decay 5e-4, polynomial schedule. Ours is the same recipe over all rounds together. The images
    are clustered as they are, not augmented.
    """

    network_class = SCCAM
    loss_class = SubCategoryLoss

    def prepare_training(self) -> None:
        """Refuse other training cases than those whose sub-categories the checkpoint holds."""
        self.rows = {case: row for row, case in enumerate(sorted(self.training_cases))}
        clustered = len(self.bare_network.assigned)
        if clustered not in (0, len(self.rows)):
            raise refusals.UserError(
                f"{self.preprocessed_dataset_folder_base}/splits_final.json: {len(self.rows)} training cases in fold "
                f"{self.fold}, but {clustered} when this training began; restore it, or train anew without --c"
            )

    def on_train_epoch_start(self) -> None:
        """Look for sub-categories when it is time."""
        if self.current_epoch in clustering_epochs(self.num_epochs):
            self.cluster()
        super().on_train_epoch_start()

    def cluster(self) -> None:
        """Cluster the training images by the network's features as it is."""
        cases = list(self.rows)
        features = np.stack([row for _, row in sorted(self.image_features(cases).items())])
        labels = np.stack([self.cues.label_vector(case) for case in cases])
        network, seed = self.bare_network, self.options.seed
        before = network.assigned.numpy() if len(network.assigned) else np.full(labels.shape, UNASSIGNED)
        found = find_sub_categories(features, labels, before, network.sub_categories, seed)
        network.assigned = torch.from_numpy(found)
        told = ", ".join(
            f"{name} {len(np.unique(column[column >= 0]))}"
            for name, column in zip(self.cues.classes, found.T, strict=True)
        )
        self.print_to_log_file(
            f"Sub-categories: {told}; {(found != before).any(1).sum()} images have others than before."
        )

    @torch.no_grad()
    def image_features(self, cases: list[str]) -> dict[int, np.ndarray]:
        """Features (C,) of all ``cases`` by their number; each process computes a share."""
        network, options = self.bare_network.eval(), self.options
        images = WholeImages(
            self.dataset_class(self.preprocessed_dataset_folder), cases, self.configuration_manager.patch_size
        )
        order = EndlessValidation(range(len(cases))[self.local_rank :: self.world], self.batch_size)
        batches = islice(endless_batches(images, order, options.workers, False), len(order.batches))
        features: dict[int, np.ndarray] = {}
        quiet = self.local_rank != 0 or not sys.stdout.isatty()
        for batch, addresses in zip(
            tqdm(batches, "sub-categories", len(order.batches), leave=False, file=sys.stdout, disable=quiet),
            order.batches,
            strict=True,
        ):
            with self.precision():
                found = network.image_features(*(batch[key].to(self.device) for key in ("data", "valid")))
            features |= {number: row for (_, _, number), row in zip(addresses, found.cpu().numpy(), strict=True)}
        return {number: row for part in self._gathered(features) for number, row in part.items()}

    def batch_loss(self, batch: dict) -> Tensor:
        """The loss of a batch, with the labels of its sub-categories once there are any."""
        images, valid = (batch[key].to(self.device, non_blocking=True) for key in ("data", "valid"))
        labels, network = self.labels_of(batch["keys"]), self.bare_network
        if len(network.assigned):
            assigned = network.assigned[[self.rows[case] for case in batch["keys"]]].to(self.device)
            labels = torch.cat([labels, sub_category_labels(labels, assigned, network.sub_categories)], 1)
        return self.loss(self.network(images), labels, valid)
