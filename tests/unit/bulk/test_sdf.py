"""Against RDKit's own reader and writer."""

from __future__ import annotations

import io

from rdkit import Chem
from rdkit.Chem import AllChem

from olfactory_transformer.bulk.contract import ABSENT, Chunk, Column, Table
from olfactory_transformer.bulk.formats import sdf


def rdkit_sdf(*smiles: str, v3000: bool = False) -> bytes:
    text = io.StringIO()
    writer = Chem.SDWriter(text)
    writer.SetForceV3000(v3000)
    for number, each in enumerate(smiles):
        mol = Chem.MolFromSmiles(each)
        AllChem.Compute2DCoords(mol)
        mol.SetProp("_Name", f"mol {number}")
        mol.SetProp("id", f"00{number}")
        if number % 2:
            mol.SetProp("odd one", "two\nlines")
        writer.write(mol)
    writer.close()
    return text.getvalue().encode()


def read(content: bytes) -> tuple[list[str], list[tuple], list[str], list[str]]:
    table = sdf.read(io.BytesIO(content), "not asked for", 10)
    chunks = list(table.chunks)
    rows = [row for chunk in chunks for row in zip(*chunk.values, strict=True)]
    errors = [error for chunk in chunks for error in chunk.errors]
    return (
        [column.name for column in table.columns],
        rows,
        errors,
        [b for chunk in chunks for b in chunk.blocks],
    )


def test_a_file_of_rdkit() -> None:
    smiles = ["CCO", "C/C=C\\C", "C[C@H](N)C(=O)O", "[Na+].[Cl-]"]
    for v3000 in (False, True):
        names, rows, errors, _ = read(rdkit_sdf(*smiles, v3000=v3000))
        assert names == ["smiles", "title", "id", "odd one"]
        assert [row[0] for row in rows] == [Chem.CanonSmiles(each) for each in smiles]
        assert [row[1:3] for row in rows] == [(f"mol {i}", f"00{i}") for i in range(4)]
        assert [row[3] for row in rows] == [ABSENT, "two\nlines", ABSENT, "two\nlines"]
        assert not any(errors)


def test_rdkit_reads_what_goes_through_and_the_blocks_are_the_same() -> None:
    content = rdkit_sdf("CCO", "C[C@H](N)C(=O)O")
    sink = io.BytesIO()
    sdf.write(sink, sdf.read(io.BytesIO(content), "smiles", 1))
    assert sink.getvalue().split() == content.replace(b"  (1) ", b"").replace(b"  (2) ", b"").split()
    found = list(Chem.ForwardSDMolSupplier(io.BytesIO(sink.getvalue())))
    assert [mol.GetPropsAsDict(autoConvertStrings=False) for mol in found] == [
        {"id": "000"},
        {"id": "001", "odd one": "two\nlines"},
    ]


def test_rdkit_reads_what_we_draw() -> None:
    columns = (Column("title", role="title"), Column("c", role="canonical"), Column("<p>", "number"))
    sink = io.BytesIO()
    sdf.write(
        sink, Table(columns, iter([Chunk((["a b", None], ["C[C@H](N)O", None], [0.5, None]), ["", "bad"])]))
    )
    first, second = Chem.ForwardSDMolSupplier(io.BytesIO(sink.getvalue()))
    assert Chem.MolToSmiles(first) == "C[C@H](N)O"
    assert first.GetProp("_Name") == "a b" and first.GetProp("_p_") == "0.5"
    assert second.GetNumAtoms() == 0


def test_broken_records_cost_themselves_only() -> None:
    good = rdkit_sdf("CCO")
    garbage = b"name\nnot a\nmol block\nat all\n>  <id>\nkept\n\n$$$$\n"
    valence = rdkit_sdf("C(C)(C)(C)C").replace(b" C ", b" F ", 1)
    cut = rdkit_sdf("CCCC")[:120] + b"\n$$$$\n"
    huge = rdkit_sdf("C" * 250)
    empty = rdkit_sdf("")
    names, rows, errors, _ = read(good + garbage + valence + cut + huge + empty + good)
    assert [bool(error) for error in errors] == [False, True, True, True, True, True, False]
    assert rows[1][names.index("id")] == "kept"
    assert rows[0][0] == rows[-1][0] == "CCO"
    assert "RDKit cannot read" in errors[1] and r"name\nnot a\nmol block\nat all" in errors[1]
    assert "valence" in errors[2] and "250 heavy atoms; expected at most 200" in errors[4]
    assert "without heavy atoms" in errors[5]


def test_properties_with_the_names_of_our_columns() -> None:
    content = rdkit_sdf("CCO").replace(b"<id>", b"<smiles>")
    names, rows, _, _ = read(content)
    assert names == ["sdf_smiles", "title", "smiles"]
    assert rows == [("CCO", "mol 0", "000")]


def test_a_last_record_without_its_end_and_an_empty_file() -> None:
    assert len(read(rdkit_sdf("CCO").replace(b"$$$$\n", b""))[1]) == 1
    assert read(b"")[1] == [] and read(b"\n\n")[1] == []


def test_a_broken_byte_costs_one_record() -> None:
    content = rdkit_sdf("CCO", "CC").replace(b"000", b"0\xff0", 1)
    _, rows, errors, _ = read(content)
    assert len(rows) == 2 and "invalid UTF-8" in errors[0] and errors[1] == ""
