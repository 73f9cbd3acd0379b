"""Matrix products on CUDA: cuBLASLt, and our own where there are few rows or an epilogue that it lacks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from enginewright.dims import Dim, Size, product
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.ops.pointwise import PointwiseProgram
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.epilogue import CLIP, GELU, GELU_TANH, NONE, RELU, SILU, Epilogue, epilogue_of
from enginewright.tensors import TensorSpec, bfloat16, float16, float32

FLOATS, HALVES = (float32, float16, bfloat16), (float16, bfloat16)
WORKSPACE = 32 << 20  # what NVIDIA recommends for Hopper; one piece of the arena, shared by all steps
ALGORITHMS = 8
LT_ACTIVATIONS = {NONE: 0, RELU: 1, GELU_TANH: 2}
WAYS = tuple((tile, split) for tile in range(3) for split in (1, 2, 4, 8))
"""Tiles of cuda_gemm, from small to large, and in how many parts the sum may be shared by blocks."""

BULK_TILES = ((64, 64), (128, 64), (128, 128), (128, 192), (128, 256), (192, 192), (64, 64), (128, 64))
"""Rows and columns of cuda_gemm_bulk's tiles, by number."""
BULK_WAYS = (*((tile, blocks) for tile in range(6) for blocks in (1, 2)), *((t, s) for t in (6, 7) for s in (2, 4, 8)))
"""And how many blocks share the tiles of the right side; with tiles from SHARED_SUM on, a sum."""
SHARED_SUM = 6
BULK_ACTIVATIONS = {NONE, RELU, CLIP, SILU, GELU, GELU_TANH}

Params = tuple[Size | float, ...]
Fusing = Callable[[PointwiseProgram, Sequence[TensorSpec], TensorSpec], Launch | str]


def product_sizes(op: MatMul | Gemm, a: TensorSpec, b: TensorSpec) -> Params | str:
    """trans_a, trans_b, batch of a, of b, of the product, m, n, k; or why it is no batch at a fixed stride."""
    if a.rank < 2 or b.rank < 2:
        return "one side is a vector"
    trans_a, trans_b = (op.trans_a, op.trans_b) if isinstance(op, Gemm) else (False, False)
    m, k = a.shape[-2:] if not trans_a else a.shape[:-3:-1]
    n = b.shape[-2] if trans_b else b.shape[-1]
    left, right = a.shape[:-2], b.shape[:-2]
    if all(size == 1 for size in right) and not trans_a:
        return int(trans_a), int(trans_b), 1, 1, 1, product((*left, m)), n, k
    if left == right or all(size == 1 for size in left):
        batch = product(right)
        return int(trans_a), int(trans_b), product(left), batch, batch, m, n, k
    return "the batches are broadcast in a way that has no fixed stride"


def fusing(launch: Launch, finish: Callable[[Epilogue], Params | str], count: int, *, wide: bool = False) -> Fusing:
    """What runs a fused program: the launch with the epilogue's params behind its own, where the kernel has it.

    wide: it can also leave the result as the floats that it has.
    """

    def fuse(program: PointwiseProgram, extras: Sequence[TensorSpec], output: TensorSpec) -> Launch | str:
        found = epilogue_of(program, extras, output, wide=wide)
        params = found if isinstance(found, str) else finish(found)
        if isinstance(found, str) or isinstance(params, str):
            return str(params)
        inputs = (*range(count), *(count + index for index in found.inputs))
        return replace(launch, params=(*launch.params, *params), inputs=inputs, epilogue=None, inplace=())

    return fuse


def _plain(launch: Launch, finish: Callable[[Epilogue], Params | str], count: int, *, wide: bool = False) -> Launch:
    """The launch without anything fused, ready to be asked with a program."""
    params = finish(Epilogue())
    assert not isinstance(params, str)
    return replace(launch, params=(*launch.params, *params), epilogue=fusing(launch, finish, count, wide=wide))


def _lt_epilogue(found: Epilogue, alpha: float, sizes: Params) -> Params | str:
    if found.activation not in LT_ACTIVATIONS or (found.activate_first and found.activation != NONE):
        return "cuBLASLt has no such activation"
    given = int(found.bias is not None), int(found.residual is not None)
    return (alpha, LT_ACTIVATIONS[found.activation], *given, int(any(isinstance(size, Dim) for size in sizes)))


@tactic(MatMul, kernel="cuda_matmul_cublaslt")
def matmul_cublaslt(op: MatMul, a: TensorSpec, b: TensorSpec) -> Launch | str:
    """What cuBLASLt proposes for the sizes, one candidate each."""
    if a.dtype not in FLOATS:
        return f"no kernel for {a.dtype}"
    sizes = product_sizes(op, a, b)
    if isinstance(sizes, str):
        return sizes
    launch = Launch(sizes, WORKSPACE, variants=ALGORITHMS, inputs=(0, 1))
    return _plain(launch, lambda found: _lt_epilogue(found, 1.0, sizes), 2)


@tactic(Gemm, kernel="cuda_matmul_cublaslt")
def gemm_cublaslt(op: Gemm, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None) -> Launch | str:
    """The same; c is a bias of each column, or a matrix of the product's shape."""
    if a.dtype not in FLOATS:
        return f"no kernel for {a.dtype}"
    sizes = product_sizes(op, a, b)
    if isinstance(sizes, str):
        return sizes
    launch = Launch(sizes, WORKSPACE, variants=ALGORITHMS)
    if c is None:
        return _plain(replace(launch, inputs=(0, 1)), lambda found: _lt_epilogue(found, float(op.alpha), sizes), 2)
    output = (sizes[5], sizes[6])
    bias = tuple(size for size in c.shape if size != 1) == output[1:] and c.shape[-1:] == output[1:]
    if op.beta != 1 or not (bias or c.shape == output):
        return "c is neither a bias of each column nor a matrix, or it is scaled"
    with_c = Epilogue(bias=0) if bias else Epilogue(residual=0)

    def finish(found: Epilogue) -> Params | str:
        if found.bias is not None or (found.residual is not None and not bias):
            return "there is a bias already"
        joint = replace(found, bias=with_c.bias, residual=found.residual if bias else with_c.residual)
        return _lt_epilogue(joint, float(op.alpha), sizes)

    return _plain(launch, finish, 3)


def _own_params(sizes: Params, b: TensorSpec) -> Params | str:
    """m, n, k, b is [n, k], b is constant; or why our own kernels can't."""
    trans_a, trans_b, _, _, batch, m, n, k = sizes
    if trans_a or batch != 1:
        return "the left side is transposed, or there is a batch"
    if not isinstance(n, int) or not isinstance(k, int):
        return "rows have sizes that are not known when building"
    if k % 8 or (not trans_b and n % 8):
        return "rows are not whole 16-byte vectors"
    return m, n, k, int(bool(trans_b)), int(b.constant)


def _why_not_own(op: MatMul | Gemm, a: TensorSpec, c: TensorSpec | None) -> str:
    """Why none of our kernels takes the product, whatever its sizes; empty where they may."""
    if a.dtype not in HALVES:
        return "needs float16 or bfloat16"
    if isinstance(op, Gemm) and (op.alpha != 1 or (c is not None and op.beta != 1)):
        return "the product is scaled"
    return ""


def _own(
    way: tuple[int, int], op: MatMul | Gemm, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None
) -> Launch | str:
    if reason := _why_not_own(op, a, c):
        return reason
    sizes = product_sizes(op, a, b)
    params = sizes if isinstance(sizes, str) else _own_params(sizes, b)
    if isinstance(params, str):
        return params
    if c is not None and (c.rank != 1 or c.shape != (params[1],)):
        return "c is no bias of each column"

    def finish(found: Epilogue) -> Params | str:
        if c is not None and found.bias is not None:
            return "there is a bias already"
        return (replace(found, bias=0) if c is not None else found).params

    launch = Launch((*params, *way), inputs=(0, 1) if c is None else (0, 1, 2))
    return _plain(launch, finish, 2 if c is None else 3)


MANY_BLOCKS = 264
"""With more blocks than this none needs help with its sum."""


def bulk_tile_fits(
    tile: tuple[int, int], blocks: int, shared_sum: bool, rows: Size | float, columns: Size | float
) -> str:
    """Why a tile would be mostly empty, or a sum needs no sharing; nothing otherwise."""
    height, width = tile
    if isinstance(columns, int) and width > 64 and columns <= width // 2:
        return "the tile is wider than the product"
    if not isinstance(rows, int) or not isinstance(columns, int):
        return ""
    tiles = -(-rows // height) * -(-columns // width)
    if shared_sum:
        return "there are blocks enough without sharing a sum" if tiles * blocks > MANY_BLOCKS else ""
    if rows <= height // 2 or rows <= height * (blocks - 1):
        return "the tile is higher than the product"
    return ""


def bulk_epilogue(found: Epilogue, columns: Size | float) -> Params | str:
    """What the bulk kernels finish with."""
    if found.activation not in BULK_ACTIVATIONS:
        return "the kernel has no such activation"
    if found.residual is not None and isinstance(columns, int) and columns % 8:
        return "a residual's rows are not whole 16-byte vectors"
    return found.params


def _transposing(op: MatMul | Gemm, b: TensorSpec) -> dict[int, Pack]:
    """How constant weights [k, n] are packed to [n, k] where their rows are not whole vectors."""
    if isinstance(op, Gemm) or b.rank != 2 or not b.constant or b.shape[1] % 8 == 0:
        return {}
    nbytes = b.nbytes
    assert isinstance(nbytes, int)  # it is constant
    return {1: Pack("cpu_transpose", nbytes, (1, 0))}


def _bulk(
    way: tuple[int, int], op: MatMul | Gemm, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None
) -> Launch | str:
    if reason := _why_not_own(op, a, c):
        return reason
    sizes, pack = product_sizes(op, a, b), _transposing(op, b)
    if pack and not isinstance(sizes, str):
        sizes = (sizes[0], 1, *sizes[2:])
    params = sizes if isinstance(sizes, str) else _own_params(sizes, b)
    if isinstance(params, str):
        return params
    if reason := bulk_tile_fits(BULK_TILES[way[0]], way[1], way[0] >= SHARED_SUM, params[0], params[1]):
        return reason
    if c is not None and (c.rank != 1 or c.shape != (params[1],)):
        return "c is no bias of each column"
    if way[0] >= SHARED_SUM and (not isinstance(params[1], int) or params[1] % 8):
        return "rows of the output are not whole 16-byte vectors"

    def finish(found: Epilogue) -> Params | str:
        if c is not None and found.bias is not None:
            return "there is a bias already"
        return bulk_epilogue(replace(found, bias=0) if c is not None else found, params[1])

    launch = Launch((*params, *way), pack=pack, inputs=(0, 1) if c is None else (0, 1, 2))
    return _plain(launch, finish, 2 if c is None else 3, wide=True)


for _way in WAYS:
    for _cls in (MatMul, Gemm):
        _tactic = functools.partial(_own, _way)
        _tactic.__name__ = "gemm_tile{}_split{}".format(*_way)  # type: ignore[attr-defined]
        _tactic.__module__ = __name__
        tactic(_cls, kernel="cuda_gemm")(_tactic)

for _way in BULK_WAYS:
    for _cls in (MatMul, Gemm):
        _tactic = functools.partial(_bulk, _way)
        _tactic.__name__ = "gemm_bulk{}_blocks{}".format(*_way)  # type: ignore[attr-defined]
        _tactic.__module__ = __name__
        tactic(_cls, kernel="cuda_gemm_bulk")(_tactic)
