"""Where the bundle that runs lies: MONAI does not say, and "." would be the folder that the command is typed in."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cuescan.errors import UserError
from cuescan.share import share_path

_OPTIONS = ("--config_file", "--config-file")
_ARGUMENT_FILES = ("--args_file", "--args-file")


def bundle_root(name: str, arguments: Sequence[str] | None = None) -> str:
    """The folder of the bundle ``name``: above the first configuration file of the command, else the one of cuescan.

    Looked for in this order: ``--config_file`` of the command line (a path or a list of paths), the same in the file of
    ``--args_file``, the working folder, and the folder that ``cuescan path bundles`` prints. MONAI's own
    ``--bundle_root`` overrides this.

    Args:
        name: "pathmamba" or "tifcmamba".
        arguments: of the command line; None for this program's.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    files = _value(words, _OPTIONS)
    if files is None:
        argument_file = _value(words, _ARGUMENT_FILES)
        if argument_file is not None and Path(argument_file).suffix == ".json":
            given = json.loads(Path(argument_file).read_text(encoding="utf-8"))
            files = given.get("config_file") if isinstance(given, dict) else None
    candidates = [Path(first) for first in _first(files)] + [Path.cwd() / "configs" / "train.json"]
    for path in candidates:
        root = path.absolute().parent.parent
        if path.is_file() and (root / "configs" / "metadata.json").is_file():
            return str(root)
    shared = share_path("bundles") / name
    if not shared.is_dir():
        raise UserError(f"{shared}: there is no such bundle; reinstall cuescan, or give --bundle_root")
    return str(shared)


def _value(words: Sequence[str], options: Sequence[str]) -> str | None:
    """What follows an option on the command line, as the next word or after "="."""
    for number, word in enumerate(words):
        for option in options:
            if word == option and number + 1 < len(words):
                return words[number + 1]
            if word.startswith(f"{option}="):
                return word[len(option) + 1 :]
    return None


def _first(files: object) -> list[str]:
    """The first path of a path or of a list, which may be a string such as "['a.json', 'b.json']"."""
    if isinstance(files, str):
        names = [part.strip().strip("'\"") for part in files.strip().strip("[]()").split(",")]
        return names[:1]
    return [str(name) for name in files[:1]] if isinstance(files, list) else []
