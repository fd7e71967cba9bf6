"""Table E: the share of the machine's multiply-adds and bandwidth that one scan reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from measuring.contest import weights_of
from measuring.timing import digits, in_turns, in_words, summary

from scan_tables.peers import given, make, ours
from scan_tables.settings import Settings, Size

LANES, BLOCK = 16, 64  # of the numba kernels: channels of a vector, steps between two kept states
COPIED = 64 * 2**20  # numbers: 256 MiB, beyond any cache


@dataclass(frozen=True)
class Arithmetic:
    """Multiplications and fused multiply-adds of the numba kernels, in vectors of LANES channels.

    Attributes:
        state_step: Per state and step.
        step: Per step, for all states together.
    """

    state_step: int
    step: int

    def vectors(self, size: Size) -> int:
        """Vector operations of one scan."""
        chunks = size.batch * size.groups * -(-size.dim // size.groups // LANES)
        return chunks * size.length * (size.state * self.state_step + self.step)


# Counted in the kernels' source. What is left out are additions, comparisons, shuffles, loads and stores, which
# processors do beside multiplications.
EXP2 = 5  # a polynomial of degree 5
SOFTPLUS = 1 + EXP2 + 9  # |x| log2(e); 2**that; log(1 + it), a polynomial of degree 8 times its argument
ARITHMETIC = {
    "forward": Arithmetic(
        state_step=1 + EXP2 + 2 + 1,  # step * rate; decay; h = decay * h + drive * B; C * h          recur
        step=SOFTPLUS + 2,  # drive = step * u; D * u                                                 forward
    ),
    "backward": Arithmetic(
        state_step=1 + EXP2 + 2  # the states once more                                               recur_again
        + 8,  # g + dy * C; dy * h; g * drive; g * B; g * decay; that * h; that * rate, * step        step_back
        step=SOFTPLUS + 1 + EXP2  # softplus and its slope                                            prepare_back
        + 1 + 5,  # drive; gradients of step (2), u (2) and D                                         backward
    ),
}  # fmt: skip


def moved(size: Size, kept: bool) -> dict[str, float]:
    """Bytes that must at least pass between memory and processor: each array once.

    forward reads u, delta, B and C and writes y; backward reads these, dy for y, and writes the gradients of the four.
    ``kept`` adds the states that the numba kernels keep between the two.
    """
    channels = size.batch * size.dim * size.length
    weights = 2 * size.batch * size.groups * size.state * size.length
    states = channels / BLOCK * size.state if kept else 0
    return {"forward": 4 * (3 * channels + weights + states), "backward": 4 * (5 * channels + 2 * weights + states)}


def table(settings: Settings) -> list[dict[str, Any]]:
    """Print the table; returns its rows."""
    name, size = ours(settings.device)[0], settings.preset.sequences[0][0]
    print(f"E. What {name} reaches of the machine's limits\n{size}")
    (scan,) = make(name, size, given(size, settings.device))
    dy = weights_of(scan)
    y, leaves = scan.run(**scan.leaves), list(scan.leaves.values())
    source = torch.ones(COPIED, device=settings.device)
    target = torch.empty_like(source)
    calls: dict[str, Any] = {
        "forward": scan.forward,
        "backward": lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True),
        "copy": lambda: target.copy_(source),
    }
    loops = {}
    if name == "numba":
        from scan_tables.multiply_adds import loops as multiply_adds

        loops = multiply_adds()
        calls |= {label: call for label, (call, _) in loops.items()}
    times = in_turns(calls, settings.rounds, settings.device, "limits")
    medians = {label: summary(each)["median"] for label, each in times.items()}

    bandwidth = 2 * source.nbytes / medians["copy"]
    print(f"    bandwidth: {digits(bandwidth / 1e9)} GB/s, reading and writing, as torch copies {COPIED} numbers")
    rate = max((vectors / medians[label] for label, (_, vectors) in loops.items()), default=None)
    if rate:
        print(f"    multiply-adds: {digits(rate / 1e9)} G/s of {LANES}-lane vectors, independent ones in registers, "
              f"{digits(2 * LANES * rate / 1e9)} GFLOP/s; threads: {settings.threads}")  # fmt: skip
    rows = []
    for mode, needed in moved(size, kept=name == "numba").items():
        row = {"mode": mode, "contestant": name, "seconds": summary(times[mode]), "bytes": needed,
               "bandwidth": bandwidth, "share_of_bandwidth": needed / medians[mode] / bandwidth}  # fmt: skip
        text = f"{row['share_of_bandwidth']:.0%} of the bandwidth, each array once: {digits(needed / 1e6)} MB"
        if rate:
            work = ARITHMETIC[mode]
            row |= {"vectors": work.vectors(size), "vectors_per_second": rate}
            row["share_of_multiply_adds"] = work.vectors(size) / medians[mode] / rate
            text = (
                f"{row['share_of_multiply_adds']:.0%} of the multiply-adds: {work.state_step} per state and step and "
                f"{work.step} per step, {digits(work.vectors(size) / 1e6)} million vectors\n{'':23}{text}"
            )
        print(f"    {mode:9}{in_words(medians[mode]):>9} {text}")
        rows.append(row)
    return rows
