"""Reads the text of an image with trained networks, and compares numbers, text and speed with ONNX Runtime.

    make demo

fetches PP-OCRv4 (the package rapidocr-onnxruntime, Apache-2.0, 15 MB) into the user's cache, draws a page, builds one
engine for each of the three networks, and lets them read the page.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import platformdirs
from ocr import Line, Run, as_input, fit_height, read_page
from PIL import Image, ImageDraw, ImageFont

import enginewright as ew

PACKAGE = "rapidocr-onnxruntime==1.4.4"
MODELS = {
    "detect": ("ch_PP-OCRv4_det_infer.onnx", "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"),
    "turn": ("ch_ppocr_mobile_v2.0_cls_infer.onnx", "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"),
    "read": ("ch_PP-OCRv4_rec_infer.onnx", "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b"),
}
TEXT = (
    (44, "ENGINEWRIGHT CAFE"),
    (30, "12 Harbour Street, open 8-18"),
    (26, "2 x Flat white          7.40"),
    (26, "1 x Almond croissant    3.90"),
    (26, "1 x Orange juice, large 4.25"),
    (34, "TOTAL EUR 15.55"),
    (24, "Card 4929 **** 1187, thank you!"),
    (28, "This line stands on its head."),
)
PAGE = (640, 736)
PROFILES = {
    "detect": (1, 3, PAGE[1], PAGE[0]),
    "turn": (1, 3, 48, 192),
    "read": ((1, 3, 48, 32), (1, 3, 48, 480), (1, 3, 48, 1280)),
}
TOLERANCE = 1e-4


def fetch_models() -> dict[str, Path]:
    """The three models, out of the package that pip downloads; their SHA-256 must be right."""
    folder = platformdirs.user_cache_path("enginewright-demo", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True)
    wheels = list(folder.glob("rapidocr_onnxruntime-1.4.4-*.whl"))
    if not wheels:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--only-binary", ":all:", "--python-version", "3.11", "-d", folder, PACKAGE], check=True)
        wheels = list(folder.glob("rapidocr_onnxruntime-1.4.4-*.whl"))
    found = {}
    with zipfile.ZipFile(wheels[0]) as wheel:
        for name, (file, digest) in MODELS.items():
            data = wheel.read(f"rapidocr_onnxruntime/models/{file}")
            if hashlib.sha256(data).hexdigest() != digest:
                raise SystemExit(f"{file} is not the model that this demo was written for")
            found[name] = folder / file
            found[name].write_bytes(data)
    return found


def draw_page() -> Image.Image:
    """A receipt as a camera sees it: uneven light, some noise, and the last line upside down."""
    width, height = PAGE
    page = Image.new("L", PAGE, 255)
    top = 40
    for size, text in TEXT:
        line = Image.new("L", (width - 60, size + 20), 255)
        ImageDraw.Draw(line).text((8, 4), text, 30, font=ImageFont.load_default(size))
        if text is TEXT[-1][1]:
            line = line.transpose(Image.Transpose.ROTATE_180)
        page.paste(line, (30, top))
        top += size + 50
    light = np.linspace(0.75, 1.0, width) * np.linspace(1.0, 0.85, height)[:, None]
    noise = np.random.default_rng(0).normal(0, 5, (height, width))
    return Image.fromarray(np.clip(np.asarray(page) * light + noise, 0, 255).astype(np.uint8)).convert("RGB")


def build_engines(models: dict[str, Path]) -> dict[str, ew.Engine]:
    """One engine for each network, by way of a plan file."""
    engines = {}
    for name, path in models.items():
        start = time.perf_counter()
        plan = ew.build(path, ew.BuilderConfig(profiles=(ew.Profile({"x": PROFILES[name]}),)))
        built = time.perf_counter()
        plan.save(path.with_suffix(".plan"))
        saved = time.perf_counter()
        engines[name] = ew.load(path.with_suffix(".plan"))
        loaded = (time.perf_counter() - saved) * 1e3
        steps = len(plan.meta.programs[0].steps)
        slow = f", {len(plan.report.reference_steps)} of them in NumPy" if plan.report.reference_steps else ""
        print(f"  {name:<7} {path.name:<36} {built - start:5.1f} s, {steps} steps{slow}; plan loads in {loaded:.1f} ms")
    return engines


def runner(engines: dict[str, ew.Engine]) -> Run:
    """Runs a network with Enginewright."""
    return lambda name, array: next(iter(engines[name].run({"x": array}).values()))


def peer_runner(models: dict[str, Path]) -> Run:
    """Runs a network with ONNX Runtime."""
    sessions = {
        name: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for name, path in models.items()
    }
    return lambda name, array: np.asarray(sessions[name].run(None, {"x": array})[0])


def read_characters(model: Path) -> list[str]:
    """What the reader can spell: the list in the model's metadata, with "nothing" before it and a space behind it."""
    properties = {item.key: item.value for item in onnx.load(model).metadata_props}
    return ["", *properties["character"].split("\n"), " "]


def compare_numbers(page: Image.Image, lines: list[Line], ours: Run, theirs: Run) -> bool:
    """Print how far each network is from ONNX Runtime on the page and its lines; whether all are close."""
    crops = [page.crop(line.box) for line in lines]
    inputs = {
        "detect": [as_input(page)],
        "turn": [as_input(crop.resize((192, 48))) for crop in crops],
        "read": [as_input(fit_height(crop)) for crop in crops],
    }
    close = True
    for name, arrays in inputs.items():
        pairs = [(ours(name, array), theirs(name, array)) for array in arrays]
        worst = max(float(np.linalg.norm(out - ref) / np.linalg.norm(ref)) for out, ref in pairs)
        close = close and worst <= TOLERANCE
        verdict = "ok" if worst <= TOLERANCE else f"more than {TOLERANCE:g}"
        print(f"  {name:<7} relative error {worst:.1e} over {len(pairs)} inputs ({verdict})")
    return close


def compare_speed(page: Image.Image, models: dict[str, Path]) -> None:
    """Print the median time of one inference beside ONNX Runtime's, measured in turns with the same threads."""
    shapes = {"detect": as_input(page), "turn": np.ones((1, 3, 48, 192), np.float32)}
    shapes["read"] = np.ones((1, 3, 48, 480), np.float32)
    for name, path in models.items():
        config = ew.BuilderConfig(profiles=(ew.Profile({"x": PROFILES[name]}),))
        effort = ew.Effort(duration=1.0)
        found = ew.bench(path, peers=["onnxruntime"], inputs={"x": shapes[name]}, effort=effort, config=config)
        peer = found.peers[0]
        if peer.latency is None or peer.ours is None or peer.ratio is None:
            print(f"  {name:<7} {found.latency.median:8.2f} ms (ONNX Runtime: {peer.error})")
            continue
        verdict = ("faster" if peer.ratio > 1 else "slower") + ("" if peer.significant else " (not significant)")
        print(
            f"  {name:<7} {peer.ours.median:8.2f} ms, ONNX Runtime {peer.latency.median:8.2f} ms: "
            f"{max(peer.ratio, 1 / peer.ratio):.2f} x {verdict}"
        )


def main() -> None:
    """Run the demo; exits with 1 unless the text is right and the numbers agree."""
    print("Models")
    models = fetch_models()
    print(f"  PP-OCRv4 from {PACKAGE}, SHA-256 as expected\nEngines")
    engines = build_engines(models)
    page, characters = draw_page(), read_characters(models["read"])
    picture = models["detect"].with_name("page.png")
    page.save(picture)
    start = time.perf_counter()
    lines = read_page(page, characters, runner(engines))
    seconds = time.perf_counter() - start
    theirs = read_page(page, characters, peer_runner(models))
    print(f"Text of {picture}, read in {seconds * 1e3:.0f} ms")
    expected = [" ".join(text.split()) for _, text in TEXT]
    right = 0
    for line, text in zip(lines, expected, strict=False):
        same = line.text.replace(" ", "") == text.replace(" ", "")
        right += same
        print(f"  {line.text:<34} {line.confidence:4.0%}  {'' if same else 'expected: ' + text}")
    agree = [line.text for line in lines] == [line.text for line in theirs]
    print(f"  {right} of {len(expected)} lines right; ONNX Runtime reads {'the same' if agree else 'something else'}")
    print("Numbers against ONNX Runtime")
    close = compare_numbers(page, lines, runner(engines), peer_runner(models))
    print("Speed, median of one inference")
    compare_speed(page, models)
    sys.exit(0 if right == len(expected) and agree and close else 1)


if __name__ == "__main__":
    main()
