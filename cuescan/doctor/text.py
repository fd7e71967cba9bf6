"""What the doctor found, for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cuescan.doctor.self_test import TIMED


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"  {name:<21} {value}" for name, value in rows]


def software_lines(found: dict[str, Any]) -> list[str]:
    """Versions, one per line."""
    commit = f" (commit {found['commit'][:12]})" if found["commit"] else ""
    rows = [("cuescan", found["cuescan"] + commit), ("python", f"{found['python']} on {found['platform']}")]
    builds = {"CUDA": found["torch_cuda"], "ROCm": found["torch_hip"], "cuDNN": found["cudnn"]}
    build = ", ".join(f"{name} {version}" for name, version in builds.items() if version) or "CPU only"
    for package, version in found["packages"].items():
        note = f" ({build})" if package == "torch" else ""
        rows.append((package, f"{version}{note}" if version else "not installed"))
    return _table(rows)


def machine_lines(found: dict[str, Any]) -> list[str]:
    """Processor, threads and GPUs."""
    rows = [
        ("processor", found["processor"]),
        ("cores", f"{found['cores']}, of which torch uses {found['torch_threads']}"),
        *((name, value or "not set") for name, value in found["variables"].items()),
        ("NVIDIA driver", found["nvidia_driver"] or "none"),
    ]
    for gpu in found["gpus"]:
        rows.append((gpu["device"], f"{gpu['name']}, {gpu['memory_gib']} GiB, capability {gpu['compute_capability']}"))
    return _table(rows if found["gpus"] else [*rows, ("GPU", "none that torch reaches")])


def _verdict(test: dict[str, Any]) -> str:
    if test["error"]:
        return f"FAILS: {test['error']}"
    verdict = "agrees" if test["agrees"] else "DISAGREES"
    time = "not timed under the interpreter"
    if test["seconds"] is not None:
        time = f"{1000 * test['seconds']:.3g} ms" if test["seconds"] < 0.9995 else f"{test['seconds']:.2g} s"
    return f"{verdict}, largest difference {test['difference']:.0e}; {time}"


def scan_lines(found: dict[str, Any]) -> list[str]:
    """Each device's backend with the tests, then the backends that have no device here."""
    lines = []
    for device in found["devices"]:
        lines.append(f"  {device['device']} gets {device['backend'] or 'no backend'}: {device['why']}")
        lines += [f"    {test['backend']:<19} {_verdict(test)}" for test in device["tests"]]
        if device["faster"]:
            lines.append(f"    {'faster':<19} {device['faster']}")
    tried = {test["backend"] for device in found["devices"] for test in device["tests"]}
    for name, backend in found["backends"].items():
        if backend["error"]:
            lines.append(f"  {name:<21} does not work here: {backend['error']}")
        elif name not in tried:
            lines.append(f"  {name:<21} works, but there is no {backend['device']} device")
    if found["numba_cache"]:
        lines.append(f"  {'compiled code':<21} {found['numba_cache']}")
    sizes = ", ".join(f"{name} {size}" for name, size in TIMED.items())
    return [*lines, f"  Differences are shares of the largest value; times are forward and backward at {sizes}."]


def folder_lines(found: dict[str, str]) -> list[str]:
    """The state of each folder."""
    return _table(found.items())


def summary_lines(problems: list[str], advice: list[str]) -> list[str]:
    """What is broken, what could be better, and the verdict."""
    lines = []
    for title, entries in (("Broken", problems), ("Worth knowing", advice)):
        if entries:
            lines += [title, *(f"  - {entry}" for entry in entries), ""]
    return [*lines, "Something is broken." if problems else "Nothing is broken."]
