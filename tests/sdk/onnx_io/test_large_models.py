"""A model with over 2 GB of external data: mapped for the import, copied once into the plan, mapped when loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

ROWS, COLUMNS, WIDTH = 600_000, 1024, 256
BYTES = (ROWS + WIDTH) * COLUMNS * 4
CHILD = """
import json, sys
import numpy as np
import enginewright as ew

def memory():
    lines = open("/proc/self/status").read().splitlines()
    wanted = [line for line in lines if line.startswith(("VmHWM", "RssAnon"))]
    found = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in wanted}
    return [found["VmHWM"], found["RssAnon"]]

folder, ids = sys.argv[1], np.array([int(item) for item in sys.argv[2:]])
before, steps = memory(), {}
network = ew.parse(folder + "/model.onnx")
steps["parse"] = memory()
del network
plan = ew.build(folder + "/model.onnx", ew.BuilderConfig(level=1, timing_cache=""))
steps["build"] = memory()
built = ew.load(plan).run({"ids": ids})["y"]
plan.save(folder + "/model.plan")
del plan
loaded = ew.load(folder + "/model.plan").run({"ids": ids})["y"]
print(json.dumps({"before": before, **steps, "built": built[:, 0].tolist(), "loaded": loaded[:, 0].tolist()}))
"""


def write_model(folder: Path) -> None:
    """y = table[ids] @ w; the table is zero, but for its first and last row, and takes next to nothing of the disk."""
    tensors, offset = [], 0
    for name, shape in (("table", (ROWS, COLUMNS)), ("w", (COLUMNS, WIDTH))):
        tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        length = 4 * shape[0] * shape[1]
        for key, value in (("location", "weights.bin"), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
        offset += length
    nodes = [helper.make_node("Gather", ["table", "ids"], ["rows"]), helper.make_node("MatMul", ["rows", "w"], ["y"])]
    ids = helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["n"])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(nodes, "large", [ids], [y], tensors)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "model.onnx"
    )
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(BYTES)
        for row, value in ((0, 1), (ROWS - 1, 2)):
            file.seek(4 * row * COLUMNS)
            file.write(np.full(COLUMNS, value, np.float32).tobytes())
        file.seek(4 * ROWS * COLUMNS)
        file.write(np.ones((COLUMNS, WIDTH), np.float32).tobytes())


@pytest.mark.long
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    write_model(tmp_path)
    assert BYTES > 2**31
    words = [sys.executable, "-c", CHILD, str(tmp_path), "0", "7", str(ROWS - 1)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"\nMiB at most, of these not of files: {found}, of {BYTES / 2**20:.0f} MiB of weights")
    assert found["built"] == found["loaded"] == [COLUMNS, 0, 2 * COLUMNS]
    assert found["parse"][0] < found["before"][0] + 100
    assert found["build"][1] * 2**20 < 1.1 * BYTES
