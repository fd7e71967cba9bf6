"""nnU-Net's folders for a test, and its commands run there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "nnUNet_extTrainer": str(ROOT / "nnunet_trainers"),
    "nnUNet_def_n_proc": "1",
    "nnUNet_compile": "f",
    "OMP_WAIT_POLICY": "passive",  # threads that wait by spinning are slow beside other load
    "CUESCAN_EPOCHS": "1",
    "CUESCAN_BATCH_SIZE": "4",
    "CUESCAN_LR": "1e-3",
    "CUESCAN_WORKERS": "0",
}
FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


class Workplace:
    """nnU-Net's three folders and the environment that points to them."""

    def __init__(self, root: Path):
        self.raw, self.preprocessed, self.results = (root / name for name in FOLDERS)
        self.environment = SETTINGS | {name: str(root / name) for name in FOLDERS}
        for folder in (self.raw, self.preprocessed, self.results):
            folder.mkdir()

    def run(self, command: str, *arguments: str, ok: bool = True, **environment: str) -> str:
        """Run a console script of this environment as a user does; return what it printed."""
        script = Path(sys.executable).parent / command
        start = [str(script)] if script.exists() else [sys.executable, "-m", "cuescan.cli"]
        own = {key: value for key, value in os.environ.items() if not key.startswith("CUESCAN_")}
        own["PYTHONPATH"] = str(ROOT)
        done = subprocess.run(
            [*start, *arguments], env=own | self.environment | environment, capture_output=True, text=True, timeout=600
        )
        assert (done.returncode == 0) == ok, f"{command} {arguments}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self.status = done.returncode
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def entered(self) -> Iterator[pytest.MonkeyPatch]:
        """Have its folders as this process's environment."""
        with pytest.MonkeyPatch.context() as patch:
            for key in [key for key in os.environ if key.startswith("CUESCAN_")]:
                patch.delenv(key)
            for key, value in self.environment.items():
                patch.setenv(key, value)
            yield patch

    def pretend_to_preprocess(self, number: int, *others: object) -> None:
        """Leave a file by which trainers see the format; they are built here, but do not train."""
        folder = self.preprocessed / f"Dataset{number:03d}_Tiny" / "nnUNetPlans_2d"
        folder.mkdir()
        (folder / "case_000.b2nd").touch()

    def fold(self, name: str = "Dataset001_Tiny", fold: int = 0) -> Path:
        return self.results / name / "PathMambaTrainer__nnUNetPlans__2d" / f"fold_{fold}"
