"""What a cue is: image-level labels, a sentence, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

VERSION = 1


@dataclass(frozen=True)
class Cue:
    """The weak label of one case.

    Attributes:
        labels: class name -> 1 (present), 0 (absent) or None (not stated); a class that is missing is not stated.
        text: a sentence about the image. It may speak of a patient, so ``repr`` leaves it out.
    """

    labels: Mapping[str, int | None] = field(default_factory=dict)
    text: str | None = field(default=None, repr=False)

    @property
    def states_something(self) -> bool:
        """Whether the cue can teach anything: a label that is 0 or 1, or a sentence."""
        return self.text is not None or any(value is not None for value in self.labels.values())


@dataclass(frozen=True)
class Cues:
    """The cues of a data set.

    Attributes:
        classes: names of the K classes; class number i is label i + 1 in the masks.
        background: False where every pixel belongs to one of the classes.
        cues: case name -> cue.
    """

    classes: tuple[str, ...]
    background: bool = True
    cues: Mapping[str, Cue] = field(default_factory=dict)

    def label_vector(self, case: str) -> np.ndarray:
        """Image-level labels of a case as float32 of shape (K,): 1 present, 0 absent, nan not stated.

        Raises:
            KeyError: the case has no cue.
        """
        labels = self.cues[case].labels
        values = [labels.get(name) for name in self.classes]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float32)
