"""Read tables as people save them: UTF-8 with or without a mark, comma, semicolon or tab."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from cuescan.errors import UserError

_DELIMITERS = ",;\t"

Row = dict[str, str]


def read_table(path: Path) -> list[Row]:
    """Read a table with a header; blanks around names and values are removed, empty lines left out.

    The delimiter is the one of comma, semicolon and tab that the header line holds most often.

    Raises:
        UserError: missing, not UTF-8, without header or rows, a repeated column, or a row with too many values.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not valid UTF-8; save the table as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    lines = io.StringIO(text, newline="")
    first = next((line for line in lines if line.strip()), "")
    lines.seek(0)
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UserError(f"{path}: not a readable table ({error}); save it again as CSV") from None
    if len(rows) < 2:
        raise UserError(f"{path}: the table needs a header and at least one row; add them")
    header = [cell.strip() for cell in rows[0]]
    for name in header:
        if header.count(name) > 1:
            raise UserError(f"{path}: the column '{name}' stands twice; rename or remove one")
    return [_row(path, header, cells, number) for number, cells in enumerate(rows[1:], start=2)]


def _row(path: Path, header: list[str], cells: list[str], number: int) -> Row:
    if len(cells) > len(header):
        raise UserError(
            f"{path}: row {number} has {len(cells)} values but the header {len(header)} columns; "
            "put values that hold the delimiter into quotation marks"
        )
    values = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
    return dict(zip(header, values, strict=True))


def column(rows: list[Row], path: Path, *names: str) -> str:
    """The table's column that has one of these names, whatever its case.

    Raises:
        UserError: it has none.
    """
    for wanted in names:
        for name in rows[0]:
            if name.casefold() == wanted.casefold():
                return name
    raise UserError(f"{path}: no column '{names[0]}' (columns: {', '.join(rows[0])}); add it")
