"""The weights of a plan: each once, aligned, zeros between them, wherever the memory for them came from."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright import _native
from enginewright.compiler.weights import ALIGN, PAGE, WeightPool, room_for
from enginewright.registry.registry import Pack
from enginewright.tactics.matmul import panel_bytes
from tests.sdk.plan.test_writing import run

KERNEL = f"cpu_pack_gemm_b_f32@{_native.isas()[0]}"


def _pack(array: np.ndarray) -> Pack:
    return Pack("cpu_pack_gemm_b_f32", panel_bytes(*array.shape), (0,))


@pytest.mark.parametrize("room", [0, 100, 10_000])
def test_each_array_lies_once_with_zeros_between(room: int) -> None:
    """Packed twice, the second time behind all others: what that left there is gone."""
    rng = np.random.default_rng(0)
    matrix, bias = rng.standard_normal((3, 5)).astype(np.float32), np.full(3, 7, np.uint8)
    pool = WeightPool(np.zeros(room, np.uint8))
    first = pool.add("matrix", matrix, _pack(matrix), KERNEL)
    assert pool.add("equal", matrix.copy(), _pack(matrix), KERNEL) == first
    second = pool.add("bias", bias)
    assert pool.add("bias again", bias.copy()) == second
    third = pool.add("more", 2 * matrix, _pack(matrix), KERNEL)
    packed, more = np.zeros((2, panel_bytes(3, 5)), np.uint8)
    _native.call_kernel(KERNEL, [matrix], [packed], (0,))
    _native.call_kernel(KERNEL, [2 * matrix], [more], (0,))
    expected = np.zeros(2 * packed.size + ALIGN, np.uint8)
    expected[: packed.size], expected[packed.size + ALIGN :] = packed, more
    expected[packed.size : packed.size + 3] = bias
    np.testing.assert_array_equal(pool.data(), expected)
    assert [pool.records[i].offset for i in (first, second, third)] == [0, packed.size, packed.size + ALIGN]


@pytest.mark.parametrize("size", [1, 5000, 1 << 20])
def test_the_first_weight_begins_at_a_page(size: int) -> None:
    pool = WeightPool()
    pool.add("w", np.arange(size, dtype=np.float32))
    assert pool.data().ctypes.data % PAGE == 0


def test_pools_of_the_same_arrays_pack_once() -> None:
    matrix = np.ones((4, 4), np.float32)
    one = WeightPool()
    one.add("a", matrix, _pack(matrix), KERNEL)
    other = WeightPool(packed=one.packed)
    other.add("first", np.arange(100, dtype=np.uint8))
    index = other.add("a", matrix, _pack(matrix), KERNEL)
    assert len(one.packed) == 2
    np.testing.assert_array_equal(other.data()[other.records[index].offset :], one.data())


def test_there_is_room_for_a_network_of_known_weights() -> None:
    from enginewright.compiler.choice import Choice
    from enginewright.compiler.lowering import Programs
    from enginewright.registry.registry import Launch

    net = ew.Network()
    x = net.input("x", ew.float32, (2, 3))
    matrix = np.ones((3, 5), np.float32)
    net.output("y", net.matmul(x, net.constant(matrix)))
    launch = Launch((0, 0, 1.0, 0.0, 2), pack={1: _pack(matrix)})
    choices = {net.layers[0]: Choice("packed", KERNEL.replace("pack_gemm_b", "matmul_packed"), launch, {1: KERNEL})}
    room = room_for(choices)
    assert room.ctypes.data % PAGE == 0
    programs = Programs(choices, WeightPool(room))
    programs.add(net)
    assert np.shares_memory(programs.weights.data(), room)
    assert programs.weights.size == panel_bytes(3, 5)


def test_a_forked_child_can_build_after_its_parent_did() -> None:
    """Large weights are hashed on threads that the child does not have."""
    program = """
        import os, signal
        import numpy as np
        from enginewright.compiler.weights import WeightPool
        array = np.arange(1 << 20, dtype=np.float32)
        WeightPool().add("w", array)
        if os.fork() == 0:
            signal.alarm(60)
            os._exit(WeightPool().add("w", array))
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    assert run(program).stdout == "0\n"
