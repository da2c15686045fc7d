"""What an ``.onnx`` file says about itself; the right values are the onnx package's."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from kerascnn.cli import main
from kerascnn.inference.model_file.description import describe
from kerascnn.printable import printable

EVIL = "cat\x1b[2J\x07\u202e"


@pytest.fixture
def foreign(tmp_path):
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Flatten", ["f"], [EVIL]),
        ],
        f"graph {EVIL}",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["n", 3, None, 8]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT16, [2, 3, 1, 1]),
        ],
        [helper.make_tensor_value_info(EVIL, TensorProto.FLOAT16, ["n", 2])],
        [numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float16), "w")],
        doc_string="for people",
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, producer_name="pytorch", producer_version="2.9",
                              opset_imports=opsets, ir_version=8, model_version=3)  # fmt: skip
    helper.set_model_props(model, {"names": "['a', 'b']", "note": EVIL})
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    return path, model


def test_weights_in_constant_nodes_are_counted(foreign) -> None:
    path, model = foreign
    weights = model.graph.initializer.pop()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=weights))
    onnx.save(model, path)
    assert describe(path).weights == 6


def test_it_is_what_onnx_reads(foreign) -> None:
    path, model = foreign
    found = describe(path)
    assert found.card is None
    assert [(end.name, end.type, end.shape) for end in found.inputs] == [
        ("x", "float16", ("n", 3, None, 8))
    ]
    assert [(end.name, end.shape) for end in found.outputs] == [(EVIL, ("n", 2))]
    assert found.opsets == {one.domain or "ai.onnx": one.version for one in model.opset_import}
    assert found.metadata == {one.key: one.value for one in model.metadata_props}
    assert (found.ir_version, found.model_version) == (model.ir_version, model.model_version)
    assert found.producer == f"{model.producer_name} {model.producer_version}"
    assert (found.graph, found.doc) == (model.graph.name, "for people")
    assert found.operators == {"Flatten": 2, "Conv": 1, "GlobalAveragePool": 1}
    assert (found.weights, found.bytes) == (6, path.stat().st_size)


def test_no_terminal_obeys_a_file(foreign) -> None:
    path, _ = foreign
    done = CliRunner().invoke(main, ["card", str(path)])
    assert done.exit_code == 0, done.output
    assert [one for one in "\x1b\x07\u202e" if one in done.output] == []
    assert r"cat\x1b[2J\x07\u202e" in done.output
    assert "classes (2)" in done.output
    assert "a, b" in done.output
    assert json.loads(CliRunner().invoke(main, ["card", str(path), "--json"]).stdout)["metadata"][
        "note"
    ] == EVIL  # fmt: skip


def test_what_can_be_seen_stays() -> None:
    assert printable("고양이 é 3 × 4") == "고양이 é 3 × 4"
    assert printable("\ud800") == r"\ud800"


@pytest.mark.parametrize("kind", ["sequence", "map", "optional"])
def test_outputs_that_are_no_tensors(kind, tmp_path) -> None:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    made = {
        "sequence": lambda: helper.make_sequence_type_proto(tensor),
        "map": lambda: helper.make_map_type_proto(TensorProto.INT64, tensor),
        "optional": lambda: helper.make_optional_type_proto(tensor),
    }[kind]()
    graph = helper.make_graph([], "g", [], [helper.make_value_info("y", made)])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    assert [(end.name, end.type) for end in describe(tmp_path / "m.onnx").outputs] == [("y", kind)]
