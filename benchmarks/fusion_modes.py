"""TIFCMamba's fusion ablation: none, space, channel, both, and both without grounding, each with several seeds.

    python benchmarks/fusion_modes.py -d 7 --epochs 20 --output fusion_modes
    CUESCAN_LR=1e-3 CUESCAN_TRUNK=timm python benchmarks/fusion_modes.py -d 7 --epochs 20 --output fusion_modes

Trains TIFCMamba-T once per mode and seed with nnUNetv2_train and scores it on unseen images at three levels of text
(benchmarks/text_levels.py). The data set must be prepared and planned (cuescan prepare, cuescan plan). All trainings
share one encoder; they differ in the network's arguments and CUESCAN_SEED alone, other options are taken from the
environment.

Each finished training is a line in results.jsonl. The command goes on where it was stopped, and refuses an output
folder that was begun with other options.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fusion_modes_table import table
from runner import Runner
from text_levels import levels, raw_folder
from tqdm import tqdm

from cuescan.cues import read_cues
from cuescan.nnunet.options import PREFIX
from cuescan.training.provenance import commit, versions

TRAINER = "TIFCMambaTrainer"
APART = (f"{PREFIX}ENCODER", f"{PREFIX}WORKERS")  # the first is a setting of its own, the second changes no result
MODES: dict[str, dict[str, bool]] = {
    "none": {"space": False, "channel": False},
    "space": {"space": True, "channel": False},
    "channel": {"space": False, "channel": True},
    "both": {"space": True, "channel": True},
    "both, no grounding": {"space": True, "channel": True, "grounding": False},
}


def shared_encoder(preprocessed: Path, raw: Path, fold: int, device: str) -> str:
    """The encoder of the environment; "small" is trained on the fold's training cases, unless it was before."""
    spec = os.environ.get(f"{PREFIX}ENCODER") or "small"
    if spec != "small":
        return spec
    import torch
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

    from cuescan.nnunet.encoder_of_fold import encoder_of_fold
    from cuescan.nnunet.sentence_trainer import ENCODERS
    from cuescan.training.case_sentences import CaseSentences

    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text(encoding="utf-8"))
    folder = str(preprocessed / plans["configurations"]["2d"]["data_identifier"])
    cases = json.loads((preprocessed / "splits_final.json").read_text(encoding="utf-8"))[fold]["train"]
    sentences = CaseSentences(read_cues(raw / "cues.json"))
    source = infer_dataset_class(folder)(folder)
    return str(encoder_of_fold(source, cases, sentences, preprocessed / ENCODERS, 0, torch.device(device)))


def begin(output: Path, settings: dict[str, Any]) -> None:
    """Make the output folder, or make sure that it was begun with the same settings."""
    output.mkdir(parents=True, exist_ok=True)
    kept = output / "settings.json"
    if not kept.exists():
        kept.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    before = json.loads(kept.read_text(encoding="utf-8"))
    differing = sorted(key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key))
    if differing:
        sys.exit(f"{output}: begun with other settings ({', '.join(differing)}); give another --output")


def finished(results: Path) -> list[dict[str, Any]]:
    """The trainings that are done; a line that was cut short is dropped."""
    if not results.exists():
        return []
    lines = results.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if whole != lines:
        results.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]


def train(run: Runner, mode: str, seed: int, encoder: str, options: argparse.Namespace) -> Path:
    """Train a network, or go on with its training; returns the model's folder."""
    results = options.output / f"{mode.replace(', ', '_').replace(' ', '_')}_seed{seed}"
    model = results / raw_folder(options.dataset).name / f"{TRAINER}__nnUNetPlans__2d"
    fold = model / f"fold_{options.fold}"
    if (fold / "checkpoint_final.pth").exists():
        return model
    results.mkdir(exist_ok=True)
    given = json.loads(os.environ.get(f"{PREFIX}NETWORK_ARGUMENTS") or "{}")
    run(
        *("nnUNetv2_train", options.dataset, "2d", str(options.fold), "-tr", TRAINER, "-device", options.device),
        *(("--c",) if (fold / "checkpoint_latest.pth").exists() else ()),
        **{name: os.environ[name] for name in ("nnUNet_raw", "nnUNet_preprocessed")},
        nnUNet_results=str(results),
        CUESCAN_EPOCHS=str(options.epochs),
        CUESCAN_ENCODER=encoder,
        CUESCAN_SEED=str(seed),
        CUESCAN_NETWORK_ARGUMENTS=json.dumps(given | MODES[mode]),
    )
    return model


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", dest="dataset", required=True, help="number of the data set")
    parser.add_argument("-f", dest="fold", type=int, default=0, help="fold (default 0)")
    parser.add_argument("--epochs", type=int, required=True, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="default: all")
    parser.add_argument("--images", type=Path, help="unseen images, named as nnU-Net's (default: the set's imagesTs)")
    parser.add_argument("--masks", type=Path, help="their masks (default: the set's labelsTs)")
    parser.add_argument("--output", type=Path, required=True, help="folder for models, masks and results.jsonl")
    parser.add_argument("-device", default="cpu")
    options = parser.parse_args()
    raw = raw_folder(options.dataset)
    options.images = (options.images or raw / "imagesTs").resolve()
    options.masks = (options.masks or raw / "labelsTs").resolve()
    options.output = options.output.resolve()
    return options


def main() -> None:
    """Train, score, and print the tables."""
    options = parse()
    raw = raw_folder(options.dataset)
    preprocessed = Path(os.environ["nnUNet_preprocessed"]) / raw.name
    own = {name: os.environ[name] for name in sorted(os.environ) if name.startswith(PREFIX) and name not in APART}
    encoder = shared_encoder(preprocessed, raw, options.fold, options.device)
    paths = {"images": str(options.images), "masks": str(options.masks), "encoder": encoder}
    begin(options.output, {"data": raw.name, "fold": options.fold, "epochs": options.epochs, **paths, **own})

    results = options.output / "results.jsonl"
    done = finished(results)
    run, known = Runner(options.output), {(row["mode"], row["seed"]) for row in done}
    wanted = [(mode, seed) for seed in options.seeds for mode in options.modes]
    for mode, seed in tqdm([each for each in wanted if each not in known], "trainings", disable=None):
        model = train(run, mode, seed, encoder, options)
        chosen = ("-m", model, "-f", str(options.fold), "--encoder", encoder, "-device", options.device)
        scored = levels(chosen, raw, options.images, options.masks, model.parents[1] / "levels")
        row = {"mode": mode, "seed": seed, "commit": commit(), "levels": [asdict(level) for level in scored]}
        with results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        done.append(row)

    shown = [row for row in done if (row["mode"], row["seed"]) in wanted]
    count, commits = len(list(options.masks.glob("*.png"))), sorted({str(row["commit"]) for row in shown})
    print(f"\n{raw.name}, fold {options.fold}, {options.epochs} epochs, {count} unseen images")
    print(*(f"{name}={value}" for name, value in own.items()), f"encoder {Path(encoder).name}")
    print(f"{platform.machine()}, {os.cpu_count()} cores; commit {', '.join(commits)}; {versions()}\n")
    print(table(shown))


if __name__ == "__main__":
    main()
