"""What lies in a bundle: metadata that fit the schema, the version and the data; the files that the zoo asks for."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import torch
from monai.bundle import ConfigWorkflow
from monai.utils import set_determinism
from tiny_bundles import BUNDLES, NAMES, ROOT, command

import cuescan
from cuescan.data import synthetic, synthetic_lesions
from cuescan.monai import read_card

SCHEMA = Path(__file__).parents[1] / "data" / "meta_schema_20240725.json"
CLASSES = {"pathmamba": synthetic.CLASSES, "tifcmamba": synthetic_lesions.CLASSES}
REQUIRED = ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt")
OTHERS = ("train", "train_continue", "evaluate", "multi_gpu_train", "multi_gpu_evaluate")
DOCS = ("configs/logging.conf", "docs/README.md", "docs/data_license.txt")
EXPECTED = (*(f"configs/{name}.json" for name in OTHERS), *DOCS)
LARGEST = 25 * 1024**2


def metadata(name: str) -> dict:
    return json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_metadata_fit_the_schema(name):
    schema, content = json.loads(SCHEMA.read_text()), metadata(name)
    assert Path(content["schema"]).name == SCHEMA.name
    jsonschema.validate(content, schema)
    for key in schema["required"]:
        broken = copy.deepcopy(content)
        broken.pop(key)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)


@pytest.mark.parametrize("name", ["pathmamba", pytest.param("tifcmamba", marks=pytest.mark.slow)])
def test_monais_command_finds_the_metadata_valid(name, tmp_path):
    """A schema file that is there already is not downloaded again."""
    file = BUNDLES / name / "configs" / "metadata.json"
    words = ["-m", "monai.bundle", "verify_metadata", "--meta_file", str(file), "--filepath", str(SCHEMA)]
    assert "metadata is verified with no error" in command(*words, desk=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_metadata_say_what_the_embedded_data_set_and_the_version_are(name):
    content = metadata(name)
    assert content["version"] == cuescan.__version__ and content["version"] in content["changelog"]
    assert content["required_packages_version"]["cuescan"] == cuescan.__version__
    layout = content["network_data_format"]
    assert next(iter(layout["inputs"])) == "image" and next(iter(layout["outputs"])) == "pred"
    labels = layout["outputs"]["pred"]["channel_def"]
    assert list(labels) == [str(number) for number in range(len(labels))]
    assert list(labels.values()) == ["background", *CLASSES[name]]
    assert layout["outputs"]["pred"]["num_channels"] == len(labels)
    for label in CLASSES[name]:
        assert label in content["pred_classes"] and label in content["label_classes"]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_the_zoo_asks_for_but_the_weights_is_in_the_repository(name):
    for file in (*REQUIRED, *EXPECTED):
        assert (BUNDLES / name / file).is_file() or file == "models/model.pt", file
    assert (BUNDLES / name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_a_trained_bundle_is_complete_and_small(bundle):
    """All but the state to go on from and the small text encoder (33 MB), which only sentences need."""
    for file in (*REQUIRED, *EXPECTED):
        assert (bundle.root / file).is_file(), file
    large = {file.name for file in bundle.root.rglob("*") if file.is_file() and file.stat().st_size > LARGEST}
    assert large <= {"checkpoint_epoch=1.pt", "open_clip_model.safetensors"}


def test_weights_are_tensors_alone(bundle):
    weights = torch.load(bundle.models / "model.pt", weights_only=True)
    assert weights and all(isinstance(value, torch.Tensor) for value in weights.values())


def test_a_trained_model_has_metadata_of_its_own(bundle):
    written = json.loads((bundle.models / "metadata.json").read_text())
    jsonschema.validate(written, json.loads(SCHEMA.read_text()))
    card, layout = read_card(bundle.models / "model.json"), written["network_data_format"]
    assert list(layout["outputs"]["pred"]["channel_def"].values()) == ["background", *card.classes]
    assert layout["inputs"]["image"]["spatial_shape"] == list(card.patch_size) == [48, 64]
    assert layout["inputs"]["image"]["num_channels"] == len(card.channel_names)


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("train", ["train"]),
        ("train", ["train", "train_continue"]),
        ("infer", ["inference"]),
        ("infer", ["inference", "evaluate"]),
    ],
    ids=["train", "train_continue", "inference", "evaluate"],
)
def test_every_property_that_programs_rely_on_is_there(bundle, tmp_path, kind, files):
    paths = [bundle.path(name) for name in files]
    own = {"bundle_root": str(bundle.root), "dataset_dir": str(bundle.data), "output_dir": str(tmp_path)}
    workflow = ConfigWorkflow(config_file=paths, workflow_type=kind, logging_file=False, **own)
    workflow.initialize()
    try:
        assert workflow.check_properties() == []
    finally:
        set_determinism(None)
