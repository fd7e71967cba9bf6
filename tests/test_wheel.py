"""A built wheel in an environment of its own, away from the checkout, is complete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from cuescan.share import FOLDERS

CHECKOUT = Path(__file__).resolve().parents[1]

# A .pth would also process the .pth of the editable install; appending the folder itself does not.
DEPENDENCIES = "import sys; sys.path.append({folder!r})\n"

FIND_TRAINER = """
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
trainer = recursive_find_trainer_class_by_name("PathMambaTrainer")
import inspect
print(trainer.__name__, inspect.getfile(trainer))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("cuescan-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A fresh environment's folder of programs: cuescan from the wheel, its dependencies from this environment."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / Path(sys.executable).name
    target = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(target) / "dependencies.pth").write_text(DEPENDENCIES.format(folder=sysconfig.get_path("purelib")))
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run([python, *install], check=True, capture_output=True, cwd=home, timeout=300)
    return programs


def run(programs: Path, *command: str | Path, **environment: str) -> str:
    """Run a program of the environment in its own folder and return what it prints."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run(
        [programs / command[0], *command[1:]],
        cwd=programs.parent, env={**variables, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_environment_has_cuescan_from_the_wheel_only(installed):
    home = run(installed, "python", "-c", "import cuescan, sys; print(cuescan.__file__); print(*sys.path)")
    package, search_path = home.splitlines()
    assert Path(package).is_relative_to(installed.parent)
    assert str(CHECKOUT) not in search_path.split()


@pytest.mark.parametrize("name", FOLDERS)
def test_path_prints_a_folder_of_the_installation(installed, name):
    folder = Path(run(installed, "cuescan", "path", name))
    assert folder.is_relative_to(installed.parent)
    assert {path.name for path in folder.iterdir()} >= {
        path.name for path in (CHECKOUT / FOLDERS[name]).iterdir() if path.name != "__pycache__"
    }


def test_the_schema_is_there(installed):
    schema = json.loads((Path(run(installed, "cuescan", "path", "schema")) / "cues.schema.json").read_text("utf-8"))
    assert "classes" in schema["properties"]


def test_nnunet_finds_the_trainer_through_the_printed_folder(installed, tmp_path):
    folder = run(installed, "cuescan", "path", "trainers")
    nnunet = {name: str(tmp_path) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    printed = run(installed, "python", "-c", FIND_TRAINER, nnUNet_extTrainer=folder, **nnunet)
    name, file = printed.splitlines()[-1].split(" ", 1)
    assert name == "PathMambaTrainer"
    assert Path(file).is_relative_to(installed.parent)


def test_the_wheel_holds_the_package_and_the_doorways_only(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert all(name.startswith(("cuescan/", "cuescan-")) for name in names)
    assert not [name for name in names if name.endswith((".pyc", ".png", ".pth", ".safetensors"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"cuescan/report/templates/run.html", "cuescan/report/templates/style.css"} <= set(names)
