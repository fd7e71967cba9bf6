"""MONAI's checks and exports of a trained bundle: what comes out maps images, and prompts, to the same logits."""

from __future__ import annotations

import json
import math

import numpy as np
import onnx
import pytest
import torch
from monai.bundle import ckpt_export, onnx_export, verify_net_in_out
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from tiny_bundles import Bundle, command

from cuescan.monai import read_card

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
SHAPES = [(48, 64), (71, 39)]
ANY_SIZE = {
    "dynamic_axes": {"image": {2: "height", 3: "width"}},
    "input_names": ["image"],
    "output_names": ["pred"],
}


def trained_network(bundle: Bundle) -> torch.nn.Module:
    network = read_card(bundle.models / "model.json").build()
    network.load_state_dict(torch.load(bundle.models / "model.pt", weights_only=True))
    return network.eval()


def arguments(bundle: Bundle) -> dict[str, str]:
    """What the README gives to MONAI's commands."""
    return {
        "meta_file": str(bundle.models / "metadata.json"),
        "config_file": bundle.path("inference"),
        "bundle_root": str(bundle.root),
    }


def prompt(classes: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of prompts (1, K, D), and places (1, K, 4, 6) of which the first class states a box and a share."""
    place = torch.full((1, classes, 4, 6), math.nan)
    place[0, 0, 0] = torch.tensor([0.2, 0.1, 0.7, 0.6, 1.0, 0.15])
    return torch.randn(1, classes, width, generator=torch.Generator().manual_seed(0)), place


def test_inputs_and_outputs_are_as_the_metadata_say(bundle):
    """The image alone; a prompt too, where the network takes one."""
    known = arguments(bundle)
    verify_net_in_out("network_def", device="cpu", **known)
    own = json.loads((bundle.root / "configs" / "metadata.json").read_text())["network_data_format"]
    assert own["outputs"]["pred"]["num_channels"] == len(read_card(bundle.models / "model.json").classes) + 1
    verify_net_in_out("network_def", device="cpu", **known | {"meta_file": str(bundle.root / "configs/metadata.json")})
    if bundle.name == "tifcmamba":
        network = trained_network(bundle)
        text, place = prompt(network.num_classes, network.text_dim)
        for extra in ({"text": text}, {"text": text, "place": place}):
            verify_net_in_out("network_def", device="cpu", extra_forward_args=extra, **known)
    with pytest.raises(ValueError, match="output channel number"):
        wrong = {"_meta_#network_data_format#outputs#pred#num_channels": 7}
        verify_net_in_out("network_def", device="cpu", **known, **wrong)


@pytest.mark.parametrize("name", ["pathmamba", pytest.param("tifcmamba", marks=pytest.mark.slow)])
def test_the_commands_as_they_are_typed(name, request, tmp_path):
    """From another folder; the bundle's own metadata, as the model zoo does."""
    own = request.getfixturevalue(name).copy(tmp_path)
    zoo = ["--meta_file", str(own.root / "configs" / "metadata.json"), "--config_file", own.path("inference")]
    start = ["-m", "monai.bundle"]
    assert "verified with no error" in command(*start, "verify_net_in_out", "network_def", *zoo, desk=own.desk)
    files = ["--filepath", str(own.models / "verify_model.ts"), "--ckpt_file", str(own.models / "model.pt")]
    command(*start, "ckpt_export", "network_def", *files, *zoo, desk=own.desk)
    torch.jit.load(own.models / "verify_model.ts")


def test_a_scripted_bundle_equals_the_network_at_any_size(bundle, tmp_path):
    known = {"ckpt_file": str(bundle.models / "model.pt"), **arguments(bundle)}
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), **known)
    extra = {"metadata.json": "", "inference.json": ""}
    scripted, network = torch.jit.load(tmp_path / "model.ts", _extra_files=extra), trained_network(bundle)
    assert json.loads(extra["metadata.json"]) == json.loads((bundle.models / "metadata.json").read_text())
    assert "network_def" in json.loads(extra["inference.json"])
    for shape in SHAPES:
        image = torch.rand(1, 3, *shape)
        inputs = [(image,)]
        if bundle.name == "tifcmamba":
            text, place = prompt(network.num_classes, network.text_dim)
            inputs += [(image, text), (image, text, place)]
        with torch.no_grad():
            for given in inputs:
                torch.testing.assert_close(scripted(*given), network(*given), atol=1e-5, rtol=1e-5)


class GatherElements(OpRun):
    """ONNX's reference implementation takes at most 64 elements."""

    op_domain = ""

    def _run(self, data, indices, axis=0):
        return (np.take_along_axis(data, indices, axis),)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["pathmamba", pytest.param("tifcmamba", marks=pytest.mark.slow)])
def test_onnx_equals_the_network_at_any_size(name, request, tmp_path):
    """By MONAI's command; each scan is one Scan of ONNX, whose loop runs as often as there are positions."""
    bundle = request.getfixturevalue(name)
    known = {"ckpt_file": str(bundle.models / "model.pt"), **arguments(bundle)}
    onnx_export("network_def", filepath=str(tmp_path / "model.onnx"), converter_kwargs=dict(ANY_SIZE), **known)
    model, network = onnx.load(tmp_path / "model.onnx"), trained_network(bundle)
    onnx.checker.check_model(model)
    scans = sum(type(module).__name__ in ("SelectiveScan2d", "BidirectionalScan") for module in network.modules())
    unused = name == "tifcmamba" and network.text_segmenter is not None
    made = sum(node.op_type == "Scan" for node in model.graph.node)
    assert 0 < made <= scans and (made == scans or unused)
    evaluator = ReferenceEvaluator(model, new_ops=[GatherElements])
    with torch.no_grad():
        for shape in SHAPES:
            image = torch.rand(1, 3, *shape)
            (logits,) = evaluator.run(None, {"image": image.numpy()})
            torch.testing.assert_close(torch.from_numpy(logits), network(image), atol=1e-4, rtol=1e-4)
