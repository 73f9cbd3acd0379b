"""`enginewright bench`: how fast is it, where does the time go, and how fast are others?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import BuildOptions, build_options, input_option
from enginewright.cli._progress import watching
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.tools.benchmark import Benchmark
    from enginewright.tools.profile import StepProfile
    from enginewright.tools.statistics import Times

EPILOG = """\b
Examples:
  enginewright bench model.plan --profile
  enginewright bench model.onnx --peers onnxruntime,openvino --threads 2
"""


@click.command("bench", epilog=EPILOG, short_help="Measure speed, beside other runtimes if wanted.")
@click.argument("source", metavar="PLAN|MODEL", type=click.Path())
@click.option(
    "--peers", default="", metavar="NAMES", help="Others in the same run: onnxruntime,openvino,openvino-default."
)
@click.option("--profile", is_flag=True, help="The time of each step, with the ONNX nodes inside it.")
@click.option("--warmup", type=float, default=200, show_default=True, metavar="MS", help="Before anything is measured.")
@click.option("--duration", type=float, default=3, show_default=True, metavar="S", help="At least, for each runtime.")
@click.option("--iterations", type=click.IntRange(1), default=10, show_default=True, help="At least, for each runtime.")
@click.option("--streams", type=click.IntRange(1), default=1, show_default=True, help="Contexts that run at once.")
@input_option
@build_options
@json_option
@common
def command(
    *, source: str, peers: str, profile: bool, inputs: tuple[str, ...], options: BuildOptions, **effort: float
) -> None:
    """Measure a PLAN or MODEL, beside other runtimes if wanted (these need the MODEL)."""
    import enginewright as ew
    from enginewright.tools.inputs import read_inputs

    state = current()
    start_logging(state)
    with watching(state) as monitor:
        found = ew.bench(
            source,
            peers=[name.strip() for name in peers.split(",") if name.strip()],
            inputs=read_inputs(inputs),
            shapes=options.sizes(),
            effort=ew.Effort(**effort),  # type: ignore[arg-type]  # iterations and streams are integers
            profile=profile,
            config=options.config(),
            progress=monitor,
        )
    _show(found, as_json=state.json)


def _show(found: Benchmark, *, as_json: bool) -> None:
    from enginewright.cli._output import plain, print_json, print_text

    if as_json:
        print_json("bench", plain(found))
        return
    _show_ours(found)
    if found.peers:
        _show_peers(found)
    if found.profile is not None:
        _show_profile(found.profile)
    for advice in found.advice:
        print_text(f"advice: {advice.text}")


def _show_ours(found: Benchmark) -> None:
    from enginewright.cli._output import print_text

    inputs = ", ".join(f"{name} {spec}" for name, spec in found.inputs.items())
    streams = f", {found.streams} streams" if found.streams > 1 else ""
    for label, text in (
        (found.subject, f"{inputs}; {found.threads} threads{streams}"),
        ("Throughput", f"{found.throughput:.2f} qps"),
        ("Latency", _times(found.latency)),
        ("Total Host Walltime", f"{found.walltime_seconds:.3f} s"),
        ("Total Compute Time", f"{found.compute_seconds:.3f} s"),
        ("Load", f"{found.load_milliseconds:.2f} ms (build {found.build_seconds:.2f} s)"),
        (
            "Memory",
            f"{found.peak_memory_bytes / 2**20:.0f} MiB peak of the process, "
            f"{found.context_memory_bytes / 2**20:.1f} MiB of the context",
        ),
        (
            "Conditions",
            f"coefficient of variation {found.latency.variation:.1%}, clock {found.clock_mhz[0]:.0f} to "
            f"{found.clock_mhz[1]:.0f} MHz, load {found.other_load:.2f} before",
        ),
    ):
        print_text(f"{label}: {text}")


def _times(times: Times) -> str:
    return (
        f"min = {times.min:.4g} ms, max = {times.max:.4g} ms, mean = {times.mean:.4g} ms, "
        f"median = {times.median:.4g} ms, percentile(90%) = {times.p90:.4g} ms, "
        f"percentile(95%) = {times.p95:.4g} ms, percentile(99%) = {times.p99:.4g} ms, {times.count} inferences"
    )


def _show_peers(found: Benchmark) -> None:
    from enginewright.cli._output import print_table

    # With several streams the latency above is another one: peers are compared with one context running alone.
    ours = next((peer.ours for peer in found.peers if peer.ours is not None), found.latency)
    rows = [["enginewright", *_quartiles(ours), "1.00", ""]]
    for peer in found.peers:
        if peer.latency is None or peer.ratio is None:
            rows.append([peer.name, "-", "-", "-", "-", peer.error])
        else:
            note = "" if peer.significant else "not significant"
            rows.append([peer.name, *_quartiles(peer.latency), f"{peer.ratio:.2f}", note])
    columns = ["runtime", "25% ms>", "median ms>", "75% ms>", "median / ours>", ""]
    print_table(columns, rows)


def _quartiles(times: Times) -> list[str]:
    return [f"{times.p25:.4g}", f"{times.median:.4g}", f"{times.p75:.4g}"]


def _show_profile(profile: StepProfile) -> None:
    from enginewright.cli._output import print_table, print_text

    rows = [
        [f"{step.milliseconds:.4f}", f"{step.share:.1%}", step.layer, step.kernel, " ".join(step.sources)]
        for step in profile.slowest
    ]
    rows.append([f"{profile.call:.4f}", "", "call", "", ""])
    print_table(["ms>", "share>", "step", "kernel", "ONNX nodes"], rows)
    verdict = "within 5%" if profile.agrees else "MORE THAN 5% APART"
    parts = f"steps {profile.sum:.4f} ms, call {profile.call:.4f} ms"
    print_text(f"{parts}, whole run {profile.total:.4f} ms: {verdict}")
