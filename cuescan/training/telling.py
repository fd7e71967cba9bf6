"""What a network is told of a sentence in training, and what its mask has to fulfil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from cuescan.cues.language import Box, Statement

LEVELS = ("name", "place", "full")
"""How much of what a sentence states the network is told, drawn anew for each image."""
SINGLED_OUT = 0.75
"""Share of the images with several findings, each with its place, of which the network is told one finding alone."""


def drawn_telling(statements: Sequence[Statement]) -> tuple[list[Statement], list[Statement]]:
    """Draw, from torch's generator, what the network is told of an image, and what is then demanded.

    All that is stated is demanded, but for a finding that is singled out of several by its place or box: then only this
    one, so that the network learns that a prompt can mean one finding of many. That a class is absent is never told, so
    that the network learns to find it out.

    A place is told as it is stated, or, just as true, as a larger region that holds it: people say "upper left" of
    regions of many sizes.

    Args:
        statements: one per class.
    """
    level = LEVELS[int(torch.randint(len(LEVELS), ()))]
    single, choice = (float(value) for value in torch.rand(2))
    demanded = list(statements)
    if level != "name" and single < SINGLED_OUT:
        demanded = [_one_of(statement, choice, level) for statement in statements]
    told = [statement.reduced(level) if statement.present else Statement(statement.name) for statement in demanded]
    if level == "place":
        told = [_loosened(now, before) for now, before in zip(told, statements, strict=True)]
    return told, demanded


def pointed_telling(statements: Sequence[Statement]) -> tuple[list[Statement], list[Statement]]:
    """What a network is told, and what is demanded, where its prompt points: the first finding of each class by place.

    Nothing is drawn, so the same images are judged by the same prompts in every epoch. Findings that their places do
    not tell apart are told and demanded together.

    Args:
        statements: one per class.
    """
    demanded = [_one_of(statement, 0.0, "place") for statement in statements]
    told = [statement.reduced("place") if statement.present else Statement(statement.name) for statement in demanded]
    return told, demanded


def _loosened(told: Statement, stated: Statement) -> Statement:
    """Half the time with larger places, as long as none of the other findings is centred in them."""
    loose, *shares = (float(value) for value in torch.rand(5))
    if loose < 0.5 or not told.places:
        return told
    places = [_grown(place, shares) for place in told.places]
    others = [region for region in stated.boxes or stated.places if region not in told.boxes + told.places]
    single = len(told.places) < len(stated.places)
    if single and any(_holds_centre(place, other) for place in places for other in others):
        return told
    return replace(told, places=tuple(places))


def _grown(place: Box, shares: Sequence[float]) -> Box:
    """The place with every side moved towards the image's border by a share of the way."""
    left, top, right, bottom = shares
    return Box(
        place.left * (1 - left),
        place.top * (1 - top),
        place.right + (1 - place.right) * right,
        place.bottom + (1 - place.bottom) * bottom,
    )


def _one_of(statement: Statement, choice: float, level: str) -> Statement:
    """One finding of several, if each has its own region and what is told at this level tells it apart."""
    regions = statement.boxes or statement.places
    if len(regions) < 2 or statement.count != len(regions):
        return statement
    chosen = regions[int(choice * len(regions))]
    others = [region for region in regions if region != chosen]
    pairs = list(zip(statement.places, statement.place_words, strict=True))
    kept = [(place, words) for place, words in pairs if _holds_centre(place, chosen)]
    ambiguous = not kept or any(_holds_centre(place, other) for place, _ in kept for other in others)
    if level == "place" and ambiguous:
        return statement
    return Statement(
        statement.name,
        True,
        count=1,
        places=tuple(place for place, _ in kept),
        boxes=(chosen,) if statement.boxes else (),
        place_words=tuple(words for _, words in kept),
    )


def _holds_centre(place: Box, region: Box) -> bool:
    x, y = (region.left + region.right) / 2, (region.top + region.bottom) / 2
    return place.left <= x <= place.right and place.top <= y <= place.bottom
