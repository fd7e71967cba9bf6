"""nnU-Net's inference averaged over sizes at which the network sees an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cuescan.networks.scaled_views import ScaledViews
from cuescan.nnunet.cue_predictor import CuePredictor


class ScaledPredictor(CuePredictor):
    """Predicts with a model of image-level labels, by views of several sizes.

    Args:
        scales: factors, each in [0.25, 4]; 1 is the usual size.
        options: of :class:`nnunetv2.inference.predict_from_raw_data.nnUNetPredictor`.
    """

    def __init__(self, scales: Sequence[float], **options: Any) -> None:
        super().__init__(**options)
        self.scales = tuple(scales)

    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """Logits (1 + K, 1, H, W) of a preprocessed image (C, 1, H, W), of mean probabilities if there are scales."""
        plain = self.network
        try:
            if self.scales != (1.0,):
                self.network = ScaledViews(plain, self.scales).eval()
            return super().predict_sliding_window_return_logits(input_image)
        finally:
            self.network = plain  # nnU-Net loads the next fold's weights into it
