"""WSSS-Tissue in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr WSSSTissueTrainer``."""

from __future__ import annotations

from cuescan.nnunet.rival_trainer import RivalTrainer
from cuescan.rivals import MeanPoolingLoss, WSSSTissue
from cuescan.rivals.wsss_tissue import attention_gamma


class WSSSTissueTrainer(RivalTrainer):
    """Trains WSSS-Tissue's first stage (Han et al., Medical Image Analysis 2022) from image-level labels.

    The paper's recipe: 20 epochs, batch 20, SGD, learning rate 0.01 (ten times that for the classifier), weight decay
    5e-4, polynomial schedule of power 0.9, progressive dropout attention from the fourth epoch on. Ours is the same but
    for the batch size that all methods here share (``CUESCAN_BATCH_SIZE=20`` for the paper's) and a schedule by epochs
    instead of steps.

    Its second stage, DeepLabV3+ on masks of three layers with losses weighted 0.6 / 0.2 / 0.2, is ``cuescan
    pseudo-label -tr WSSSTissueTrainer`` and any trainer of nnU-Net's on the data set that it writes (see
    :class:`cuescan.rivals.wsss_tissue.WSSSTissue`).
    """

    network_class = WSSSTissue
    loss_class = MeanPoolingLoss

    def on_train_epoch_start(self) -> None:
        """Set the attention of the epoch, which depends on nothing else."""
        self.bare_network.gamma = attention_gamma(self.current_epoch)
        super().on_train_epoch_start()
