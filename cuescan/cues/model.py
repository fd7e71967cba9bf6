"""What a cue is: image-level labels, a sentence, or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

VERSION = 1


@dataclass(frozen=True)
class Part:
    """The weak label of a rectangle of an image, as of a tile that was labelled by itself.

    Attributes:
        box: top, left, bottom and right in pixels of the image; bottom and right are just outside.
        labels: as in :class:`Cue`.
    """

    box: tuple[int, int, int, int]
    labels: Mapping[str, int | None]


@dataclass(frozen=True)
class Cue:
    """The weak label of one case.

    Attributes:
        labels: class name -> 1 (present), 0 (absent) or None (not stated); a class that is missing is not stated.
        text: a sentence about the image. It may speak of a patient, so ``repr`` leaves it out.
        parts: labels of parts of the image, which may overlap.
    """

    labels: Mapping[str, int | None] = field(default_factory=dict)
    text: str | None = field(default=None, repr=False)
    parts: tuple[Part, ...] = ()

    @classmethod
    def of_parts(cls, parts: Iterable[Part]) -> Cue:
        """The cue of an image that parts with labels cover.

        A class is present in the image where any part has it, absent where it is absent from every part, and otherwise
        not stated.
        """
        parts = tuple(parts)
        names = dict.fromkeys(name for part in parts for name in part.labels)
        stated = {name: [part.labels.get(name) for part in parts] for name in names}
        labels = {name: 1 if 1 in values else 0 if set(values) == {0} else None for name, values in stated.items()}
        return cls(labels, parts=parts)

    @property
    def states_something(self) -> bool:
        """Whether the cue can teach anything: a label that is 0 or 1, of the image or a part, or a sentence."""
        return self.text is not None or self.states_labels

    @property
    def states_labels(self) -> bool:
        """Whether any label of the image or a part of it is 0 or 1."""
        labels = (self.labels, *(part.labels for part in self.parts))
        return any(value is not None for stated in labels for value in stated.values())


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

    @cached_property
    def has_parts(self) -> bool:
        """Whether parts of any image are labelled."""
        return any(cue.parts for cue in self.cues.values())

    def label_vector(self, case: str) -> np.ndarray:
        """Image-level labels of a case as float32 of shape (K,): 1 present, 0 absent, nan not stated.

        Raises:
            KeyError: the case has no cue.
        """
        return self.vector(self.cues[case].labels)

    def vector(self, labels: Mapping[str, int | None]) -> np.ndarray:
        """Labels by name as float32 of shape (K,): 1 present, 0 absent, nan not stated."""
        values = [labels.get(name) for name in self.classes]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float32)

    def parts(self, case: str) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) int64 and labels (N, K) float32 of a case's N parts, as :class:`Part` has them.

        Raises:
            KeyError: the case has no cue.
        """
        parts = self.cues[case].parts
        boxes = np.array([part.box for part in parts], dtype=np.int64).reshape(-1, 4)
        labels = [self.vector(part.labels) for part in parts]
        return boxes, np.array(labels, dtype=np.float32).reshape(-1, len(self.classes))
