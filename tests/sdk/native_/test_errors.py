"""How failures of kernels and wrong words come out: status, message, place, exception."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from enginewright import _native
from enginewright._native.library import check_abi, error_of
from enginewright.errors import (
    DeviceOutOfMemory,
    EnginewrightError,
    InputError,
    NativeError,
    PlanDeviceMismatch,
    PlanInvalid,
    RunError,
    ShapeError,
    UsageError,
)
from tests.sdk.native_ import words as w
from tests.sdk.native_.words import ARENA, I64, STRING, WEIGHT, Expr, Program, Words, floats, run

STATUSES = [
    (1, RunError), (2, PlanInvalid), (3, ShapeError), (4, InputError), (5, DeviceOutOfMemory), (6, NativeError),
    (7, RunError), (8, PlanDeviceMismatch), (9, UsageError), (77, NativeError), (-3, NativeError),
]  # fmt: skip


def failing(status: int, kernel: str = "toy_fail", layer: str = "conv1") -> _native.Context:
    words = Words()
    program = words.program()
    program.step("toy_fill_i64", [], [program.output([1], I64)], [1])
    program.step(kernel, [], [], [status], layer=layer)
    return _native.Context(words.model())


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_status_of_a_kernel(status: int, kind: type[EnginewrightError]) -> None:
    context = failing(status)
    with pytest.raises(EnginewrightError) as caught:
        context.run()
    assert type(caught.value) is kind
    assert caught.value.message == f"conv1: toy failure {status}"
    assert caught.value.hint
    assert context.failed_at() == (0, 1)


def test_kernel_without_message() -> None:
    with pytest.raises(RunError, match="conv1: kernel toy_silent failed with status 1"):
        failing(1, "toy_silent").run()


def test_layer_without_name() -> None:
    with pytest.raises(RunError) as caught:
        failing(1, layer="").run()
    assert caught.value.message == "toy failure 1"


def test_one_message_of_many_tasks() -> None:
    with pytest.raises(RunError, match=r"conv1: task \d+ failed"):
        failing(1, "toy_fail_parallel").run()


def test_a_message_is_not_kept_for_the_next_failure() -> None:
    words = Words()
    program = words.program()
    program.step("toy_fail", [], [], [1])
    context = _native.Context(words.model())
    for _ in range(2):
        with pytest.raises(RunError) as caught:
            context.run()
        assert caught.value.message == "toy failure 1"


def test_unknown_kernel() -> None:
    words = Words()
    words.program().step("cpu_nothing@avx512", [], [], layer="conv1")
    with pytest.raises(PlanDeviceMismatch, match='step "conv1" needs the kernel cpu_nothing@avx512'):
        words.model()


@pytest.mark.parametrize("kernel", ["cpu_blake3_chunks", "cpu_xxh3_pieces"])
def test_no_step_runs_a_kernel_that_keeps_addresses(kernel: str) -> None:
    words = Words()
    words.program().step(f"{kernel}@{_native.isas()[-1]}", [], [], layer="hash")
    with pytest.raises(PlanInvalid, match=f'"hash".*{kernel}.* outside programs only'):
        words.model()


def test_no_memory() -> None:
    words = Words()
    program = words.program()
    _, (n,) = program.dynamic_input(1)
    huge = program.expr(w.MUL, n, 2**45)
    y = program.tensor(program.storage(ARENA, 0, huge, 0), [huge], w.BOOL)
    program.step("toy_fill_i64", [], [y], [1])
    context = _native.Context(words.model())
    with pytest.raises(DeviceOutOfMemory, match="bytes"):
        run(context, np.zeros(4, np.float32), outputs=0)


def test_log_of_kernels(caplog: pytest.LogCaptureFixture) -> None:
    _native.drain_log()
    words = Words()
    program = words.program()
    program.step("toy_log", [], [], [logging.WARNING])
    program.step("toy_log", [], [], [logging.DEBUG])
    context = _native.Context(words.model())
    with caplog.at_level(logging.DEBUG, "enginewright.native"):
        context.run()
        assert not caplog.records
        assert _native.drain_log() == 2
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, "toy message 30"),
        (logging.DEBUG, "toy message 10"),
    ]


def test_log_is_bounded() -> None:
    words = Words()
    program = words.program()
    for _ in range(1100):
        program.step("toy_log", [], [], [logging.DEBUG])
    context = _native.Context(words.model())
    context.run()
    assert _native.drain_log() == 1000


def test_library_of_another_version() -> None:
    major, minor = _native.ABI
    check_abi(major << 16 | minor)
    with pytest.raises(NativeError, match=r"C interface 7\.3, this package 0\.1"):
        check_abi(7 << 16 | 3)


def test_error_without_text() -> None:
    assert error_of(3, "").message == "native code returned status 3"


# ---- words that break a rule -------------------------------------------------------------------------------------


def make_valid() -> tuple[Words, Program]:
    """x + x + 1, with one weight, one expr, one temporary."""
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    one = program.tensor(program.storage(WEIGHT, 0, 4), [1])
    a, y = program.arena(dims, last=1), program.output(dims)
    program.step("toy_add", [x, x], [a])
    program.step("toy_add", [a, one], [y], [Expr(dims[0])])
    return words, program


def storage_change(index: int, position: int, value: int):
    return lambda program: program.storages[index].__setitem__(position, value)


def tensor_change(index: int, position: int, value: int):
    return lambda program: program.tensors[index].__setitem__(position, value)


def step_change(index: int, position: int, value: int):
    return lambda program: program.steps[index].__setitem__(position, value)


RULES = {
    "weight beyond the weights": (storage_change(1, 2, 2**40), "aligned part of the weights"),
    "weight overflows": (storage_change(1, 1, 2**63 - 64), "aligned part of the weights"),
    "weight not aligned": (storage_change(1, 1, 4), "aligned part of the weights"),
    "weight of unknown size": (storage_change(1, 2, w.UNKNOWN), "size that is not known"),
    "input of another number": (storage_change(0, 1, 1), "names no input"),
    "output of another number": (storage_change(3, 1, -1), "names no output"),
    "storage kind": (storage_change(0, 0, 6), "kind of a storage is 6"),
    "storage segment": (storage_change(2, 5, 1), "names no segment"),
    "storage size": (storage_change(2, 2, ~50), "size that is not known"),
    "memory ends too early": (storage_change(2, 4, 0), "outside the lifetime"),
    "memory begins too late": (storage_change(2, 3, 1), "outside the lifetime"),
    "memory ends before it begins": (storage_change(2, 3, 2), "ends before it begins"),
    "tensor type": (tensor_change(1, 0, 99), "unknown type"),
    "string in memory": (tensor_change(2, 0, STRING), "unknown type"),
    "tensor format": (tensor_change(2, 1, 5), "unknown format"),
    "blocked vector": (tensor_change(2, 1, 2), "no channels"),
    "tensor storage": (tensor_change(2, 2, 4), "names no storage"),
    "tensor offset": (tensor_change(2, 3, ~9), "unknown offset"),
    "input at an offset": (tensor_change(0, 3, 4), "beginning of its own memory"),
    "tensor rank": (tensor_change(2, 4, 9), "rank of a tensor is 9"),
    "tensor size": (tensor_change(2, 5, ~9), "size that no expr gives"),
    "unknown size in an arena": (tensor_change(2, 5, w.UNKNOWN), "cannot grow"),
    "literal tensor too large": (tensor_change(1, 5, 2), "does not fit"),
    "step writes an input": (step_change(0, 6, 0), "writes an input or a weight"),
    "step writes a weight": (step_change(0, 6, 1), "writes an input or a weight"),
    "step reads what nobody wrote": (step_change(0, 3, 2), "no earlier step wrote"),
    "step tensor": (step_change(0, 3, 4), "input of a step is 4"),
    "step param kind": (step_change(1, 8, 3), "kind of a param is 3"),
    "step param": (step_change(1, 9, 99), "param that no expr gives"),
    "workspace": (step_change(0, -3, ~99), "workspace of unknown size"),
    "expr operator": (lambda p: p.exprs.__setitem__(0, (99, 0, 0)), "operator of an expr is 99"),
    "expr input": (lambda p: p.exprs.__setitem__(0, (w.INPUT_DIM, 1, 0)), "names no input"),
    "expr axis": (lambda p: p.exprs.__setitem__(0, (w.INPUT_DIM, 0, 1)), "names no axis"),
    "expr param": (lambda p: p.exprs.__setitem__(0, (w.PARAM, 0, 0)), "names no param"),
    "expr of itself": (lambda p: p.exprs.__setitem__(0, (w.ADD, ~0, 1)), "not known yet"),
    "expr negative literal": (lambda p: p.exprs.__setitem__(0, (w.ADD, w.UNKNOWN, 1)), "not known yet"),
    "select from no pair": (lambda p: p.exprs.__setitem__(0, (w.SELECT, 1, 0)), "selects from no pair"),
    "value of no tensor": (lambda p: p.exprs.__setitem__(0, (w.VALUE, 99, 0)), "reads no element"),
    "value too early": (lambda p: p.exprs.append((w.VALUE, 3, 0)), "no value|type|before it is written"),
    "data of no tensor": (lambda p: p.exprs.append((w.DATA, -1, 0)), "names no tensor"),
    "data too early": (lambda p: p.exprs.append((w.DATA, 3, 0)), "no earlier segment writes"),
    "check of unknown": (lambda p: p.checks.append((0, ~7, 1, 0)), "compares sizes that are not known"),
    "check kind": (lambda p: p.checks.append((4, 1, 1, 0)), "kind of a check is 4"),
    "check label": (lambda p: p.checks.append((0, 1, 1, 99)), "label of a check is 99"),
    "segment ends beyond": (lambda p: p.segments.append((9, 0, 0)), "end of the exprs of a segment is 9"),
    "output that nobody writes": (lambda p: p.steps.pop(), "no step writes an output"),
    "two memories of one output": (lambda p: p.storages.append([1, 0, 4, 0, 0, 0, 0]), "its own memory"),
    "input twice": (lambda p: p.inputs.append(0), "input 1: is not the beginning of its own memory"),
    "output in reused memory": (lambda p: p.outputs.append(2) or p.steps.append([0, 0, 0, 0, 0, 0, 0, 0]), "reused"),
}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    words, program = make_valid()
    weights = floats(1).view(np.uint8)
    words.model(weights)
    change, text = RULES[name]
    change(program)
    with pytest.raises(PlanInvalid, match=text):
        words.model(weights)


def test_valid_program_runs() -> None:
    words, _ = make_valid()
    assert run(_native.Context(words.model(floats(1).view(np.uint8))), floats(1, 2))[0].tolist() == [3, 5]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "ends before: version"),
        ([1, 0], "version 1 of the words"),
        ([2], "ends before: n_programs"),
        ([2, 5], "n_programs is 5"),
        ([2, -1], "n_programs is -1"),
        ([2, 0, 7], "left over"),
    ],
)
def test_words_of_no_program(words: list[int], text: str) -> None:
    with pytest.raises(PlanInvalid, match=text):
        _native.Model(np.array(words, np.int64), _native.pack_strings([]), None)


@pytest.mark.parametrize("blob", [b"\0" * 8, b"abc", b"\x10" + b"\0" * 15, b"\x10" + b"\0" * 7 + b"\xff" * 8])
def test_broken_strings(blob: bytes) -> None:
    with pytest.raises(PlanInvalid, match=r"strings|string 0|left over|n_programs"):
        _native.Model(np.array([1, 0, 0], np.int64), blob, None)
