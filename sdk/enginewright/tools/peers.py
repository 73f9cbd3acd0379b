"""The runtimes to compare with, behind one face: ONNX Runtime and OpenVINO (imported only when asked for), and ours."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from enginewright.errors import ConfigError, UsageError
from enginewright.graph.network import Network
from enginewright.runtime.engine import Context, Engine
from enginewright.tensors import DataType
from enginewright.tools.inputs import Array, Arrays


class Peer(Protocol):
    """A runtime that has a model ready: bind inputs once, then run many times."""

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    def bind(self, inputs: Arrays) -> None:
        """Read these arrays at each run."""
        ...

    def run(self) -> None:
        """One inference."""
        ...

    def outputs(self) -> Arrays:
        """The results of the last run, by name."""
        ...


class Ours:
    """An engine of Enginewright; outputs whose size is known stay bound to arrays, so that a run copies nothing."""

    name = "enginewright"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.context: Context = engine.create_context()
        self._results: Arrays = {}

    def bind(self, inputs: Arrays) -> None:
        """Bind inputs, and an output array wherever the shape is known before the run."""
        for name, array in inputs.items():
            self.context.bind_input(name, np.ascontiguousarray(array).reshape(array.shape))
        self._results = {}
        for port in self.engine.outputs:
            self.context.bind_output(port.name, None)
        for port in self.engine.outputs:
            shape = self.context.output_shape(port.name)
            if -1 not in shape and port.dtype is not DataType.STRING:
                self._results[port.name] = np.empty(shape, port.dtype.numpy)
        for name, array in self._results.items():
            self.context.bind_output(name, array)

    def run(self) -> None:
        """One inference."""
        self.context.run()

    def outputs(self) -> Arrays:
        """The results of the last run."""
        rest = {port.name for port in self.engine.outputs} - self._results.keys()
        found = {**self._results, **{name: self.context.output(name) for name in rest}}
        return {port.name: found[port.name] for port in self.engine.outputs}


class Reference:
    """A network run by the NumPy references of its operators: slow, and the truth."""

    name = "reference"

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inputs: Arrays = {}
        self._outputs: Arrays = {}

    def bind(self, inputs: Arrays) -> None:
        """Keep the arrays."""
        self._inputs = inputs

    def run(self) -> None:
        """One inference."""
        self._outputs = self._network.evaluate(self._inputs)

    def outputs(self) -> Arrays:
        """The results of the last run."""
        return self._outputs


class OnnxRuntime:
    """ONNX Runtime on the CPU: all optimizations, `threads` threads inside an operator, one operator at a time."""

    name = "onnxruntime"

    def __init__(self, model: Any, threads: int, sizes: Mapping[str, int] | None = None) -> None:
        """`model`: path, bytes or ModelProto; `sizes`: of dynamic axes by name, which are fixed to them."""
        runtime = _module("onnxruntime", "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        for axis, size in (sizes or {}).items():
            options.add_free_dimension_override_by_name(axis, size)
        self._runtime = runtime
        try:
            self._session = runtime.InferenceSession(_serialized(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise _refused("ONNX Runtime", error) from error
        self._types = {item.name: item.type for item in self._session.get_inputs()}
        self._names = [item.name for item in self._session.get_outputs()]
        self._binding: Any = None
        self._feed: Arrays = {}

    def sizes_of(self, inputs: Arrays) -> dict[str, int]:
        """What the named dynamic axes of the model are in these arrays, without names that stand for several sizes."""
        found: dict[Any, set[int]] = {}
        for item in self._session.get_inputs():
            shape = inputs[item.name].shape if item.name in inputs else ()
            for axis, size in zip(item.shape, shape, strict=False):
                found.setdefault(axis, set()).add(size)
        return {axis: sizes.pop() for axis, sizes in found.items() if isinstance(axis, str) and len(sizes) == 1}

    def bind(self, inputs: Arrays) -> None:
        """Bind the arrays without a copy; models with strings or without inputs that bind are fed at each run."""
        self._feed = {name: array for name, array in inputs.items() if name in self._types}
        self._binding = None
        if any(kind == "tensor(string)" for kind in self._types.values()) or not all(map(_bindable, inputs.values())):
            return
        binding = self._session.io_binding()
        for name, array in self._feed.items():
            binding.bind_ortvalue_input(name, self._runtime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array)))
        for name in self._names:
            binding.bind_output(name)
        self._binding = binding

    def run(self) -> None:
        """One inference."""
        if self._binding is not None:
            self._session.run_with_iobinding(self._binding)
        else:
            self._results = self._session.run(None, self._feed)

    def outputs(self) -> Arrays:
        """The results of the last run."""
        found = self._results if self._binding is None else self._binding.copy_outputs_to_cpu()
        return dict(zip(self._names, found, strict=True))


class OpenVino:
    """OpenVINO on the CPU: latency hint, one stream, fixed shapes; float32 is forced unless `precision` is empty."""

    precision: ClassVar[str] = "f32"
    name = "openvino"

    def __init__(self, model: Any, threads: int) -> None:
        """`model`: path, bytes or ModelProto."""
        self._openvino = _module("openvino", "openvino")
        self._core = self._openvino.Core()
        data = _serialized(model)
        try:
            self._model = self._core.read_model(data) if isinstance(data, str) else self._core.read_model(model=data)
        except Exception as error:
            raise _refused("OpenVINO", error) from error
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
        }
        if self.precision:
            self._options["INFERENCE_PRECISION_HINT"] = self.precision
        self._request: Any = None

    def bind(self, inputs: Arrays) -> None:
        """Compile for the shapes of the arrays, which are read without a copy."""
        names = {name for port in self._model.inputs for name in port.get_names()}
        fed = {name: array for name, array in inputs.items() if name in names}
        try:
            self._model.reshape({name: list(array.shape) for name, array in fed.items()})
            self._request = self._core.compile_model(self._model, "CPU", self._options).create_infer_request()
        except Exception as error:
            raise _refused("OpenVINO", error) from error
        self._kept = {
            name: self._openvino.Tensor(np.asarray(a, order="C"), shared_memory=True) for name, a in fed.items()
        }
        for name, tensor in self._kept.items():
            self._request.set_tensor(name, tensor)

    def run(self) -> None:
        """One inference."""
        self._request.infer()

    def outputs(self) -> Arrays:
        """The results of the last run."""
        ports = self._request.model_outputs
        return {port.any_name: np.array(self._request.get_tensor(port).data) for port in ports}


class OpenVinoDefault(OpenVino):
    """OpenVINO with the precision that it chooses itself, bfloat16 on CPUs that have it."""

    precision = ""
    name = "openvino-default"


PEERS: dict[str, Callable[[Any, int], Peer]] = {kind.name: kind for kind in (OnnxRuntime, OpenVino, OpenVinoDefault)}
"""The peers by name; each is made from a model and a number of threads."""


def check_peers(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or `ConfigError` for one that is not known."""
    for name in names:
        if name not in PEERS:
            raise ConfigError(f"peer {name!r} is not known", hint=f"The peers are {', '.join(PEERS)}.")
    return tuple(names)


def _module(name: str, distribution: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(
            f"{distribution} is not installed", hint='Install the peers: pip install "enginewright[peers]".'
        ) from None


def _refused(name: str, error: Exception) -> UsageError:
    text = str(error).strip().splitlines()
    return UsageError(f"{name} refuses the model: {text[0] if text else error!r}", hint="Leave this peer out.")


def _serialized(model: Any) -> str | bytes:
    if isinstance(model, bytes):
        return model
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    return bytes(model.SerializeToString())


def _bindable(array: Array) -> bool:
    """ONNX Runtime's Python binding takes NumPy's own types only, and no empty arrays without trouble."""
    return array.dtype.kind in "biuf" and array.dtype.isbuiltin == 1
