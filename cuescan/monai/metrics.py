"""Metrics that MONAI's evaluators attach: the score from cues, and mIoU where there are masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from ignite.metrics import ConfusionMatrix, Metric, mIoU
from monai.data import list_data_collate
from monai.networks.utils import eval_mode

from cuescan.training.cue_score import CueStatistics, components


class CueScore(Metric):
    """The score from cues (:mod:`cuescan.training.cue_score`), in [0, 1], over all processes.

    Its parts are in ``parts`` after each computation.

    Args:
        judge: the statistics of a batch.
    """

    def __init__(self, judge: Callable[[Mapping[str, Any]], CueStatistics]) -> None:
        self.judge = judge
        self.parts: dict[str, float] = {}
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.statistics = CueStatistics()

    def iteration_completed(self, engine: Any) -> None:
        """Judge the engine's batch: the score looks at changed views of the images, not at the engine's output.

        MONAI takes batches apart and puts the network back into training mode before metrics see them.
        """
        batch = engine.state.batch
        with eval_mode(engine.network):
            self.update(list_data_collate(batch) if isinstance(batch, list) else batch)

    def update(self, output: Any) -> None:
        """Judge a batch."""
        self.statistics = self.statistics + self.judge(output)

    def compute(self) -> float:
        """The score."""
        statistics = self.statistics
        if dist.is_available() and dist.is_initialized():
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, statistics)
            statistics = sum(gathered, CueStatistics())
        self.parts = components(statistics)
        return self.parts["score"]


def mask_metrics(has_masks: bool, classes: int, background: bool) -> dict[str, Metric] | None:
    """``val_mean_iou`` over one confusion matrix of all pixels, or None where there is no mask to compare with.

    Args:
        has_masks: whether there are masks.
        classes: the number of classes, K.
        background: False where every pixel belongs to a class.
    """
    if not has_masks:
        return None

    def pairs(output: Sequence[Mapping[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
        predicted = torch.cat([torch.Tensor(item["pred"]).reshape(-1) for item in output]).long()
        reference = torch.cat([torch.Tensor(item["label"]).reshape(-1) for item in output]).long()
        if not background:
            reference = torch.where(reference == 0, -1, reference)
        return torch.nn.functional.one_hot(predicted, classes + 1)[..., None], reference[:, None]

    matrix = ConfusionMatrix(classes + 1, output_transform=pairs)
    return {"val_mean_iou": mIoU(matrix, ignore_index=0)}
