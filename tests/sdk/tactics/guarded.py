"""Runs examples of CPU kernels with inaccessible pages right before or right behind every array that they get.

    python -m tests.sdk.tactics.guarded [--all] [--isa NAME]

A kernel that touches a byte beyond an array ends the process; the last line printed names the layer and the kernel.
Without `--all`: the sizes around a vector, and two examples of each tactic on the best instruction set.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import mmap
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import xxhash
from blake3 import blake3

from enginewright import _native
from enginewright.compiler.choice import Choice
from enginewright.ops.activation import Relu
from enginewright.ops.arithmetic import Add
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.concat import Concat
from enginewright.ops.conv import Conv
from enginewright.ops.matmul import Gemm, MatMul, MatMulInteger
from enginewright.ops.normalization import LayerNormalization
from enginewright.ops.quantize import DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear
from enginewright.ops.quantized_conv import QuantizedConv
from enginewright.ops.rounded import Rounded
from enginewright.ops.row_quantized import RowQuantizedMatMul
from enginewright.ops.softmax import Softmax
from enginewright.ops.transpose import Transpose
from enginewright.plan.hashing import NODES, UNIT
from enginewright.tensors import TensorSpec, float32, int8, int32, uint8
from enginewright_compat.layout import CHUNK
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close, narrowed, operators_with_tactics

Array = np.ndarray[Any, Any]
PAGE = mmap.PAGESIZE
CONTROL = ("If", "Loop", "Scan")  # their fields hold networks
VECTORS = (4, 8, 16)
SIZES = sorted({0, 1, *(size + more for size in VECTORS for more in (-1, 0, 1))})
FEW = 2  # examples of a tactic
LEAST_PIECE = 241  # XXH3 has other hashes for fewer bytes

_libc = ctypes.CDLL(None, use_errno=True)


def guarded(array: Array, *, at_end: bool, align: int = 1) -> Array:
    """A copy whose last byte is followed, or whose first byte is preceded, by a page that nobody may touch.

    At the end it lies as far behind a vector's alignment as its size is; `align` keeps it aligned.
    """
    size = -(-array.nbytes // align) * align
    pages = max(1, -(-size // PAGE))
    region = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for page in (start, start + (pages + 1) * PAGE):
        if _libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = (pages + 1) * PAGE - size if at_end else PAGE
    copy: Array = np.ndarray(array.shape, array.dtype, buffer=region, offset=offset)
    copy[...] = array
    return copy


def run_guarded(layer: OneLayer, choice: Choice, *, at_end: bool) -> None:
    """Run a kernel on guarded inputs, weights and outputs, and compare with the reference."""
    expected = layer.expected()
    session = layer.session(choice, place=lambda array: guarded(array, at_end=at_end, align=64))
    names = {f"x{index}": array for index, array in enumerate(layer.arrays) if array is not None}
    for index, tensor in enumerate(layer.network.inputs):
        array = names[tensor.name]
        session.bind_input(index, guarded(np.ascontiguousarray(array).reshape(array.shape), at_end=at_end))
    outputs = [guarded(np.zeros_like(array, order="C"), at_end=at_end) for array in expected]
    for index, array in enumerate(outputs):
        session.context.bind_output(index, array)
    session.run()
    for found, wanted in zip(outputs, expected, strict=True):
        assert_close(found, wanted, f"{choice.tactic} {choice.kernel}")


def sized_layers() -> Iterator[tuple[Any, list[Any]]]:
    """Layers of the main families whose inner sizes are those around the vectors of every instruction set."""
    one = np.array(0.05, np.float32)
    for n in SIZES:
        square, row = TensorSpec(float32, (n, n)), TensorSpec(float32, (n,))
        byte, image = TensorSpec(uint8, (n, n)), TensorSpec(float32, (1, 5, 4, n))
        for op in (MatMul(), Rounded(MatMul())):
            yield op, [square, square]
        yield Gemm(), [square, square, row]
        yield MatMulInteger(), [byte, TensorSpec(int8, (n, n)), np.array(3, np.uint8)]
        yield RowQuantizedMatMul(), [square, TensorSpec(int8, (n, n)), one]
        yield QuantizeLinear(), [square, one, np.array(3, np.uint8)]
        yield DequantizeLinear(), [byte, one, np.array(3, np.uint8)]
        yield DynamicQuantizeLinear(), [square]
        yield Softmax(), [TensorSpec(float32, (3, n))]
        yield Relu(), [row]
        yield Add(), [square, row]
        yield Concat(axis=1), [square, TensorSpec(float32, (n, 1))]
        yield Transpose(), [TensorSpec(float32, (3, n))]
        if n:
            yield LayerNormalization(), [square, row, row]
            w, vector = TensorSpec(float32, (n, n, 3, 3)), TensorSpec(float32, (n,))
            yield Conv(padding=1), [TensorSpec(float32, (1, n, 5, 4)), w, vector]
            yield ChannelsLast(Conv(padding=1)), [image, w, vector]
            depthwise = TensorSpec(int8, (n, 1, 3, 3))
            for conv, weight in ((Conv(), TensorSpec(int8, (n, n, 1, 1))), (Conv(group=n, padding=1), depthwise)):
                bias, factor = TensorSpec(int32, (n,)), np.full(n, 0.07, np.float32)
                yield QuantizedConv(conv, x_zero=3), [TensorSpec(uint8, (1, 5, 4, n)), weight, bias, factor]


def examples() -> Iterator[tuple[Any, list[Any]]]:
    """Those of every operator that a tactic runs."""
    for cls in operators_with_tactics():
        if cls.KEY.name not in CONTROL:
            yield from cls.examples()


def layers_of(op: Any, inputs: list[Any]) -> Iterator[OneLayer]:
    """The layer with its weights known when it is built, and if it may be, with inputs for them."""
    arrays = arrays_of(inputs, spread=0.3)
    known = {i for i, item in enumerate(inputs) if isinstance(item, np.ndarray) or getattr(item, "value", None)}
    weights = {index for index, array in enumerate(arrays) if index > 0 and array is not None}
    for constants in (known, known | weights) if weights - known else (known,):
        yield OneLayer(op, arrays, constants)
    if op.KEY.name == "Rounded":
        yield OneLayer(narrowed(op), arrays, weights)


def run_all(cases: Iterable[tuple[Any, list[Any]]], isas: tuple[str, ...], most: int | None) -> int:
    """Run every tactic of every case, `most` times each; the number of runs."""
    runs: collections.Counter[str] = collections.Counter()
    for op, inputs in cases:
        for layer in layers_of(op, inputs):
            for choice in layer.candidates().choices:
                name = f"{op.KEY.name} {choice.tactic} {choice.kernel}"
                if choice.device or choice.kernel.partition("@")[2] not in isas or runs[name] == most:
                    continue
                runs[name] += 1
                for at_end in (True, False):
                    shapes = [array.shape for array in layer.arrays if array is not None]
                    print(name, shapes, "guarded", "behind" if at_end else "before", flush=True)
                    run_guarded(layer, choice, at_end=at_end)
    return sum(runs.values())


def run_hashes(isas: tuple[str, ...]) -> int:
    """Hash bytes of sizes around those at which the hashes change their way; the number of runs."""
    edges = (64, 1024, 2048, 16 << 10, UNIT, CHUNK)
    sizes = [1, *(edge + more for edge in edges for more in (-1, 0, 1))]
    data = np.random.default_rng(0).integers(0, 256, sizes[-1], dtype=np.uint8)
    for size in sizes:
        for isa in isas:
            for at_end in (True, False):
                print("hashes", isa, size, "guarded", "behind" if at_end else "before", flush=True)
                given = guarded(data[:size], at_end=at_end)
                digests = [np.zeros(32 * -(-size // UNIT), np.uint8), np.zeros(2 + -(-size // UNIT), np.int64)]
                nodes = np.zeros(NODES * 32 * -(-size // UNIT), np.uint8)
                outputs = [guarded(array, at_end=at_end) for array in (*digests, nodes)]
                _native.call_kernel(f"cpu_blake3_chunks@{isa}", [given], outputs, (UNIT, 0), threads=2)
                for index in range(len(outputs[0]) // 32):
                    expected = blake3(data[index * UNIT : min(size, (index + 1) * UNIT)]).digest()
                    assert outputs[0][32 * index : 32 * index + 32].tobytes() == expected
                for piece in {LEAST_PIECE, size} if size >= LEAST_PIECE else ():
                    count = size // piece
                    sums = [np.zeros(16 * count, np.uint8), np.zeros(2, np.int64)]
                    outputs = [guarded(array, at_end=at_end) for array in sums]
                    _native.call_kernel(f"cpu_xxh3_pieces@{isa}", [given], outputs, (piece, 0), threads=2)
                    last = xxhash.xxh3_128_digest(data[(count - 1) * piece : size])
                    assert outputs[0][-16:].tobytes() == last
    return 2 * len(sizes) * len(isas)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.sdk.tactics.guarded", description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="all examples")
    parser.add_argument("--isa", action="append", help="default: the best; with --all: all")
    arguments = parser.parse_args()
    isas = tuple(arguments.isa or (_native.isas() if arguments.all else _native.isas()[:1]))
    few = None if arguments.all else FEW
    done = run_hashes(isas) + run_all(sized_layers(), isas, None) + run_all(examples(), isas, few)
    print(f"{done} runs on {', '.join(isas)} kept within their arrays")
    return 0


if __name__ == "__main__":
    sys.exit(main())
