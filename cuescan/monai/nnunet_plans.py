"""A model's card as nnU-Net's plans and dataset.json, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cuescan.errors import UserError
from cuescan.monai.model_card import ModelCard
from cuescan.nnunet.options import TrainingOptions
from cuescan.nnunet.refusals import check_configuration

PLANS, CONFIGURATION, ENDING, READER = "nnUNetPlans", "2d", ".png", "NaturalImage2DIO"
SCHEMES = {
    "RGBTo01Normalization": "rgb_to_0_1",
    "RescaleTo01Normalization": "rescale_to_0_1",
    "ZScoreNormalization": "zscore",
}
"""nnU-Net's normalisations that bundles have too, and the channel names that stand for them."""
_RESAMPLING = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}


def card_of(
    plan: Mapping[str, Any], plans: Mapping[str, Any], dataset_json: Mapping[str, Any], configuration: str, folder: Path
) -> ModelCard:
    """The card of a model of nnU-Net.

    Args:
        plan: what the checkpoint keeps of the network under "cuescan".
        plans: of the model's folder.
        dataset_json: of the model's folder.
        configuration: that was trained.
        folder: of the model, for messages.

    Raises:
        UserError: bundles cannot hold it; names the folder and what is in the way.
    """
    check_configuration(plans, configuration)
    settings = dict(plans["configurations"][configuration])
    while "inherits_from" in settings:
        settings = {**plans["configurations"][settings.pop("inherits_from")], **settings}
    _check_images(plans, settings, dataset_json, folder)
    _check_labels(plan["classes"], dataset_json["labels"], folder)
    return ModelCard(
        plan["network"],
        list(plan["classes"]),
        plan["background"],
        [SCHEMES[scheme] for scheme in settings["normalization_schemes"]],
        [int(side) for side in settings["patch_size"]],
        plan["network_arguments"],
        plan["options"],
        plan.get("encoder_sha256"),
        plan.get("versions"),
        plan.get("commit"),
    )


def _check_images(
    plans: Mapping[str, Any], settings: Mapping[str, Any], dataset_json: Mapping[str, Any], folder: Path
) -> None:
    """Refuse images that bundles would read or prepare otherwise than nnU-Net."""
    ending, schemes = dataset_json["file_ending"], settings["normalization_schemes"]
    if ending != ENDING:
        raise UserError(f"{folder}: the model reads {ending} images but bundles read {ENDING}; predict with nnU-Net")
    if len(dataset_json["channel_names"]) != len(schemes):
        raise UserError(
            f"{folder}: dataset.json names {len(dataset_json['channel_names'])} channels but the plans normalise "
            f"{len(schemes)}; use the files that were trained with"
        )
    for scheme, masked in zip(schemes, settings["use_mask_for_norm"], strict=True):
        if scheme not in SCHEMES or (masked and SCHEMES[scheme] == "zscore"):
            where = " within the image's content" if scheme in SCHEMES else ""
            raise UserError(
                f"{folder}: channels normalised by {scheme}{where} are not for bundles ({', '.join(SCHEMES)} of whole "
                "images are); predict with nnU-Net"
            )
    usual = {
        "image_reader_writer": (plans, READER),
        "transpose_forward": (plans, [0, 1, 2]),
        "spacing": (settings, [1, 1]),
        "preprocessor_name": (settings, "DefaultPreprocessor"),
    }
    for key, (source, value) in usual.items():
        if source[key] != value:
            raise UserError(f"{folder}: {key} is {source[key]} but bundles take {value} only; predict with nnU-Net")


def _check_labels(classes: list[str], labels: Mapping[str, Any], folder: Path) -> None:
    found = {name: value for name, value in labels.items() if name not in ("background", "ignore")}
    expected = {name: number for number, name in enumerate(classes, start=1)}
    if found != expected:
        raise UserError(
            f"{folder}: the model's classes {expected} are not the labels {found} of dataset.json; use the one that "
            "it was trained with"
        )


def plans_of(card: ModelCard, dataset: str) -> dict[str, Any]:
    """Plans by which nnU-Net's inference prepares images as the bundle does.

    Training on nnU-Net's side plans anew: its own network and the data set's statistics are not in a bundle.

    Args:
        card: of the model.
        dataset: name of the data set.

    Raises:
        UserError: a channel has a name that bundles know no normalisation for.
    """
    schemes = {name: scheme for scheme, name in SCHEMES.items()}
    for name in card.channel_names:
        if name.lower() not in schemes:
            raise UserError(
                f"the model's card calls a channel '{name}' but bundles know {', '.join(schemes)}; correct it"
            )
    patch = [int(side) for side in card.patch_size]
    settings = {
        "data_identifier": f"{PLANS}_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": card.options.get("batch_size", 2),
        "patch_size": patch,
        "median_image_size_in_voxels": patch,
        "spacing": [1.0, 1.0],
        "normalization_schemes": [schemes[name.lower()] for name in card.channel_names],
        "use_mask_for_norm": [False] * len(card.channel_names),
        "architecture": {
            "network_class_name": f"cuescan.networks.{card.network}", "arch_kwargs": {}, "_kw_requires_import": []
        },
        "batch_dice": True,
    }  # fmt: skip
    for kind, changed in (("data", {}), ("seg", {"is_seg": True, "order": 1}), ("probabilities", {"order": 1})):
        settings[f"resampling_fn_{kind}"] = "resample_data_or_seg_to_shape"
        settings[f"resampling_fn_{kind}_kwargs"] = {**_RESAMPLING, **changed}
    return {
        "dataset_name": dataset,
        "plans_name": PLANS,
        "original_median_spacing_after_transp": [999.0, 1.0, 1.0],
        "original_median_shape_after_transp": [1, *patch],
        "image_reader_writer": READER,
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: settings},
        "experiment_planner_used": "WholeImagePlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(n): {} for n in range(len(card.channel_names))},
        "cuescan": {
            **card.plan(),
            "options": asdict(TrainingOptions.from_stored(card.options)),
            "cues_sha256": None,  # a bundle does not know its cues, so this training cannot go on in nnU-Net
        },
    }


def dataset_json_of(card: ModelCard) -> dict[str, Any]:
    """What nnU-Net has to know of images and labels."""
    labels = {"background": 0, **{name: number for number, name in enumerate(card.classes, start=1)}}
    return {
        "channel_names": {str(number): name for number, name in enumerate(card.channel_names)},
        "labels": {**labels, "ignore": len(labels)},
        "file_ending": ENDING,
        "overwrite_image_reader_writer": READER,
    }
