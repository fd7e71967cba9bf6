"""The ``cuescan`` command as users run it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import cuescan
from cuescan.cli import COMMANDS, main
from cuescan.errors import UserError
from cuescan.share import FOLDERS, share_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cuescan.cli", *arguments], capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as status:
        main([command, "--help"])
    assert status.value.code == 0
    assert f"usage: cuescan {command}" in capsys.readouterr().out


def test_help_lists_every_command():
    result = run("--help")
    assert result.returncode == 0
    assert all(command in result.stdout for command in COMMANDS)


def test_version():
    result = run("--version")
    assert (result.returncode, result.stdout.strip()) == (0, f"cuescan {cuescan.__version__}")


@pytest.mark.parametrize("arguments", [("segment",), (), ("path", "weights")])
def test_an_unknown_command_or_choice_is_refused_with_the_usage(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert "usage: cuescan" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_users_error_is_one_sentence_and_status_2(tmp_path):
    result = run("evaluate", str(tmp_path / "none"), str(tmp_path))
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("cuescan: error: ") and "dataset.json" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no broken pipe")
def test_a_reader_that_had_enough_is_no_error():
    """As of ``cuescan path trainers | true``."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "cuescan.cli", "path", "trainers"], stdout=write, stderr=subprocess.PIPE, timeout=300
    )
    os.close(write)
    assert process.returncode == 141 and not process.stderr


def test_another_error_keeps_its_traceback(monkeypatch):
    def fail(args):
        raise RuntimeError("a defect")

    monkeypatch.setattr("cuescan.commands.path.run", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        main(["path", "schema"])


@pytest.mark.parametrize("name", FOLDERS)
def test_path_prints_just_the_folder(name, capsys):
    assert main(["path", name]) == 0
    assert capsys.readouterr().out == f"{share_path(name)}\n"
    assert share_path(name).is_dir()


def test_an_unknown_or_missing_folder_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="choose one of trainers, bundles, schema, preprocessing"):
        share_path("weights")
    monkeypatch.setattr("cuescan.share.__file__", str(tmp_path / "cuescan" / "share.py"))
    with pytest.raises(UserError, match="reinstall cuescan"):
        share_path("schema")
