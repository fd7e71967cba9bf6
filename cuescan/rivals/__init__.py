"""Published weakly supervised methods, rebuilt to be trained and scored beside ours."""

from cuescan.rivals.c_cam import CCAM, CausalLoss
from cuescan.rivals.class_activation import ClassActivation
from cuescan.rivals.hist_seg_net import HistoSegNet, MaximumPoolingLoss
from cuescan.rivals.multi_label import MeanPoolingLoss, multi_label_loss
from cuescan.rivals.sc_cam import SCCAM, SubCategoryLoss
from cuescan.rivals.self_attention_mil import SelfAttentionMIL, SelfAttentionMILLoss
from cuescan.rivals.wsss_tissue import WSSSTissue

__all__ = [
    "CCAM",
    "SCCAM",
    "CausalLoss",
    "ClassActivation",
    "HistoSegNet",
    "MaximumPoolingLoss",
    "MeanPoolingLoss",
    "SelfAttentionMIL",
    "SelfAttentionMILLoss",
    "SubCategoryLoss",
    "WSSSTissue",
    "multi_label_loss",
]
