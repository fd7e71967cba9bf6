"""Which backend runs the selective scan on each device, why, what would be faster, and whether it computes well."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch

from cuescan.doctor import folders, self_test
from cuescan.errors import UserError
from cuescan.scan import backends


def devices() -> list[str]:
    """The devices of this machine that torch can compute on."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def scans() -> dict[str, Any]:
    """Load every backend and try each one on each device that it runs on."""
    name, _ = backends.forced()
    loaded = {name: backends.why_not(name) for name in backends.BACKENDS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what it says of slow scans is in this report
        found = {
            "forced": name,
            "backends": {
                name: {"device": backends.BACKENDS[name].device or "any", "error": error or None}
                for name, error in loaded.items()
            },
            "devices": [_device(device) for device in devices()],
            "numba_cache": None if loaded["numba"] else _numba_cache(),
        }
    return found


def _numba_cache() -> str:
    try:
        return folders.numba_cache()
    except Exception as error:
        return f"unknown ({type(error).__name__}: {error})"


def _device(device: str) -> dict[str, Any]:
    kind = torch.device(device).type
    backend, why, faster = _choice(torch.device(device))
    tried = [name for name in backends.BACKENDS if backends.runs_on(name, kind) and not backends.why_not(name)]
    return {
        "device": device,
        "backend": backend,
        "why": why,
        "faster": faster,
        "tests": [_test(name, device) for name in tried],
    }


def _choice(device: torch.device) -> tuple[str | None, str, str | None]:
    """The backend that a device gets, why it gets it, and what would be faster."""
    names = backends.order(device.type)
    first = next(name for name in names if not backends.why_not(name))
    name, source = backends.forced()
    if name is not None:
        try:
            backends.choose(device)
        except UserError as error:
            return None, str(error), None
        return name, f"{source}={name} asks for it", None if name == first else f"{first}, without {source}"
    before = names[: names.index(first)]
    why = "; ".join(f"{name} does not work here ({backends.why_not(name)})" for name in before)
    if first == "naive":
        hint = backends.BACKENDS[before[-1]].hint if before else "to move the network to the CPU, where numba runs"
        return first, why or "no fast backend runs there", hint
    if before:
        return first, why, f"perhaps {before[0]}, which is chosen where it works: {backends.BACKENDS[before[0]].hint}"
    return first, f"the first choice on {device.type}", "a CUDA GPU" if device.type == "cpu" else None


def _test(name: str, device: str) -> dict[str, Any]:
    """Hold a backend to naive; the time is left out under Triton's interpreter, which would take minutes."""
    result: dict[str, Any] = {"backend": name, "agrees": False, "difference": None, "seconds": None, "error": None}
    try:
        difference = self_test.difference(name, device)
        if not math.isfinite(difference):
            raise ArithmeticError("results are not finite")
        result["difference"], result["agrees"] = difference, difference <= self_test.TOLERANCE
        if name != "triton" or not backends.interpreting():
            result["seconds"] = self_test.seconds(name, device)
    except Exception as error:  # this is what a doctor is for
        result["agrees"] = False
        result["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return result


def problems(found: dict[str, Any]) -> list[str]:
    """What is broken, out of what :func:`scans` found: a forced backend that cannot run, or a wrong result."""
    given = []
    if found["forced"] and all(device["backend"] is None for device in found["devices"]):
        given.append(found["devices"][-1]["why"])
    for device in found["devices"]:
        for test in device["tests"]:
            if test["error"]:
                given.append(f"the {test['backend']} backend fails on {device['device']}: {test['error']}")
            elif not test["agrees"]:
                given.append(
                    f"the {test['backend']} backend computes wrong results on {device['device']}: force another, "
                    f"such as {backends.VARIABLE}=naive, and please report it"
                )
    return given


def advice(found: dict[str, Any]) -> list[str]:
    """What to change, out of what :func:`scans` found."""
    given = [
        f"scans on {device['device']} are slow and take much memory; faster: {device['faster']}"
        for device in found["devices"]
        if device["backend"] == "naive" and device["faster"]
    ]
    if found["numba_cache"] and not found["numba_cache"].endswith("(writable)"):
        given.append("numba compiles the scan anew in every process: export NUMBA_CACHE_DIR= a folder that is writable")
    return given
