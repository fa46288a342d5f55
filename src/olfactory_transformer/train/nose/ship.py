"""From held-out answers and the final members to a model folder with its figures and its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.model.folder import write_json
from olfactory_transformer.model.nose_checkpoint import save_nose
from olfactory_transformer.train.nose import scores
from olfactory_transformer.train.nose.data import read_smellnet
from olfactory_transformer.train.nose.fit import NoseRecipe, together
from olfactory_transformer.train.nose.forest import fit_forest
from olfactory_transformer.train.nose.held_out import SHIFTS, HeldOut, hold_out
from olfactory_transformer.train.nose.jobs import Job, train_members
from olfactory_transformer.train.report import table
from olfactory_transformer.train.shipping import commit

FIGURES = "figures.json"


def train_nose(
    data: Path,
    out: Path,
    *,
    members: int,
    held_out_members: int,
    seed: int,
    processes: int,
    name: str,
    version: str,
    command: str,
    base: NoseConfig,
    recipe: NoseRecipe,
    tell: Callable[[str], None],
) -> dict[str, float]:
    """Hold out, calibrate, train on everything, and write OUT/model; what is done already is not done again.

    Returns
    -------
    dict of str to float
        The held-out figures, which OUT/figures.json has, too.
    """
    held = hold_out(data, out / "held-out", base, recipe, held_out_members, seed, processes, tell)
    known = [each for each in held.recordings if each.shift <= 1]
    config = replace(base, sharpness=scores.fit_sharpness(known))
    config = replace(config, unknown=scores.fit_unknown(held.substances))
    figures = figures_of(held, config)
    write_json(out / FIGURES, figures)
    jobs = [Job(None, (), seed + member) for member in range(members)]
    trained = list(train_members(data, out / "final", jobs, base, recipe, processes, tell))
    final = replace(
        trained[0][2],
        name=name,
        version=version,
        sharpness=config.sharpness,
        unknown=config.unknown,
        accuracy=round(figures["recording top-1"], 4),
    )
    network = together([member for _, member, _ in trained], final)
    parameters = sum(weight.numel() for weight in network.parameters())
    forest = fit_forest(read_smellnet(data), final, seed, processes)
    card = nose_card(network.config, parameters, len(forest.roots), figures, command, commit())
    save_nose(network, out / "model", card, forest)
    return figures


def figures_of(held: HeldOut, config: NoseConfig) -> dict[str, float]:
    """Return every held-out figure by its name."""
    found: dict[str, float] = {}
    for shift in SHIFTS:
        heard = [each for each in held.recordings if each.shift == shift]
        under = f", shift {shift:g}" if shift else ""
        found[f"recording top-1{under}"] = scores.top(heard)
        found[f"recording top-5{under}"] = scores.top(heard, 5)
        found[f"window top-1{under}"] = scores.window_top(heard)
    plain = [each for each in held.recordings if not each.shift]
    found["calibration error"] = scores.calibration_error(plain, config)
    for shift in (0.0, 1.0):
        heard = [each for each in held.substances if each.shift == shift]
        under = f", shift {shift:g}" if shift else ""
        apart = scores.apart(heard)
        unheard = [each for each in heard if each.place < 0]
        known = [each for each in held.recordings if each.shift == shift]
        rightly, unknown = scores.named(known, config)
        found[f"recording named rightly, unknown counted as wrong{under}"] = rightly
        found[f"known recordings called unknown{under}"] = unknown
        _, found[f"left-out recordings called unknown{under}"] = scores.named(unheard, config)
        found[f"open-set AUROC{under}"] = float(np.mean([scores.open_set_auroc(one) for one in apart]))
        for taught in (1, 2, 4):
            right = [scores.enrolled_top(scores.unknown_points(one), taught) for one in apart]
            found[f"10 left out, {taught} taught, top-1{under}"] = float(np.mean(right))
    return {what: round(value, 4) for what, value in found.items()}


def nose_card(
    config: NoseConfig,
    parameters: int,
    trees: int,
    figures: Mapping[str, float],
    command: str,
    revision: str,
) -> str:
    """Return the model card as Markdown."""
    rows = [[what, f"{value:.3f}"] for what, value in figures.items()]
    return f"""# {config.name} {config.version}

Names the smell of a recording of a metal-oxide electronic nose: {len(config.smells)} foods and spices, or none of them.

- input: counts of {", ".join(config.channels)}, any two or more of them, at any rate; windows of {config.window:g} s
- network: {config.members} transformers of {config.layers} layers, width {config.width}, a token a channel and a token
  a pair of channels; {parameters:,} parameters
- beside it a forest of {trees} extra trees on the same numbers, asked of whole windows with all channels; it counts
  by the square of the share of its trees that agree, and costs a little in other sessions
- trained by: `{command}`, commit {revision}
- data: SmellNet's training recordings (MIT licence), 50 substances, 5 recordings each, one board

## Intended use

Finding out what an electronic nose can tell apart, and as the map on which a person's own smells are taught. Not for
safety: it is no gas detector, and it has met {len(config.smells)} substances on one board.

## What it does not look at

Temperature, humidity, pressure and altitude never reach it, nor the gas resistance, which comes from the same part and
is stuck for nine substances; nor does the level of any channel, only ratios of two, how each one moves, and which move
together. (The usual counts in `config.json` show what another session does to a board that was taught a known smell,
and serve nothing else.) Nearly every
substance was recorded in one session, and the air of the room alone names half of the recordings: whatever tells
sessions apart would have scored well and meant nothing. Ratios of levels may still have some of the session in them.

## Held-out figures

Each recording by networks and a forest that had not heard it (leave one of a substance's five recordings out), in the
session that the others are from. A shift is a made-up other session, the mean of five; 1 is the spread between the real
ones.
Left-out substances: by networks and forests that never heard them.

{table(["figure", "value"], rows)}

## Known failures

- On another day it is far less often right than in the session it learned from; a shift of 2 shows how far it falls.
  Teach it your own recordings, of that day and board (`olfactory sense enroll`).
- The first recording of a session, with a board still warming up, is often mistaken for a weaker smell.
- Neighbours: cumin and dill, cashew and walnuts, brazil nut and hazelnut, allspice and coriander, and weak smells:
  potato and nuts, tomato and banana or turnip, lemon and nutmeg.
- On another day everything is stranger to it, and what it knows is called `unknown` more often (above).
"""
