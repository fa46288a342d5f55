"""A model folder whose graph really fails: not the server is told to pretend, ONNX Runtime is made to."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# What goes wrong, by the length that a molecule is padded to (`inference.runtime.LENGTHS`), and a molecule of it.
LENGTHS = {"nan": 48, "raises": 64, "hungry": 96, "kills": 128, "hangs": 200}
POISONS = {"nan": "C" * 40, "raises": "C" * 60, "hungry": "C" * 90, "kills": "C" * 120, "hangs": "C" * 180}
HUNGER = 2**30  # floats


def write_poisoned(source: Path, folder: Path) -> Path:
    """Copy a model folder, and let its graph fail on molecules as in `POISONS`, by adding to the words' logits:

    nan     not a number
    raises  an element of a tensor that has no such element
    hungry  the sum of 4 GiB of zeros
    kills   the least whole number divided by -1, which has no result: the processor traps (SIGFPE, on x86)
    hangs   a number that is counted up to for years
    """
    shutil.copytree(source, folder)
    path = folder / "model.onnx"
    model = onnx.load(str(path))
    graph = model.graph
    (last,) = (node for node in graph.node if "out_words" in node.output)
    last.output[list(last.output).index("out_words")] = "sane_words"
    add = _Nodes(graph)
    shape = add("Shape", "atoms")
    length = add("Gather", shape, add.number(1, np.int64))

    def when(kind: str, then: np.generic, otherwise: np.generic) -> str:
        hit = add("Equal", length, add.number(LENGTHS[kind], np.int64))
        return add("Where", hit, add.value(then), add.value(otherwise))

    one = np.ones(1, np.float32)
    hunger = add("Reshape", when("hungry", np.int64(HUNGER), np.int64(1)), add.value(np.array([1])))
    quotient = add("Div", add.value(np.int64(-(2**63))), when("kills", np.int64(-1), np.int64(1)))
    parts = [
        when("nan", np.float32("nan"), np.float32(0)),
        add("Gather", add.value(0 * one), when("raises", np.int64(5), np.int64(0))),
        add("ReduceSum", add("ConstantOfShape", hunger), keepdims=0),
        add("Mul", add("Cast", quotient, to=TensorProto.FLOAT), add.value(np.float32(0))),
        _counted(add, when("hangs", np.int64(2**60), np.int64(0))),
    ]
    total = parts[0]
    for part in parts[1:]:
        total = add("Add", total, part)
    graph.node.append(helper.make_node("Add", ["sane_words", total], ["out_words"]))
    onnx.save(model, str(path))
    vouch(folder, "model.onnx")
    return folder


def vouch(folder: Path, *names: str) -> None:
    """Make the manifest agree with the files."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in names:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


class _Nodes:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._count = graph, 0

    def __call__(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node and return the name of its output."""
        self._count += 1
        output = f"poison_{self._count}"
        self._graph.node.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def value(self, value: np.generic | np.ndarray) -> str:
        """Add a constant."""
        self._count += 1
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"poison_{self._count}"))
        return f"poison_{self._count}"

    def number(self, value: int, kind: type) -> str:
        """Add a scalar."""
        return self.value(np.asarray(value, kind))


def _counted(add: _Nodes, times: str) -> str:
    """Add a loop that counts so many times, which is 0 for all that is sane."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["so_far", "step"], ["further"]),
        ],
        "count",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("so_far", TensorProto.FLOAT, [])],
        [info("on", TensorProto.BOOL, []), info("further", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(np.asarray(1, np.float32), "step")],
    )  # fmt: skip
    return add("Loop", times, "", add.value(np.float32(0)), body=body)
