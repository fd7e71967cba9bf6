"""``cuescan predict``: find the model, check the images, and predict, by prompts or by views of several sizes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from cuescan.data.prompts import read_prompts
from cuescan.encoders import ClipEncoder
from cuescan.errors import UserError
from cuescan.nnunet.cue_predictor import CuePredictor, cue_plan
from cuescan.nnunet.input_images import check_images
from cuescan.nnunet.prompted_predictor import PromptedPredictor
from cuescan.nnunet.scaled_predictor import ScaledPredictor
from cuescan.nnunet.sentence_trainer import ENCODERS
from cuescan.share import share_path
from cuescan.training.text_encoding import TextEncoding, find_own_encoder


def predict(options: argparse.Namespace) -> int:
    """Predict masks; the options are those of ``cuescan predict``. Returns the number of cases.

    Raises:
        UserError: model, encoder, images or prompts are not there or do not fit; nothing is written then.
    """
    os.environ.setdefault("nnUNet_extTrainer", str(share_path("trainers")))
    from nnunetv2.utilities.utils import create_lists_from_splitted_dataset_folder

    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    folder = options.model or _model_folder(options)
    predictor = _predictor(options, folder, device)
    if not options.images.is_dir():
        raise UserError(f"{options.images}: there is no such folder; give the folder of the images with -i")
    folds = [int(fold) if fold.isdigit() else fold for fold in options.folds] if options.folds else None
    predictor.initialize_from_trained_model_folder(str(folder), folds, options.checkpoint)
    ending = predictor.dataset_json["file_ending"]
    files = create_lists_from_splitted_dataset_folder(str(options.images), ending)
    if not files:
        raise UserError(f"{options.images}: no images named CASE_0000{ending}; rename them as nnU-Net expects")
    check_images(files, len(predictor.dataset_json["channel_names"]), ending)
    if isinstance(predictor, PromptedPredictor):
        _prompt(options, predictor, folder, [Path(paths[0]).name[: -len(f"_0000{ending}")] for paths in files])
    predictor.predict_from_files(
        str(options.images), str(options.output), options.save_probabilities, True, options.npp, options.nps
    )
    return len(files)


def _predictor(options: argparse.Namespace, folder: Path, device: torch.device) -> CuePredictor:
    """The predictor of the model's kind; options that the kind has no use for are refused."""
    settings = {
        "use_mirroring": not options.disable_tta, "device": device, "verbose": False, "allow_tqdm": True,
        "perform_everything_on_device": device.type == "cuda",
    }  # fmt: skip
    if cue_plan(folder)["network"] != "TIFCMamba":
        if options.prompts is not None or options.encoder is not None:
            raise UserError(
                f"{folder}: this model takes no prompts; leave --prompts and --encoder out, or give one that "
                "TIFCMambaTrainer trained"
            )
        return ScaledPredictor(options.scales, **settings)
    if options.scales != [1.0]:
        raise UserError(f"{folder}: this model takes prompts and sees an image at one size; leave --scales out")
    return PromptedPredictor(**settings)


def _prompt(options: argparse.Namespace, predictor: PromptedPredictor, folder: Path, cases: list[str]) -> None:
    """Read the prompts and load the encoders that they need."""
    prompts: dict[str, str] = {}
    if options.prompts is not None:
        prompts = read_prompts(options.prompts, predictor.plan["classes"], cases)
    if prompts:
        cache = _encoders(options, predictor) / "texts"
        encoders = {digest: _encoder(options, predictor, folder, digest) for digest in set(predictor.digests)}
        predictor.use_prompts(prompts, {key: TextEncoding(encoder, cache) for key, encoder in encoders.items()})
    print(f"{len(prompts)} of {len(cases)} cases have a prompt, the others get the default prompts")


def _model_folder(options: argparse.Namespace) -> Path:
    from nnunetv2.paths import nnUNet_results
    from nnunetv2.utilities.file_path_utilities import get_output_folder

    if not nnUNet_results.is_set():
        raise UserError(
            "the environment variable nnUNet_results is not set; set it, or give the model's folder with -m"
        )
    dataset = int(options.dataset) if options.dataset.isdigit() else options.dataset
    try:
        return Path(get_output_folder(dataset, options.trainer, options.plans, options.configuration))
    except RuntimeError:
        raise UserError(f"there is no data set {options.dataset}; correct -d, or give the model with -m") from None


def _encoders(options: argparse.Namespace, predictor: PromptedPredictor) -> Path:
    """Where the data set's encoders and embeddings are kept, or else beside the masks' folder."""
    from nnunetv2.paths import nnUNet_preprocessed

    if nnUNet_preprocessed.is_set():
        folder = Path(nnUNet_preprocessed) / predictor.plans_manager.dataset_name / ENCODERS
        if folder.is_dir():
            return folder
    return options.output.parent / ENCODERS


def _encoder(options: argparse.Namespace, predictor: PromptedPredictor, model: Path, digest: str) -> ClipEncoder:
    spec = options.encoder or os.environ.get("CUESCAN_ENCODER") or predictor.plan["options"]["encoder"]
    own = model / ENCODERS  # of a model that came from a bundle
    kept = own if own.is_dir() else _encoders(options, predictor)
    return find_own_encoder(spec, kept, digest, predictor.device, print)
