"""Runs steps: finished ones are left alone, an interrupted training goes on, a failed one stops only what needs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cuescan.cues.reading import load_json
from cuescan.cues.writing import write_json
from weak_tables.steps import Step

POLL = 5.0
"""Seconds between two looks at a running command; the record of a killed benchmark lacks at most so much."""
LEAST_MINUTES = 0.1
MINUTES = "CUESCAN_MINUTES"

Command = Callable[[Sequence[str], Mapping[str, str], Path, Callable[[float], None]], int]
"""Runs a command with these variables, appends its output to the log, tells now and then how many seconds it has run,
and returns its exit status."""


class Failure(Exception):
    """A step ended with an error; the message names its log."""


class Worker:
    """Runs the steps of a benchmark.

    Args:
        output: the benchmark's folder.
        command: what runs a command; :class:`Subprocess`, or a stand-in.
        stamp: what a finished training's record says about machine and software.
    """

    def __init__(self, output: Path, command: Command, stamp: Mapping[str, Any]) -> None:
        self.output, self.command, self.stamp = output, command, stamp

    def record(self, step: str) -> dict[str, Any]:
        """What is known of a step: "done", "seconds" of all attempts, and more."""
        path = self._path(step, ".json")
        return load_json(path) if path.is_file() else {"done": False, "seconds": 0.0, "attempts": 0}

    def finished(self, step: Step) -> bool:
        """Whether the step's product is there and it ended without an error; of a training the product is enough.

        What a training does after its final checkpoint, nnU-Net's validation of the fold, is in no table.
        """
        return step.product.exists() and (step.fold is not None or self.record(step.name)["done"])

    def work(self, steps: Sequence[Step], after: Callable[[Step], None]) -> dict[str, str]:
        """Run the steps in turn.

        Args:
            steps: what is needed by a step comes before it.
            after: is called after each step that ran.

        Returns:
            Name -> reason of the steps that failed or could not begin.
        """
        failed: dict[str, str] = {}
        with tqdm(total=len(steps), desc="steps", unit="step", disable=None) as bar:
            for number, step in enumerate(steps, start=1):
                lacking = next((name for name in step.needs if name in failed), None)
                if lacking is not None:
                    failed[step.name] = f"it needs {lacking}"
                elif not self.finished(step):
                    tqdm.write(f"[{number}/{len(steps)}] {step.title}", file=sys.stdout)
                    try:
                        self.run(step, bar)
                    except Failure as failure:
                        failed[step.name] = str(failure)
                        tqdm.write(f"  failed: {failure}", file=sys.stdout)
                    else:
                        after(step)
                bar.update()
        return failed

    def run(self, step: Step, bar: Any = None) -> None:
        """Run one step.

        Raises:
            Failure: the command ended with an error, or without its product.
        """
        record = self.record(step.name) | {"done": False}
        words, goes_on = self.words(step)
        if not goes_on:
            record["seconds"] = 0.0
        environment = dict(step.environment)
        if minutes := self.minutes(step):
            environment[MINUTES] = f"{max(minutes - record['seconds'] / 60, LEAST_MINUTES):.2f}"
        record |= {"command": list(words), "environment": environment, "attempts": record["attempts"] + 1, **self.stamp}
        path, log = self._path(step.name, ".json"), self._path(step.name, ".log")
        path.parent.mkdir(parents=True, exist_ok=True)
        before = record["seconds"]

        def note(seconds: float) -> None:
            record["seconds"] = before + seconds
            write_json(record, path)
            if bar is not None:
                bar.set_postfix_str(f"{step.title}: {seconds / 60:.1f} min {last_words(log)}", refresh=True)

        note(0.0)
        tqdm.write(f"  $ {step.shown()}{' --c' if '--c' in words else ''}", file=sys.stdout)
        status = self.command(words, environment, log, note)
        if status:
            raise Failure(f"{log}: the command ended with status {status} ({last_words(log) or 'without a word'})")
        if not step.product.exists():
            raise Failure(f"{log}: the command left no {step.product}")
        write_json(record | {"done": True}, path)

    def words(self, step: Step) -> tuple[tuple[str, ...], bool]:
        """The command as it is to be run now, and whether it goes on where an earlier attempt stopped."""
        if step.fold is None:
            return step.command, False
        if (step.fold / "checkpoint_latest.pth").is_file():
            return (*step.command, "--c"), True
        return step.command, False

    def minutes(self, step: Step) -> float | None:
        """Minutes of a training by time."""
        if step.as_long_as is not None:
            return self.record(step.as_long_as)["seconds"] / 60
        return float(step.environment[MINUTES]) if MINUTES in step.environment else None

    def _path(self, step: str, ending: str) -> Path:
        return self.output / "steps" / f"{step}{ending}"


class Subprocess:
    """Runs commands as child processes that end with this one.

    Args:
        environment: variables of all commands.
        program: name of a console script -> its path.
    """

    def __init__(self, environment: Mapping[str, str], program: Callable[[str], str]) -> None:
        self.environment, self.program = environment, program

    def __call__(
        self, words: Sequence[str], variables: Mapping[str, str], log: Path, note: Callable[[float], None]
    ) -> int:
        """See :data:`Command`."""
        begun = time.monotonic()
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"$ {' '.join(words)}\n")
            stream.flush()
            process = subprocess.Popen(
                [self.program(words[0]), *words[1:]], env={**self.environment, **variables}, stdout=stream,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                while True:
                    try:
                        status = process.wait(POLL)
                        break
                    except subprocess.TimeoutExpired:
                        note(time.monotonic() - begun)
            finally:
                if process.poll() is None:
                    stop(process)
                note(time.monotonic() - begun)
        return status


def stop(process: subprocess.Popen) -> None:
    """End a process and the workers that it started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def last_words(log: Path, length: int = 160) -> str:
    """The last line of a log that says something."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 8192))
        lines = re.split(r"[\r\n]+", stream.read().decode("utf-8", errors="replace"))
    told = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return told[-1][:length] if told else ""
