"""benchmarks/fusion_modes.py: it goes on where it was stopped, not with other settings, and sums up over seeds."""

from __future__ import annotations

import json

import pytest
from fusion_modes import MODES, begin, finished
from fusion_modes_table import spread, table

from cuescan.networks import TIFCMamba


def row(mode: str, seed: int, dice: float) -> dict:
    levels = [
        {"level": level, "dice": dice, "iou": dice / 2, "guess_dice": 0.25, "guess_iou": 0.125}
        for level in ("name", "place")
    ]
    return {"mode": mode, "seed": seed, "levels": levels}


def test_modes_are_arguments_of_the_network():
    for arguments in MODES.values():
        net = TIFCMamba(3, 1, 8, **arguments)
        for fusion in net.fusions:
            assert (fusion.space is not None, fusion.channel is not None) == (arguments["space"], arguments["channel"])
        assert net.grounding == arguments.get("grounding", True)
    assert len({json.dumps(arguments) for arguments in MODES.values()}) == 5


def test_a_line_that_was_cut_short_is_dropped(tmp_path):
    results = tmp_path / "results.jsonl"
    assert finished(results) == []
    whole = json.dumps(row("none", 0, 0.5)) + "\n"
    results.write_text(whole + whole[:40])
    assert finished(results) == [row("none", 0, 0.5)]
    assert results.read_text() == whole


def test_other_settings_are_refused(tmp_path):
    folder = tmp_path / "modes"
    begin(folder, {"epochs": 3, "CUESCAN_LR": "1e-3"})
    begin(folder, {"epochs": 3, "CUESCAN_LR": "1e-3"})
    with pytest.raises(SystemExit, match=r"begun with other settings \(CUESCAN_LR, epochs\); give another --output"):
        begin(folder, {"epochs": 4})


def test_the_table():
    rows = [row("none", 0, 0.4), row("none", 1, 0.6), row("both", 0, 0.7)]
    dice, iou = table(rows).strip().split("\n\n")
    assert [line.split() for line in dice.splitlines()] == [
        ["mDice,", "prompt:", "name", "place", "seeds"],
        ["none", "0.500", "+-", "0.141", "0.500", "+-", "0.141", "2"],
        ["both", "0.700", "0.700", "1"],
        ["guess", "0.250", "0.250"],
    ]
    assert iou.splitlines()[1].split()[:4] == ["none", "0.250", "+-", "0.071"]
    assert spread([0.5]) == "0.500"
