"""Inference of whole images as on the side of nnU-Net: padded to the patch, mirrored views (with prompts) averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from cuescan.cues import Cue, Cues
from cuescan.cues.language import Box
from cuescan.monai.model_card import ModelCard
from cuescan.monai.supervision import ENCODERS
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.padding import centred_slices, padding_mask
from cuescan.training.prompting import PromptedNetwork, default_views, mirrorings, prompted_views
from cuescan.training.text_encoding import TextEncoding, find_own_encoder


class WholeImageInferer(Inferer):
    """Sees an image as a whole, however large it is, since a cue speaks of the whole image.

    Args:
        patch_size: (height, width) that smaller images are padded to.
        mirror_axes: 0 for rows, 1 for columns: views that are averaged; empty for the image alone, 4 times as fast.
    """

    def __init__(self, patch_size: Sequence[int], mirror_axes: Sequence[int] = (0, 1)) -> None:
        super().__init__()
        self.patch_size, self.mirror_axes = tuple(patch_size), tuple(mirror_axes)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Logits (B, 1 + K, H, W) of images (B, C, H, W)."""
        images = torch.Tensor(inputs) if type(inputs) is not Tensor else inputs
        size = images.shape[2:]
        valid = padding_mask(size, self.patch_size)
        window = (..., *centred_slices(size, valid.shape[2:]))
        padded = images.new_zeros(*images.shape[:2], *valid.shape[2:])
        padded[window] = images
        return self.predict(padded, valid, network, *args, **kwargs)[window].float()

    def predict(self, images: Tensor, valid: Tensor, network: Any, *args: Any) -> Tensor:
        """Logits of padded images, averaged over mirrored views."""
        views = [[axis - 2 for axis in axes] for axes in mirrorings(self.mirror_axes)]
        total = network(images, *args)
        for view in views[1:]:
            total = total + network(images.flip(view), *args).flip(view)
        return total / len(views)


class PromptedInferer(WholeImageInferer):
    """The same for TIFCMamba, each image by its own sentence or, where that is empty, by the default prompts.

    Args:
        patch_size, mirror_axes: see :class:`WholeImageInferer`.
        card: of the model.
        encoder: as :func:`cuescan.encoders.load_encoder` takes it, or "small" for the one in ``folder``; it is read
            only where there is a sentence.
        folder: the folder of the model.
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        card: ModelCard,
        encoder: str = "small",
        folder: Path | str = ".",
        mirror_axes: Sequence[int] = (0, 1),
    ) -> None:
        super().__init__(patch_size, mirror_axes)
        self.card, self.encoder, self.folder = card, encoder, Path(folder)
        self.text: TextEncoding | None = None

    def predict(  # type: ignore[override]
        self,
        images: Tensor,
        valid: Tensor,
        network: Any,
        text: Sequence[str] | None = None,
        shape: Tensor | None = None,
        crop: Tensor | None = None,
    ) -> Tensor:
        """Logits of padded images.

        Args:
            images: (B, C, H, W).
            valid: (1, 1, H, W) bool, where they lie.
            network: maps image, text and place to logits.
            text: B sentences; empty ones mean the default prompts.
            shape: (B, 2) height and width of the raw images.
            crop: (B, 4) what was kept of them, as shares.
        """
        prompted: Any = PromptedNetwork(network)
        logits = []
        for number, image in enumerate(images.split(1)):
            views = default_views(self.mirror_axes)
            if text is not None and text[number].strip() and shape is not None and crop is not None:
                encoding = self._encoding(images.device)
                height, width = (int(side) for side in shape[number])
                cues = Cues(tuple(self.card.classes), cues={"": Cue(text=text[number])})
                statements = CaseSentences(cues).statements("", (height, width))
                sides = (width, height, width, height)
                edges = [round(float(share) * side) for share, side in zip(crop[number], sides, strict=True)]
                kept = Box(*(edge / side for edge, side in zip(edges, sides, strict=True)))
                views = prompted_views(encoding.prompts, statements, kept, valid, self.mirror_axes)
            prompted.prompt(views)
            logits.append(prompted(image))
        return torch.cat(logits)

    def _encoding(self, device: torch.device) -> TextEncoding:
        if self.text is None:
            folder = self.folder / ENCODERS
            encoder = find_own_encoder(self.encoder, folder, str(self.card.encoder_sha256), device, print)
            self.text = TextEncoding(encoder, folder / "texts")
        return self.text
