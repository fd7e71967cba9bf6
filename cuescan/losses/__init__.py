"""The losses."""

from cuescan.losses.deep_contrast import DeepContrastLoss
from cuescan.losses.generalised_mean import log_generalised_mean

__all__ = ["DeepContrastLoss", "log_generalised_mean"]
