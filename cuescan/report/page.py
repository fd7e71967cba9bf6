"""Pages from templates: one file that holds its style and its pictures and asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cuescan import __version__
from cuescan.evaluation.paint import class_colour

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template; everything that is put in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "colour": colour, "thousands": thousands}
    return environment.get_template(template).render(version=__version__, **content)


def number(value: float | None) -> str:
    """A score with three decimals."""
    return "–" if value is None else f"{value:.3f}"


def percent(share: float) -> str:
    """A share in percent; of less than a tenth of one that there is something."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{share:.1%}".replace("%", " %")


def thousands(count: int) -> str:
    """A count with its thousands apart."""
    return f"{count:,}".replace(",", "\u202f")


def colour(label: int) -> str:
    """A class's colour in CSS; the background has none."""
    return "rgb({} {} {})".format(*class_colour(label)) if label else "transparent"
