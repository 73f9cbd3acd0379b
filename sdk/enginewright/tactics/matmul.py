"""Matrix products on the CPU: packed right-hand side, both sides dynamic, other element types."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tensors import TensorSpec, float32

PANEL_VECTOR = 16
"""Columns are padded to whole vectors; 16 is the largest of any instruction set."""
PACKED_INSTEAD = "the weights are constant: packing them when building is better"
GENERIC = frozenset(("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint32", "uint64"))


def panel_bytes(k: int, n: int) -> int:
    """Bytes of a float32 matrix [k, n] in panels, for the instruction set that needs most."""
    return 4 * k * (-(-n // PANEL_VECTOR) * PANEL_VECTOR)


def pack_right(b: TensorSpec, transposed: bool) -> Pack | str:
    """Pack a constant [k, n], or [n, k] if transposed; or the reason why not."""
    rows, columns = (b.shape[0], b.shape[1]) if b.rank == 2 else (b.size, 1)
    if not isinstance(rows, int) or not isinstance(columns, int):
        return "the right-hand side has sizes that are not known when building"
    k, n = (columns, rows) if transposed else (rows, columns)
    return Pack("cpu_pack_gemm_b_f32", panel_bytes(k, n), (int(transposed),))


def product_params(op: MatMul | Gemm, inputs: int) -> tuple[Size | float, ...]:
    """trans_a, trans_b, alpha, beta, number of inputs."""
    if isinstance(op, Gemm):
        return (int(op.trans_a), int(op.trans_b), float(op.alpha), float(op.beta), inputs)
    return (0, 0, 1.0, 0.0, inputs)


def _columns_axis(a: TensorSpec, b: TensorSpec) -> int:
    """The axis of the output on which its columns begin; a vector b gives one column without an axis."""
    rank = max(a.rank, b.rank, 2) - (a.rank == 1) - (b.rank == 1)
    return rank if b.rank == 1 else rank - 1


@tactic(MatMul, kernel="cpu_matmul_packed_f32")
def matmul_packed_f32(op: MatMul, a: TensorSpec, b: TensorSpec) -> Launch | str:
    """A constant matrix on the right, packed into panels when building."""
    if a.dtype is not float32:
        return "needs float32"
    if b.rank > 2:
        return "the right-hand side is a batch of matrices"
    pack = pack_right(b, False)
    if isinstance(pack, str):
        return pack
    return Launch(product_params(op, 2), pack={1: pack}, split=_columns_axis(a, b))


@tactic(MatMul, kernel="cpu_matmul_f32")
def matmul_f32(op: MatMul, a: TensorSpec, b: TensorSpec) -> Launch | str:
    """Both sides dynamic: the right one is packed by each task, or read in place for few rows."""
    if a.dtype is not float32:
        return "needs float32"
    if b.constant and b.rank <= 2:
        return PACKED_INSTEAD
    return Launch(product_params(op, 2), split=_columns_axis(a, b))


@tactic(MatMul, kernel="cpu_matmul_generic")
def matmul_generic(op: MatMul, a: TensorSpec, b: TensorSpec) -> Launch | str:
    """Plain loops for every type that has no kernel of its own."""
    if str(a.dtype) not in GENERIC or a.dtype is float32:
        return "needs another float or an integer of 32 or 64 bits"
    return Launch(product_params(op, 2))


@tactic(Gemm, kernel="cpu_matmul_packed_f32")
def gemm_packed_f32(op: Gemm, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None) -> Launch | str:
    """A constant matrix on the right, packed into panels when building; c is added on the tile."""
    if a.dtype is not float32:
        return "needs float32"
    pack = pack_right(b, op.trans_b)
    if isinstance(pack, str):
        return pack
    return Launch(product_params(op, 3 if c else 2), pack={1: pack}, split=1)


@tactic(Gemm, kernel="cpu_matmul_f32")
def gemm_f32(op: Gemm, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None) -> Launch | str:
    """Both sides dynamic."""
    if a.dtype is not float32:
        return "needs float32"
    if b.constant:
        return PACKED_INSTEAD
    return Launch(product_params(op, 3 if c else 2), split=1)


@tactic(Gemm, kernel="cpu_matmul_generic")
def gemm_generic(op: Gemm, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None) -> Launch | str:
    """Plain loops for every type that has no kernel of its own."""
    if str(a.dtype) not in GENERIC or a.dtype is float32:
        return "needs another float or an integer of 32 or 64 bits"
    if a.dtype.is_integer and (op.alpha != 1 or op.beta not in (0, 1)):
        return "integers are not scaled"
    return Launch(product_params(op, 3 if c else 2))
