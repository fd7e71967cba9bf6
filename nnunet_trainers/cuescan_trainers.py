"""Doorway for nnU-Net: ``nnUNet_extTrainer`` points to this folder, the trainers are in the cuescan package."""

from cuescan.nnunet.path_mamba_trainer import PathMambaTrainer
from cuescan.nnunet.supervised_trainer import SupervisedTrainer
from cuescan.nnunet.tifc_mamba_trainer import TIFCMambaTrainer

__all__ = ["PathMambaTrainer", "SupervisedTrainer", "TIFCMambaTrainer"]
