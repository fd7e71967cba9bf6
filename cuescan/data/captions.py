"""Sentences from masks, in the manner of TIFCMamba's captions.

They state the ninth of the image in which each finding's centre lies, its bounding box in pixels and the share of the
image that is covered, in several phrasings (Pan et al., MICCAI 2025, describe every image by these three).
:func:`cuescan.cues.language.read_sentence` reads back what the mask holds.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np

from cuescan.cues.language.nouns import plural, spoken
from cuescan.cues.language.words import spelt
from cuescan.data import phrasings
from cuescan.data.appearance import colour_word, size_word
from cuescan.data.lesions import Lesion, find_lesions

DETAILS = ("name", "place", "full")
MOST_LISTED = 4
"""Where a class has more findings than this, a sentence gives their number and share only."""

_OPTIONAL = re.compile(r"\[([^\]]*)\]")


def case_generator(case: str, seed: int) -> np.random.Generator:
    """Randomness of one case, the same whatever other cases there are."""
    return np.random.default_rng([seed, zlib.crc32(case.encode("utf-8"))])


def percent(share: float) -> str:
    """A share to a tenth of a percent, to a hundredth below one percent, and never as nothing."""
    return f"{max(100 * share, 0.01):.{1 if share >= 0.01 else 2}f}"


class _Writer:
    """Writes the sentence of one class.

    Args:
        name: the class.
        rng: chooses phrasings.
        detail: one of ``DETAILS``.
    """

    def __init__(self, name: str, rng: np.random.Generator, detail: str) -> None:
        self.noun = spoken(name)
        self.rng = rng
        self.detail = detail

    def choose(self, options: Sequence[str]) -> str:
        """One of several phrasings."""
        return options[int(self.rng.integers(len(options)))]

    def fill(self, template: str, **words: str) -> str:
        """Put words into a template; a field in capitals begins a sentence."""
        if self.detail == "full":
            template = template.replace("[", "").replace("]", "")
        template = _OPTIONAL.sub("", template)
        words |= {"the": self.noun, "plural": plural(self.noun)}
        words |= {key.capitalize(): value[:1].upper() + value[1:] for key, value in words.items()}
        return template.format_map(words)

    def box(self, lesion: Lesion) -> str:
        """The bounding box in one of its notations."""
        edges = dict(zip(("left", "top", "right", "bottom"), lesion.box, strict=True))
        return self.choose(phrasings.BOXES).format_map(edges)

    def share(self, value: float) -> str:
        """The share in percent."""
        return percent(value) + self.choose(("%", " %", " percent"))

    def place(self, lesion: Lesion) -> dict[str, str]:
        """The place with and without its preposition."""
        where = self.choose(phrasings.cell_words(lesion.cell))
        return {"where": where, "at": f"{self.choose(('in the', 'at the'))} {where}"}

    def absent(self) -> str:
        """Deny the class."""
        return self.fill(self.choose(phrasings.ABSENT))

    def named(self, count: int) -> str:
        """Affirm the class and say no more than whether it is one finding."""
        return self.fill(self.choose(phrasings.PRESENT if count == 1 else phrasings.PRESENT_MANY), **self._single(()))

    def _single(self, adjectives: Sequence[str]) -> dict[str, str]:
        bare = " ".join([*adjectives, self.noun])
        article = self.choose(("one", "an" if bare[0].lower() in "aeiou" else "a"))
        return {"a": f"{article} {bare}", "bare": bare}

    def one(self, lesion: Lesion, share: float, adjectives: Sequence[str]) -> str:
        """Describe a single finding."""
        words = {**self._single(adjectives), **self.place(lesion), "box": self.box(lesion), "share": self.share(share)}
        return self.fill(self.choose(phrasings.ONE), **words)

    def several(self, lesions: Sequence[Lesion], share: float) -> str:
        """Describe a few findings one by one, or give the number of many."""
        many = f"{spelt(len(lesions))} {plural(self.noun)}"
        if len(lesions) > MOST_LISTED:
            return self.fill(self.choose(phrasings.CROWD), many=many, share=self.share(share))
        first, further = phrasings.MEMBERS[int(self.rng.integers(len(phrasings.MEMBERS)))]
        listed = [
            self.fill(further if number else first, **self.place(lesion), box=self.box(lesion))
            for number, lesion in enumerate(lesions)
        ]
        joined = " and ".join([", ".join(listed[:-1]), listed[-1]])
        return self.fill(self.choose(phrasings.SEVERAL), many=many, list=joined, share=self.share(share))


def _adjectives(image: np.ndarray | None, region: np.ndarray, share: float) -> list[str]:
    """Size and colour of a single finding, where there is an image to judge by and both are clear."""
    if image is None:
        return []
    return [word for word in (size_word(share), colour_word(image, region)) if word]


def caption(
    mask: np.ndarray,
    classes: Sequence[str],
    rng: np.random.Generator,
    detail: str = "full",
    image: np.ndarray | None = None,
) -> str:
    """Describe a mask in a sentence or two per class.

    Args:
        mask: (H, W) label integers; class i is i + 1, K + 1 is ignore.
        classes: the K class names.
        rng: chooses among the phrasings (see :func:`case_generator`).
        detail: "name" (which classes are there), "place" (also how many and where), or "full" (also boxes and shares).
        image: uint8 (H, W) or (H, W, 3); adds words for size and colour where they are clear.

    Returns:
        The text; empty where the mask says nothing, because no class is in it and part of it is ignored.

    Raises:
        ValueError: another level of detail.
    """
    if detail not in DETAILS:
        raise ValueError(f"detail is {detail!r} but must be one of {', '.join(DETAILS)}")
    complete = not (mask == len(classes) + 1).any()
    sentences = []
    for number, name in enumerate(classes, start=1):
        writer, region = _Writer(name, rng, detail), mask == number
        share = float(region.mean())
        lesions = find_lesions(region)
        if not lesions:
            if complete:
                sentences.append(writer.absent())
        elif detail == "name":
            sentences.append(writer.named(len(lesions)))
        elif len(lesions) == 1:
            sentences.append(writer.one(lesions[0], share, _adjectives(image, region, share)))
        else:
            sentences.append(writer.several(lesions, share))
    return " ".join(sentences)
