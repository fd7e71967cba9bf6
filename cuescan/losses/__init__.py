"""The losses."""

from cuescan.losses.alignment import InfoNCE, knowledge_loss
from cuescan.losses.area import area_loss, smoothness_loss
from cuescan.losses.deep_contrast import DeepContrastLoss
from cuescan.losses.generalised_mean import log_generalised_mean
from cuescan.losses.grounding import GroundingLoss
from cuescan.losses.mutual_alignment import MutualAlignment, Sentences, words_loss
from cuescan.losses.text_supervision import TextSupervisionLoss

__all__ = [
    "DeepContrastLoss",
    "GroundingLoss",
    "InfoNCE",
    "MutualAlignment",
    "Sentences",
    "TextSupervisionLoss",
    "area_loss",
    "knowledge_loss",
    "log_generalised_mean",
    "smoothness_loss",
    "words_loss",
]
