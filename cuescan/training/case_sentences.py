"""What the cues of a data set say, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from cuescan.cues import Cues
from cuescan.cues.language import Statement, can_follow, keyword, read_sentence
from cuescan.errors import UserError


class CaseSentences:
    """The sentences of cases, and what they state.

    The rule for a case with image-level labels alone: its sentence names what is present and denies what is absent
    ("polyp", "no polyp"). Where a case has both, a label says whether a class is there and the sentence the rest.

    Args:
        cues: of the data set.
    """

    def __init__(self, cues: Cues) -> None:
        self.cues = cues
        self.statements = lru_cache(maxsize=None)(self._statements)

    def text(self, case: str) -> str:
        """The case's own sentence, or the one made of its labels."""
        cue = self.cues.cues[case]
        if cue.text is not None:
            return cue.text
        stated = [Statement(name, present=bool(value)) for name, value in cue.labels.items() if value is not None]
        return ", ".join(keyword(statement) for statement in stated)

    def _statements(self, case: str, shape: tuple[int, int]) -> tuple[Statement, ...]:
        """What is stated of each class, for the raw image's (height, width), which boxes in pixels need."""
        labels = self.cues.cues[case].labels
        found = read_sentence(self.text(case), self.cues.classes, shape)
        return tuple(
            statement
            if labels.get(statement.name) is None
            else replace(statement, present=bool(labels[statement.name]))
            for statement in found
        )

    def may_turn(self, case: str) -> bool:
        """Whether the sentence of a case can be rewritten for the turned image: all its directions are understood."""
        return can_follow(self.text(case))

    def names_colour(self, case: str) -> bool:
        """Whether the sentence of a case names a colour of a class."""
        return any(statement.colours for statement in read_sentence(self.text(case), self.cues.classes))

    def check(self, cases: Iterable[str], source: Path) -> None:
        """Refuse labels that deny what their sentence states, or state what it denies.

        Raises:
            UserError: names the file, the case and the class, not the sentence.
        """
        for case in cases:
            cue = self.cues.cues[case]
            if cue.text is None:
                continue
            for statement in read_sentence(cue.text, self.cues.classes):
                label = cue.labels.get(statement.name)
                if label is not None and statement.present is not None and bool(label) != statement.present:
                    said = "present" if statement.present else "absent"
                    raise UserError(
                        f"{source}: case '{case}': the label of class '{statement.name}' is {label} but the sentence "
                        f"says that it is {said}; correct one of them"
                    )
