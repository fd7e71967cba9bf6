"""HistoSegNet in nnU-Net: ``nnUNetv2_train DatasetXXX 2d 0 -tr HistoSegNetTrainer``."""

from __future__ import annotations

from typing import Any

from cuescan.nnunet.rival_trainer import RivalTrainer
from cuescan.rivals import HistoSegNet, MaximumPoolingLoss

CYCLES, HALVINGS = 8, 4
LOWEST = 0.05


def cyclical_factor(epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by: triangles between 0.05 and 1, halved after each quarter of the epochs.

    Source: "triangular" of Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """
    phase = epoch * CYCLES / epochs % 1
    return (LOWEST + (1 - LOWEST) * (1 - abs(2 * phase - 1))) * 0.5 ** (epoch * HALVINGS // epochs)


class HistoSegNetTrainer(RivalTrainer):
    """Trains HistoSegNet's classifier (Chan et al., ICCV 2019) from image-level labels.

    The recipe is that of the authors' released training code: SGD with momentum 0.9, 80 epochs, 16 images per step, a
    learning rate that goes from 0.001 to 0.02 and back eight times and is halved after each quarter, one rate for all
    weights. Different: the rate is set per epoch; classes are not weighted by how rare they are; weight decay is that
    of all methods here. The network begins from random weights unless ``CUESCAN_TRUNK`` names some for VGG-16: ``timm``
    or a file with vgg16 keys (a file for ResNet-50 does not fit).
    """

    network_class = HistoSegNet
    loss_class = MaximumPoolingLoss
    recipe = {"epochs": 80, "lr": 0.02, "weight_decay": 5e-4}

    def network_arguments(self) -> dict[str, Any]:
        """Return the network's arguments, with how bright the images are."""
        return {"unit_range": self.unit_range, **super().network_arguments()}

    def rate_factor(self, weight: str) -> float:
        """All weights learn at the same rate."""
        return 1.0

    def schedule(self) -> float:
        """The cyclical learning rate; see the class."""
        return cyclical_factor(self.current_epoch, self.num_epochs)
