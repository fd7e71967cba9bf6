"""A weak trainer whose cues are sentences: reading them, encoding them, and validation by each case's own sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch.distributed as dist

from cuescan.cues.language import Box
from cuescan.nnunet import refusals
from cuescan.nnunet.encoder_of_fold import encoder_of_fold
from cuescan.nnunet.images import raw_geometry
from cuescan.nnunet.weak_trainer import WeakTrainer
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.padding import padding_mask
from cuescan.training.prompting import PromptedNetwork, announcing, default_views, prompted_views
from cuescan.training.sentence_supervision import SentenceSupervision
from cuescan.training.text_encoding import TextEncoding, find_encoder

PROMPTS_FILE = "validation_prompts.json"
OWN, DEFAULT = "its own sentence", "default prompts"
ENCODERS = "cuescan_encoders"
"""Folder beside the preprocessed data where small encoders and embeddings are kept."""


class SentenceTrainer(WeakTrainer):
    """The part of a trainer that deals with sentences; a subclass gives network, loss and how they meet."""

    text: TextEncoding
    supervision: SentenceSupervision

    @cached_property
    def sentences(self) -> CaseSentences:
        """The sentences of the data set."""
        return CaseSentences(self.cues)

    def _adopt_stored(self, checkpoint: dict, path: Path) -> None:
        super()._adopt_stored(checkpoint, path)
        stored = checkpoint["init_args"]["plans"]["cuescan"]
        self.plans_manager.plans["cuescan"]["encoder_sha256"] = stored["encoder_sha256"]

    def check_cues(self) -> None:
        """Refuse labels that contradict their sentence."""
        self.sentences.check([*self.training_cases, *self.validation_cases], self.cue_path)

    def may_turn(self, case: str) -> bool:
        """Whether the sentence can follow; one that names a direction of the body cannot."""
        return self.sentences.may_turn(case)

    def may_stain(self, case: str) -> bool:
        """Unless the sentence names a colour."""
        return not self.sentences.names_colour(case)

    def tell_cues(self) -> None:
        """Log how often the sentences state what."""
        shapes = self._raw_shapes(self.training_cases)
        for number, name in enumerate(self.cues.classes):
            stated = [self.sentences.statements(case, shapes[case])[number] for case in self.training_cases]
            told = {
                "present": sum(s.present is True for s in stated),
                "absent": sum(s.present is False for s in stated),
                "with a place": sum(bool(s.places) for s in stated),
                "with a box": sum(bool(s.boxes) for s in stated),
                "with a share": sum(s.share is not None for s in stated),
            }
            counts = ", ".join(f"{key} {count}" for key, count in told.items())
            self.print_to_log_file(f"{name}: {counts} of {len(stated)} training cases")

    def _raw_shapes(self, cases: Sequence[str]) -> dict[str, tuple[int, int]]:
        source = self.dataset_class(self.preprocessed_dataset_folder)
        return {case: raw_geometry(source.load_case(case)[3])[0] for case in cases}

    def use_encoder(self) -> None:
        """Get the encoder ready; the small one is trained if it is not yet there."""
        folder = Path(self.preprocessed_dataset_folder_base) / ENCODERS
        plan = self.plans_manager.plans["cuescan"]
        with refusals.one_sentence():
            path = self.options.encoder
            if path == "small":
                path = self._small_encoder(folder)
            encoder = find_encoder(path, plan.get("encoder_sha256"), self.device, self.print_to_log_file)
        plan["encoder_sha256"] = encoder.digest
        self.text = TextEncoding(encoder, folder / "texts")
        self.supervision = SentenceSupervision(self.sentences, self.text, self.device)

    def _small_encoder(self, folder: Path) -> str:
        """Train the small encoder on the fold's training cases, or find it; only the first process trains."""
        if self.is_ddp and self.local_rank != 0:
            dist.barrier()
        training = self.do_split()[0]
        source = self.dataset_class(self.preprocessed_dataset_folder)
        path = encoder_of_fold(source, training, self.sentences, folder, self.options.seed, self.device)
        if self.is_ddp and self.local_rank == 0:
            dist.barrier()
        return str(path)

    def validate(self, save_probabilities: bool) -> None:
        """Predict and score the validation cases as nnU-Net does, each prompted by its own sentence, if it has one."""
        self.use_encoder()
        self.set_deep_supervision_enabled(False)
        used: dict[str, str] = {}
        network, dataset_class, axes = self.network, self.dataset_class, self.inference_allowed_mirroring_axes
        prompted = PromptedNetwork(self.bare_network)
        patch = self.configuration_manager.patch_size

        def announce(case: str, data: Any, properties: Any) -> None:
            used[case] = DEFAULT if self.cues.cues[case].text is None else OWN
            if used[case] == DEFAULT:
                return prompted.prompt(default_views(axes))
            shape, crop = raw_geometry(properties)
            statements, valid = self.sentences.statements(case, shape), padding_mask(data.shape[2:], patch)
            return prompted.prompt(prompted_views(self.text.prompts, statements, Box(*crop), valid, axes))

        self.network, self.inference_allowed_mirroring_axes = prompted, None
        self.dataset_class = announcing(dataset_class, announce)
        try:
            super().validate(save_probabilities)
        finally:
            self.network, self.dataset_class, self.inference_allowed_mirroring_axes = network, dataset_class, axes
        if used:
            self._tell_prompts(used)

    def _tell_prompts(self, used: Mapping[str, str]) -> None:
        """Write which case was prompted by what, and say how many; every process tells of its own cases."""
        name = PROMPTS_FILE if self.local_rank == 0 else f"{self.local_rank}_{PROMPTS_FILE}"
        (Path(self.output_folder) / name).write_text(json.dumps(used, indent=1), encoding="utf-8")
        own = sum(kind == OWN for kind in used.values())
        self.print_to_log_file(
            f"Final validation: {own} of {len(used)} cases prompted by their own sentence, the others by the default "
            f"prompts ({name})."
        )
