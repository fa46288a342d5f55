"""Saving and loading the folder of an electronic nose's model: weights, ONNX graph, config, card, manifest."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise

from olfactory_transformer.core.errors import ModelCorrupt
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.model.folder import (
    CONFIG,
    FOREST,
    NOSE,
    read_json,
    resolve,
    verify,
    write_json,
    write_manifest,
)
from olfactory_transformer.model.forest import Forest
from olfactory_transformer.model.nose import NoseNetwork, export_nose

WEIGHTS = "model.safetensors"


def save_nose(network: NoseNetwork, folder: str | Path, card: str = "", forest: Forest | None = None) -> None:
    """Write a model folder; weights in half precision, and the graph of the same rounded numbers.

    Parameters
    ----------
    network : NoseNetwork
    folder : str or Path
        Made if missing.
    card : str
        The model card, Markdown.
    forest : Forest or None
        Of the same smells, to stand beside the network.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    config = network.config
    write_json(path / CONFIG, config.as_dict())
    tensors = {name: t.detach().cpu().half().contiguous() for name, t in network.state_dict().items()}
    (path / WEIGHTS).write_bytes(serialise(tensors, {"format": "pt"}))
    rounded = NoseNetwork(config)
    rounded.load_state_dict(tensors)
    export_nose(rounded, path / "model.onnx")
    (path / "README.md").write_text(
        card or f"# {config.name}\n\nNo model card was given.\n", encoding="utf-8"
    )
    if forest is not None:
        forest.save(path / FOREST)
    write_manifest(path, NOSE)


def load_nose(model: str | Path) -> NoseNetwork:
    """Load a model folder, or a bundled model by its name, for inference with torch.

    Raises
    ------
    ModelNotFound, ModelForeign, ModelCorrupt
        See `folder`.
    """
    path = resolve(model, NOSE)
    verify(path, NOSE)
    network = NoseNetwork(NoseConfig.from_dict(read_json(path / CONFIG), path / CONFIG))
    try:
        network.load_state_dict(load_file(path / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelCorrupt(f"{path / WEIGHTS}: not usable ({' '.join(str(error).split())[:300]})") from None
    return network.eval()
