"""A running average of the weights during training, kept by the optimiser so that checkpoints carry it."""

from __future__ import annotations

from typing import Any

import torch

SLOT, STEPS, SHOWN = "average", "averaged_steps", "average_shown"
"""Names in the optimiser's state: of a weight's average, and in its groups: of the steps averaged, and of which of both
the network holds."""


class WeightAverage:
    """An exponential moving average of the weights: calmer masks than those of any single step.

    ``average <- d average + (1 - d) weight`` after each step, with ``d = min(decay, (1 + n) / (10 + n))`` at step n
    (Polyak and Juditsky 1992; exponential form and warm-up as in TensorFlow's ExponentialMovingAverage). The averages
    lie in the optimiser's own state, which is what a checkpoint keeps, so a continued training equals an uninterrupted
    one. Statistics of batch normalisation are not averaged.

    Args:
        optimizer: whose weights are averaged, from its next step on.
        decay: d, in [0, 1); 0 keeps no average.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.optimizer, self.decay = optimizer, decay
        if decay:
            optimizer.register_step_post_hook(self._update)

    def show(self, average: bool) -> None:
        """Let the network hold the averages, to be judged and saved, or the weights that the next step changes."""
        for group in self.optimizer.param_groups if self.decay else ():
            if group.get(SHOWN, False) != average:
                for weight in group["params"]:
                    _exchange(weight, self.optimizer.state.get(weight, {}))
                group[SHOWN] = average

    @torch.no_grad()
    def _update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            steps = group[STEPS] = group.get(STEPS, 0) + 1
            decay = min(self.decay, (1 + steps) / (10 + steps))
            for weight in group["params"]:
                if weight.grad is None:  # the optimiser has no state of it either
                    continue
                state = optimizer.state[weight]
                if SLOT in state:
                    state[SLOT].lerp_(weight, 1 - decay)
                else:
                    state[SLOT] = weight.detach().clone()


@torch.no_grad()
def _exchange(weight: torch.Tensor, state: dict[str, Any]) -> None:
    if SLOT in state:
        kept = weight.detach().clone()
        weight.copy_(state[SLOT])
        state[SLOT].copy_(kept)
