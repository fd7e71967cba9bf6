"""The trained folds of a weak model, of which each case takes those that may label it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from cuescan.cues import Cues
from cuescan.cues.reading import load_json
from cuescan.errors import UserError
from cuescan.networks.scaled_views import ScaledViews
from cuescan.nnunet.cue_predictor import cue_plan
from cuescan.pseudo.folds import Fold
from cuescan.training.checkpoint import load_checkpoint


def trained_folds(folder: Path, checkpoint: str, wanted: Sequence[Fold] | None) -> list[Fold]:
    """The folds to use: those asked for, or else all numbered ones that have a checkpoint.

    Raises:
        UserError: there is no model of cues, or no such checkpoint.
    """
    cue_plan(folder)
    for fold in wanted or ():
        path = folder / f"fold_{fold}" / checkpoint
        if not path.is_file():
            raise UserError(f"{path}: no such checkpoint; train fold {fold} to its end, or correct -f or -chk")
    numbers = [path.parent.name.removeprefix("fold_") for path in folder.glob(f"fold_*/{checkpoint}")]
    folds: list[Fold] = list(wanted) if wanted else sorted(int(number) for number in numbers if number.isdigit())
    if not folds:
        raise UserError(f"{folder}: no numbered fold has a {checkpoint}; train one to its end, or correct -chk")
    return folds


def _silence() -> contextlib.AbstractContextManager:
    return contextlib.redirect_stdout(io.StringIO())


class WeakModel:
    """A model of image-level labels by nnU-Net's inference: tiles, mirrored and scaled views, each fold for itself.

    Args:
        folder: nnU-Net's folder of the model, ``TRAINER__PLANS__CONFIGURATION``.
        folds: to load.
        checkpoint: file name in the fold's folder.
        device: to predict on.
        mirroring: average mirrored views.
        scales: at which the network sees an image; its answers are averaged.

    Raises:
        UserError: a checkpoint is unsafe or damaged, or no cuescan trainer for image-level labels wrote it.
    """

    def __init__(
        self,
        folder: Path,
        folds: Sequence[Fold],
        checkpoint: str,
        device: torch.device,
        mirroring: bool,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self.folder, self.checkpoint, self.scales = folder, checkpoint, tuple(scales)
        self.plans = PlansManager(load_json(folder / "plans.json"))
        self.plan = cue_plan(folder)
        if self.plan["network"] == "TIFCMamba":
            raise UserError(
                f"{folder}: this model is told by a sentence what to segment, and pseudo-labels are made from models "
                "of image-level labels; give another trainer with -tr"
            )
        self.dataset_json = load_json(folder / "dataset.json")
        self.networks: dict[Fold, nn.Module] = {}
        for fold in folds:
            loaded = load_checkpoint(folder / f"fold_{fold}" / checkpoint)
            self.networks[fold] = self._network(loaded, folder / f"fold_{fold}" / checkpoint)
            configuration, trainer = loaded["init_args"]["configuration"], loaded["trainer_name"]
            axes = loaded["inference_allowed_mirroring_axes"]
        self.configuration = self.plans.get_configuration(configuration)
        on_device = device.type == "cuda"
        with _silence():  # it speaks of settings that nobody chose
            self.predictor = nnUNetPredictor(
                use_mirroring=mirroring, device=device, perform_everything_on_device=on_device, allow_tqdm=False
            )
        self.predictor.manual_initialization(
            self.networks[folds[0]], self.plans, self.configuration, None, self.dataset_json, trainer, axes
        )
        self.preprocessor = self.configuration.preprocessor_class(verbose=False)

    @property
    def channels(self) -> int:
        """Channels of its images."""
        return len(self.dataset_json["channel_names"])

    @staticmethod
    @lru_cache
    def _trainer(name: str) -> Any:
        with _silence():  # it tells of every folder that it looks into
            return recursive_find_trainer_class_by_name(name)

    def _network(self, loaded: dict[str, Any], path: Path) -> nn.Module:
        plans = PlansManager(loaded["init_args"]["plans"])
        configuration = plans.get_configuration(loaded["init_args"]["configuration"])
        network = self._trainer(loaded["trainer_name"]).build_network_architecture(
            plans,
            configuration,
            determine_num_input_channels(plans, configuration, self.dataset_json),
            plans.get_label_manager(self.dataset_json).num_segmentation_heads,
            enable_deep_supervision=False,
        )
        try:
            network.load_state_dict(loaded["network_weights"])
        except RuntimeError:
            raise UserError(f"{path}: the weights do not fit {loaded['trainer_name']}; train the fold again") from None
        views = network if self.scales == (1.0,) else ScaledViews(network, self.scales)
        return views.eval()

    def check_cues(self, cues: Cues, source: Path) -> None:
        """Refuse cues of other classes than the model's.

        Raises:
            UserError: names both.
        """
        for what, own, given in (
            ("the classes are", ", ".join(self.plan["classes"]), ", ".join(cues.classes)),
            ("background is", str(self.plan["background"]).lower(), str(cues.background).lower()),
        ):
            if own != given:
                raise UserError(
                    f"{source}: {what} {given} but {self.folder} was trained with {own}; restore those cues, or train "
                    "again"
                )

    @torch.inference_mode()
    def probabilities(
        self, files: Sequence[str], folds: Sequence[Fold], possible: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Probabilities of an image, averaged over folds.

        What is not possible gets the logit -inf before each softmax, so that it takes nothing from the other classes,
        however sure the network was of it.

        Args:
            files: of the image's channels.
            folds: at least one.
            possible: (1 + K,) bool.

        Returns:
            (1 + K, H, W) float32; (H, W) bool, where the network looked; and nnU-Net's properties of the image.

        Raises:
            UserError: the image cannot be read.
        """
        try:
            data, _, properties = self.preprocessor.run_case(
                list(files), None, self.plans, self.configuration, self.dataset_json
            )
        except Exception as error:  # readers raise whatever their libraries do
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{files[0]}: the image cannot be read ({reason}); repair or remove it") from None
        image = torch.from_numpy(data).to(torch.float32)
        total: Any = 0
        for fold in folds:
            self.predictor.network = self.networks[fold]
            logits = torch.as_tensor(
                self._resampled(self.predictor.predict_sliding_window_return_logits(image), properties)
            )
            logits = logits.float().masked_fill(~torch.from_numpy(possible)[:, None, None, None], -torch.inf)
            total = total + torch.softmax(logits, 0)
        box, shape = properties["bbox_used_for_cropping"], properties["shape_before_cropping"]
        whole = self.predictor.label_manager.revert_cropping_on_probabilities(total / len(folds), box, shape)
        seen = np.zeros(shape, dtype=bool)
        seen[tuple(slice(*side) for side in box)] = True
        back = self.plans.transpose_backward
        planes = whole.numpy().transpose([0, *(axis + 1 for axis in back)])
        return planes[:, 0], seen.transpose(back)[0], properties

    def _resampled(self, logits: torch.Tensor, properties: dict[str, Any]) -> Any:
        """Logits at the size of the raw image's part that was kept, as nnU-Net's export resamples them."""
        shape = properties["shape_after_cropping_and_before_resampling"]
        before = [properties["spacing"][axis] for axis in self.plans.transpose_forward]
        own = list(self.configuration.spacing)
        current = own if len(own) == len(shape) else [before[0], *own]
        return self.configuration.resampling_fn_probabilities(logits.cpu().float(), shape, current, before)

    def write(self, mask: np.ndarray, path: Path, properties: dict[str, Any]) -> None:
        """Write a mask (H, W) as the data set's own format has it."""
        self.plans.image_reader_writer_class().write_seg(mask[None], str(path), properties)
