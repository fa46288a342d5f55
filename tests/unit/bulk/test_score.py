from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from olfactory_transformer.bulk import score_file
from olfactory_transformer.bulk.contract import Chunk, Column, Table
from olfactory_transformer.bulk.score import Summary, scored
from olfactory_transformer.core.errors import FileFormatError, MoleculeError
from olfactory_transformer.inference.predictor import ScentPredictor

SUMMARY = [
    "primary_notes",
    "intensity",
    "pleasantness",
    "log_inverse_threshold",
    "odorless_probability",
    "confidence",
    "notes_90",
    "applicability_inside",
    "applicability_percentile",
    "applicability_reasons",
    "warnings",
    "canonical_smiles",
    "error",
]
# One of every kind of error of `core.errors`, by its code; not-text cannot come from a CSV.
BAD = {
    "empty": "",
    "too-long": "C" * 1001,
    "forbidden-character": "CC<script>",
    "trailing-text": "CCO ethanol",
    "unparsable": "C1CC",
    "no-atoms": "[H][H]",
    "wildcard-atom": "C*",
    "too-many-atoms": "C" * 201,
    "too-many-rings": "C1CC1" * 41,
}


def test_there_is_a_bad_row_of_every_kind() -> None:
    kinds = {kind.code for kind in MoleculeError.__subclasses__()}
    assert set(BAD) == kinds - {"not-text"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_predictions_are_those_of_the_predictor(predictor: ScentPredictor, tmp_path: Path) -> None:
    smiles = ["CCO", "COc1cc(C=O)ccc1O", "CC(=O)OCC", "[Na+].CC(=O)[O-]", "CCCCCCCC=O"]
    (tmp_path / "in.csv").write_text("smiles\n" + "\n".join(smiles) + "\n")
    summary = score_file(tmp_path / "in.csv", tmp_path / "out.csv", predictor, rows=2, dilution=1e-2)
    assert (summary.rows, summary.failed, summary.renamed) == (5, 0, {})
    rows = rows_of(tmp_path / "out.csv")
    assert list(rows[0]) == ["smiles", *SUMMARY, *predictor.config.words]
    for row, expected in zip(rows, predictor.predict(smiles, 1e-2), strict=True):
        assert row["smiles"] == expected.smiles
        assert row["canonical_smiles"] == expected.canonical_smiles
        assert row["primary_notes"].split(";") == list(expected.primary_notes or [""])
        assert float(row["intensity"]) == pytest.approx(expected.intensity, abs=1e-4)
        assert row["warnings"] == "; ".join(expected.warnings)
        assert row["error"] == ""
        for word in predictor.config.words:
            assert float(row[word]) == pytest.approx(expected.words[word], abs=1e-4)


def test_every_kind_of_bad_row_stays_in_its_place(predictor: ScentPredictor, tmp_path: Path) -> None:
    lines = ["id,smiles"]
    for number, text in enumerate(BAD.values()):
        lines += [f"good {number},CCO", f'bad {number},"{text}"']
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    summary = score_file(tmp_path / "in.csv", tmp_path / "out.csv", predictor, words="notes", rows=3)
    assert (summary.rows, summary.failed) == (2 * len(BAD), len(BAD))
    rows = rows_of(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == [f"{kind} {i}" for i in range(len(BAD)) for kind in ("good", "bad")]
    assert [bool(row["error"]) for row in rows] == [False, True] * len(BAD)
    assert all("expected" in row["error"] for row in rows[1::2])
    assert all(row["canonical_smiles"] == "CCO" for row in rows[::2])
    assert [row["smiles"] for row in rows[1::2]] == list(BAD.values())
    assert list(rows[0]) == ["id", "smiles", *SUMMARY]


def test_a_column_that_is_there_already_is_not_lost(predictor: ScentPredictor, tmp_path: Path) -> None:
    word = predictor.config.words[0]
    (tmp_path / "in.csv").write_text(f"smiles,{word},error,predicted_error\nCCO,1,mine,too\n")
    summary = score_file(tmp_path / "in.csv", tmp_path / "out.csv", predictor)
    (row,) = rows_of(tmp_path / "out.csv")
    assert (row[word], row["error"], row["predicted_error"]) == ("1", "mine", "too")
    assert row["predicted_predicted_error"] == "" and 0 <= float(row[f"predicted_{word}"]) <= 1
    assert summary.renamed == {word: f"predicted_{word}", "error": "predicted_predicted_error"}


def test_values_that_are_no_text(predictor: ScentPredictor) -> None:
    table = Table((Column("s", "any", "smiles"),), iter([Chunk(([5, None, float("nan"), "CCO"],), [""] * 4)]))
    summary = Summary()
    (chunk,) = scored(table, predictor, summary, words="notes").chunks
    errors = [str(error) for error in chunk.values[SUMMARY.index("error") + 1]]
    assert "a value of type int" in errors[0] and "an empty SMILES" in errors[1] and "float" in errors[2]
    assert summary.failed == 3 and errors[3] == "None"


def test_a_defect_costs_one_row(predictor: ScentPredictor) -> None:
    class Defective(ScentPredictor):
        def predict(self, smiles, *args, **options):  # as RDKit does when an invariant is violated
            if "CCC" in smiles:
                raise RuntimeError("Invariant Violation")
            return super().predict(smiles, *args, **options)

    defective = Defective(predictor.runtime, predictor.tokenizer, predictor.config, predictor.model_hash)
    table = Table((Column("s", role="smiles"),), iter([Chunk((["C", "CCC", "CC"],), [""] * 3)]))
    (chunk,) = scored(table, defective, Summary(), words="notes").chunks
    assert chunk.values[SUMMARY.index("error") + 1] == (
        None,
        "could not be predicted: RuntimeError: Invariant Violation",
        None,
    )
    assert chunk.values[SUMMARY.index("canonical_smiles") + 1] == ("C", None, "CC")


def test_progress_is_told_after_each_chunk(predictor: ScentPredictor, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles\nC\nCC\nbad\n")
    seen: list[tuple[int, int]] = []
    score_file(
        tmp_path / "in.csv",
        tmp_path / "out.csv",
        predictor,
        words="notes",
        rows=2,
        progress=lambda summary, source: seen.append((summary.rows, summary.failed)),
    )
    assert seen == [(2, 0), (3, 1)]


def test_the_input_is_never_the_output(predictor: ScentPredictor, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("smiles\nC\n")
    with pytest.raises(FileFormatError, match="the output is the input"):
        score_file(path, tmp_path / "." / "in.csv", predictor)
    assert path.read_text() == "smiles\nC\n"


def test_errors_name_the_file_and_leave_no_output(predictor: ScentPredictor, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("SMILES\nC\n")
    with pytest.raises(FileFormatError, match=r"in\.csv: no column 'smiles'; found: 'SMILES'"):
        score_file(path, tmp_path / "out.csv", predictor)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="dilution: got 2"):
        score_file(path, tmp_path / "out.csv", predictor, dilution=2)


def test_memory_is_that_of_a_chunk(predictor: ScentPredictor) -> None:
    taken = 0

    def chunks():
        nonlocal taken
        for _ in range(3):
            taken += 1
            yield Chunk((["C"],), [""])

    done = scored(Table((Column("s", role="smiles"),), chunks()), predictor, Summary(), words="notes")
    assert taken == 0
    next(done.chunks)
    assert taken == 1


def test_all_formats_give_the_same_predictions(predictor: ScentPredictor, tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_text("CCO ethanol\nbad one\nCC(=O)OCC ethyl acetate\n")
    for ending in ("csv", "parquet", "jsonl"):
        score_file(tmp_path / "in.smi", tmp_path / f"out.{ending}", predictor)
    expected = rows_of(tmp_path / "out.csv")
    word = predictor.config.words[5]
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["title"] for row in table] == ["ethanol", "one", "ethyl acetate"]
    assert [str(row[word] or "") for row in table] == [row[word] for row in expected]
    assert [row["error"] or "" for row in table] == [row["error"] for row in expected]
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == table
