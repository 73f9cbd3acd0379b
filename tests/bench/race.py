"""Runs one model on several runtimes in turns: each is made once, and every run measures all of them anew."""

from __future__ import annotations

import time
from collections.abc import Sequence

import enginewright as ew
from enginewright.tools.benchmark import REWARM_CALLS, REWARM_SECONDS, call_for
from enginewright.tools.peers import PEERS, OnnxRuntime, Ours, Peer
from enginewright.tools.statistics import Times
from tests.models import Arrays, TestModel

PAUSE_SECONDS = 0.08
"""Before each block: worker threads of ONNX Runtime spin for about 45 ms after a run."""
ROUNDS, BLOCK_SECONDS, LEAST_CALLS = 3, 0.15, 2
FIRST_SECONDS = 0.2


class Race:
    """Ours and others with the same inputs and threads; `refused` says why one that is missing is not there."""

    def __init__(self, model: TestModel, engine: ew.Engine, inputs: Arrays, peers: Sequence[str]) -> None:
        ours = Ours(engine)
        ours.bind(inputs)
        self.runners: dict[str, Peer] = {ours.name: ours}
        self.refused: dict[str, str] = {}
        for name in peers:
            try:
                peer = _peer(name, model, engine.threads, inputs)
            except ew.EnginewrightError as error:
                self.refused[name] = error.message
            else:
                self.runners[name] = peer
        for runner in self.runners.values():
            call_for(runner, FIRST_SECONDS, REWARM_CALLS)

    def run(self) -> dict[str, Times]:
        """Three rounds of blocks, one of each runtime, after a pause and two untimed calls at least."""
        times: dict[str, list[int]] = {name: [] for name in self.runners}
        for _ in range(ROUNDS):
            for name, runner in self.runners.items():
                time.sleep(PAUSE_SECONDS)
                call_for(runner, REWARM_SECONDS, REWARM_CALLS)
                times[name] += call_for(runner, BLOCK_SECONDS, LEAST_CALLS)[0]
        return {name: Times.of(found) for name, found in times.items()}


def _peer(name: str, model: TestModel, threads: int, inputs: Arrays) -> Peer:
    """A peer that knows the sizes that are run; ONNX Runtime does without them where it refuses them."""
    peer = PEERS[name](model.path, threads)
    if isinstance(peer, OnnxRuntime) and (sizes := peer.sizes_of(inputs)):
        try:
            peer = OnnxRuntime(model.path, threads, sizes)
            peer.bind(inputs)
        except ew.EnginewrightError:
            peer = PEERS[name](model.path, threads)
        else:
            return peer
    peer.bind(inputs)
    return peer
