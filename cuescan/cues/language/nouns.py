"""Singular and plural nouns, British and American, and class names as they are spoken."""

from __future__ import annotations

import re
from functools import lru_cache

_IRREGULAR = {"foci": "focus", "criteria": "criterion", "data": "data"}
_US_VOWELS = re.compile(r"ae|oe")
_OUR = re.compile(r"(?<=[a-z]{2})our(?=s?\b)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ENDINGS = (("ss", "sses"), ("sis", "ses"), ("x", "xes"), ("ch", "ches"), ("sh", "shes"), ("us", "uses"), ("s", "s"))


@lru_cache(maxsize=4096)
def singular(word: str) -> str:
    """The singular in a normal spelling: "tumours" and "tumor" give "tumor", "naevi" gives "nevus"."""
    word = _OUR.sub("or", _US_VOWELS.sub("e", word)) if len(word) > 3 else word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):
        return word
    for plural_ending, ending in (
        ("omata", "oma"), ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("oses", "osis"),
        ("ases", "asis"), ("uses", "us"), ("ses", "se"), ("evi", "evus"), ("uli", "ulus"), ("s", ""),
    ):  # fmt: skip
        if word.endswith(plural_ending):
            return word[: len(word) - len(plural_ending)] + ending
    return word


def plural(noun: str) -> str:
    """The plural of a noun or of its last word; a plural stays as it is."""
    for ending, plural_ending in _ENDINGS:
        if noun.endswith(ending):
            return noun[: len(noun) - len(ending)] + plural_ending
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def spoken(name: str) -> str:
    """A class name as a sentence has it: "skin_lesion" and "SkinLesion" as two words."""
    return _CAMEL.sub(" ", name).replace("_", " ").strip()
