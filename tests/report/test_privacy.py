"""A page tells nothing that it should not, asks for nothing, and takes no name for markup."""

from __future__ import annotations

import json

import tiny_dataset as tiny
from page_parts import Page

SENTENCE = "Mrs <Example> has one dark square."


def test_nothing_of_the_machine_is_told(place, report, tmp_path):
    html = report(place.fold)
    assert str(tmp_path) not in html and "ward7" not in html


def test_the_page_asks_for_nothing(place, report):
    place.store_probabilities(place.cases[0])
    page = Page(report(place.fold))
    assert all(address.startswith("#") for address in page.addresses)
    assert not {"script", "iframe", "object", "embed", "form", "base"} & page.tags
    assert page.unclosed == []


def test_a_sentence_stays_out_unless_it_is_asked_for(place, report):
    cues = json.loads((place.raw / "cues.json").read_text())
    cues["cues"][place.cases[0]]["text"] = SENTENCE
    tiny.write(place.raw / "cues.json", cues)
    html = report(place.fold)
    assert "Example" not in html and "--show-text includes them" in html
    shown = Page(report(place.fold, "--show-text"))
    assert SENTENCE in shown.text and "They may speak of patients" in shown.text


def test_names_are_text_and_never_markup(place, report):
    name = '<img src="http:x">&amp;'
    for folder, suffix in (("imagesTr", "_0000.png"), ("labelsTr", ".png")):
        path = place.raw / folder / f"{place.cases[0]}{suffix}"
        path.rename(path.with_name(f"a&b{suffix}"))
    (place.predictions / f"{place.cases[0]}.png").rename(place.predictions / "a&b.png")
    for path in (place.raw / "dataset.json", place.fold.parent / "dataset.json", place.raw / "cues.json"):
        path.write_text(path.read_text().replace('"square"', json.dumps(name)).replace(place.cases[0], "a&b"))
    page = Page(report(place.fold))
    assert name in page.text and "a&b" in page.text
    assert all(address.startswith("#") for address in page.addresses)


def test_an_old_page_stays_whole_where_a_new_one_fails(place, report, tmp_path):
    before = report(place.fold)
    (place.predictions / f"{place.cases[0]}.png").write_bytes(b"broken")
    assert report(place.fold, status=2) == before
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
