"""Reads the mappings of a configuration key by key, and says what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from cuescan.commands.options import SCALES
from cuescan.cues.checking import did_you_mean
from cuescan.errors import UserError


class Keys:
    """A mapping of a configuration.

    Args:
        content: what the file holds.
        where: the file and the keys above, for messages.
        known: the keys that may occur; empty for any.

    Raises:
        UserError: it is no mapping, or has an unknown key.
    """

    def __init__(self, content: Any, where: str, known: Sequence[str] = ()) -> None:
        if not isinstance(content, Mapping):
            raise UserError(f"{where}: must be a mapping of names to values; write it as 'name: value' lines")
        for key in content if known else ():
            if key not in known:
                hint = did_you_mean(str(key), known) or "; remove it"
                raise UserError(f"{where}: unknown key '{key}' (known: {', '.join(known)}){hint}")
        self.content, self.where = dict(content), where

    def get(self, key: str, default: Any) -> Any:
        """The value of a key; an empty one counts as not given."""
        value = self.content.get(key)
        return default if value is None else value

    def mapping(self, key: str) -> dict[str, Any]:
        """A mapping below a key."""
        return Keys(self.get(key, {}), f"{self.where}: {key}").content

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise UserError(f"{self.where}: {key} is {value!r} but must be true or false; correct it")
        return value

    def text(self, key: str) -> str | None:
        """A word, or None."""
        value = self.get(key, None)
        if value is not None and not isinstance(value, str):
            raise UserError(f"{self.where}: {key} is {value!r} but must be a name; correct it")
        return value

    def whole(self, key: str, least: int) -> int | None:
        """A whole number of at least ``least``, or None."""
        value = self.get(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f"{self.where}: {key} is {value!r} but must be a whole number of at least {least}")
        return value

    def positive(self, key: str, most: float = float("inf")) -> float | None:
        """A number above 0 and at most ``most``, or None."""
        value = self.get(key, None)
        return None if value is None else _positive(value, f"{self.where}: {key}", most)

    def scales(self, key: str) -> tuple[float, ...] | None:
        """Factors that cuescan's ``--scales`` takes, or None."""
        value = self.get(key, None)
        if value is None:
            return None
        scales = distinct(value, f"{self.where}: {key}")
        for scale in scales:
            if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not SCALES[0] <= scale <= SCALES[1]:
                limits = f"{SCALES[0]:g} to {SCALES[1]:g}"
                raise UserError(f"{self.where}: {key} is {scale!r} but must be a factor from {limits}; correct it")
        return tuple(map(float, scales))

    def folds(self, key: str) -> tuple[int | str, ...] | None:
        """Folds, numbers or "all", or None."""
        value = self.get(key, None)
        if value is None:
            return None
        folds = distinct(value, f"{self.where}: {key}")
        for fold in folds:
            if fold != "all" and (not isinstance(fold, int) or isinstance(fold, bool) or fold < 0):
                raise UserError(f"{self.where}: {key}: {fold!r} is no fold; give numbers from 0, or all")
        return folds


def _positive(value: Any, where: str, most: float = float("inf")) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        limit = "" if most == float("inf") else f" and at most {most:g}"
        raise UserError(f"{where} is {value!r} but must be a number above 0{limit}; correct it")
    return float(value)


def load_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: it is missing or not YAML; names the line.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not valid UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}: not valid YAML{where} ({getattr(error, 'problem', 'see there')}); correct it"
        ) from None


def distinct(value: Any, where: str) -> tuple[Any, ...]:
    """A list, or one value for a list of one, in which nothing stands twice."""
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    found = tuple(values)
    if not found:
        raise UserError(f"{where}: the list is empty; name at least one")
    if len(set(map(str, found))) < len(found):
        raise UserError(f"{where}: one of {list(found)} stands twice; keep one of them")
    return found
