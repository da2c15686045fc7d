"""What the numbers of an ``.onnx`` made elsewhere are, however its last operators are called.

Each graph is a mean over the picture for each channel, eight times that as logits, and an ending.
What is right is what onnxruntime gives for the ending, read as its maker meant it.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kerascnn import Classifier
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference import ForeignModel
from kerascnn.inference.model_file.output_origin import find_origin
from kerascnn.inference.model_file.output_scale import output_scale
from kerascnn.metrics import calibration

SIZE = 6
NAMES = ("red", "green", "blue")
GROUPS = np.asarray([[1, 0], [0, 1], [0, 1]], np.float32)


class Graph:
    """Collects nodes; each call adds an operator and gives its output's name."""

    def __init__(self, classes: int = 3) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        means = self("Flatten", self("GlobalAveragePool", "x"))
        matrix = np.zeros((3, classes), np.float32)
        matrix[:3, :3] = 8 * np.eye(3)[:, : min(classes, 3)]
        self.logits = self("MatMul", means, self.constant(matrix))

    def __call__(self, kind: str, *inputs: str, domain: str = "", **options) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **options))
        return name

    def constant(self, value) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def number(self, value: float) -> str:
        return self.constant(np.float32(value))

    def softmax(self, times: float = 1.0) -> str:
        return self("Softmax", self("Mul", self.logits, self.number(times)), axis=1)

    def quantized(self, name: str) -> str:
        scale, zero = self.number(1 / 256), self.constant(np.uint8(0))
        return self("DequantizeLinear", self("QuantizeLinear", name, scale, zero), scale, zero)

    def write(self, path: Path, *outputs: str, shape=None, batch="n") -> Path:
        shapes = shape or ["n", None]
        ends = [helper.make_tensor_value_info(o, TensorProto.FLOAT, shapes) for o in outputs]
        entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])
        graph = helper.make_graph(self.nodes, "elsewhere", [entry], ends, self.weights)
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path


def pictures() -> np.ndarray:
    flat = np.asarray([[255, 0, 0], [0, 128, 0], [30, 60, 200], [90, 90, 90]], np.uint8)
    return np.broadcast_to(flat[:, None, None], (4, SIZE, SIZE, 3)).copy()


def raw(path: Path, output: int = 0) -> np.ndarray:
    """Ask onnxruntime, one picture at a time."""
    session = onnxruntime.InferenceSession(path)
    planes = (pictures() / np.float32(255)).astype(np.float32).transpose(0, 3, 1, 2)
    return np.stack([session.run(None, {"x": one[None]})[output].ravel() for one in planes])


def found(path: Path, names=NAMES, **said) -> np.ndarray:
    return Classifier(path, foreign=ForeignModel(names, normalize="unit", **said)).run(pictures())[
        1
    ]


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def shares(p: np.ndarray) -> np.ndarray:
    return p / p.sum(axis=1, keepdims=True)


def both(p: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - p, p], axis=1)


def itself(p: np.ndarray) -> np.ndarray:
    return p


def mean_of_stack(g: Graph) -> str:
    axis = g.constant(np.asarray([0]))
    both = [g("Unsqueeze", g.softmax(times), axis) for times in (1, 0.7)]
    return g("ReduceMean", g("Concat", *both, axis=0), axes=[0], keepdims=0)


def in_parts(g: Graph) -> str:
    powers = g("Exp", g.logits)
    return g("Div", powers, g("ReduceSum", powers, g.constant(np.asarray([1])), keepdims=1))


def qlinear(g: Graph) -> str:
    scale, zero = g.number(1 / 16), g.constant(np.uint8(0))
    fine = g.number(1 / 256)
    z = g("QuantizeLinear", g.logits, scale, zero)
    p = g("QLinearSoftmax", z, scale, zero, fine, zero, domain="com.microsoft", axis=1, opset=13)
    return g("DequantizeLinear", p, fine, zero)


def logarithm(g: Graph, times: float = 1.0) -> str:
    return g("Log", g.softmax(times))


def of_logarithms(z: np.ndarray) -> np.ndarray:
    """Read -log p, rounded or not."""
    return shares(np.exp(-z))


def one_logit(g: Graph, times: float = 1.0) -> str:
    column = g.constant(np.asarray([[0.4], [-0.2], [-0.3]], np.float32) * np.float32(times))
    return g("MatMul", g.logits, column)


def one_sigmoid(g: Graph, times: float = 1.0) -> str:
    return g("Sigmoid", one_logit(g, times))


def quantized_in_the_run(g: Graph) -> str:
    """A matrix product as onnxruntime's quantize_dynamic leaves it."""
    whole = [f"{g.logits}_{part}" for part in ("values", "scale", "zero")]
    g.nodes.append(helper.make_node("DynamicQuantizeLinear", [g.logits], whole))
    product = g("MatMulInteger", whole[0], g.constant(np.eye(3, dtype=np.uint8)), whole[2])
    scale = g("Mul", whole[1], g.number(0.5))
    return g("Add", g("Mul", g("Cast", product, to=TensorProto.FLOAT), scale), g.number(-2))


def cosines(g: Graph) -> str:
    """Write F.normalize of PyTorch and a matrix."""
    length = g("Clip", g("ReduceL2", g.logits, axes=[1]), g.number(1e-12))
    return g("MatMul", g("Div", g.logits, length), g.constant(np.eye(3, dtype=np.float32) - 0.2))


def distances(g: Graph) -> str:
    centers = g.constant(8 * np.eye(3, dtype=np.float32)[None])
    apart = g("Sub", g("Unsqueeze", g.logits, g.constant(np.asarray([1]))), centers)
    return g("ReduceSum", g("Mul", apart, apart), g.constant(np.asarray([2])), keepdims=0)


def expanded_distances(g: Graph, fused: bool = False) -> str:
    """Write |x - c|^2 as |x|^2 - 2 x c + |c|^2."""
    centers = np.asarray([[8, 0, 1], [0, 8, 2], [1, 0, 8]], np.float32)
    lengths = g("ReduceSum", g("Pow", g.logits, g.number(2)), g.constant(np.asarray([1])))
    lengths = g("Add", lengths, g.constant((centers**2).sum(axis=1)))
    if fused:
        return g("Gemm", g.logits, g.constant(centers.T.copy()), lengths, alpha=-2.0)
    return g("Add", lengths, g("MatMul", g.logits, g.constant(-2 * centers.T.copy())))


def evidence(g: Graph, kind: str = "Relu") -> str:
    return g("Add", g(kind, g.logits), g.number(1))


def half(g: Graph) -> str:
    return g("Cast", g("Cast", g.softmax(), to=TensorProto.FLOAT16), to=TensorProto.FLOAT)


def odds(g: Graph, p: str) -> str:
    return g("Log", g("Div", p, g("Sub", g.number(1), p)))


def of_odds(v: np.ndarray) -> np.ndarray:
    return shares(1 / (1 + np.exp(-v)))


def votes(g: Graph) -> str:
    """Add the votes of three networks."""
    members = [
        g("Mul", g.logits, g.constant(np.float32(w))) for w in ([1, 1, 1], [1, 2, 0], [0, 1, 3])
    ]
    chosen = [g("ArgMax", member, axis=1, keepdims=0) for member in members]
    count, off_on = g.constant(np.asarray(3)), g.constant(np.float32([0, 1]))
    return g("Sum", *(g("OneHot", one, count, off_on, axis=1) for one in chosen))


ENDINGS: dict[str, tuple[Callable[[Graph], str], tuple[str, ...], Callable]] = {
    "softmax": (lambda g: g.softmax(), NAMES, itself),
    "mean": (lambda g: g("Mean", g.softmax(), g.softmax(0.9)), NAMES, itself),
    "weighted sum": (
        lambda g: g("Add", g("Mul", g.softmax(), g.number(0.3)),
                    g("Mul", g.softmax(0.5), g.number(0.7))), NAMES, itself,
    ),
    "mean of a stack": (mean_of_stack, NAMES, itself),
    "grouped": (lambda g: g("MatMul", g.softmax(), g.constant(GROUPS)), NAMES[:2], itself),
    "quantized": (lambda g: g.quantized(g.softmax()), NAMES, itself),
    "quantized mean": (
        lambda g: g.quantized(g("Mean", g.quantized(g.softmax()), g.softmax(0.9))), NAMES, itself,
    ),
    "quantized softmax operator": (qlinear, NAMES, itself),
    "clipped": (lambda g: g("Clip", g.softmax(), g.number(1e-7), g.number(1)), NAMES, itself),
    "a small number added": (
        lambda g: g("Add", g.softmax(), g.number(1e-3)), NAMES, lambda p: np.minimum(p, 1),
    ),
    "float16": (half, NAMES, itself),
    "in parts": (in_parts, NAMES, itself),
    "one more axis": (
        lambda g: g("Unsqueeze", g.softmax(), g.constant(np.asarray([1]))), NAMES, itself,
    ),
    "scaled by a temperature": (lambda g: g.softmax(1 / 3), NAMES, itself),
    "logarithm": (lambda g: g("LogSoftmax", g.logits, axis=1), NAMES, softmax),
    "logarithm of a softmax": (logarithm, NAMES, softmax),
    "mean of logarithms": (lambda g: g("Mean", logarithm(g), logarithm(g, 0.4)), NAMES, softmax),
    "negated logarithm": (lambda g: g("Neg", logarithm(g)), NAMES, of_logarithms),
    "negated log-softmax": (
        lambda g: g("Mul", g("LogSoftmax", g.logits, axis=1), g.number(-1)), NAMES, of_logarithms,
    ),
    "logarithm of a floored softmax, from 0": (
        lambda g: g("Sub", g.number(0), g("Log", g("Add", g.softmax(), g.number(1e-6)))), NAMES,
        of_logarithms,
    ),
    "halved negated logarithm": (
        lambda g: g("Div", logarithm(g), g.number(-2)), NAMES, of_logarithms,
    ),
    "quantized negated logarithm": (
        lambda g: g.quantized(g("Div", logarithm(g), g.number(-9))), NAMES, of_logarithms,
    ),
    "logarithm to base 10": (
        lambda g: g("Div", logarithm(g), g.number(math.log(10))), NAMES, lambda v: 10**v,
    ),
    "negated logarithm to base 10 of a mean": (
        lambda g: g("Div", g("Log", g("Mean", g.softmax(), g.softmax(0.5))),
                    g.number(-math.log(10))), NAMES, lambda v: 10**-v,
    ),
    "logarithm to base 2": (
        lambda g: g("Div", logarithm(g), g.number(math.log(2))), NAMES, lambda v: 2**v,
    ),
    "log odds of a softmax": (lambda g: odds(g, g.softmax(0.4)), NAMES, of_odds),
    "log odds of two": (
        lambda g: odds(g, g("MatMul", g.softmax(0.4), g.constant(GROUPS))), NAMES[:2], of_odds,
    ),
    "votes": (votes, NAMES, shares),
    "percentages in parts": (lambda g: g("Mul", in_parts(g), g.number(100)), NAMES, shares),
    "rectified logits": (lambda g: g("Relu", g.logits), NAMES, softmax),
    "cosines by a temperature": (lambda g: g("Mul", cosines(g), g.number(30)), NAMES, softmax),
    "negated distances": (lambda g: g("Neg", distances(g)), NAMES, softmax),
    "negated distances, expanded": (
        lambda g: g("Neg", expanded_distances(g)), NAMES, softmax,
    ),
    "negated logits": (lambda g: g("Neg", g.logits), NAMES, softmax),
    "logits by a temperature": (lambda g: g("Div", g.logits, g.number(4)), NAMES, softmax),
    "quantized logits": (lambda g: g.quantized(g("Sub", g.logits, g.number(4))), NAMES, softmax),
    "logits and an unknown operator": (
        lambda g: g("Add", g.logits, g("Erf", g.logits)), NAMES, softmax,
    ),
    "sigmoids": (lambda g: g("Sigmoid", g.logits), NAMES, shares),
    "mean of sigmoids": (
        lambda g: g("Mean", g("Sigmoid", g.logits), g("Sigmoid", g("Neg", g.logits))), NAMES,
        shares,
    ),
    "one sigmoid": (one_sigmoid, NAMES[:2], both),
    "clipped sigmoids": (
        lambda g: g("Clip", g("Sigmoid", g.logits), g.number(0.1), g.number(0.9)), NAMES, shares,
    ),
    "one sigmoid, fused by onnxruntime's optimizer": (
        lambda g: g("FusedGemm", g.logits, g.constant(np.float32([[0.4], [-0.2], [-0.3]])),
                    domain="com.microsoft", activation="Sigmoid"), NAMES[:2], both,
    ),
    "logits, fused": (
        lambda g: g("FusedGemm", g.logits, g.constant(np.eye(3, dtype=np.float32)),
                    domain="com.microsoft", activation="LeakyRelu", activation_alpha=0.1), NAMES,
        softmax,
    ),
    "one quantized sigmoid": (lambda g: g.quantized(one_sigmoid(g)), NAMES[:2], both),
    "mean of one sigmoid": (
        lambda g: g("Mean", one_sigmoid(g), one_sigmoid(g, 2)), NAMES[:2], both,
    ),
    "percentages": (lambda g: g("Mul", g.softmax(), g.number(100)), NAMES, shares),
    "whole percentages": (
        lambda g: g("Round", g("Mul", g.softmax(0.3), g.number(100))), NAMES, shares,
    ),
    "largest of sigmoids": (lambda g: g("Flatten", g("GlobalMaxPool", g(
        "Sigmoid", g("Reshape", g.logits, g.constant(np.asarray([-1, 3, 1, 1])))))), NAMES, shares),
    "one column of a softmax": (
        lambda g: g("Gather", g.softmax(), g.constant(np.asarray([0])), axis=1), NAMES[:2], both,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_numbers_are_read_as_their_maker_meant_them(name, tmp_path) -> None:
    make, names, meant = ENDINGS[name]
    graph = Graph()
    path = graph.write(tmp_path / "m.onnx", make(graph), shape=["n", *[None] * (
        2 if name == "one more axis" else 1)])  # fmt: skip
    np.testing.assert_allclose(found(path, names), meant(raw(path)), atol=1e-6)


def test_logits_that_are_quantized_in_the_run_are_logits(tmp_path) -> None:
    """By scales of the whole batch, so a picture's answer depends a little on the others."""
    graph = Graph()
    path = graph.write(tmp_path / "m.onnx", quantized_in_the_run(graph))
    np.testing.assert_allclose(found(path), softmax(raw(path)), atol=2e-3)


def test_a_thousand_quantized_probabilities_need_not_sum_to_one(tmp_path) -> None:
    graph = Graph(classes=1001)
    path = graph.write(tmp_path / "m.onnx", graph.quantized(graph.softmax()))
    wanted = raw(path)
    assert abs(wanted.sum(axis=1) - 1).max() > 0.1
    np.testing.assert_allclose(found(path, tuple(map(str, range(1001)))), wanted, atol=1e-6)


def test_names_in_metadata_are_read_or_shown(tmp_path) -> None:
    path = softmax_with_metadata(tmp_path / "m.onnx", "red,green,blue")
    assert Classifier(path).classes == NAMES
    broken = softmax_with_metadata(tmp_path / "b.onnx", "3")
    with pytest.raises(
        ConfigError, match=r"`labels` FILE is missing.*'classes' is not a list.*'3'"
    ):
        Classifier(broken)
    assert found(broken).shape == (4, 3)


def softmax_with_metadata(path: Path, classes: str) -> Path:
    graph = Graph()
    model = onnx.load(graph.write(path, graph.softmax()))
    helper.set_model_props(model, {"classes": classes})
    onnx.save(model, path)
    return path


def test_where_operator_and_values_disagree_the_user_decides(tmp_path, caplog) -> None:
    graph = Graph()
    total = graph.write(tmp_path / "s.onnx", graph("Add", graph.softmax(), graph.softmax(0.5)))
    with pytest.raises(ConfigError, match=r"sum to 2 to 2.*`outputs` logits or `outputs` prob"):
        found(total)
    np.testing.assert_allclose(found(total, outputs="probabilities"), raw(total) / 2, atol=1e-6)
    np.testing.assert_allclose(found(total, outputs="logits"), softmax(raw(total)), atol=1e-6)

    graph = Graph()
    shifted = graph("Add", logarithm(graph), graph.number(2))
    with pytest.raises(ConfigError, match="is made of logarithms of softmaxes, but"):
        found(graph.write(tmp_path / "l.onnx", shifted))

    graph = Graph()
    across = graph.write(tmp_path / "a.onnx", graph("Softmax", graph.logits, axis=0))
    with pytest.raises(ConfigError, match="ends in a softmax, but"):
        found(across)
    graph = Graph()
    plain = graph.write(tmp_path / "p.onnx", graph("Sub", graph.logits, graph.number(1)))
    with pytest.raises(ConfigError, match="its outputs range from -1 to 7"):
        found(plain, outputs="probabilities")

    graph = Graph()
    share = graph.constant(np.full((3, 1), 0.02, np.float32))
    one = graph.write(tmp_path / "o.onnx", graph("MatMul", graph.logits, share))
    z = raw(one)
    np.testing.assert_allclose(found(one, NAMES[:2]), both(1 / (1 + np.exp(-z))), atol=1e-6)
    assert "use `outputs` probabilities" in caplog.text
    np.testing.assert_allclose(found(one, NAMES[:2], outputs="probabilities"), both(z), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "names", "why"),
    [
        (lambda g: g("Tanh", one_logit(g)), NAMES[:2], "range from -0.9"),
        (lambda g: g("Erf", g("Sub", g.logits, g.number(2))), NAMES, "range from -0.9"),
        (cosines, NAMES, "recognized"),
        (distances, NAMES, "distances.*Neg"),
        (lambda g: g("Sqrt", distances(g)), NAMES, "distances.*Neg"),
        (expanded_distances, NAMES, "distances.*Neg"),
        (lambda g: expanded_distances(g, fused=True), NAMES, "distances.*Neg"),
        (lambda g: g("Exp", g.logits), NAMES, "no negative numbers"),
        *[
            (lambda g, kind=kind: evidence(g, kind), NAMES, "evidence of a Dirichlet")
            for kind in ("Relu", "Softplus", "Exp", "Elu")
        ],
        (lambda g: g("Log", one_sigmoid(g)), NAMES[:2], "gives one number, which is no"),
    ],
)
def test_numbers_that_may_be_no_logits_are_not_guessed(make, names, why, tmp_path) -> None:
    graph = Graph()
    path = graph.write(tmp_path / "m.onnx", make(graph))
    with pytest.raises(ConfigError, match=f"{why}.*Set `outputs` logits or"):
        found(path, names)
    if len(names) == 3:
        np.testing.assert_allclose(found(path, outputs="logits"), softmax(raw(path)), atol=1e-6)
    if "evidence" in why:  # the mean of Dirichlet(alpha) is alpha divided by its sum
        expected = shares(raw(path))
        np.testing.assert_allclose(found(path, outputs="probabilities"), expected, atol=1e-6)


def argmax(g: Graph) -> str:
    return g("Cast", g("ArgMax", g.softmax(), axis=1), to=TensorProto.FLOAT)


def sorted_answers(g: Graph) -> str:
    return g("TopK", g.softmax(), g.constant(np.asarray([3])), axis=1)


def largest(g: Graph) -> str:
    return g("ReduceMax", g.softmax(), axes=[1])


@pytest.mark.parametrize(
    ("make", "names", "why"),
    [(argmax, NAMES, "number of a class"), (argmax, NAMES[:2], "number of a class"),
     (sorted_answers, NAMES, "sorts the answers"), (largest, NAMES, "not of which class"),
     (largest, NAMES[:2], "not of which class")],
)  # fmt: skip
def test_answers_without_their_classes_are_refused(make, names, why, tmp_path) -> None:
    graph = Graph()
    last = make(graph)
    if make is sorted_answers:
        graph.nodes[-1].output.append("places")
    with pytest.raises(ModelFileError, match=f"ends in .*{why}.*`output` NAME"):
        found(graph.write(tmp_path / "m.onnx", last), names)
    # Beside the probabilities themselves, as converters of scikit-learn have it, they are no doubt.
    graph = Graph()
    both = make(graph), graph.softmax()
    if make is sorted_answers:
        graph.nodes[-3].output.append("places")
    path = graph.write(tmp_path / "two.onnx", *both)
    np.testing.assert_allclose(found(path), raw(path, 1), atol=1e-6)


def test_outputs_of_other_types_and_of_places_are_told(tmp_path) -> None:
    graph = Graph()
    last = graph("Greater", graph.logits, graph.number(2))
    yes = whole_numbers_out(graph, tmp_path / "b.onnx", TensorProto.BOOL, last)
    with pytest.raises(ModelFileError, match="with float, float16 or double"):
        found(yes)
    graph = Graph()
    with pytest.raises(ModelFileError, match="classifies whole pictures"):
        found(graph.write(tmp_path / "p.onnx", graph("Relu", "x"), shape=["n", 3, SIZE, SIZE]))


def squeezed(g: Graph) -> str:
    return g("Squeeze", g.logits, g.constant(np.asarray([0])))


def reshaped(g: Graph) -> str:
    return g("Reshape", g.logits, g.constant(np.asarray([1, -1])))


@pytest.mark.parametrize(
    ("make", "batch", "shape"),
    [
        (squeezed, 1, [3]),
        (squeezed, "n", [3]),
        (squeezed, "n", [None]),
        (reshaped, "n", ["n", 3]),
        (reshaped, "n", [1, 3]),
        (lambda g: g("Reshape", g.logits, g.constant(np.asarray([-1, 3, 1, 1]))), "n", None),
        (lambda g: g("Unsqueeze", g.logits, g.constant(np.asarray([0]))), "n", [1, "n", 3]),
    ],
)  # fmt: skip
def test_outputs_of_other_shapes_give_one_row_a_picture(make, batch, shape, tmp_path) -> None:
    graph = Graph()
    path = graph.write(tmp_path / "m.onnx", make(graph), shape=shape or ["n", 3, 1, 1], batch=batch)
    np.testing.assert_allclose(found(path), softmax(raw(path)), atol=1e-6)


def test_two_classes_without_an_axis_of_pictures_are_not_exchanged(tmp_path) -> None:
    graph = Graph()
    p = graph("MatMul", graph.softmax(), graph.constant(GROUPS))
    path = graph.write(
        tmp_path / "m.onnx", graph("Squeeze", p, graph.constant(np.asarray([0]))), shape=[2],
        batch=1,
    )  # fmt: skip
    np.testing.assert_allclose(found(path, NAMES[:2]), raw(path), atol=1e-6)


@pytest.mark.parametrize("classes", [3, 7])
def test_an_axis_of_classes_that_comes_first_is_not_that_of_pictures(classes, tmp_path) -> None:
    """Also where it is as long: seven pictures are tried at the opening."""
    names, graph = tuple("abcdefg"[:classes]), Graph(classes)
    turned = graph("Transpose", graph.logits, perm=[1, 0])
    path = graph.write(tmp_path / "m.onnx", turned, shape=[classes, "n"])
    np.testing.assert_allclose(found(path, names), softmax(raw(path)), atol=1e-6)
    of_as_many = graph.write(tmp_path / "f.onnx", turned, shape=[classes, classes], batch=classes)
    with pytest.raises(ModelFileError, match=r"one row of \d numbers for each"):
        found(of_as_many, names)
    fine = graph.write(tmp_path / "b.onnx", graph.logits, shape=[classes, classes], batch=classes)
    np.testing.assert_allclose(found(fine, names), found(path, names), atol=1e-6)


def test_what_mixes_pictures_or_fits_twice_is_said(tmp_path) -> None:
    graph = Graph()
    mixed = graph("ReduceMean", graph.logits, axes=[0], keepdims=1)
    one_row = graph.write(tmp_path / "m.onnx", mixed, shape=["c", 3])
    with pytest.raises(ModelFileError, match="It mixes pictures"):
        found(one_row)

    graph = Graph()
    other, same = graph("Neg", graph.logits), graph.softmax()
    path = graph.write(tmp_path / "two.onnx", other, graph.logits, same, shape=["n", 3])
    with pytest.raises(ConfigError, match=r"whose values differ.*`output` NAME"):
        found(path)
    with pytest.raises(ConfigError, match="has no output 'nowhere'"):
        found(path, output="nowhere")
    np.testing.assert_allclose(found(path, output=graph.logits), softmax(raw(path, 1)), atol=1e-6)

    graph = Graph()
    five = graph("MatMul", graph.logits, graph.constant(np.ones((3, 5), np.float32)))
    agree = graph.write(tmp_path / "f.onnx", five, graph.logits, graph.softmax())
    np.testing.assert_allclose(found(agree), raw(agree, 2), atol=1e-6)


@pytest.mark.parametrize("times", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_logits_and_their_calibrated_probabilities_the_latter_are_the_answer(
    times: float, order: tuple[int, int], tmp_path: Path
) -> None:
    graph = Graph()
    outputs = (graph.logits, graph.softmax(times))
    path = graph.write(tmp_path / "m.onnx", *(outputs[index] for index in order))
    np.testing.assert_allclose(found(path), raw(path, order.index(1)), atol=1e-6)


def test_two_heads_that_answer_differently_are_not_taken_for_a_calibrated_one(
    tmp_path: Path,
) -> None:
    graph = Graph()
    other = graph("MatMul", graph.logits, graph.constant(np.eye(3, dtype=np.float32)[::-1].copy()))
    path = graph.write(tmp_path / "m.onnx", other, graph.softmax())
    with pytest.raises(ConfigError, match="`output` NAME"):
        found(path)


def whole_numbers_out(g: Graph, path: Path, kind: int, last: str) -> Path:
    g.write(path, last)
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.elem_type = kind
    onnx.save(model, path)
    return path


def of_a_node(g: Graph, value) -> str:
    return g("Constant", value=numpy_helper.from_array(np.asarray(value)))


def written_out(g: Graph, value) -> str:
    """Hold a constant as older converters do: as numbers, not as bytes."""
    value = np.asarray(value)
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    g.weights.append(helper.make_tensor(f"c{len(g.weights)}", kind, [], [value.item()]))
    return g.weights[-1].name


@pytest.mark.parametrize("constant", [Graph.constant, of_a_node, written_out])
@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
@pytest.mark.parametrize("what", ["softmax", "logits"])
def test_whole_numbers_are_read_by_the_scale_in_the_graph(kind, what, constant, tmp_path) -> None:
    zero = {TensorProto.UINT8: np.uint8(0), TensorProto.INT8: np.int8(-128)}[kind]
    scale = np.float32(1 / 256 if what == "softmax" else 9 / 256)
    files = []
    for dequantized in (False, True):
        g = Graph()
        last = g.softmax() if what == "softmax" else g.logits
        ends = constant(g, scale), constant(g, zero)
        last = g("Identity", g("QuantizeLinear", last, *ends))
        path = tmp_path / f"{dequantized}.onnx"
        if dequantized:
            files.append(g.write(path, g("DequantizeLinear", last, *ends)))
        else:
            files.append(whole_numbers_out(g, path, kind, last))
    np.testing.assert_array_equal(found(files[0]), found(files[1]))
    answers = raw(files[1])
    expected = answers if what == "softmax" else softmax(answers)
    np.testing.assert_allclose(found(files[0]), expected, atol=1e-6)


def test_whole_numbers_without_a_scale_are_refused_with_what_to_do(tmp_path) -> None:
    g = Graph()
    last = g("Cast", g("Mul", g.softmax(), g.number(255)), to=TensorProto.UINT8)
    path = whole_numbers_out(g, tmp_path / "m.onnx", TensorProto.UINT8, last)
    with pytest.raises(ModelFileError, match=r"without a scale.*DequantizeLinear"):
        found(path)


def test_infinite_logits_warn_of_nothing(recwarn) -> None:
    values = calibration.softmax(np.asarray([[np.inf, 0, np.inf]], np.float32))
    assert np.isnan(values).any()
    assert not recwarn.list


def test_a_graph_that_leads_to_itself_has_no_known_origin(tmp_path) -> None:
    """No valid graph does, but the search must end for a broken file too."""
    circle = [helper.make_node("Identity", [a], [b]) for a, b in ("ab", "ba")]
    onnx.save(helper.make_model(helper.make_graph(circle, "circle", [], [])), tmp_path / "m.onnx")
    found = find_origin(tmp_path / "m.onnx", "a")
    assert (found.sources, found.mixed, found.last) == ({"unknown"}, False, "Identity")
    assert output_scale(tmp_path / "m.onnx", "a") is None
