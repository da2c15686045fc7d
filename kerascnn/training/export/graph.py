"""A small builder for ONNX graphs, node by node.

Knows: unique names, constants, types. Does not know: what the graph computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerascnn.errors import ModelFileError

UINT8, INT64 = TensorProto.UINT8, TensorProto.INT64
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE

OPSET = 18
"""Opset of exported files; newer ones are no faster in onnxruntime or OpenVINO
(docs/experiments.md)."""

IR_VERSION = 8
"""IR version of exported files, that of opset 18: onnxruntime loads it since 1.14."""

TO_PLANES, TO_PIXELS = [0, 3, 1, 2], [0, 2, 3, 1]
"""Permutations between ``[batch, height, width, 3]`` and ``[batch, 3, height, width]``. If one
swapped the last two axes before a MatMul, onnxruntime would fuse both into an operator that it
lacks for float64 up to 1.25."""


def _operator(kind: str) -> Callable[[Value, Operand], Value]:
    """Return a method that adds a node of an ONNX operator."""
    return lambda one, other: one.graph.op(kind, one, other)


def _reflected(kind: str) -> Callable[[Value, Operand], Value]:
    """Return the method for a number on the left."""
    return lambda one, other: one.graph.op(kind, other, one)


@dataclass(frozen=True)
class Value:
    """A value in a graph; arithmetic with it adds nodes.

    The other operand may be a number: an integer becomes an int64 constant, a float a float64 one.
    """

    graph: Graph
    name: str

    __add__, __sub__, __rsub__ = _operator("Add"), _operator("Sub"), _reflected("Sub")
    __mul__, __and__ = _operator("Mul"), _operator("And")
    __truediv__, __rtruediv__, __floordiv__ = _operator("Div"), _reflected("Div"), _operator("Div")
    __lt__, __gt__ = _operator("Less"), _operator("Greater")
    __le__, __ge__ = _operator("LessOrEqual"), _operator("GreaterOrEqual")
    equals = _operator("Equal")

    def where(self, one: Operand, other: Operand) -> Value:
        """Choose one value where this one is true, and the other elsewhere."""
        return self.graph.op("Where", self, one, other)

    def cast(self, kind: int) -> Value:
        """Convert to another type."""
        return self.graph.op("Cast", self, to=kind)

    def double(self) -> Value:
        """Convert to float64."""
        return self.cast(DOUBLE)

    def floor(self) -> Value:
        """Round down."""
        return self.graph.op("Floor", self)

    def half_up(self) -> Value:
        """Round float64 to the nearest integer, half up."""
        return (self + 0.5).floor()


Operand: TypeAlias = Value | str | int | float
"""A value, its name, or a constant."""


class Graph:
    """A graph to which each call adds a node; with a prefix of names, two can be joined."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: type[np.generic]) -> Value:
        """Add a constant."""
        name = f"{self._prefix}constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return Value(self, name)

    def whole(self, *numbers: int) -> Value:
        """Add a constant vector of int64."""
        return self.constant(numbers, np.int64)

    def positions(self, length: Value) -> Value:
        """Add the numbers from 0 to a length of shape [1], int64."""
        zero, step = self.constant(0, np.int64), self.constant(1, np.int64)
        return self.op("Range", zero, self.op("Squeeze", length), step)

    def op(
        self, kind: str, *inputs: Operand, output: str | None = None, **attributes: Any
    ) -> Value:
        """Add a node of an ONNX operator, e.g. ``Add``, with one output.

        Args:
            output: Name of the output; None: generated.
        """
        names = [self._name(one) for one in inputs]
        name = output or f"{self._prefix}{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [name], name=f"{name}_node", **attributes))
        return Value(self, name)

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, str):
            return operand
        if isinstance(operand, int):
            return self.whole(operand).name
        if isinstance(operand, float):
            return self.constant(operand, np.float64).name
        return operand.name

    def finish(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
    ) -> onnx.GraphProto:
        """Return the graph, with the constants that it uses."""
        used = {name for node in self._nodes for name in node.input}
        constants = [constant for constant in self._constants if constant.name in used]
        return helper.make_graph(self._nodes, name, inputs, outputs, constants)


def tensor(name: str, kind: int, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    """Describe an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def model(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Make a model of a graph, at :data:`OPSET`."""
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="kerascnn",
    )


def without_unused_opsets(changed: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the operator sets that no node of a graph uses any more."""
    used = {node.domain for node in changed.graph.node}
    kept = [opset for opset in changed.opset_import if opset.domain in used]
    del changed.opset_import[:]
    changed.opset_import.extend(kept)
    return changed


def in_order(unsorted: onnx.ModelProto) -> onnx.ModelProto:
    """Sort nodes topologically, which ONNX requires and some tools do not do."""
    graph = unsorted.graph
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    waiting, placed = list(graph.node), []
    while waiting:
        left = []
        for node in waiting:
            if known.issuperset(needs(node)):
                placed.append(node)
                known.update(node.output)
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise ModelFileError(f"{graph.name}: the graph has a cycle or a missing tensor.")
        waiting = left
    del graph.node[:]
    graph.node.extend(placed)
    return unsorted


def needs(node: onnx.NodeProto) -> set[str]:
    """Return the tensors that a node reads, or that its subgraphs read from outside."""
    names = set(node.input)
    for inner in (attribute.g for attribute in node.attribute if attribute.HasField("g")):
        made = {value.name for value in (*inner.input, *inner.initializer)}
        made.update(name for one in inner.node for name in one.output)
        taken = {name for one in inner.node for name in needs(one)}
        names |= (taken | {value.name for value in inner.output}) - made
    return names
