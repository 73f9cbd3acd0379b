"""Tests of Einsum, and of its import as a matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from enginewright.dims import Dim
from enginewright.errors import NetworkError, ShapeError
from enginewright.onnx_io.parser import parse
from enginewright.ops.einsum import Einsum, parse_equation
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32
from tests.sdk.ops.examples import arrays_of, check_against_onnx, check_static, check_symbolic, examples_of


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Einsum)))
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), list(examples_of(Einsum)))
def test_reference(op: Operator, inputs: list[Any]) -> None:
    check_against_onnx(op, inputs, rtol=1e-5, atol=1e-5)


def imported(equation: str, shapes: list[tuple[int, ...]]) -> onnx.ModelProto:
    names = [f"x{i}" for i in range(len(shapes))]
    node = onnx.helper.make_node("Einsum", names, ["y"], equation=equation)
    inputs = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in zip(names, shapes, strict=True)]
    graph = onnx.helper.make_graph([node], "g", inputs, [onnx.helper.make_empty_tensor_value_info("y")])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)])


@pytest.mark.parametrize(("op", "inputs"), [case for case in examples_of(Einsum) if case.values[1][0].dtype == float32])
def test_import(op: Einsum, inputs: list[Any]) -> None:
    """What a node imports to gives the same; two operands become a matrix product where they are one."""
    network = parse(imported(op.equation, [spec.shape for spec in inputs]))
    arrays = [array for array in arrays_of(inputs) if array is not None]
    found = network.evaluate({f"x{i}": array for i, array in enumerate(arrays)})["y"]
    np.testing.assert_allclose(found, np.einsum(op.equation, *arrays), rtol=1e-5, atol=1e-5)
    products = "," in op.equation and op.equation != "i,j"
    assert any(layer.key.name == "MatMul" for layer in network.layers) == products
    assert any(layer.key.name == "Einsum" for layer in network.layers) == ("ii" in op.equation)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("i,i->i", [(3,), (3,)]),
        ("bi,bj->ijb", [(2, 3), (2, 4)]),
        ("ij,k->k", [(2, 3), (4,)]),
        ("ij,jk->k", [(2, 3), (3, 4)]),
        ("ijk->ki", [(2, 3, 4)]),
        ("...i,...i->...", [(2, 3), (1, 3)]),
        ("ab,cb,db->acd", [(2, 3), (4, 3), (5, 3)]),
        ("a,b,c->cab", [(2,), (3,), (4,)]),
        ("ab,b,ab->", [(2, 3), (3,), (2, 3)]),
        (",ij->i", [(), (2, 3)]),
    ],
)
def test_steps(equation: str, shapes: list[tuple[int, ...]]) -> None:
    """Everything without a repeated letter is sums, transposes and products."""
    network = parse(imported(equation, shapes))
    assert "Einsum" not in [layer.key.name for layer in network.layers]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    found = network.evaluate({f"x{i}": array for i, array in enumerate(arrays)})["y"]
    np.testing.assert_allclose(found, np.einsum(equation, *arrays), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "operands", "output"),
    [
        ("ij,jk", ("ij", "jk"), "ik"),
        ("ji", ("ji",), "ij"),
        ("ii", ("ii",), ""),
        (" b i j -> b j i ", ("bij",), "bji"),
    ],
)
def test_equations(text: str, operands: tuple[str, ...], output: str) -> None:
    found = parse_equation(text, [len(operand) for operand in operands])
    assert (found.operands, found.output) == (operands, output)


@pytest.mark.parametrize(
    ("text", "ranks"), [("ij,jk->ik", [2]), ("ij->ii", [2]), ("ij->k", [2]), ("ij->i", [3]), ("i+->i", [2])]
)
def test_equations_that_break_the_rules(text: str, ranks: list[int]) -> None:
    with pytest.raises((NetworkError, ShapeError)):
        parse_equation(text, ranks)


def test_sizes_of_a_letter_must_agree() -> None:
    with pytest.raises(ShapeError):
        Einsum("ij,jk->ik").infer(TensorSpec(float32, (2, 3)), TensorSpec(float32, (4, 5)))
    shape = Einsum("bij,bjk->bik").infer(TensorSpec(float32, (Dim("n"), 2, 3)), TensorSpec(float32, (Dim("n"), 3, 4)))
    assert shape.shape == (Dim("n"), 2, 4)
