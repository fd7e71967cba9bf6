"""ONNX: a selective scan becomes one loop, for any size."""

from __future__ import annotations

import pytest
import torch
from torch.export import Dim

from cuescan.networks.vss import BidirectionalScan, SelectiveScan2d

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
pytest.importorskip("onnxscript")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("layer", "sizes", "shapes"),
    [
        (SelectiveScan2d(8, 3), {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}, [(2, 8, 4, 6), (1, 8, 7, 3), (3, 8, 5, 9)]),
        (BidirectionalScan(6, 2), {0: Dim.AUTO, 1: Dim.AUTO}, [(2, 9, 6), (1, 14, 6)]),
    ],
    ids=["four routes", "both ways"],
)
def test_a_scan_is_one_loop_for_any_size(layer, sizes, shapes, tmp_path) -> None:
    layer.eval()
    path = tmp_path / "scan.onnx"
    names = {"input_names": ["x"], "output_names": ["y"]}
    torch.onnx.export(layer, (torch.rand(shapes[0]),), path, dynamic_shapes=(sizes,), verbose=False, **names)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert sum(node.op_type == "Scan" for node in model.graph.node) == 1
    evaluator = reference.ReferenceEvaluator(model)
    with torch.no_grad():
        for shape in shapes:
            x = torch.rand(shape)
            (y,) = evaluator.run(None, {"x": x.numpy()})
            torch.testing.assert_close(torch.from_numpy(y), layer(x), atol=1e-5, rtol=1e-5)


def test_an_export_leaves_the_scan_as_it_was() -> None:
    assert not torch.onnx.is_in_onnx_export()
    compiled = torch.compile(SelectiveScan2d(8, 3).eval(), fullgraph=True, backend="eager")
    assert compiled(torch.rand(1, 8, 4, 6)).shape == (1, 8, 4, 6)
