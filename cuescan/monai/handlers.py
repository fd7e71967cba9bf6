"""Handlers of MONAI's engines, beside MONAI's own."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines.utils import IterationEvents

from cuescan.errors import UserError
from cuescan.monai.metadata import write_metadata
from cuescan.monai.supervision import Supervision


class ClipGradients:
    """Scale gradients down to a norm, as nnU-Net's trainers do.

    Args:
        norm: the largest norm.
    """

    def __init__(self, norm: float = 12.0) -> None:
        self.norm = norm

    def attach(self, engine: Any) -> None:
        """Clip after each backward pass."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Clip."""
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.norm)


class SeedEpochs:
    """Draw random numbers from seed, epoch and process alone, so that a resumed training goes on as if unbroken.

    Args:
        seed: of the training.
        followers: are told the epoch by ``set_epoch``: the sampler of the data loader and the augmentation.
    """

    def __init__(self, seed: int, followers: Sequence[Any]) -> None:
        self.seed, self.followers = seed, followers

    def attach(self, engine: Any) -> None:
        """Seed before the epoch's batches are drawn."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Seed."""
        epoch = engine.state.epoch
        torch.manual_seed(self.seed + 1_000_003 * epoch + idist.get_rank())
        for follower in self.followers:
            follower.set_epoch(epoch)


class WriteCard:
    """Write the model's card, and metadata that fit it, beside its weights when a training starts.

    Args:
        supervision: has the card once it is prepared.
        path: of the card; ``metadata.json`` lies beside it.
    """

    def __init__(self, supervision: Supervision, path: Path | str) -> None:
        self.supervision, self.path = supervision, Path(path)

    def attach(self, engine: Any) -> None:
        """Write at the start."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Write."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.supervision.card.write(self.path)
        write_metadata(self.supervision.card, self.path.with_name("metadata.json"))


class SaveBest:
    """Keep the weights of the validation with the highest key metric; a resumed training remembers which that was.

    The file holds tensors alone, without the wrapper of several processes, and is either whole or not there.

    Args:
        network: whose weights are kept.
        path: of the file.
        active: whether this process writes; one of several does.
    """

    def __init__(self, network: torch.nn.Module, path: Path | str, active: bool = True) -> None:
        self.network, self.path, self.active = network, Path(path), active
        self.best = -math.inf

    def attach(self, engine: Any) -> None:
        """Compare when the evaluator ends."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Keep the weights if they are the best so far; of equals the last."""
        value = float(engine.state.metrics[engine.state.key_metric_name])
        if value < self.best:
            return
        self.best = value
        if not self.active:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        bare: Any = getattr(self.network, "module", self.network)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        torch.save(bare.state_dict(), partial)
        partial.replace(self.path)

    def state_dict(self) -> dict[str, float]:
        """The best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on with it."""
        self.best = float(state["best"])


def latest_checkpoint(folder: Path | str) -> str:
    """The newest ``checkpoint_epoch=N.pt`` of a folder.

    Raises:
        UserError: there is none.
    """
    found = list(Path(folder).glob("checkpoint_epoch=*.pt"))
    if not found:
        raise UserError(f"{folder}: there is no training to go on with; run train.json first, or correct --ckpt_dir")
    return str(max(found, key=lambda path: int(path.stem.partition("=")[2])))


class TellScore:
    """Log the parts of the score from cues after a validation.

    Args:
        parts: gives them.
    """

    def __init__(self, parts: Callable[[], dict[str, float]]) -> None:
        self.parts = parts

    def attach(self, engine: Any) -> None:
        """Log when the evaluator ends."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Log."""
        found = ", ".join(f"{name} {value:.3f}" for name, value in self.parts().items() if value == value)
        logging.getLogger(__name__).info("validation: %s", found)
