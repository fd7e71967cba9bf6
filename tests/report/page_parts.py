"""Take a page apart, without the code that wrote it."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = {"meta", "link", "img", "input", "line", "br"}


class Page(HTMLParser):
    """A page's text, pictures, tables and everything in it that could ask for something else.

    Attributes:
        text: all that can be read.
        images: alternative text -> pixels, uint8 (H, W, 3).
        addresses: what src, href and url() name, without data URIs.
        tables: rows of cell texts.
        headings: of level 2 and 3.
        unclosed: tags that were left open or closed twice.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: dict[str, np.ndarray] = {}
        self.addresses = [found for found in re.findall(r"url\(([^)]*)\)", html) if not found.startswith("data:")]
        self.tags: set[str] = set()
        self.tables: list[list[list[str]]] = []
        self.headings: list[str] = []
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self._pieces: list[str] = []
        self.feed(html)
        self.unclosed += self._open
        self.text = re.sub(r"\s+", " ", " ".join(self._pieces))

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        given = dict(attributes)
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            address = given.get(name) or ""
            if address and not address.startswith("data:"):
                self.addresses.append(address)
        if tag == "img":
            kind, content = given["src"].split(",", 1)
            assert kind in ("data:image/jpeg;base64", "data:image/png;base64")
            with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as picture:
                assert (picture.width, picture.height) == (int(given.get("width", picture.width)), picture.height)
                self.images[given["alt"]] = np.asarray(picture.convert("RGB"))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("h2", "h3"):
            self.headings.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data):
        if "style" in self._open:
            return
        self._pieces.append(data)
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] = f"{self.tables[-1][-1][-1]} {data.strip()}".strip()
        if {"h2", "h3"} & set(self._open):
            self.headings[-1] += data.strip()
