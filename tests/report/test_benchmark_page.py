"""The page of a benchmark: means and spreads over seeds, the bound, confusion, and published numbers apart."""

from __future__ import annotations

import copy
import json
import statistics

import numpy as np
import pytest
from page_parts import Page

from cuescan.evaluation.repeats import spread


def test_means_over_seeds_of_means_over_folds(benchmark, report):
    table = Page(report(benchmark)).tables[0]
    assert len(table) == 1 + 3
    values = [statistics.fmean([0.6 + 0.01 * seed, 0.6 + 0.01 * seed + 0.001]) for seed in (0, 1, 2)]
    assert table[1][2].split() == [f"{statistics.fmean(values):.3f}", "±", f"{statistics.stdev(values):.3f}"]
    assert [row[-2:] for row in table[1:]] == [["6", "10"]] * 3


def test_shares_of_the_bound_and_the_best_without_masks_in_bold(benchmark, report):
    html = report(benchmark)
    share = [row[5] for row in Page(html).tables[0][1:]]
    assert share == [f"{100 * value / 0.8105:.1f} %" for value in (0.6105, 0.7105, 0.8105)]
    assert html.count('class="best"') == 4 and '<span class="best">0.711' in html.replace("0.710", "0.711")


def test_published_numbers_stand_in_a_table_of_their_own(benchmark, report):
    page = Page(report(benchmark))
    assert page.tables[-1][1][1:] == ["–", "0.776", "–", "–"]
    assert not any("OEEM" in cell for table in page.tables[:-1] for row in table for cell in row)


def test_the_confusion_of_all_models_of_a_method(benchmark, report):
    table = next(table for table in Page(report(benchmark)).tables if table[0][0] == "")
    assert table[1][1:] == ["1.0 % 6", "80.0 % 480", "19.0 % 114"]


def test_figure_machine_and_what_is_left_to_do(benchmark, report):
    page = Page(report(benchmark))
    assert next(iter(page.images.values())).shape == (30, 60, 3)
    for fact in ("processor a CPU", "commit 42379cd", "torch 2.15.0", "18 of 20 models", "<GlaS>"):
        assert fact in page.text
    assert all(address.startswith("#") for address in page.addresses) and page.unclosed == []
    assert "source glas" in page.text and str(benchmark.parent) not in page.text


def test_a_class_that_some_models_never_met(benchmark, report):
    document = json.loads((benchmark / "results.json").read_text())
    for run in document["rows"][:6]:
        run["scores"] = copy.deepcopy(run["scores"])
        run["scores"]["classes"]["stroma"]["iou"] = None
    (benchmark / "results.json").write_text(json.dumps(document))
    assert Page(report(benchmark)).tables[1][1] == ["PathMamba", "0.621 ± 0.010", "–"]


def test_a_seed_counts_once_and_one_seed_has_no_spread():
    found = spread([(0, 0.0), (0, 1.0), (1, 1.0), (2, None)])
    assert found.values == (0.5, 1.0) and found.mean == 0.75
    assert found.deviation == pytest.approx(np.std([0.5, 1.0], ddof=1))
    assert spread([(3, 0.4)]).deviation is None
    assert spread([(0, None)]) is None
