"""Many runs on a GPU: memory stays as it is, and contexts on streams of their own do not disturb each other."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import enginewright as ew

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("gpu")]
SHAPE = (2, 8, 24, 24)


@pytest.fixture(scope="module")
def engine() -> Any:
    """A residual block, its pool, and a product, in float16."""
    rng = np.random.default_rng(0)
    net = ew.Network()
    x = net.input("x", ew.float32, SHAPE)
    first, second = (net.constant(rng.standard_normal((8, 8, 3, 3)).astype(np.float32) / 9) for _ in range(2))
    block = net.relu(net.add(net.conv(net.relu(net.conv(x, first, padding=1)), second, padding=1), x))
    pooled = net.flatten(net.max_pool(block, kernel_shape=(4, 4), stride=4))
    net.output("y", net.matmul(pooled, net.constant(rng.standard_normal((288, 40)).astype(np.float32) / 17)))
    with ew.load(ew.build(net, ew.BuilderConfig(target="cuda", precision="fp16", timing_cache=""))) as made:
        yield made


def test_two_contexts_on_two_streams(engine: ew.Engine) -> None:
    torch = pytest.importorskip("torch")
    given = [torch.randn(SHAPE, generator=torch.Generator().manual_seed(i)).cuda() for i in range(5)]
    wanted = [torch.from_numpy(engine.run({"x": x.cpu().numpy()})["y"]).cuda() for x in given]
    contexts = [engine.create_context() for _ in range(2)]
    streams = [torch.cuda.Stream() for _ in contexts]
    inputs = [torch.empty_like(given[0]) for _ in contexts]
    outputs = [torch.empty_like(wanted[0]) for _ in contexts]
    worst = [torch.zeros((), device="cuda") for _ in contexts]
    for context, x, y in zip(contexts, inputs, outputs, strict=True):
        context.bind_input("x", x)
        context.bind_output("y", y)
    torch.cuda.synchronize()
    for turn in range(500):
        for k, (context, stream) in enumerate(zip(contexts, streams, strict=True)):
            which = (turn * (k + 1) + 3 * k) % len(given)
            with torch.cuda.stream(stream):
                inputs[k].copy_(given[which], non_blocking=True)
                context.execute_async(stream)
                worst[k].copy_(torch.maximum(worst[k], (outputs[k] - wanted[which]).abs().max()))
    torch.cuda.synchronize()
    assert [float(item) for item in worst] == [0, 0]


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="others use memory of the same GPU")
def test_runs_leave_memory_as_it_is(engine: ew.Engine) -> None:
    torch = pytest.importorskip("torch")
    x, stream = torch.randn(SHAPE, device="cuda"), torch.cuda.Stream()
    context = engine.create_context()
    context.bind_input("x", x)

    def run(count: int) -> int:
        for _ in range(count):
            context.run()
            context.execute_async(stream)
        for _ in range(count // 10):
            engine.run({"x": x.cpu().numpy()})
        torch.cuda.synchronize()
        return int(torch.cuda.mem_get_info()[0])

    free = run(20)
    assert run(10_000) == free
