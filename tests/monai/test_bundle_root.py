"""The bundle that runs is found from the command, wherever it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cuescan.monai.bundle_root import bundle_root
from cuescan.share import share_path


@pytest.fixture
def bundle(tmp_path) -> Path:
    configs = tmp_path / "my bundle" / "configs"
    configs.mkdir(parents=True)
    for name in ("train.json", "more.json", "metadata.json"):
        (configs / name).write_text("{}")
    return tmp_path / "my bundle"


def test_a_path_a_list_and_an_argument_file(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = bundle / "configs" / "train.json", bundle / "configs" / "more.json"
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"config_file": [str(first), str(second)]}))
    for words in (
        ["run", "--config_file", str(first)],
        ["run", f"--config_file={first}"],
        ["run", "--config_file", f"['{first}', '{second}']"],
        ["run", "--config_file", "my bundle/configs/train.json"],
        ["run", "--args_file", str(arguments)],
    ):
        assert Path(bundle_root("pathmamba", words)) == bundle, words


def test_the_working_folder_and_then_cuescans_own(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(bundle)
    assert Path(bundle_root("pathmamba", [])) == bundle
    monkeypatch.chdir(tmp_path)
    assert Path(bundle_root("tifcmamba", [])) == share_path("bundles") / "tifcmamba"
