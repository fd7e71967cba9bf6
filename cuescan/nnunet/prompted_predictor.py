"""nnU-Net's inference with a prompt for each case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cuescan.cues import Cue, Cues
from cuescan.cues.language import Box, Statement
from cuescan.cues.language.geometry import WHOLE
from cuescan.errors import UserError
from cuescan.nnunet.cue_predictor import CuePredictor
from cuescan.nnunet.images import raw_geometry
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.padding import centred_slices, padding_mask
from cuescan.training.prompting import PromptedNetwork, default_views, prompted_views
from cuescan.training.text_encoding import TextEncoding


class PromptedPredictor(CuePredictor):
    """Predicts whole images, each by its own prompt or by the default prompts.

    An image is padded to the patch and seen as a whole, however large it is, since a prompt speaks of the whole image.
    Mirrored views are averaged, each with the prompt that is true of it.

    Args:
        options: of :class:`nnunetv2.inference.predict_from_raw_data.nnUNetPredictor`.
    """

    allowed_mirroring_axes: Sequence[int] | None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.texts: Mapping[str, TextEncoding] = {}
        self.sentences: CaseSentences | None = None
        self._statements: Sequence[Statement] | None = None
        self._kept = WHOLE
        self.digests: list[str] = []
        self._digests: Iterator[str] = cycle([""])

    def inspect(self, checkpoint: dict[str, Any], path: Path) -> None:
        """Note the fold's encoder by its sha256; the plans keep that of the last fold only.

        Raises:
            UserError: the checkpoint takes no prompts.
        """
        try:
            self.digests.append(checkpoint["init_args"]["plans"]["cuescan"]["encoder_sha256"])
        except KeyError:
            raise UserError(
                f"{path}: this checkpoint takes no prompts; give one of TIFCMambaTrainer with -chk"
            ) from None

    def use_prompts(self, prompts: Mapping[str, str], texts: Mapping[str, TextEncoding]) -> None:
        """Prompt cases by sentences, others by the default prompts; ``texts`` has every fold's encoder by digest."""
        cues = {case: Cue(text=sentence) for case, sentence in prompts.items()}
        self.sentences, self.texts = CaseSentences(Cues(tuple(self.plan["classes"]), cues=cues)), texts

    def predict_from_data_iterator(self, data_iterator: Iterable[dict], *arguments: Any, **options: Any) -> Any:
        """Predict what preprocessing yields, setting each case's prompt before it is predicted."""
        return super().predict_from_data_iterator(self._prompting(data_iterator), *arguments, **options)

    def _prompting(self, items: Iterable[dict]) -> Iterator[dict]:
        for item in items:
            case = Path(item["ofile"]).name
            self._statements = None
            self._digests = cycle(self.digests)
            if self.sentences is not None and case in self.sentences.cues.cues:
                shape, crop = raw_geometry(item["data_properties"])
                self._statements, self._kept = self.sentences.statements(case, shape), Box(*crop)
            yield item

    @torch.inference_mode()
    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """Logits (1 + K, 1, H, W) of a whole preprocessed image (C, 1, H, W) by the next fold; nothing slides."""
        digest = next(self._digests)
        axes = self.allowed_mirroring_axes if self.use_mirroring else None
        size = input_image.shape[2:]
        valid = padding_mask(size, self.configuration_manager.patch_size)
        window = (slice(None), *centred_slices(size, valid.shape[2:]))
        image = torch.zeros(1, len(input_image), *valid.shape[2:])
        image[0][window] = input_image[:, 0]
        network = PromptedNetwork(self.network.to(self.device).eval())
        if self._statements is None:
            network.prompt(default_views(axes))
        else:
            encode = self.texts[digest].prompts
            network.prompt(prompted_views(encode, self._statements, self._kept, valid, axes))
        with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            logits = network(image.to(self.device))[0]
        return logits[window][:, None].float()
