"""Measures models on a GPU in 16 bits, with --peers beside torch: python -m tests.bench.cuda [model:batch ...].

Several models are measured in a process each, so that what torch compiled for one is gone before the next.
With --errors it only compares results, in every precision.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import enginewright as ew

CONFIGURATIONS = (
    "resnet50:1", "resnet50:32", "mobilenet_v2:1", "mobilenet_v2:32", "efficientnet_b0:1", "convnext_tiny:1",
    "vit_b_16:1", "vit_b_16:32", "bert_base_s128:1", "bert_base_s128:32", "gpt2_s512:1",
)  # fmt: skip
ROUNDS, RUNS, LONE_RUNS = 7, 50, 60
PRECISIONS = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 3e-2}
"""Types, and the errors relative to float32 that are allowed in them."""
BRANCH = 0.2
LONG_TUNED = ("gpt2_s512",)  # where torch's max-autotune mode wins; elsewhere it compiles for minutes and does not
Run = Callable[[], Any]


class OneOutput(nn.Module):
    """A transformers model on token ids that gives one tensor."""

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, ids: Tensor) -> Tensor:
        """The output asked for."""
        result: Tensor = getattr(self.model(input_ids=ids), self.output)
        return result


def make(name: str) -> nn.Module:
    """The model with random weights whose activations stay near 1, so that nothing is exactly 0 in 16 bits."""
    torch.manual_seed(0)
    return settled(unfolded(_made(name))).eval()


def _made(name: str) -> nn.Module:
    if name == "bert_base_s128":
        import transformers

        return OneOutput(
            transformers.BertModel(transformers.BertConfig(attn_implementation="eager")), "last_hidden_state"
        )
    if name == "gpt2_s512":
        import transformers

        config = transformers.GPT2Config(use_cache=False, attn_implementation="eager")
        return OneOutput(transformers.GPT2LMHeadModel(config), "logits")
    import torchvision

    model: nn.Module = getattr(torchvision.models, name)()
    if name == "vit_b_16":
        nn.init.normal_(model.heads.head.weight, std=0.02)  # type: ignore[union-attr, arg-type]
    return model


def unfolded(model: nn.Module) -> nn.Module:
    """No bias of zeros and no scale of ones, which only a random network has, and which a compiler leaves out."""
    for name, parameter in model.named_parameters():
        if name.rpartition(".")[2].endswith("bias"):
            nn.init.normal_(parameter, std=0.02)
        elif parameter.dim() == 1:
            nn.init.uniform_(parameter, 0.8, 1.2)
    return model


def settled(model: nn.Module) -> nn.Module:
    """Let batch norms measure what they see, so that scales stay near 1 from layer to layer.

    Biases, and branches that start small beside their shortcut, as in trained networks: without them random networks
    amplify every rounding some 30 times, torch's as well as ours.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.4, 0.8)
        nn.init.uniform_(norm.bias, 0.0, 0.5)
        norm.momentum = None
        norm.reset_running_stats()
    for module in model.modules():
        if (last := last_norm(module)) is not None:
            last.weight.data.mul_(BRANCH)
    if norms:
        model.train()
        with torch.no_grad():
            model(torch.randn(8, 3, 224, 224))
    return model.eval()


def last_norm(module: Any) -> Any:
    """The last batch norm of a branch that is added to a shortcut; None for other modules."""
    kind = type(module).__name__
    if kind == "Bottleneck":
        return module.bn3
    if not getattr(module, "use_res_connect", False):
        return None
    return module.conv[-1] if kind == "InvertedResidual" else module.block[-1][1]


def inputs_of(name: str, batch: int) -> Tensor:
    """Fresh random inputs."""
    if name.startswith(("bert", "gpt2")):
        return torch.randint(0, 30000, (batch, 128 if name.startswith("bert") else 512))
    return torch.randn(batch, 3, 224, 224)


def export(model: nn.Module, example: Tensor, *, traced: bool = True) -> bytes:
    """The model as ONNX, in float32, sizes fixed."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"]}
        if traced:
            torch.onnx.export(model, (example,), file, dynamo=False, opset_version=17, **names)
        else:
            torch.onnx.export(model, (example,), file, dynamo=True, verbose=False, **names)
    return file.getvalue()


@dataclass(frozen=True)
class Times:
    """Medians in milliseconds: of calls in a row, and of a lone call."""

    row: float
    lone: float


def measure(run: Run, wait: Run) -> Times:
    """Time runs in a row and runs that are waited for each."""
    for _ in range(5):
        run()
    wait()
    rows, lone = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(RUNS):
            run()
        wait()
        rows.append((time.perf_counter() - start) / RUNS * 1e3)
    for _ in range(LONE_RUNS):
        start = time.perf_counter()
        run()
        wait()
        lone.append((time.perf_counter() - start) * 1e3)
    return Times(statistics.median(rows), statistics.median(lone))


def error(found: Any, wanted: Tensor) -> float:
    """Norm of the difference over the norm of the float32 result."""
    a, b = torch.as_tensor(found).double().cpu(), wanted.double().cpu()
    return float((a - b).norm() / b.norm())


@dataclass(frozen=True)
class Measured:
    """Ours: runs queued on a stream, `call`s of `Context.run`, errors, the build.

    `bare`: milliseconds of the same graph launched by the driver alone, many in a row, as events on the device tell.
    """

    queued: Times
    call: Times
    bare: float
    error: float
    torch_error: float
    build_seconds: float
    steps: int
    host: str


def ours(name: str, model: nn.Module, x: Tensor, precision: str) -> Measured:
    """Build, check on fresh inputs, time with everything on the device."""
    data = export(model, x, traced=not name.startswith("gpt2"))
    start = time.perf_counter()
    plan = ew.build(data, ew.BuilderConfig(target="cuda", precision=precision))
    built = time.perf_counter() - start
    engine = ew.load(plan)
    fresh = inputs_of(name, x.shape[0])
    with torch.no_grad():
        wanted = model.cuda()(fresh.cuda())
    errors = [error(engine.run({"x": fresh.numpy()})["y"], wanted) for _ in range(2)]
    context = engine.create_context()
    given, result = x.cuda().contiguous(), torch.empty(tuple(wanted.shape), device="cuda", dtype=torch.float32)
    context.bind_input("x", given)
    context.bind_output("y", result)
    context.run()
    stream = torch.cuda.Stream()
    queued = measure(lambda: context.execute_async(stream.cuda_stream), stream.synchronize)
    call, bare = measure(context.run, lambda: None), bare_launch(context)
    with torch.no_grad():
        wanted = model(given)
        half = error(model.half()(given.half() if given.is_floating_point() else given), wanted)
    errors.append(error(result, wanted))
    print(f"  {step_times(context, plan)}")
    host = host_layers(plan)
    return Measured(queued, call, bare, max(errors), half, built, len(plan.meta.programs[0].steps), host)


def compare(name: str, model: nn.Module, x: Tensor) -> None:
    """Print the errors in every precision, relative to torch in float64, and what runs on the host."""
    data = export(model, x, traced=not name.startswith("gpt2"))
    with torch.no_grad():
        wanted = model.cuda().double()(x.cuda().double() if x.is_floating_point() else x.cuda())
    for precision, allowed in PRECISIONS.items():
        plan = ew.build(data, ew.BuilderConfig(target="cuda", precision=precision))
        with ew.load(plan) as engine:
            found = error(engine.run({"x": x.numpy()})["y"], wanted)
        verdict = "holds" if found <= allowed else "DOES NOT HOLD"
        host = sum(not step.device for step in plan.meta.programs[0].steps)
        print(f"  {precision} error {found:.1e} <= {allowed:.0e} {verdict}, {host} steps on the host", flush=True)


def bare_launch(context: ew.Context) -> float:
    """Milliseconds of the context's graph without anything of ours around it, on what is bound."""
    return statistics.median(context._active().time_on_device(RUNS) for _ in range(ROUNDS)) / 1e6


def one_add() -> str:
    """What a call costs the host: one Add of numbers on the device."""
    network = ew.Network()
    a, b = (network.input(name, ew.DataType.FLOAT32, (1024,)) for name in ("a", "b"))
    network.output("y", network.add(a, b))
    context = ew.load(ew.build(network, ew.BuilderConfig(target="cuda"))).create_context()
    for name in ("a", "b"):
        context.bind_input(name, torch.ones(1024, device="cuda"))
    context.bind_output("y", torch.empty(1024, device="cuda"))
    context.run()
    stream = torch.cuda.Stream()
    queued = measure(lambda: context.execute_async(stream.cuda_stream), stream.synchronize)
    called = measure(context.run, lambda: None)
    bare = bare_launch(context)
    return (
        f"one Add: Context.run {called.lone * 1e3:.1f} us, execute_async {queued.row * 1e3:.1f} us in a row, "
        f"bare {bare * 1e3:.1f} us"
    )


def host_layers(plan: ew.Plan) -> str:
    """The layers without a CUDA kernel."""
    return ", ".join(f"{step.layer} ({step.kernel})" for step in plan.meta.programs[0].steps if not step.device)


def step_times(context: ew.Context, plan: ew.Plan) -> str:
    """Where the time goes, by kernel."""
    totals = context.start_step_times()
    for _ in range(5):
        context.run()
    context.stop_step_times()
    by_kernel: dict[str, list[float]] = {}
    for step, taken in zip(plan.meta.programs[0].steps, totals, strict=True):
        by_kernel.setdefault(step.kernel, []).append(taken / 5e3)
    listed = sorted(by_kernel.items(), key=lambda item: -sum(item[1]))
    return "; ".join(f"{kernel} {len(values)} x {sum(values) / len(values):.0f} us" for kernel, values in listed[:8])


@dataclass(frozen=True)
class Row:
    """One configuration beside its peers."""

    name: str
    ours: Measured
    peers: dict[str, Times]

    @property
    def ratio(self) -> float:
        """Best of torch over ours, of calls in a row; 0 without peers."""
        return min((times.row for times in self.peers.values()), default=0.0) / self.ours.queued.row

    def __str__(self) -> str:
        found = self.ours
        peers = " ".join(f"{name} {times.row:.3f}/{times.lone:.3f}" for name, times in self.peers.items())
        called = f"run {found.call.lone:.3f} bare {found.bare:.3f} ({found.call.lone / found.bare:.2f})"
        return (
            f"{self.name:<18} ours {found.queued.row:.3f}/{found.queued.lone:.3f} {peers} "
            f"ratio {self.ratio:.2f}, {called}, "
            f"error {found.error:.1e} (torch {found.torch_error:.1e}), {found.build_seconds:.1f} s, "
            f"{found.steps} steps, on the host: {found.host or 'nothing'}"
        )


def graphed(run: Run) -> Run:
    """A run as one CUDA graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        run()
    return graph.replay


def peers(name: str, model: nn.Module, x: Tensor) -> dict[str, Times]:
    """torch in float16: eager, compiled with reduced overhead, and frozen in one graph."""
    import torch._inductor.config as inductor

    half, given = model.half().cuda(), x.cuda()
    if given.is_floating_point():
        given = given.half().contiguous(memory_format=torch.channels_last)
        half = half.to(memory_format=torch.channels_last)
    found: dict[str, Times] = {}
    with torch.no_grad():
        found["eager"] = measure(lambda: half(given), torch.cuda.synchronize)
        inductor.freezing = True
        frozen = torch.compile(half)
        found["frozen"] = measure(graphed(lambda: frozen(given)), torch.cuda.synchronize)
        inductor.freezing = False
        torch._dynamo.reset()
        reduced = torch.compile(half, mode="reduce-overhead")
        found["reduced"] = measure(lambda: reduced(given), torch.cuda.synchronize)
        torch._dynamo.reset()
        if name in LONG_TUNED:
            tuned = torch.compile(half, mode="max-autotune")
            found["tuned"] = measure(lambda: tuned(given), torch.cuda.synchronize)
            torch._dynamo.reset()
    return found


def measure_one(configuration: str, asked: argparse.Namespace) -> Row | None:
    """One configuration in this process; None where there is no row: errors alone, or a failure, which is printed."""
    name, _, batch = configuration.partition(":")
    model, x = make(name), inputs_of(name, int(batch or 1))
    print(configuration, flush=True)
    try:
        if asked.errors:
            compare(name, model, x)
            return None
        found = ours(name, model, x, asked.precision)
    except ew.EnginewrightError as failure:
        print(f"  FAILED: {failure}", flush=True)
        return None
    return Row(configuration, found, peers(name, model, x) if asked.peers else {})


def measure_apart(configuration: str, options: list[str]) -> Row | None:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "row.json")
        command = [sys.executable, "-m", "tests.bench.cuda", configuration, *options, "--json", str(result)]
        subprocess.run(command, check=False)
        return read_row(json.loads(result.read_text(encoding="utf-8"))[0]) if result.exists() else None


def read_row(found: dict[str, Any]) -> Row:
    """A row as `--json` wrote it."""
    own = {key: Times(**value) if isinstance(value, dict) else value for key, value in found["ours"].items()}
    return Row(found["name"], Measured(**own), {name: Times(**times) for name, times in found["peers"].items()})


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cuda", description=__doc__.splitlines()[0])
    known = ", ".join(CONFIGURATIONS)
    parser.add_argument("models", nargs="*", default=CONFIGURATIONS, metavar="MODEL:BATCH", help=f"of {known}")
    parser.add_argument("--peers", action="store_true", help="also torch: eager and compiled, in float16")
    parser.add_argument("--errors", action="store_true", help="compare results in every precision, time nothing")
    parser.add_argument("--precision", default="fp16", choices=PRECISIONS, help="of ours; default: fp16")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this needs an NVIDIA GPU, and torch as built for CUDA")
    return asked


def main() -> None:
    """Measure the configurations asked for; exit with 3 if one gave no row."""
    asked = parsed()
    rows: list[Row] = []
    apart = len(asked.models) > 1
    if apart:
        print(torch.cuda.get_device_name(), torch.__version__, np.__version__, flush=True)
    options = [f"--precision={asked.precision}", *(f"--{name}" for name in ("peers", "errors") if getattr(asked, name))]
    for configuration in asked.models:
        row = measure_apart(configuration, options) if apart else measure_one(configuration, asked)
        rows += [row] if row is not None else []
        if row is not None and not apart:
            print(row, flush=True)
        if asked.json and rows:
            asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    if apart and not asked.errors:
        summarize(rows)
    sys.exit(0 if asked.errors or len(rows) == len(asked.models) else 3)


def summarize(rows: list[Row]) -> None:
    """Print all rows, what a call costs, and the mean of the ratios."""
    print("\n".join(["", *map(str, rows)]))
    print(one_add())
    ratios = [row.ratio for row in rows if row.ratio]
    if ratios:
        mean = statistics.geometric_mean(ratios)
        print(f"best of torch / ours: geometric mean {mean:.3f} of {len(ratios)}, worst {min(ratios):.2f}")


if __name__ == "__main__":
    main()
