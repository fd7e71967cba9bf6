"""The page in a real browser, opened from disk, on a laptop and on a phone, light and dark."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tiny_dataset as tiny
from reported_runs import make_place

from cuescan.cli import main

LAPTOP, PHONE = (1440, 900), (390, 844)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip

CONTRAST = """() => {
  const parse = c => { const v = c.match(/[\\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const behind = e => {
    if (!e) return parse(getComputedStyle(document.body).backgroundColor);
    const own = parse(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(e.parentElement));
  };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), back = behind(e);
    const ink = over(parse(e instanceof SVGElement ? style.fill : style.color), back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) low.push(`${e.tagName}.${e.className.baseVal ?? e.className} ${ratio.toFixed(2)} ${e.textContent.trim().slice(0, 30)}`);
  }
  return low;
}"""  # noqa: E501


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: the system's, else playwright's own."""
    name = "playwright.sync_api"
    playwright = pytest.importorskip(name, reason="playwright is not installed: pip install 'cuescan[test]'")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=found, args=QUIET)
        except playwright.Error as error:
            pytest.skip(f"no browser: apt-get install chromium, or playwright install chromium ({str(error)[:60]})")
        yield started
        started.close()


class Opened:
    """A page in a tab, and all that went wrong or was asked for while it loaded."""

    def __init__(self, browser, path, size, scheme) -> None:
        self.context = browser.new_context(
            viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme
        )
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(path.as_uri())

    def boxes(self, selector: str) -> list[dict]:
        return [found.bounding_box() for found in self.tab.query_selector_all(selector)]


@pytest.fixture
def opened(browser):
    tabs = []

    def start(path, size=LAPTOP, scheme="light") -> Opened:
        tabs.append(Opened(browser, path, size, scheme))
        return tabs[-1]

    yield start
    for tab in tabs:
        tab.context.close()


@pytest.fixture
def page(place, tmp_path):
    """A report with everything in it: long names, stored and missing probabilities, curves, confusion."""
    name = "a_case_whose_name_is_" + "very_" * 12 + "long"
    for folder, suffix in (("imagesTr", "_0000.png"), ("labelsTr", ".png")):
        (place.raw / folder / f"{place.cases[1]}{suffix}").rename(place.raw / folder / f"{name}{suffix}")
    (place.predictions / f"{place.cases[1]}.png").rename(place.predictions / f"{name}.png")
    place.store_probabilities(place.cases[0])
    assert main(["report", str(place.fold), "-o", str(tmp_path / "page.html")]) == 0
    return tmp_path / "page.html"


@pytest.fixture
def many_classes(tmp_path, monkeypatch):
    """A report of fourteen classes with long names, whose tables are wider than a phone."""
    place = make_place(tmp_path / "many", monkeypatch)
    names = {"background": 0, **{f"tissue class number {i}": i for i in range(1, 15)}, "ignore": 15}
    for path in (place.raw / "dataset.json", place.fold.parent / "dataset.json"):
        tiny.write(path, {"labels": names, "channel_names": {"0": "rgb_to_0_1"}, "file_ending": ".png"})
    (place.raw / "cues.json").unlink()
    random = np.random.default_rng(0)
    for case in place.cases:
        for folder in (place.raw / "labelsTr", place.predictions):
            tiny.save(folder / f"{case}.png", np.kron(random.integers(0, 15, (6, 6)), np.ones((8, 8))).astype(np.uint8))
    assert main(["report", str(place.fold), "-o", str(tmp_path / "many.html")]) == 0
    return tmp_path / "many.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_the_page_opens_in_peace(opened, page, size, scheme):
    found = opened(page, size, scheme)
    assert found.tab.evaluate("document.documentElement.scrollWidth") == size[0]
    assert found.complaints == []
    assert [url for url in found.asked if not url.startswith("data:")] == [page.as_uri()]
    widths = found.tab.evaluate("[...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert len(widths) == 7 and min(widths) >= 384
    assert found.tab.evaluate(CONTRAST) == []


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_many_classes_scroll_inside_their_tables(opened, many_classes, size):
    found = opened(many_classes, size)
    assert found.tab.evaluate("document.documentElement.scrollWidth") == size[0]
    inside = found.tab.evaluate("[...document.querySelectorAll('.scroll')].map(e => e.scrollWidth > e.clientWidth)")
    assert inside[-1]


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_a_benchmark_opens_in_peace(opened, benchmark, size):
    assert main(["report", str(benchmark)]) == 0
    found = opened(benchmark / "report.html", size)
    assert found.tab.evaluate("document.documentElement.scrollWidth") == size[0]
    assert found.complaints == [] and found.tab.evaluate(CONTRAST) == []


def test_four_pictures_stand_in_a_row_on_a_laptop_and_two_on_a_phone(opened, page):
    for size, columns in ((LAPTOP, 4), (PHONE, 2)):
        pictures = opened(page, size).boxes("article:first-of-type .panels img, article:first-of-type .missing")
        assert len(pictures) == 4
        assert len({round(box["x"]) for box in pictures}) == columns
        assert len({round(box["y"]) for box in pictures}) == 4 // columns
        assert len({(round(box["width"]), round(box["height"])) for box in pictures}) == 1
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= size[0] for box in pictures)


def test_dark_is_dark_and_light_is_light(opened, page):
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    assert opened(page, scheme="light").tab.evaluate(shade) > 230 > 40 > opened(page, scheme="dark").tab.evaluate(shade)


def test_a_click_enlarges_a_picture_and_another_shrinks_it(opened, page):
    found = opened(page)
    picture = found.tab.query_selector("article img")
    before = picture.bounding_box()
    picture.click()
    assert found.tab.viewport_size == {"width": 1440, "height": 900}
    assert (picture.bounding_box()["width"], picture.bounding_box()["height"]) == LAPTOP
    picture.click()
    assert picture.bounding_box()["width"] == before["width"]


def test_the_page_is_read_without_scripts(opened, page):
    found = opened(page)
    assert found.tab.evaluate("document.scripts.length") == 0
    found.tab.click("nav a[href='#recipe']")
    assert found.tab.evaluate("document.querySelector('#recipe').getBoundingClientRect().top") < LAPTOP[1]
