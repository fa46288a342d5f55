"""The package's own face: light to import, lazy, and clear about what is not installed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import olfactory_transformer
from olfactory_transformer.core.errors import MissingExtra

HEAVY = (
    "torch",
    "fastapi",
    "starlette",
    "uvicorn",
    "rdkit",
    "onnxruntime",
    "numpy",
    "pydantic",
    "pyarrow",
    "rich",
)
# Makes a package look as if it were not installed.
BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def python(code: str, *blocked: str) -> str:
    """Run `code` in a new process where the packages `blocked` are not installed; return what it prints."""
    program = (BLOCK.format(blocked=set(blocked)) if blocked else "") + code
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_importing_it_loads_nothing_heavy():
    code = "import sys, olfactory_transformer; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    assert set(python(code).split()) & set(HEAVY) == set()


def test_predicting_loads_neither_torch_nor_a_server():
    code = (
        "import sys, olfactory_transformer as o\n"
        "predictor = o.ScentPredictor.from_pretrained('olfactory-base-v1', threads=1)\n"
        "print(len(predictor.predict('CCO').words), predictor.embed('CCO').shape)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    first, modules = python(code).splitlines()
    assert first == "138 (256,)"
    assert set(modules.split()) & {"torch", "fastapi", "starlette", "uvicorn", "pyarrow"} == set()
    assert python(code, "torch", "fastapi", "sklearn", "scipy").splitlines()[0] == first


def test_the_network_without_torch_names_the_extra():
    use = (
        "import olfactory_transformer as o\n"
        "try:\n"
        "    o.OlfactoryTransformer.from_pretrained('olfactory-base-v1')\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    said = python(use, "torch")
    assert said.startswith("MissingExtra ")
    assert "pip install 'olfactory-transformer[train]'" in said


def test_another_missing_module_is_not_called_an_extra():
    use = "import olfactory_transformer as o\ntry:\n    o.read_molecule\nexcept ImportError as e:\n    print(e.name)"
    assert python(use, "rdkit").strip() == "rdkit"


def test_every_public_name_is_there():
    for name in olfactory_transformer.__all__:
        assert getattr(olfactory_transformer, name) is not None
    assert set(olfactory_transformer.__all__) <= set(dir(olfactory_transformer))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = olfactory_transformer.nothing
    assert re.fullmatch(r"\d+\.\d+\.\d+", olfactory_transformer.__version__)


def test_missing_extra_is_an_import_error():
    error = MissingExtra("train", "training")
    assert isinstance(error, ImportError) and error.extra == "train"
