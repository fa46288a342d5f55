"""A data folder in miniature: the training files' columns, our own molecules, labels that follow from structure."""

import csv
from pathlib import Path

CHAINS = ["C", "CC", "CCC", "CCCC", "CCCCC", "CC(C)C", "CC(C)CC", "CCCCCC"]
GROUPS = {
    "fruity": "{}C(=O)OC",
    "fatty": "{}CC=O",
    "sour": "{}CC(=O)O",
    "spicy": "{}Cc1ccc(O)cc1",
    "green": "{}C=CCO",
}


def molecules() -> list[tuple[str, str]]:
    """Return 40 molecules with the word of their functional group."""
    return [(pattern.format(chain), word) for word, pattern in GROUPS.items() for chain in CHAINS]


def write_data_folder(root: Path) -> Path:
    """Write `root`/molecules with every file the training reads."""
    folder = root / "molecules"
    folder.mkdir(parents=True)
    words = [*GROUPS, "odorless"]
    labelled = [
        {"smiles": smiles, "fold": i % 5, **{w: int(w == word) for w in words}}
        for i, (smiles, word) in enumerate(molecules())
    ]
    _write(folder / "gs_lf.csv", labelled)
    _write(
        folder / "gs_lf_isomeric.csv",
        [{**row, "green": "" if i % 7 == 0 else row["green"]} for i, row in enumerate(labelled)],
    )
    dilutions = [
        {
            "cid": i,
            "smiles": smiles,
            "dilution": d,
            "n_ratings": 49,
            "intensity": 20 + 10 * (d > 0.01) + len(smiles),
        }
        | {"valence": 50, "sweet": 3.0 * (word == "fruity")}
        for i, (smiles, word) in enumerate(molecules())
        for d in (0.1, 0.001)
    ]
    _write(folder / "keller2016.csv", dilutions)
    _write(folder / "abraham2012.csv", [{"smiles": s, "log_inv_odt": 0.2 * len(s)} for s, _ in molecules()])
    odour = [
        {"smiles": s, "odor.class": "Odorless" if w == "sour" else "Odor"}
        | {"boiling.point.best.available": 20.0 * len(s), "vapor.pressure.best.available": 0.1}
        for s, w in molecules()
    ]
    _write(folder / "mayhew2022.csv", odour)
    _write(
        folder / "dravnieks1985.csv",
        [{"smiles": s, "Conc": "high", "FRUITY": len(s)} for s, _ in molecules()[:9]],
    )
    dream = [
        {"smiles": s, "dilution": 0.01, "solvent": "PG", "Intensity_label": "L", "Green": 0.5}
        for s, _ in molecules()
    ]
    _write(folder / "dream2025_single.csv", dream)
    for source in ("arctander1960", "ifra2019", "flavornet", "aromadb"):
        free_text = [{"smiles": s, "labels": f"{w};nice"} for s, w in molecules()]
        _write(folder / f"aux_{source}.csv", [*free_text, {"smiles": "not a molecule", "labels": "nice"}])
    return root


def _write(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_small_model(folder: Path, hold_out: int | None = None) -> Path:
    """Write a model folder of an untrained network with a reference index of `molecules`."""
    import numpy as np
    import torch

    from olfactory_transformer import OlfactoryTransformer
    from olfactory_transformer.core.config import ModelConfig
    from olfactory_transformer.train.finetune import predict
    from olfactory_transformer.train.read import Builder
    from olfactory_transformer.train.reference import build_reference, write_reference

    builder = Builder()
    rows = [{"smiles": smiles, "fold": str(i % 5)} for i, (smiles, _) in enumerate(molecules())]
    builder.add("words", "binary", ["fruity"], rows, lambda row: [0.0], 1.0)
    data = builder.build()
    torch.manual_seed(1)
    model = OlfactoryTransformer(
        ModelConfig(
            words=("fruity", "green"), ratings=("intensity",), width=16, layers=1, heads=2, feedforward=16, embedding=12
        )
    ).eval()  # fmt: skip
    model.save_pretrained(folder)
    embedding = predict(model, data, np.arange(len(data.smiles)))["embedding"]
    write_reference(folder, build_reference(data, embedding, hold_out))
    return folder
