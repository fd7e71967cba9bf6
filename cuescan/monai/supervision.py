"""What MONAI's engines are given of cues: batches, losses, and how an epoch is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import SimpleInferer
from torch import Tensor, nn

from cuescan.cues.language import Turn
from cuescan.data.images import read_header
from cuescan.errors import UserError
from cuescan.losses import TextSupervisionLoss
from cuescan.monai.datalist import Datalist
from cuescan.monai.model_card import ModelCard
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.cue_score import CueStatistics, cue_statistics
from cuescan.training.label_loss import build_label_loss
from cuescan.training.network_building import build_loss
from cuescan.training.parts import CaseParts, Parts, check_boxes
from cuescan.training.sentence_supervision import SentenceSupervision, lesson_loss, unit_images
from cuescan.training.text_encoding import TextEncoding, find_encoder
from cuescan.training.training_pairs import UnitImages, train_small_encoder

Batch = tuple[Tensor, Any, tuple, dict]
"""What MONAI's engines take: inputs, targets, and further arguments of the network."""
ENCODERS = "encoders"
LOSS_ARGUMENTS = "loss_arguments"


class TrainingInferer(SimpleInferer):
    """Lets the network return what its loss takes; in all other calls it returns logits."""

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the network, which may be wrapped for several processes."""
        bare: Any = getattr(network, "module", network)
        bare.deep_supervision = True
        try:
            return network(inputs, *args, **kwargs)
        finally:
            bare.deep_supervision = False


class Supervision:
    """What both kinds of cues share.

    Args:
        network: to be trained, without wrappers.
        datalist: of the data set.
        card: of the network.
        fold: that is trained.
        device: of the network.
        trunk: pretrained weights of the trunk: a .safetensors file, or "timm".
        loss_arguments: of the loss.
    """

    def __init__(
        self,
        network: nn.Module,
        datalist: Datalist,
        card: ModelCard,
        fold: int,
        device: torch.device | str,
        trunk: str | None = None,
        loss_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.network: Any = network
        self.datalist, self.card, self.fold = datalist, card, fold
        self.device, self.trunk = torch.device(device), trunk
        self.criterion: Any = self.new_loss(loss_arguments or {})

    def new_loss(self, arguments: Mapping[str, Any]) -> nn.Module:
        """Build the loss."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Load pretrained weights and get ready what takes long."""
        if self.trunk is not None:
            self.network.load_trunk(self.trunk)

    def prepare_batch(
        self, batch: Mapping[str, Any], device: Any = None, non_blocking: bool = False, **options: Any
    ) -> Batch:
        """Inputs and targets of a training batch."""
        raise NotImplementedError

    def loss(self, maps: Any, targets: Any) -> Tensor:
        """The loss of what the network gave."""
        raise NotImplementedError

    def judge(self, batch: Mapping[str, Any]) -> CueStatistics:
        """How far the network's masks of a validation batch obey its cues."""
        raise NotImplementedError

    def _tensors(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Image, valid pixels and reference mask, without what MONAI notes beside them."""
        image, valid = (torch.Tensor(batch[key]).to(self.device) for key in ("image", "valid"))
        if "label" not in batch:
            return image, valid.bool(), None
        target = torch.Tensor(batch["label"]).to(self.device).long()
        return image, valid.bool(), target if self.card.background else torch.where(target == 0, -1, target)


class LabelSupervision(Supervision):
    """PathMamba's: labels of images, or of parts of them, and the deep contrast loss."""

    def new_loss(self, arguments: Mapping[str, Any]) -> nn.Module:
        """Build the deep contrast loss."""
        cases = [item["case"] for item in self.datalist.training(self.fold)]
        return build_label_loss(self.network, self.datalist.cues, cases, arguments, LOSS_ARGUMENTS)

    def prepare(self) -> None:
        """Refuse training cases without labels, or with parts beyond their image, and load pretrained weights.

        Raises:
            UserError: names the first such case.
        """
        cues, folder = self.datalist.cues, self.datalist.folder
        for item in self.datalist.training(self.fold):
            if not cues.cues[item["case"]].states_labels:
                raise UserError(
                    f"{folder}: case '{item['case']}' states no label, but PathMamba learns from labels "
                    "only; state one, or remove the case"
                )
        for case in (case for case, cue in cues.cues.items() if cue.parts):
            check_boxes(cues, case, read_header(Path(self.datalist.cases[case]["image"][0])).size, folder)
        super().prepare()

    def prepare_batch(
        self, batch: Mapping[str, Any], device: Any = None, non_blocking: bool = False, **options: Any
    ) -> Batch:
        """Images; labels, valid pixels and, where parts are labelled, their boxes as targets."""
        image, valid, _ = self._tensors(batch)
        parts = self._parts(batch)
        return image, (self._labels(batch), valid) if parts is None else (parts.labels, valid, parts.boxes), (), {}

    def loss(self, maps: Any, targets: Any) -> Tensor:
        """The deep contrast loss."""
        return self.criterion(maps, *targets)

    def judge(self, batch: Mapping[str, Any]) -> CueStatistics:
        """By labels of images, or of parts of them, and agreement."""
        image, valid, target = self._tensors(batch)
        return cue_statistics(self.network, image, valid, self._labels(batch), target, parts=self._parts(batch))

    def _labels(self, batch: Mapping[str, Any]) -> Tensor:
        cues = self.datalist.cues
        return torch.from_numpy(np.stack([cues.label_vector(case) for case in batch["case"]])).to(self.device)

    def _parts(self, batch: Mapping[str, Any]) -> Parts | None:
        """Labelled parts of a batch's images, where the data set has any."""
        cues = self.datalist.cues
        if not cues.has_parts:
            return None
        find, found = CaseParts(cues, batch["case"]), []
        for number, case in enumerate(batch["case"]):
            rows, columns = (torch.as_tensor(batch["valid"][number]).bool()[0].any(axis).nonzero() for axis in (1, 0))
            turn = Turn(*(bool(value) for value in batch["turn"][number]))
            size = len(rows), len(columns)
            found.append(
                find(
                    case, batch["shape"][number].tolist(), batch["crop"][number].tolist(),
                    size[::-1] if turn.transpose else size, turn, (int(rows[0]), int(columns[0])),
                )
            )  # fmt: skip
        return Parts(*(torch.from_numpy(np.stack(values)).to(self.device) for values in zip(*found, strict=True)))


class TextSupervision(Supervision):
    """TIFCMamba's: sentences and the losses of mutual alignment.

    Args:
        network, datalist, card, fold, device, trunk, loss_arguments: see :class:`Supervision`.
        encoder: as :func:`cuescan.encoders.load_encoder` takes it, or "small" to train one on the fold's pairs.
        folder: where small encoders and embeddings are kept.
        load: gives the image (C, H, W) of a training item, for the small encoder.
        seed: of the small encoder.
    """

    def __init__(
        self,
        network: nn.Module,
        datalist: Datalist,
        card: ModelCard,
        fold: int,
        device: torch.device | str,
        encoder: str,
        folder: Path | str,
        load: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        seed: int = 0,
        trunk: str | None = None,
        loss_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(network, datalist, card, fold, device, trunk, loss_arguments)
        self.encoder, self.folder, self.load, self.seed = encoder, Path(folder), load, seed
        self.sentences = CaseSentences(datalist.cues)

    def new_loss(self, arguments: Mapping[str, Any]) -> nn.Module:
        """Build the loss of sentences."""
        grounded = {} if self.network.grounding else {"grounding": 0.0}
        return build_loss(TextSupervisionLoss, grounded, arguments, LOSS_ARGUMENTS)

    def prepare(self) -> None:
        """Check the sentences, find the encoder or train the small one, and set the default prompts.

        Raises:
            UserError: labels contradict a sentence, or there is no such encoder.
        """
        super().prepare()
        self.sentences.check(self.datalist.cases, self.datalist.folder)
        path = self._small_encoder() if self.encoder == "small" else self.encoder
        encoder = find_encoder(path, None, self.device, print)
        self.card = replace(self.card, encoder_sha256=encoder.digest)
        self.text = TextEncoding(encoder, self.folder / ENCODERS / "texts")
        self.criterion.use_encoder(encoder)
        self.lessons = SentenceSupervision(self.sentences, self.text, self.device)
        with torch.no_grad():
            self.network.prompts.copy_(self.lessons.default_prompts())

    def _small_encoder(self) -> str:
        items = self.datalist.training(self.fold)
        images = UnitImages(lambda number: self.load(items[number])["image"].numpy(), len(items))
        shapes = [read_header(Path(item["image"][0])).size for item in items]
        return str(
            train_small_encoder(
                images, [item["case"] for item in items], shapes, self.sentences, self.folder / ENCODERS, self.seed,
                self.device,
            )
        )  # fmt: skip

    def prepare_batch(
        self, batch: Mapping[str, Any], device: Any = None, non_blocking: bool = False, **options: Any
    ) -> Batch:
        """Images; the lesson drawn for them, images and valid pixels as targets; prompts, places and token states."""
        image, valid, _ = self._tensors(batch)
        lesson = self.lessons.lesson({**batch, "keys": batch["case"]}, valid)
        targets = (lesson, unit_images(image, valid, self.card.unit_range), valid)
        return image, targets, (lesson.prompts, lesson.place, lesson.states), {}

    def loss(self, maps: Any, targets: Any) -> Tensor:
        """The loss of the lesson; every weight has a gradient, as several processes need it."""
        loss = lesson_loss(self.criterion, self.network, maps, *targets)
        for weight in (self.network.log_temperature, *self.network.text_segmenter.parameters()):
            loss = loss + 0 * weight.sum()
        return loss

    def judge(self, batch: Mapping[str, Any]) -> CueStatistics:
        """By the sentences, which the network is not told, and by place words, which it is."""
        image, valid, target = self._tensors(batch)
        return self.lessons.judge(self.network, {**batch, "keys": batch["case"]}, image, valid, target)
