"""Saving and loading a model folder (see `folder`): safetensors and JSON, checked against the manifest."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise

from olfactory_transformer.core.errors import ModelCorrupt
from olfactory_transformer.model.folder import (
    CONFIG,
    OPTIONAL,
    read_config,
    resolve,
    verify,
    write_json,
    write_manifest,
)
from olfactory_transformer.model.onnx_export import export_onnx
from olfactory_transformer.model.tokenizer import MoleculeTokenizer
from olfactory_transformer.model.transformer import OlfactoryTransformer

WEIGHTS = "model.safetensors"


def save(model: OlfactoryTransformer, folder: str | Path, card: str = "") -> None:
    """Write config, weights, tokenizer, ONNX graph, model card and manifest into `folder`.

    Weights are kept in half precision, and the graph is made of the same rounded numbers.

    Parameters
    ----------
    model : OlfactoryTransformer
    folder : str or Path
        Made if missing.
    card : str
        The model card, Markdown.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name in OPTIONAL:
        (path / name).unlink(missing_ok=True)  # of the weights that were there before
    config = model.config
    write_json(path / CONFIG, config.as_dict())
    tensors = {name: t.detach().cpu().half().contiguous() for name, t in model.state_dict().items()}
    # safetensors' own save_file would leave it readable to its owner alone.
    (path / WEIGHTS).write_bytes(serialise(tensors, {"format": "pt"}))
    MoleculeTokenizer().save_pretrained(path)
    rounded = OlfactoryTransformer(config)
    rounded.load_state_dict(tensors)
    export_onnx(rounded, path / "model.onnx")
    (path / "README.md").write_text(
        card or f"# {config.name}\n\nNo model card was given.\n", encoding="utf-8"
    )
    write_manifest(path)


def load(model: str | Path) -> OlfactoryTransformer:
    """Load a model folder, or a bundled model by its name, for inference.

    Raises
    ------
    ModelNotFound, ModelForeign, ModelCorrupt
        See `folder`.
    """
    path = resolve(model)
    verify(path)
    MoleculeTokenizer.from_pretrained(path)
    network = OlfactoryTransformer(read_config(path))
    try:
        tensors = load_file(path / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelCorrupt(f"{path / WEIGHTS}: not readable ({error})") from None
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]  # it lists every tensor
        raise ModelCorrupt(f"{path / WEIGHTS}: does not fit {CONFIG} ({reason})") from None
    return network.eval()
