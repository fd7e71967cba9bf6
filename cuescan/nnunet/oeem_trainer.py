"""OEEM's loss in nnU-Net, for pseudo-labels: ``nnUNetv2_train DatasetXXX 2d 0 -tr OEEMTrainer``."""

from __future__ import annotations

from torch import nn

from cuescan.losses.easy_examples import EasyExampleCrossEntropy
from cuescan.nnunet.supervised_trainer import SupervisedTrainer


class OEEMTrainer(SupervisedTrainer):
    """Trains nnU-Net's network on pseudo-labels with the loss of OEEM (Li et al., MICCAI 2022).

    The second stage of "Online Easy Example Mining for Weakly-supervised Gland Segmentation from Histology Images".
    Only its loss is taken over: the paper trains PSPNet for a given number of iterations, here network, augmentation,
    optimiser and deep supervision are nnU-Net's and the training lasts ``CUESCAN_MINUTES`` minutes. nnU-Net's Dice loss
    is left out, as in the paper: it would give the distrusted pixels their full weight again.

    In a data set without background nnU-Net labels padding with 0, the background; that is left out of the loss.
    """

    def _build_loss(self) -> nn.Module:
        loss = super()._build_loss()
        ignored = set() if self.label_manager.ignore_label is None else {self.label_manager.ignore_label}
        if not self.dataset_json.get("background", True):
            ignored.add(0)
        own = EasyExampleCrossEntropy(ignored)
        if not self.enable_deep_supervision:
            return own
        loss.loss = own
        return loss
