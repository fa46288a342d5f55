"""A run's state on disk: safetensors and JSON, written whole or not at all, so that a kill loses one epoch at most."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from olfactory_transformer.core.errors import DataError


def save_state(path: Path, groups: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Any]) -> None:
    """Write groups of tensors and JSON values into one safetensors file, replacing it atomically."""
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, {"values": json.dumps(values)})
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def load_state(
    path: Path, expected: str = "a training state"
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `save_state` wrote; DataError if the file is not such."""
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, "pt") as file:
            values = json.loads((file.metadata() or {})["values"])
            for key in file.keys():  # noqa: SIM118 - safe_open is not a mapping
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (
        Exception
    ) as error:  # safetensors has one error type for all faults, and the metadata can be missing
        raise DataError(f"{path}: not {expected} ({error})") from None
    return groups, values


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value) for index, s in state.items() for name, value in s.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
