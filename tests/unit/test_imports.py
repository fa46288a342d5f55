"""Who may import whom, held over the source (see docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import olfactory_transformer

ROOT = Path(olfactory_transformer.__file__).parent
PACKAGE = "olfactory_transformer"

# Part -> the parts it may import, besides itself. A file's part is its folder.
BELOW_ENGINE = {"core", "molecules", "model", "sensors", "inference"}
MAY_IMPORT = {
    "core": set(),
    "settings": {"core"},
    "molecules": {"core"},
    "sensors": {"core"},
    "model": {"core", "molecules", "sensors"},
    "observe": {"core"},
    "utils": {"core"},
    "database": {"core"},
    "inference": {"core", "molecules", "model", "sensors"},
    "train": {"core", "molecules", "model", "sensors", "inference"},
    "engine": BELOW_ENGINE | {"utils", "observe", "settings"},
    "bulk": BELOW_ENGINE | {"engine", "utils", "observe"},
    "api": BELOW_ENGINE | {"engine", "utils", "observe", "database", "settings"},
    "cli": BELOW_ENGINE | {"engine", "utils", "observe", "database", "settings", "bulk", "api", "train"},
    "__init__": BELOW_ENGINE,
    "__main__": {"cli"},
}
MORE = {"utils/optimization.py": {"model"}, "utils/caching.py": {"molecules"}}
WITH_TORCH = {
    f"model/{name}.py"
    for name in (
        "transformer",
        "heads",
        "gaussian_process",
        "mixture",
        "checkpoint",
        "onnx_export",
        "nose",
        "nose_checkpoint",
    )
}
TRAINING = {"torch", "sklearn", "scipy", "tensorboard", "chemicals", "onnx", "onnxscript"}
WEB = {"fastapi", "starlette", "uvicorn", "httpx", "httpx2"}
ABOVE_HTTP = {"api", "cli"}
# They ask other servers, as a client, and know nothing of ours.
ASK = {("observe/monitor.py", "httpx2"), ("observe/alerts.py", "httpx2")}

SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")
}
each_file = pytest.mark.parametrize("file", sorted(SOURCES))


def part_of(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def imports(tree: ast.AST, file: str, lazy: bool | None = None) -> Iterator[tuple[str, int]]:
    """Yield every module imported, with its line; lazy: only inside functions (True) or outside (False)."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            within = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if lazy in (None, inside):
                if isinstance(child, ast.Import):
                    yield from ((alias.name, child.lineno) for alias in child.names)
                elif isinstance(child, ast.ImportFrom):
                    assert not child.level, f"{file}:{child.lineno}: a relative import"
                    yield from ((f"{child.module}.{alias.name}", child.lineno) for alias in child.names)
            yield from walk(child, within)

    return walk(tree, False)


def wrong_imports(file: str, tree: ast.AST) -> list[str]:
    """Return what is wrong with the imports of one file."""
    part, found = part_of(file), []
    allowed = MAY_IMPORT.get(part, set()) | MORE.get(file, set()) | {part}
    if part not in MAY_IMPORT:
        found.append(f"{file}: no rule for {part!r}; name it in MAY_IMPORT")
    for name, line in imports(tree, file):
        top, *rest = name.split(".")
        # `from olfactory_transformer import __version__` loads nothing.
        if top == PACKAGE and rest and rest[0] not in allowed and rest[0] != "__version__":
            found.append(f"{file}:{line}: {part} may not import {name}")
        if top in WEB and part not in ABOVE_HTTP and (file, top) not in ASK:
            found.append(f"{file}:{line}: only api and cli know HTTP, not {name}")
        training = top in TRAINING or name.startswith("safetensors.torch")
        if training and part != "train" and file not in WITH_TORCH and file not in MORE:
            found.append(f"{file}:{line}: serving does not need {name}")
        if top in ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"):
            found.append(f"{file}:{line}: nothing is pickled: {name}")
    for name, line in imports(tree, file, lazy=False):
        if part == "cli" and name.startswith((f"{PACKAGE}.train", f"{PACKAGE}.api", "torch")):
            found.append(f"{file}:{line}: the command line imports {name} inside the function that needs it")
    return found


@each_file
def test_import_directions(file):
    assert wrong_imports(file, SOURCES[file]) == []


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("core/a.py", "from olfactory_transformer.molecules import read_molecule"),
        ("molecules/a.py", "import olfactory_transformer.model.tokenizer"),
        ("inference/a.py", "def f():\n    from olfactory_transformer.engine import contract"),
        ("engine/a.py", "from olfactory_transformer.api import app"),
        ("engine/a.py", "from fastapi import FastAPI"),
        ("api/a.py", "def f():\n    import olfactory_transformer.train.fit"),
        ("bulk/a.py", "from olfactory_transformer import api"),
        ("inference/runtime.py", "import torch"),
        ("model/tokenizer.py", "def f():\n    import torch.nn"),
        ("model/arrays.py", "from safetensors.torch import load_file"),
        ("cli/train.py", "from olfactory_transformer.train import fit"),
        ("utils/caching.py", "from olfactory_transformer.model import folder"),
        ("model/a.py", "import pickle"),
        ("novel/a.py", ""),
    ],
)
def test_the_rule_finds_what_breaks_it(file, code):
    assert len(wrong_imports(file, ast.parse(code))) == 1


def test_what_is_allowed_passes():
    for file, code in [
        ("cli/train.py", "def f():\n    from olfactory_transformer.train import fit"),
        ("utils/optimization.py", "from olfactory_transformer.model.folder import resolve"),
        ("model/transformer.py", "import torch"),
        ("model/arrays.py", "from safetensors import safe_open"),
        ("api/app.py", "import fastapi\nfrom olfactory_transformer.engine.contract import Engine"),
        ("core/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
    ]:
        assert wrong_imports(file, ast.parse(code)) == []


def forbidden_calls(tree: ast.AST) -> list[str]:
    """Return the ways to unpickle that `tree` uses."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "torch.load",
            "torch.jit.load",
            "pickle.loads",
        ):
            found.append(ast.unparse(node))
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "torch"
            and any(a.name == "load" for a in node.names)
        ):
            found.append("from torch import load")
        if isinstance(node, ast.keyword) and ast.unparse(node) in ("allow_pickle=True", "weights_only=False"):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
            said = {keyword.arg for keyword in node.keywords}
            found += [] if "allow_pickle" in said else ["np.load: say allow_pickle=False"]
    return found


@each_file
def test_nothing_is_unpickled(file):
    assert forbidden_calls(SOURCES[file]) == []


def test_unpickling_is_found():
    code = "torch.load(p); np.load(p, allow_pickle=True); np.load(p); f(weights_only=False)\nfrom torch import load"
    assert len(forbidden_calls(ast.parse(code))) == 5


ENVIRONMENT = re.compile(r"\bos\.(environ|getenv|environb|putenv)\b|from os import .*\b(environ|getenv)\b")


@each_file
def test_only_settings_reads_the_environment(file):
    if part_of(file) != "settings":
        assert ENVIRONMENT.findall(ast.unparse(SOURCES[file])) == []


def test_reading_the_environment_is_found():
    for code in ("x = os.environ['A']", "os.getenv('A')", "from os import path, environ"):
        assert ENVIRONMENT.search(ast.unparse(ast.parse(code)))
