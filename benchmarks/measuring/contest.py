"""Contestants: ways to compute the same thing, which are compared before they are timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from measuring.timing import HEADER, Call, in_turns, line, ratios, summary

TOLERANCE = 1e-4  # of outputs and gradients in float32: RMS of the difference over RMS
Layout: TypeAlias = Callable[[str, Tensor], Tensor]


class Disagreement(Exception):
    """Two contestants computed different things."""


def same(name: str, tensor: Tensor) -> Tensor:
    """The layout of those that take the tensors as they are."""
    return tensor


@dataclass(frozen=True)
class Contestant:
    """One way to compute y from some tensors.

    Attributes:
        name: Its row in the tables.
        leaves: The tensors by name, laid out as this contestant likes them best.
        run: Takes the leaves as keyword arguments and returns y, in this contestant's layout too.
        own: Brings a named tensor (or "y") to this contestant's layout.
        common: Brings it back, so that results can be compared.
        note: What to know about it.
    """

    name: str
    leaves: dict[str, Tensor]
    run: Callable[..., Tensor]
    own: Layout = same
    common: Layout = same
    note: str = ""

    def forward(self) -> Tensor:
        """Return y alone, as in inference."""
        with torch.no_grad():
            return self.run(**self.leaves)

    def both(self, dy: Tensor) -> Call:
        """A call that computes y and the gradients of all leaves, from y's gradient in the common layout."""
        dy, wanted = self.own("y", dy).contiguous(), list(self.leaves.values())
        return lambda: torch.autograd.grad(self.run(**self.leaves), wanted, dy)

    def results(self, dy: Tensor) -> dict[str, Tensor]:
        """Return y and all gradients in the common layout, from y's gradient in it."""
        y = self.run(**self.leaves)
        found = torch.autograd.grad(y, list(self.leaves.values()), self.own("y", dy))
        named = {f"the gradient of {name}": (name, each) for name, each in zip(self.leaves, found, strict=True)}
        return {"y": self.common("y", y.detach())} | {what: self.common(*each) for what, each in named.items()}


def leaves(given: dict[str, Tensor], own: Layout) -> dict[str, Tensor]:
    """The given tensors in a layout, as leaves that want gradients."""
    return {name: own(name, each.detach()).contiguous().requires_grad_() for name, each in given.items()}


def weights_of(contestant: Contestant) -> Tensor:
    """A random gradient of y, in the common layout."""
    y = contestant.common("y", contestant.forward())
    generator = torch.Generator().manual_seed(1)
    return torch.randn(y.shape, generator=generator).to(y)


def compare(ours: Contestant, others: list[Contestant], dy: Tensor, what: str) -> None:
    """Compare outputs and gradients.

    Raises:
        Disagreement: They differ by more than TOLERANCE, or are not finite.
    """
    expected = ours.results(dy)
    for other in others:
        found = other.results(dy)
        for name, wanted in expected.items():
            difference = (found[name] - wanted).double().pow(2).mean().sqrt()
            error = float(difference / wanted.double().pow(2).mean().sqrt().clamp_min(1e-30))
            if not error <= TOLERANCE:  # nan is no agreement
                raise Disagreement(
                    f"{name} of {other.name} and of {ours.name} differ by {error:.2g} (RMS over RMS, at most "
                    f"{TOLERANCE:g} is allowed) at {what}"
                )


def contest(contestants: list[Contestant], rounds: int, device: str, what: str) -> list[dict[str, Any]]:
    """Compare the contestants with the first, time them in turns, and print and return their rows.

    Raises:
        Disagreement: They do not compute the same.
    """
    ours = contestants[0]
    dy = weights_of(ours)
    compare(ours, contestants[1:], dy, what)
    modes: dict[str, dict[str, Call]] = {
        "forward": {each.name: each.forward for each in contestants},
        "forward and backward": {each.name: each.both(dy) for each in contestants},
    }
    rows = []
    print(f"{what}\n{HEADER}")
    for mode, calls in modes.items():
        times = in_turns(calls, rounds, device, mode)
        print(f"  {mode}")
        for each in contestants:
            row = {
                "at": what,
                "mode": mode,
                "contestant": each.name,
                "note": each.note,
                "seconds": summary(times[each.name]),
                "times_ours": None if each is ours else ratios(times[each.name], times[ours.name]),
            }
            rows.append(row)
            print(line(each.name, row), flush=True)
    for each in contestants:
        if each.note:
            print(f"    {each.name}: {each.note}")
    return rows
