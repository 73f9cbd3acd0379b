"""Runs ONNX Runtime in a process of its own, which is started again when a model ends it."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SECONDS = 60
"""How long one model may take; the machine may be busy."""


class Unavailable(Exception):
    """ONNX Runtime can't run this model: it said so, ended its process, or took too long."""


@functools.cache
def onnx_runtime() -> RuntimeProcess:
    """The one process of this one."""
    return RuntimeProcess()


class RuntimeProcess:
    """A process that runs models; `ended` counts those that ended it."""

    def __init__(self) -> None:
        self.ended = 0
        self._start()

    def _start(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        words = [sys.executable, "-m", __name__, str(other.fileno())]
        self._process = subprocess.Popen(words, pass_fds=[other.fileno()], stderr=subprocess.DEVNULL)
        other.close()  # that process ends when this one does, whose end of the pipe is then closed

    def run(self, model: bytes, inputs: dict[str, Array]) -> dict[str, Array]:
        """The outputs of a model by name, without ONNX Runtime's optimizer; `Unavailable` where there are none."""
        try:
            self._pipe.send((model, inputs))
            found = self._pipe.recv() if self._pipe.poll(SECONDS) else "it took too long"
        except (EOFError, OSError):
            found = "it ended its process"
        if found in ("it took too long", "it ended its process"):
            self.ended += 1
            self.kill()
            self._pipe.close()
            self._start()
        if isinstance(found, str):
            raise Unavailable(found)
        outputs: dict[str, Array] = found
        return outputs

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def serve(pipe: Connection) -> None:
    """Answer each model with its outputs, or the text of an error."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    # Its optimizer ends the process for about one random model in 10,000 (an assertion on the number of NodeArgs).
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            model, inputs = pipe.recv()
            try:
                session = onnxruntime.InferenceSession(model, options)
                names = [item.name for item in session.get_outputs()]
                pipe.send(dict(zip(names, session.run(names, inputs), strict=True)))
            except Exception as error:  # noqa: BLE001 - of many types
                pipe.send(str(error) or type(error).__name__)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
