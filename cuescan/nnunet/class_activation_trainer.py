"""Class activation mapping in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr ClassActivationTrainer``."""

from __future__ import annotations

from cuescan.nnunet.rival_trainer import RivalTrainer
from cuescan.rivals import ClassActivation, MeanPoolingLoss


class ClassActivationTrainer(RivalTrainer):
    """Trains class activation mapping (Zhou et al., CVPR 2016), the baseline of the weakly supervised methods.

    The paper takes networks trained on ImageNet and fine-tunes them by SGD. We fine-tune by the recipe that
    the methods which build on it share (:class:`RivalTrainer`); the paper gives no epochs and rates that would carry
    over.
    """

    network_class = ClassActivation
    loss_class = MeanPoolingLoss
