"""Runs one node of com.microsoft by import and references, and compares it with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from enginewright.onnx_io.parser import parse
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)


def floats(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def bytes_(*shape: int) -> Array:
    return RNG.integers(0, 256, shape).astype(np.uint8)


def scalar(value: float, dtype: type = np.float32) -> Array:
    return np.array(value, dtype)


def model_of(
    op_type: str, inputs: Sequence[Array | None], outputs: int, constants: tuple[int, ...], **attributes: Any
) -> onnx.ModelProto:
    """One node of com.microsoft; the inputs numbered in `constants` are initializers."""
    names = ["" if array is None else f"x{index}" for index, array in enumerate(inputs)]
    node = onnx.helper.make_node(
        op_type, names, [f"y{i}" for i in range(outputs)], domain="com.microsoft", **attributes
    )
    given = [
        (index, name, array) for index, (name, array) in enumerate(zip(names, inputs, strict=True)) if array is not None
    ]
    free = [
        onnx.helper.make_tensor_value_info(name, int(DataType.of(array)), array.shape)
        for index, name, array in given
        if index not in constants
    ]
    fixed = [onnx.numpy_helper.from_array(array, name) for index, name, array in given if index in constants]
    results = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = onnx.helper.make_graph([node], "g", free, results, fixed)
    opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)


def check(
    op_type: str,
    inputs: Sequence[Array | None],
    outputs: int = 1,
    constants: tuple[int, ...] = (),
    *,
    steps: int = 0,
    **attributes: Any,
) -> None:
    """The import evaluates to what ONNX Runtime gives; quantized results may differ by `steps` in their last place."""
    model = model_of(op_type, inputs, outputs, constants, **attributes)
    feeds = {f"x{i}": array for i, array in enumerate(inputs) if array is not None and i not in constants}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, feeds)
    found = parse(model).evaluate(feeds)
    for name, array in zip(found, expected, strict=True):
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype
        if array.dtype.kind in "iu":
            assert np.abs(found[name].astype(np.int64) - array).max(initial=0) <= steps
        else:
            np.testing.assert_allclose(found[name], array, rtol=2e-5, atol=2e-5)
