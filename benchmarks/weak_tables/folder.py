"""The output folder: what it was begun with, and what may change when a benchmark goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.cues.writing import write_json
from cuescan.errors import UserError
from weak_tables.settings import Settings

FILE = "configuration.json"


def check(output: Path, settings: Settings) -> dict[str, Any]:
    """Compare the settings with those that the folder was begun with; methods, folds and seeds may be added.

    Returns:
        What the folder then holds: the settings with the methods of earlier runs.

    Raises:
        UserError: something else differs, or the folder holds files of another origin.
    """
    now = json.loads(json.dumps(settings.identity()))  # as it is read back
    path = output / FILE
    if not path.is_file():
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise UserError(f"{output}: holds files that no benchmark wrote; give another --output")
        return now
    before = load_json(path)
    differences = [_difference(key, before.get(key), now[key]) for key in now if key != "methods"]
    for name, told in now["methods"].items():
        if name in before["methods"]:
            differences.append(_difference(f"method '{name}'", before["methods"][name], told))
    changed = "; ".join(difference for difference in differences if difference)
    if changed:
        raise UserError(
            f"{path}: this folder was begun with other settings ({changed}); set them back, rename a method that "
            "changed, or give another --output"
        )
    return now | {"methods": {**before["methods"], **now["methods"]}}


def begin(output: Path, settings: Settings) -> None:
    """Check the settings and keep them in the folder.

    Raises:
        UserError: see :func:`check`.
    """
    content = check(output, settings)
    output.mkdir(parents=True, exist_ok=True)
    write_json(content, output / FILE)


def _difference(name: str, before: Any, now: Any) -> str:
    """What changed, down to the first key that did; empty where nothing did."""
    if before == now:
        return ""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            if told := _difference(f"{name}: {key}", before.get(key), now.get(key)):
                return told
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return next(told for a, b in zip(before, now, strict=True) if (told := _difference(name, a, b)))
    return f"{name} was {before!r}, now {now!r}"
