"""MONAI bundles: data lists with cues, transforms, what engines are given of cues, inference, and model cards.

The configurations in ``monai_bundles`` name what is listed here.
"""

from cuescan.monai.bundle_root import bundle_root
from cuescan.monai.datalist import Datalist, read_datalist, read_images
from cuescan.monai.handlers import ClipGradients, SaveBest, SeedEpochs, TellScore, WriteCard, latest_checkpoint
from cuescan.monai.inferer import PromptedInferer, WholeImageInferer
from cuescan.monai.metrics import CueScore, mask_metrics
from cuescan.monai.model_card import ModelCard, new_card, read_card
from cuescan.monai.output import SaveMaskd, score_masks
from cuescan.monai.supervision import LabelSupervision, TextSupervision, TrainingInferer
from cuescan.monai.synthetic import open_datalist
from cuescan.monai.transforms import KeepGeometryd, NormalizeChannelsd, PictureReader, RandCueAugmentd, is_content
from cuescan.monai.windows import WindowInferer
from cuescan.training.schedule import cosine_factor, decay_groups

__all__ = [
    "ClipGradients",
    "CueScore",
    "Datalist",
    "KeepGeometryd",
    "LabelSupervision",
    "ModelCard",
    "NormalizeChannelsd",
    "PictureReader",
    "PromptedInferer",
    "RandCueAugmentd",
    "SaveBest",
    "SaveMaskd",
    "SeedEpochs",
    "TellScore",
    "TextSupervision",
    "TrainingInferer",
    "WholeImageInferer",
    "WindowInferer",
    "WriteCard",
    "bundle_root",
    "cosine_factor",
    "decay_groups",
    "is_content",
    "latest_checkpoint",
    "mask_metrics",
    "new_card",
    "open_datalist",
    "read_card",
    "read_datalist",
    "read_images",
    "score_masks",
]
