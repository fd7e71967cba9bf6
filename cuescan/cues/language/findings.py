"""Recognise the names of classes: plurals, spellings, hyphens, derived forms and synonyms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cuescan.cues.language.nouns import singular, spoken
from cuescan.cues.language.tokens import FINDING, NUMBER, WORD, Item, put_phrases, tokenise
from cuescan.cues.language.words import word_set

_SYNONYMS = {
    "polyp": ("adenoma",),
    "lesion": ("mole", "nevus", "melanoma", "keratosis"),
    "melanoma": ("mole",),
    "nevus": ("mole",),
    "tumor": ("neoplasm", "cancer", "carcinoma", "malignancy"),
    "cancer": ("tumor", "carcinoma", "malignancy", "neoplasm"),
    "instrument": ("tool", "forceps", "snare"),
    "wound": ("ulcer", "sore"),
    "hemorrhage": ("bleeding", "bleed"),
    "bleeding": ("hemorrhage", "bleed", "blood"),
}
"""Other words for a class, unless another class has that word."""

_GENERAL = ("lesion", "mass", "growth", "abnormality")
_LESIONS = word_set("polyp lesion tumor cancer melanoma nevus adenoma mass nodule cyst carcinoma neoplasm growth ulcer")
"""Classes that, alone, are also meant by the general words."""

_DERIVED = {
    "necrosis": ("necrotic",), "stroma": ("stromal",), "gland": ("glandular",), "tumor": ("tumoral", "tumorous"),
    "inflammation": ("inflammatory", "inflamed"), "epithelium": ("epithelial",), "lymphocyte": ("lymphocytic",),
    "fibrin": ("fibrinous",), "granulation": ("granulating",), "ulcer": ("ulcerated",), "callus": ("callous",),
    "fat": ("fatty", "adipose"), "muscle": ("muscular",), "mucosa": ("mucosal",),
}  # fmt: skip
_STUFF = word_set("tissue area region zone cell component focus patch part material")
_NOT_ITSELF = word_set(
    """detection detector screening surveillance removal resection prevention segmentation dataset history
    classification"""
)


@dataclass(frozen=True)
class Named:
    """A mention of a class, and whether by a plural."""

    name: str
    plural: bool


def _forms(name: str) -> tuple[str, ...]:
    """The words of a class name as they are compared."""
    return tuple(singular(item.text) for item in tokenise(spoken(name)) if item.kind in (WORD, NUMBER))


Pattern = tuple[tuple[str, ...], str, bool]
"""Words, class, and whether a noun such as "tissue" must follow."""


@lru_cache(maxsize=256)
def _patterns(classes: tuple[str, ...], synonyms: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[Pattern, ...]:
    own = [(_forms(name), name, False) for name in classes]
    own += [(_forms(word), name, False) for name, words in synonyms if name in classes for word in words]
    taken = {words for words, _, _ in own}
    built_in: dict[tuple[str, ...], set[str]] = {}
    for name in classes:
        head = (_forms(name) or ("",))[-1]
        words = _SYNONYMS.get(head, ())
        if len(classes) == 1 and head in _LESIONS:
            words += _GENERAL
        for word in words:
            built_in.setdefault((singular(word),), set()).add(name)
    found = own + [
        (words, names.pop(), False) for words, names in built_in.items() if len(names) == 1 and words not in taken
    ]
    for words, name, _ in own:
        found += [((*words[:-1], form), name, True) for form in _DERIVED.get(words[-1] if words else "", ())]
    return tuple(sorted((pattern for pattern in found if pattern[0]), key=lambda pattern: -len(pattern[0])))


def _match(items: Sequence[Item], index: int, words: Sequence[str]) -> tuple[int, bool] | None:
    """The item after the words that begin at ``index``, hyphens and underscores between them allowed; and plurality."""
    for number, word in enumerate(words):
        if number and index < len(items) and items[index].text in ("-", "_", "–"):
            index += 1
        if index >= len(items) or items[index].kind not in (WORD, NUMBER):
            return None
        text = items[index].text.removesuffix("'s")
        if singular(text) != word:
            return None
        plural = text != word and text.endswith(("s", "i", "ata")) and not word.endswith(text[-2:])
        index += 1
    return index, plural


def find_findings(items: Sequence[Item], classes: Sequence[str], synonyms: Mapping[str, Sequence[str]]) -> list[Item]:
    """Replace every mention of a class by an item of kind ``FINDING``; the longest name wins."""
    patterns = _patterns(tuple(classes), tuple((name, tuple(words)) for name, words in synonyms.items()))
    found: list[Item] = []
    index = 0
    while index < len(items):
        end = index + 1
        for words, name, derived in patterns:
            match = _match(items, index, words)
            if match is None:
                continue
            stop, plural = match
            after = items[stop].text if stop < len(items) else ""
            if derived:
                if singular(after) not in _STUFF:
                    continue
                stop, plural = stop + 1, singular(after) != after
            elif after in _NOT_ITSELF:
                break
            found.append(Item(FINDING, "", items[index].start, items[stop - 1].end, Named(name, plural)))
            end = stop
            break
        index = end
    return put_phrases(items, found)
