"""Doorway for nnU-Net: ``nnUNet_extTrainer`` points to this folder, the trainers are in the cuescan package."""

from cuescan.nnunet.c_cam_trainer import CCAMTrainer
from cuescan.nnunet.class_activation_trainer import ClassActivationTrainer
from cuescan.nnunet.hist_seg_net_trainer import HistoSegNetTrainer
from cuescan.nnunet.oeem_trainer import OEEMTrainer
from cuescan.nnunet.path_mamba_trainer import PathMambaTrainer
from cuescan.nnunet.pretrained_trainer import PretrainedTrainer
from cuescan.nnunet.sc_cam_trainer import SCCAMTrainer
from cuescan.nnunet.self_attention_mil_trainer import SelfAttentionMILTrainer
from cuescan.nnunet.supervised_trainer import SupervisedTrainer
from cuescan.nnunet.tifc_mamba_trainer import TIFCMambaTrainer
from cuescan.nnunet.wsss_tissue_trainer import WSSSTissueTrainer

__all__ = [
    "CCAMTrainer",
    "ClassActivationTrainer",
    "HistoSegNetTrainer",
    "OEEMTrainer",
    "PathMambaTrainer",
    "PretrainedTrainer",
    "SCCAMTrainer",
    "SelfAttentionMILTrainer",
    "SupervisedTrainer",
    "TIFCMambaTrainer",
    "WSSSTissueTrainer",
]
