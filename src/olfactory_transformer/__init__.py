"""Olfactory Transformer: reads a molecule and says what it smells like, how strong and how sure.

Names are loaded when first used: `import olfactory_transformer` loads neither torch nor FastAPI nor RDKit.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from olfactory_transformer.core.config import ModelConfig, ScentPrediction
    from olfactory_transformer.inference.mixture_predictor import MixturePredictor
    from olfactory_transformer.inference.predictor import ScentPredictor
    from olfactory_transformer.model.tokenizer import MoleculeTokenizer
    from olfactory_transformer.model.transformer import OlfactoryTransformer
    from olfactory_transformer.molecules import Molecule, read_molecule

__version__ = "0.1.0"
__all__ = [
    "MixturePredictor",
    "ModelConfig",
    "Molecule",
    "MoleculeTokenizer",
    "OlfactoryTransformer",
    "ScentPrediction",
    "ScentPredictor",
    "__version__",
    "read_molecule",
]

_HOME = {
    "MixturePredictor": "inference.mixture_predictor",
    "ModelConfig": "core.config",
    "Molecule": "molecules",
    "MoleculeTokenizer": "model.tokenizer",
    "OlfactoryTransformer": "model.transformer",
    "ScentPrediction": "core.config",
    "ScentPredictor": "inference.predictor",
    "read_molecule": "molecules",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from olfactory_transformer.core.errors import MissingExtra

        raise MissingExtra("train", name) from None


def __dir__() -> list[str]:
    return __all__
