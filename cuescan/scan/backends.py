"""Which code runs a selective scan: by the tensors' device, unless one is forced."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from cuescan.errors import UserError
from cuescan.scan.naive import selective_scan_naive

VARIABLE = "CUESCAN_SCAN"
Scan: TypeAlias = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Backend:
    """One way to run the scan.

    Attributes:
        devices: Device types it runs on; empty means all.
        load: Imports what it needs and returns the function; raises ImportError where that is not installed.
        hint: What to install when ``load`` fails.
    """

    devices: tuple[str, ...]
    load: Callable[[], Scan]
    hint: str = ""

    def runs_on(self, device: torch.device) -> bool:
        """Whether it takes tensors on ``device``."""
        return not self.devices or device.type in self.devices


def _load_naive() -> Scan:
    return selective_scan_naive


def _load_numba() -> Scan:
    from cuescan.scan.numba_cpu import selective_scan_numba

    return selective_scan_numba


# In order of preference; the last one runs anywhere.
BACKENDS: dict[str, Backend] = {
    "numba": Backend(("cpu",), _load_numba, "pip install numba"),
    "naive": Backend((), _load_naive),
}
_forced: ContextVar[str | None] = ContextVar("cuescan_scan_backend", default=None)


_functions: dict[str, Scan | None] = {}  # what each backend's load gave, None where it failed
_warned: set[str] = set()


def _loaded(name: str) -> Scan | None:
    if name not in _functions:
        try:
            _functions[name] = BACKENDS[name].load()
        except ImportError:
            _functions[name] = None
    return _functions[name]


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can run here, best first; imports each of them."""
    return tuple(name for name in BACKENDS if _loaded(name) is not None)


@contextmanager
def backend(name: str) -> Iterator[None]:
    """Force a backend for the scans started inside the ``with`` (and their gradients), in this thread.

    Args:
        name: One of :func:`available_backends`; it goes before the environment variable ``CUESCAN_SCAN``.

    Raises:
        UserError: There is no such backend, or what it needs is not installed.
    """
    _require(name, "backend")
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def choose(device: torch.device) -> Scan:
    """The function that scans tensors on ``device``.

    Raises:
        UserError: The forced backend is unknown, not installed, or does not run on this device.
    """
    name, source = _forced.get(), "backend"
    if name is None:
        name, source = os.environ.get(VARIABLE) or None, VARIABLE
    if name is not None:
        scan = _require(name, source)
        if not BACKENDS[name].runs_on(device):
            raise UserError(f"{source}={name!r} runs on {' and '.join(BACKENDS[name].devices)} only, got {device}")
        return scan
    for name, candidate in BACKENDS.items():
        if candidate.runs_on(device):
            found = _loaded(name)
            if found is not None:
                return found
            _warn_once(name, device.type)
    raise AssertionError("the naive backend runs anywhere")


def _require(name: str, source: str) -> Scan:
    if name not in BACKENDS:
        raise UserError(f"{source} must be one of {', '.join(BACKENDS)}, got {name!r}")
    scan = _loaded(name)
    if scan is None:
        raise UserError(f"{source}={name!r} needs a package that does not import here; try: {BACKENDS[name].hint}")
    return scan


def _warn_once(name: str, device: str) -> None:
    if name in _warned:
        return
    _warned.add(name)
    warnings.warn(
        f"the selective scan's {name} backend does not import, so scans on {device} are slow and take much memory; "
        f"to speed them up: {BACKENDS[name].hint}",
        RuntimeWarning,
        stacklevel=4,
    )
