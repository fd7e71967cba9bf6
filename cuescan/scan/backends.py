"""Which code runs a selective scan: the best that works on the tensors' device, unless one is forced.

On cuda mamba_ssm, then triton; on cpu numba; elsewhere, and where none of these works, naive. What does not load, for
whatever reason, is passed over; :func:`why_not` keeps the reason. A backend that loads but cannot take the arguments at
hand hands them over by itself: mamba_ssm to the next in line (see there), and all of them float64 to naive.

Under ``torch.compile`` the choice is made when a function is compiled. It is made again when ``with backend(...)``
changes, but not when ``CUESCAN_SCAN`` does: set that one before Python starts.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from cuescan.errors import UserError
from cuescan.scan.naive import selective_scan_naive

VARIABLE = "CUESCAN_SCAN"
INTERPRETER = "TRITON_INTERPRET"
Scan: TypeAlias = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Backend:
    """One way to run the scan.

    Attributes:
        device: The type of device it runs on; empty means all.
        load: Imports what it needs and returns the function; raises anything where that does not work.
        hint: What to do when ``load`` fails.
    """

    device: str
    load: Callable[[], Scan]
    hint: str = ""


def _load_mamba_ssm() -> Scan:
    import mamba_ssm.ops.selective_scan_interface  # noqa: F401  (imports the compiled extension)

    from cuescan.scan.mamba_ssm import selective_scan_mamba_ssm

    return selective_scan_mamba_ssm


def _load_triton() -> Scan:
    from cuescan.scan.triton_gpu import selective_scan_triton

    if torch.cuda.is_available() and not interpreting():
        import triton

        _ = triton.runtime.driver.active.utils  # compiles Triton's launcher: fails here rather than in training
    return selective_scan_triton


def _load_numba() -> Scan:
    from cuescan.scan.numba_cpu import selective_scan_numba

    return selective_scan_numba


_MAMBA_HINT = "pip install mamba-ssm --no-build-isolation, which needs Linux and CUDA's nvcc"
_TRITON_HINT = "install triton, as torch's CUDA builds for Linux do, and a C compiler such as gcc, which it calls once"
BACKENDS: dict[str, Backend] = {  # best first; the last runs anywhere
    "mamba_ssm": Backend("cuda", _load_mamba_ssm, _MAMBA_HINT),
    "triton": Backend("cuda", _load_triton, "pip install triton-windows" if sys.platform == "win32" else _TRITON_HINT),
    "numba": Backend("cpu", _load_numba, "pip install numba"),
    "naive": Backend("", lambda: selective_scan_naive),
}

_here = threading.local()  # .forced, where a backend is; unlike a ContextVar all versions of torch.compile follow it
_functions: dict[str, Scan] = {}
_failures: dict[str, str] = {}  # a name is in here once it was tried; the text is empty where it worked
_warned: set[str] = set()


def why_not(name: str) -> str:
    """Load a backend once; return why it cannot be used, in one line, or an empty text if it can."""
    if name not in _failures:
        try:
            _functions[name] = BACKENDS[name].load()
            _failures[name] = ""
        except Exception as error:  # a broken binary may raise anything, and must cost its speed alone
            _failures[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return _failures[name]


def order(device_type: str) -> tuple[str, ...]:
    """Names of the backends for a type of device, best first; the last is naive."""
    return tuple(name for name, candidate in BACKENDS.items() if candidate.device in ("", device_type))


def interpreting() -> bool:
    """Whether Triton runs its kernels on a CPU, slowly, to try them out; read once when the kernels are imported."""
    return os.environ.get(INTERPRETER) == "1"


def runs_on(name: str, device_type: str) -> bool:
    """Whether a backend takes tensors on such a device; under its interpreter triton takes a CPU's, if forced."""
    only = BACKENDS[name].device
    return only in ("", device_type) or (name == "triton" and device_type == "cpu" and interpreting())


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can run on a device of this machine, best first; imports each of them."""
    kinds = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    return tuple(name for name in BACKENDS if any(runs_on(name, kind) for kind in kinds) and not why_not(name))


@contextmanager
def backend(name: str) -> Iterator[None]:
    """Force a backend for the scans started inside the ``with`` (and their gradients), in this thread.

    Args:
        name: One of :func:`available_backends`; it goes before the environment variable ``CUESCAN_SCAN``.

    Raises:
        UserError: There is no such backend, or what it needs does not work here.
    """
    _require(name, "backend")
    before, _here.forced = getattr(_here, "forced", None), name
    try:
        yield
    finally:
        _here.forced = before


def forced() -> tuple[str | None, str]:
    """The backend that is forced, if any, and by what."""
    name = getattr(_here, "forced", None)
    return (_variable() or None, VARIABLE) if name is None else (name, "backend")


def _variable() -> str:
    return os.environ.get(VARIABLE, "")


def choose(device: torch.device) -> Scan:
    """The function that scans tensors on ``device``.

    Raises:
        UserError: The forced backend is unknown, does not work here, or does not run on this device.
    """
    name, source = forced()
    if name is None:
        return _first(order(device.type), device.type)
    scan = _require(name, source)
    if not runs_on(name, device.type):
        remedy = f" ({INTERPRETER}=1, set before Python starts, tries it on a CPU)" if name == "triton" else ""
        raise UserError(f"{source}={name!r} runs on {BACKENDS[name].device} only, got {device}{remedy}")
    return scan


def successor(name: str, device: torch.device) -> Scan:
    """The function to which a backend hands over what it cannot compute: the next one that works on ``device``."""
    names = order(device.type)
    return _first(names[names.index(name) + 1 :] if name in names else names, device.type)


def _first(names: tuple[str, ...], device_type: str) -> Scan:
    for name in names[:-1]:
        if not why_not(name):
            return _functions[name]
    _warn_once(device_type)
    return selective_scan_naive


def _require(name: str, source: str) -> Scan:
    if name not in BACKENDS:
        raise UserError(f"{source} must be one of {', '.join(BACKENDS)}, got {name!r}")
    if why_not(name):
        raise UserError(f"{source}={name!r} does not work here ({why_not(name)}); try: {BACKENDS[name].hint}")
    return _functions[name]


def _warn_once(device_type: str) -> None:
    if device_type in _warned:
        return
    _warned.add(device_type)
    cause, remedy = "no fast backend runs there", "move the network to the CPU, where numba is faster"
    for name in order(device_type)[-2:-1]:  # the fast one that pip alone installs
        cause, remedy = f"{name} does not work here ({why_not(name)})", f"to speed them up: {BACKENDS[name].hint}"
    message = f"selective scans on {device_type} are slow and take much memory, because {cause}; {remedy}"
    warnings.warn(message, RuntimeWarning, stacklevel=5)


# torch.compile calls these, not traces them: torch.compiler.assume_constant_result without its slow import.
for _function in (why_not, _variable, _warn_once):
    setattr(_function, "_dynamo_marked_constant", True)  # noqa: B010
