"""A model folder: where it is, and whether it is whole.

    config.json  model.safetensors  tokenizer.json  model.onnx  README.md  manifest.json
    [reference.safetensors]  [mixtures.safetensors]

That of an electronic nose has no tokenizer.json, and may have forest.safetensors.

`manifest.json` has the SHA-256 and size of every other file and is checked when a model is loaded, so that a
truncated copy or an altered weight is an error and not a strange prediction. Nothing here is unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.errors import ModelCorrupt, ModelForeign, ModelNotFound

MANIFEST = "manifest.json"
CONFIG = "config.json"
REFERENCE = "reference.safetensors"
MIXTURES = "mixtures.safetensors"
FOREST = "forest.safetensors"
OPTIONAL = (REFERENCE, MIXTURES)
FORMAT_VERSION = 1
BUNDLED = Path(__file__).resolve().parent.parent / "pretrained"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a folder is the model of: the format that its manifest names, and the files it must and may have."""

    format: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


MOLECULES = Kind(
    "olfactory-transformer-model", (CONFIG, "model.onnx", "model.safetensors", "tokenizer.json"), OPTIONAL
)
NOSE = Kind("olfactory-transformer-nose", (CONFIG, "model.onnx", "model.safetensors"), (FOREST,))


def bundled_models(kind: Kind = MOLECULES) -> list[str]:
    """Return the names of the models of a kind that ship with the package.

    >>> "olfactory-base-v1" in bundled_models()
    True
    """
    return sorted(
        path.parent.name
        for path in BUNDLED.glob(f"*/{MANIFEST}")
        if read_json(path).get("format") == kind.format
    )


def resolve(model: str | Path, kind: Kind = MOLECULES) -> Path:
    """Return the folder of a model given by its path or by a bundled model's name.

    Raises
    ------
    ModelNotFound
        Neither a folder nor a bundled model.
    """
    path = Path(model)
    with contextlib.suppress(OSError):  # such as a name that is too long
        if path.is_dir():
            return path
    if str(model) in bundled_models(kind):
        return BUNDLED / str(model)
    known = ", ".join(bundled_models(kind)) or "none"
    raise ModelNotFound(f"no model {str(model)!r}: expected a folder, or a bundled model ({known})")


def write_json(path: Path, value: object) -> None:
    """Write JSON that diffs well, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ModelCorrupt if it is missing or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelCorrupt(f"{path}: missing") from None
    except (ValueError, OSError, RecursionError) as error:
        raise ModelCorrupt(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(value, dict):
        raise ModelCorrupt(f"{path}: got a JSON {type(value).__name__}, expected an object")
    return cast("dict[str, Any]", value)


def read_config(folder: Path) -> ModelConfig:
    """Read `config.json`; ModelForeign or ModelCorrupt if it is not that of a model."""
    path = folder / CONFIG
    return ModelConfig.from_dict(read_json(path), path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, kind: Kind = MOLECULES) -> None:
    """Write `manifest.json` over the files that lie in `folder`."""
    left = (MANIFEST, f"{MANIFEST}.part")  # the latter by a save that was interrupted
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name not in left)
    entries = {p.name: {"sha256": _digest(p), "bytes": p.stat().st_size} for p in files}
    write_json(folder / MANIFEST, {"format": kind.format, "format_version": FORMAT_VERSION, "files": entries})


def verify(folder: Path, kind: Kind = MOLECULES) -> str:
    """Check every file of the manifest and return the model's hash (SHA-256 of the manifest).

    Raises
    ------
    ModelForeign
        No manifest, or one of another kind.
    ModelCorrupt
        A file is missing, has another size or another hash.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelForeign(f"{folder}: no {MANIFEST}; expected a folder written by save_pretrained")
    manifest = read_json(path)
    if manifest.get("format") != kind.format or manifest.get("format_version") != FORMAT_VERSION:
        got = f"{manifest.get('format')!r} version {manifest.get('format_version')!r}"
        raise ModelForeign(f"{path}: got {got}, expected {kind.format!r} version {FORMAT_VERSION}")
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise ModelCorrupt(f"{path}: 'files' is missing")
    if missing := [name for name in kind.required if name not in files]:
        raise ModelCorrupt(f"{path}: does not list {', '.join(missing)}, so cannot vouch for them")
    for name in kind.optional:
        if name not in files and (folder / name).exists():
            raise ModelCorrupt(f"{path}: does not list {name}, so cannot vouch for it")
    for name, entry in files.items():
        _verify_file(folder, str(name), entry)
    return _digest(path)


def _verify_file(folder: Path, name: str, entry: object) -> None:
    if Path(name).name != name or not isinstance(entry, dict):
        raise ModelCorrupt(f"{folder / MANIFEST}: entry {name!r} is not a file of this folder")
    path = folder / name
    if not path.is_file():
        raise ModelCorrupt(f"{path}: missing, though the manifest lists it")
    size = path.stat().st_size
    if size != entry.get("bytes"):
        raise ModelCorrupt(f"{path}: got {size} bytes, expected {entry.get('bytes')} (a truncated copy?)")
    if _digest(path) != entry.get("sha256"):
        raise ModelCorrupt(f"{path}: altered, its SHA-256 is not the manifest's")
