"""Run the commands that a user would type, with nnU-Net's folders below one output folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from cuescan.share import share_path

LOG = "log.txt"


def empty_output(output: Path) -> None:
    """Make an empty output folder; one that no demo wrote is left alone."""
    if output.exists() and any(output.iterdir()) and not (output / LOG).exists():
        sys.exit(f"demo: {output} holds files that no demo wrote; give another --output")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)


class Runner:
    """Prints and runs commands with nnU-Net's folders set below one output folder."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.scripts = Path(sys.executable).parent
        self.environment = os.environ | {
            "nnUNet_raw": str(output / "nnUNet_raw"),
            "nnUNet_preprocessed": str(output / "nnUNet_preprocessed"),
            "nnUNet_results": str(output / "nnUNet_results"),
            "nnUNet_extTrainer": str(share_path("trainers")),
            "nnUNet_compile": "f",
            "nnUNet_n_proc_DA": "1",
            "nnUNet_def_n_proc": "2",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONWARNINGS": "ignore",
        }

    def program(self, name: str) -> str:
        """The path of a console script of this environment."""
        return shutil.which(name, path=str(self.scripts)) or name

    def __call__(self, *command: str | Path, **variables: str) -> float:
        """Run a command, show it and keep its output in a log; returns the seconds it took."""
        words = [str(word) for word in command]
        shown = [f"{name}={value}" for name, value in variables.items()]
        print("$", *shown, *words, flush=True)
        program = self.program(words[0])
        log = self.output / LOG
        started = time.monotonic()
        with log.open("a", encoding="utf-8") as stream:
            status = subprocess.run(
                [program, *words[1:]], env=self.environment | variables, stdout=stream, stderr=subprocess.STDOUT
            ).returncode
        if status:
            print(log.read_text(encoding="utf-8")[-3000:])
            sys.exit(f"`{' '.join(words)}` ended with status {status}; its output is in {log}")
        seconds = time.monotonic() - started
        print(f"  {seconds:.0f} s", flush=True)
        return seconds
