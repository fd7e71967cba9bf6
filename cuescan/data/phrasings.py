"""The sentences that captions are made of: several ways to say the same.

``{a}`` is the finding with its article, ``{the}`` without one, ``{many}`` the plural with its number; ``{at}`` names
the place; ``{box}`` and ``{share}`` give the box and the share. What stands in square brackets needs one of them and is
left out where only the place is told.
"""

from __future__ import annotations

PRESENT = (
    "{A}.",
    "{Bare}.",
    "There is {a} in this image.",
    "The image shows {a}.",
    "{A} is visible.",
    "{A} can be seen.",
)
PRESENT_MANY = ("{Plural}.", "There are {plural} in this image.", "The image shows {plural}.", "{Plural} are visible.")
ABSENT = (
    "No {the}.", "There is no {the} in this image.", "No {the} is visible.", "The image shows no {plural}.",
    "No {plural} can be seen.", "Without {plural}.",
)  # fmt: skip

ONE = (
    "{A} {at} of the image[, {box}, covering {share} of the image].",
    "There is {a} {at}[; it lies within the {box} and covers {share} of the image].",
    "The image shows {a} {at}[ with {box} and occupying {share} of the image].",
    "{At} there is {a}[; {box}, {share} of the image].",
    "{Where}: {a}[, {box}, {share} of the image].",
    "{A} is located {at} of the frame[. It takes up {share} of the frame, within the {box}].",
    "{A}, {where}[, {box}, about {share} of the image].",
    "{At} of the picture lies {a}[, which fills {share} of the picture: {box}].",
    "{A} can be seen {at}[. It fills {share} of the image; {box}].",
    "{Bare}, {where}[, {box}; {share} of the image].",
)
SEVERAL = (
    "{Many}: {list}[; together they cover {share} of the image].",
    "There are {many}, {list}[; they cover {share} of the image in total].",
    "The image shows {many}: {list}[. Together they occupy {share} of the image].",
    "{Many} are visible, {list}[, covering {share} of the image together].",
)
MEMBERS = (("one {at}[, {box}]", "another {at}[, {box}]"), ("one {at}[ ({box})]", "one {at}[ ({box})]"))
CROWD = (
    "{Many}[, together covering {share} of the image].",
    "There are {many} in this image[; they cover {share} of the image in total].",
    "The image shows {many}[, which cover {share} of the image together].",
)

BOXES = (
    "bounding box ({left}, {top}, {right}, {bottom})",
    "box ({left}, {top}, {right}, {bottom})",
    "bounding box from ({left}, {top}) to ({right}, {bottom})",
    "bounding box x {left}-{right}, y {top}-{bottom}",
    "bounding box left {left}, top {top}, right {right}, bottom {bottom}",
)

_ROWS = (("top", "upper"), ("middle", "centre"), ("bottom", "lower"))
_COLUMNS = ("left", "centre", "right")


def cell_words(cell: tuple[int, int]) -> tuple[str, ...]:
    """Ways to name a ninth of the image without a preposition: "top-left", "upper left corner"."""
    row, column = cell
    if cell == (1, 1):
        return ("centre", "middle")
    side = _COLUMNS[column]
    if row == 1:
        return tuple(f"{word}{joiner}{side}" for word in _ROWS[row] for joiner in "- ")
    plain = tuple(f"{_ROWS[row][0]}{joiner}{side}" for joiner in "- ")
    if column == 1:
        return (*plain, f"{_ROWS[row][0]} middle", f"{_ROWS[row][1]} centre")
    return (*plain, *(f"{word} {side} corner" for word in _ROWS[row]))
