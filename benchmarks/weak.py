"""Weakly supervised methods beside full supervision, on the same images, folds and seeds: one command, one table.

    python benchmarks/weak.py benchmarks/configs/quick.yaml              minutes on a CPU, synthetic images
    python benchmarks/weak.py benchmarks/configs/glas.yaml --list        what it would run, with commands
    python benchmarks/weak.py benchmarks/configs/glas.yaml --data ../shared/data -o glas
    python benchmarks/weak.py --set consep --methods PathMambaTrainer SupervisedTrainer --epochs 5 --seeds 0 1 2
    python benchmarks/weak.py --set 101 --methods PathMambaTrainer       a data set of yours in nnUNet_raw

It prepares and plans the data, trains (nnUNetv2_train), predicts the test images, scores them (cuescan evaluate) and
writes OUTPUT/table.md, figure.png and results.json after every model that is scored. Stop it at any time: the same
command goes on where it was, an interrupted training with --c. Steps that several methods share run once. What each
column means, and what a configuration may say, is in docs/benchmark.md.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner import Runner
from weak_tables import folder, settings
from weak_tables.command_line import document, parse
from weak_tables.dataset_steps import processes
from weak_tables.plan import Plan
from weak_tables.published import check_names
from weak_tables.reading import load_yaml
from weak_tables.steps import Step, closure
from weak_tables.work import Subprocess, Worker

from cuescan.cues.checking import did_you_mean
from cuescan.cues.writing import write_json
from cuescan.errors import UserError

SHOWN = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_extTrainer")


def selected(plan: Plan, methods: Sequence[str] | None, seeds: Sequence[int] | None) -> list[Step]:
    """The steps of the methods and seeds that are asked for, with all that they need.

    A method is named with all its stages, or one of them as its row of the table is.

    Raises:
        UserError: the configuration has no such method or seed.
    """
    known = list(dict.fromkeys(name for run in plan.runs for name in (run.method, run.label)))
    for name in methods or ():
        if name not in known:
            there = ", ".join(map(repr, known))
            raise UserError(
                f"--methods {name}: the configuration has {there}{did_you_mean(name, known)}; name one of them"
            )
    for seed in seeds or ():
        if seed not in plan.settings.seeds:
            raise UserError(f"--seeds {seed}: the configuration has {list(plan.settings.seeds)}; add it there")
    wanted = [
        run.score
        for run in plan.runs
        if (not methods or {run.method, run.label} & set(methods)) and (not seeds or run.seed in seeds)
    ]  # fmt: skip
    return closure(plan.steps, wanted)


def chosen_device(given: str | None) -> str:
    """The device to train on."""
    if given:
        return given
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def environment(told: settings.Settings, runner: Runner, device: str) -> dict[str, str]:
    """Variables of all commands, without CUESCAN_* of the user's own shell, which would change what is trained."""
    own = {name: value for name, value in runner.environment.items() if not name.startswith("CUESCAN_")}
    if device != "cpu":  # nnU-Net's augmentation would keep the GPU waiting
        own["nnUNet_n_proc_DA"] = str(processes())
    return own | dict(told.environment)


def show(steps: Sequence[Step], worker: Worker, variables: Mapping[str, str]) -> None:
    """Print the steps with their commands."""
    print(*(f"export {name}={shlex.quote(variables[name])}" for name in SHOWN), sep="\n")
    for number, step in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] {step.title}{' (finished)' if worker.finished(step) else ''}")
        print(f"  $ {step.shown()}")


def write(plan: Plan, worker: Worker, stamped: dict[str, Any], failed: dict[str, str]) -> str:
    """Write results.json, table.md and figure.png; returns the table."""
    from weak_tables import figure, results, table

    found = results.document(plan, worker, stamped, failed)
    write_json(found, plan.output / "results.json")
    text = table.table(found)
    partial = plan.output / ".table.md.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(plan.output / "table.md")
    figure.draw(found, plan.output / "figure.png")
    return text


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; returns the exit status.

    Raises:
        UserError: one sentence with the file and the remedy.
    """
    data = settings.data_folder(options.data).resolve()
    if options.configuration:
        told = settings.read_settings(load_yaml(options.configuration), options.configuration, data)
    else:
        told = settings.read_settings(document(options), "command line", data)
    check_names({stage.published for method in told.methods for stage in method.stages if stage.published},
                told.data.key)  # fmt: skip
    name = options.configuration.stem if options.configuration else str(options.set)
    output = (options.output or Path("weak_runs") / name).resolve()
    plan = Plan(told, output, data, chosen_device(options.device))
    steps = selected(plan, options.methods if options.configuration else None,
                     options.seeds if options.configuration else None)  # fmt: skip
    folder.check(output, told)
    runner = Runner(output)
    if options.list:
        show(steps, Worker(output, lambda *_: 0, {}), environment(told, runner, plan.device))
        return 0
    from weak_tables.results import stamp

    folder.begin(output, told)
    stamped = stamp(plan.device)
    worker = Worker(output, Subprocess(environment(told, runner, plan.device), runner.program), stamped)

    def after(step: Step) -> None:
        if step.name.endswith("/score"):
            write(plan, worker, stamped, {})

    failed = worker.work(steps, after)
    print(f"\n{write(plan, worker, stamped, failed)}")
    print(f"{output / 'table.md'}, figure.png and results.json")
    if failed:
        print(f"{len(failed)} of {len(steps)} steps failed; correct what their logs say and run the same command again",
              file=sys.stderr)  # fmt: skip
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 2 for a user's error, 130 where it was stopped."""

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stopped)
    try:
        return run(parse(__doc__, arguments))
    except UserError as error:
        print(f"weak.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
