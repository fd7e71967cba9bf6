"""C-CAM in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr CCAMTrainer``."""

from __future__ import annotations

from cuescan.nnunet.rival_trainer import RivalTrainer
from cuescan.rivals import CCAM, CausalLoss


class CCAMTrainer(RivalTrainer):
    """Trains C-CAM (Chen et al., CVPR 2022) from image-level labels.

    The paper's recipe was not at hand; this is the one that :class:`RivalTrainer` shares.
    """

    network_class = CCAM
    loss_class = CausalLoss
