"""The sizes that are timed, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Size:
    """Of one scan."""

    batch: int
    dim: int
    length: int
    state: int = 16
    groups: int = 4

    def __str__(self) -> str:
        return (
            f"batch {self.batch}, dim {self.dim}, length {self.length}, state {self.state}, groups {self.groups}; "
            "float32, softplus, D, delta_bias"
        )


@dataclass(frozen=True)
class Map:
    """Of a four-route block on a feature map."""

    batch: int
    dim: int
    height: int
    width: int
    state: int

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.height} x {self.width} x {self.dim}, state {self.state}"


@dataclass(frozen=True)
class Preset:
    """What ``--sizes`` chooses.

    Attributes:
        sequences: Sizes of tables A and B, the target first, each with its peers.
        maps: Sizes of the blocks of table C.
        two_ways: Size of the two-way scan of table C; its groups do not count.
        lengths: Lengths of table D.
        step: Batch and image size of table F.
        rounds: How often the contestants take turns.
    """

    sequences: tuple[tuple[Size, tuple[str, ...]], ...]
    maps: tuple[Map, ...]
    two_ways: Size
    lengths: tuple[int, ...]
    step: tuple[int, int]
    rounds: int


MAMBA_PY, REFERENCE, NAIVE = "mamba.py", "mamba_ssm reference", "naive"
TARGET = Size(1, 192, 3136)
_QUICK = Preset(
    sequences=(
        (TARGET, (MAMBA_PY, NAIVE)),
        (Size(1, 192, 197), (MAMBA_PY, REFERENCE, NAIVE)),
        (Size(1, 192, 12544), (MAMBA_PY,)),
    ),
    maps=(Map(4, 96, 56, 56, 16), Map(4, 96, 56, 56, 8)),
    two_ways=Size(4, 192, 197),
    lengths=tuple(2**power for power in range(8, 17)),
    step=(4, 224),
    rounds=5,
)
PRESETS = {
    "quick": _QUICK,
    "full": replace(
        _QUICK,
        sequences=(*_QUICK.sequences, (Size(4, 768, 3136), (MAMBA_PY,))),
        rounds=15,
    ),
    "tiny": Preset(
        sequences=((Size(2, 24, 37, 4, 2), (MAMBA_PY, REFERENCE, NAIVE)),),
        maps=(Map(2, 16, 5, 6, 4),),
        two_ways=Size(2, 16, 21, 4),
        lengths=(16, 32, 64),
        step=(1, 32),
        rounds=2,
    ),
}


@dataclass(frozen=True)
class Settings:
    """The command line, read; ``rounds`` goes before the preset's."""

    preset: Preset
    device: str
    threads: int
    rounds: int
    limit_seconds: float
    limit_bytes: float
    figure: Path | None
