"""The network as an ONNX graph, which serves without torch."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.transformer import Outputs

OPSET = 18
_LARGE = 1024  # numbers; of smaller tensors nothing is gained
INPUTS = ("atoms", "relations", "fingerprint", "hands", "log_dilution")
# The prefix keeps them apart from the graph's own names: the exporter calls a value "embedding", too.
OUTPUTS = tuple(f"out_{name}" for name in Outputs._fields)


def export_onnx(model: nn.Module, path: str | Path) -> None:
    """Write `model` as ONNX with free batch and atom dimensions.

    Inputs: `atoms` uint8 (B, N, F), `relations` uint8 (B, N, N), `fingerprint` uint8 (B, 2048), `hands` int8
    (B, 512), `log_dilution` float (B,). Outputs: the fields of `Outputs`, named `out_` and the field.
    """
    network = copy.deepcopy(model).cpu().eval()
    features = len(voc.ATOM_FEATURES)
    example = (
        torch.full((3, 5, features), 2, dtype=torch.uint8),
        torch.ones((3, 5, 5), dtype=torch.uint8),
        torch.ones((3, voc.FINGERPRINT_BITS), dtype=torch.uint8),
        torch.ones((3, voc.HAND_FEATURES), dtype=torch.int8),
        torch.full((3,), -3.0),
    )
    batch, atoms = torch.export.Dim("batch", min=1, max=65536), torch.export.Dim("atoms", min=1, max=4096)
    shapes = {
        "atoms": {0: batch, 1: atoms},
        "relations": {0: batch, 1: atoms, 2: atoms},
        "fingerprint": {0: batch},
        "hands": {0: batch},
        "log_dilution": {0: batch},
    }
    write_graph(network, example, path, INPUTS, OUTPUTS, shapes)


def write_graph(
    network: nn.Module,
    example: tuple[torch.Tensor, ...],
    path: str | Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: Mapping[str, Mapping[int, Any]],
) -> None:
    """Write a network as ONNX, large weights in half precision where that loses nothing.

    Parameters
    ----------
    network : Module
        For inference, on the CPU.
    example : tuple of Tensor
        Its arguments.
    path : str or Path
    inputs, outputs : sequence of str
        Names in the graph.
    shapes : mapping of str to mapping
        By argument: its free dimensions.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # They tell of torchvision, which nothing here uses.
        for name in ("onnxscript", "torch.onnx._internal.exporter._registration"):
            logging.getLogger(name).setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dict(shapes),
            verbose=False,
        )
    assert program is not None
    # The exporter notes for every node which line of which file it comes from, with the folders of this machine.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    program.model.graph.metadata_props.clear()
    onnx.save_model(_halved(program.model_proto), str(path))


def _halved(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights in half precision where that loses nothing, cast back when the graph is loaded."""
    casts = []
    for tensor in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LARGE:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half, values):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return graph
