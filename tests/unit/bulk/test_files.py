from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from olfactory_transformer.bulk.files import open_input, open_output, same_file
from olfactory_transformer.bulk.registry import FORMATS, format_of
from olfactory_transformer.core.errors import FileFormatError


def test_the_output_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with open_output(str(target)) as sink:
        sink.write(b"new")
        sink.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), open_output(str(target)) as sink:
        sink.write(b"half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with open_output(str(tmp_path / "link.csv")) as sink:
        sink.write(b"new")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text() == "new"


def test_a_full_device_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left") as caught, open_output("/dev/full") as sink:
        sink.write(b"x" * 100_000)
    assert caught.value.filename == "/dev/full"


def test_a_folder_that_is_not_there_names_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "no" / "out.csv")
    with pytest.raises(FileNotFoundError) as caught, open_output(path):
        pass
    assert caught.value.filename == path


def test_gzip_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    with open_output(str(path)) as sink:
        sink.write(b"smiles\nC\n")
    assert gzip.decompress(path.read_bytes()) == b"smiles\nC\n"
    with open_input(str(path), FORMATS["csv"]) as source:
        assert source.file.read() == b"smiles\nC\n"
        assert source.size == path.stat().st_size == source.position()


@pytest.mark.parametrize(
    "content", [gzip.compress(b"smiles\n" * 1000)[:-10], b"smiles\nC\n"], ids=["cut", "plain"]
)
def test_damaged_gzip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="gzip"), open_input(str(path), FORMATS["csv"]) as source:
        source.file.read()


def test_utf16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("smiles\nC\n", encoding="utf-16")
    with (
        pytest.raises(FileFormatError, match="UTF-16 text; expected UTF-8"),
        open_input(str(path), FORMATS["csv"]),
    ):
        pass


def test_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    (tmp_path / "hard.csv").hardlink_to(path)
    assert same_file(str(path), str(tmp_path / "hard.csv"))
    assert not same_file(str(path), str(tmp_path / "b.csv"))
    assert not same_file("-", "-")


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("a.b.TSV", None, "tsv"),
        ("a.ndjson.gz", None, "jsonl"),
        ("a.dat", "smi", "smi"),
        ("a.csv", "smi", "csv"),
        ("-", None, "csv"),
        ("-", "parquet", "parquet"),
    ],
)
def test_formats(path: str, name: str | None, expected: str) -> None:
    assert format_of(path, name).name == expected


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("a.xlsx", None, r"unknown extension '.xlsx'; expected .csv, .tsv"),
        ("csv", None, "unknown extension ''"),
        ("a.parquet.gz", None, "without .gz"),
        ("-", "xml", "unknown format 'xml'; expected one of csv, tsv, smi, sdf, parquet, jsonl"),
    ],
)
def test_unknown_formats(path: str, name: str | None, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        format_of(path, name)
