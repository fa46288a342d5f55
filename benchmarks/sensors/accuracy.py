"""How well smells are named, of recordings, windows, other days and substances that the networks had not heard.

    olfactory train-sensors --data ../shared/data --out runs/nose
    python -m benchmarks.sensors.accuracy --data ../shared/data --run runs/nose --report docs/results/sensors.md

The first trains every network (resumable); the second trains none, and sets extra trees beside them in the same
folds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.plots import BLUE, GREY, ORANGE, plt, save
from benchmarks.sensors import trees
from benchmarks.sensors.in_session import heard_in, taught_alone, taught_in_session
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.evidence import mean_probabilities
from olfactory_transformer.inference.nose.plain import PlainNose
from olfactory_transformer.train.nose import scores
from olfactory_transformer.train.nose.data import GAS, Labelled, read_smellnet
from olfactory_transformer.train.nose.fit import NoseRecipe
from olfactory_transformer.train.nose.held_out import SHIFTS, Heard, hold_out, sessions_of
from olfactory_transformer.train.nose.shifts import GAIN, OFFSET, Session
from olfactory_transformer.train.nose.ship import figures_of
from olfactory_transformer.train.report import machine, table
from olfactory_transformer.train.shipping import commit

SECONDS = (100, 150, 200, 250, 300, 400, 500, 600)
_SHIFT_HEAD = [
    "size of the shift", "recordings, top-1", "top-5", "windows, top-1", "transformer alone", "extra trees alone",
]  # fmt: skip
_TAUGHT_HEAD = [
    "size of the shift", "none taught", "1 other", "5 others", "1 of each of the 50", "the 50, plain nose",
]  # fmt: skip
_TAUGHT_SHIFTS = (0.0, 1.0)
_OPEN_HEAD = [
    "shift", "AUROC of unknown", "1 taught, network", "1 taught, plain", "4 taught, network", "4 taught, plain",
]  # fmt: skip
_ANSWERS_HEAD = ["shift", "known, named rightly", "known, called unknown", "never heard, called unknown"]
SESSIONS = (
    "cinnamon",
    "chamomile",
)  # the substances with whole recordings of several sessions and a working room sensor


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page and its figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of `olfactory train-sensors`")
    parser.add_argument("--members", type=int, default=3, help="as --held-out-members")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args(arguments)
    recordings = read_smellnet(given.data)
    base = NoseConfig((), ())
    held = hold_out(
        given.data, given.run / "held-out", base, NoseRecipe(), given.members, given.seed, 2,
        lambda line: print(line, file=sys.stderr),
    )  # fmt: skip
    by_shift = {shift: [each for each in held.recordings if each.shift == shift] for shift in SHIFTS}
    plain = by_shift[0.0]
    known = [each for each in held.recordings if each.shift <= 1]
    config = NoseConfig(("a", "b"), plain[0].smells, sharpness=scores.fit_sharpness(known))

    fitted = replace(config, unknown=scores.fit_unknown(held.substances))
    taught = [
        [f"{shift:g}", f"{scores.top(by_shift[shift]):.3f}",
         *(f"{each:.3f}" for each in taught_in_session(held.noses, given.data, fitted, shift, given.seed)),
         f"{_plain_in_session(recordings, shift, given.seed):.3f}"]
        for shift in _TAUGHT_SHIFTS
    ]  # fmt: skip
    sessions = [session for shift in SHIFTS for session in sessions_of(shift, given.seed)]
    found = iter(trees.trees(recordings, trees.ratios, sessions))
    shifted_trees = {shift: [next(found) for _ in sessions_of(shift, given.seed)] for shift in SHIFTS}
    beside = [
        [
            "extra trees, all 12 channels with their levels and the room",
            *_three(trees.trees(recordings, trees.everything)[0]),
        ],
        ["extra trees, what the network is given", *_three(shifted_trees[0][0])],
        ["extra trees, that and the levels of the gas channels", *_three(trees.trees(recordings, trees.levels)[0])],
        ["extra trees, of that the moves of each channel alone", *_three(trees.trees(recordings, trees.moves)[0])],
        [
            "nearest neighbour on temperature, pressure, humidity, altitude",
            f"{trees.nearest_room(recordings):.3f}", "", "",
        ],
        ["sensor transformer alone", *_three(_tops(_alone(plain)))],
        ["**sensor transformer and extra trees, as shipped**", *_three(_tops(plain))],
    ]  # fmt: skip
    shifts = [
        [f"{shift:g}", *_three(_tops(heard)), f"{scores.top(_alone(heard)):.3f}",
         f"{np.mean([top for top, _, _ in shifted_trees[shift]]):.3f}"]
        for shift, heard in by_shift.items()
    ]  # fmt: skip
    seconds = {shift: [scores.after(by_shift[shift], each, base) for each in SECONDS] for shift in (0.0, 1.0)}
    _draw(given.report.with_suffix(".svg"), seconds, by_shift)
    open_set = _open_set(held.substances)
    wrong = sorted(
        f"{each.recording.name.rsplit('.', 1)[0]} as {each.smells[int(mean_probabilities(each.logits).argmax())]}"
        for each in plain
        if scores.top([each]) == 0
    )
    given.report.write_text(
        _page(beside, shifts, taught, seconds, open_set, _answers(figures_of(held, fitted)), taught_alone(recordings),
              _sessions(recordings), wrong,
              scores.calibration_error(plain, config),
              f"python -m benchmarks.sensors.accuracy {' '.join(arguments or sys.argv[1:])}",
              given.seed, given.members),
        encoding="utf-8",
    )  # fmt: skip


def _plain_in_session(recordings: Sequence[Labelled], shift: float, seed: int) -> float:
    """Return top-1 of 50 by the nearest of one taught recording each of the same session, with the plain nose."""
    right = []
    for session in sessions_of(shift, seed):
        points = [(each.substance, each.fold, _plain_point(each, session)) for each in recordings]
        right.append(scores.enrolled_top(points, 1))
    return float(np.mean(right))


def _plain_point(each: Labelled, session: Session | None = None) -> np.ndarray:
    return scores.mean_point(PlainNose().read(heard_in(each, session)).embeddings)


def _open_set(substances: Sequence[Heard]) -> list[list[str]]:
    rows = []
    for shift in (0.0, 1.0):
        apart = scores.apart([each for each in substances if each.shift == shift])
        row = [f"{shift:g}", f"{np.mean([scores.open_set_auroc(one) for one in apart]):.3f}"]
        for taught in (1, 4):
            network = [scores.enrolled_top(scores.unknown_points(one), taught) for one in apart]
            plain = [
                scores.enrolled_top(
                    [
                        (e.recording.substance, e.recording.fold, _plain_point(e.recording))
                        for e in one
                        if e.place < 0
                    ],
                    taught,
                )
                for one in apart
                if one[0].session == 0
            ]
            row += [f"{np.mean(network):.3f}", f"{np.mean(plain):.3f}"]
        rows.append(row)
    return rows


def _answers(figures: Mapping[str, float]) -> list[list[str]]:
    what = (
        "recording named rightly, unknown counted as wrong",
        "known recordings called unknown",
        "left-out recordings called unknown",
    )
    return [
        [shift, *(f"{figures[each + under]:.3f}" for each in what)]
        for shift, under in (("0", ""), ("1", ", shift 1"))
    ]


def _sessions(recordings: Sequence[Labelled]) -> list[list[str]]:
    """Return what sessions of one substance differ by, a row a substance: the standard deviation of the log level."""
    rows = []
    for substance in SESSIONS:
        ours = [each for each in recordings if each.substance == substance]
        humidity = [
            float(np.median(e.recording.values[:, e.recording.names.index("Humidity")])) for e in ours
        ]
        halves = [
            [e for e, h in zip(ours, humidity, strict=True) if (h > np.mean(humidity)) == high]
            for high in (False, True)
        ]
        levels = [np.mean([np.log(np.median(e.gas, axis=0) + 1) for e in half], axis=0) for half in halves]
        rows.append([substance, *(f"{abs(a - b) / np.sqrt(2):.2f}" for a, b in zip(*levels, strict=True))])
    # Days on which nothing strong was smelt: the lowest levels are nearly those of clean air.
    quiet = [e for e in recordings if np.median(e.gas[:, GAS.index("VOC")]) < 90]
    names = sorted({e.substance for e in quiet})
    low = [
        np.mean([np.log(np.quantile(e.gas, 0.05, axis=0) + 1) for e in quiet if e.substance == n], axis=0)
        for n in names
    ]
    rows.append(
        [f"lowest levels beside {len(names)} weak substances", *(f"{sd:.2f}" for sd in np.std(low, axis=0))]
    )
    typical = np.median(np.concatenate([e.gas for e in quiet]), axis=0)
    rows.append(
        [
            "shift of size 1, at those levels",
            *(f"{np.hypot(g, o / t):.2f}" for g, o, t in zip(GAIN, OFFSET, typical, strict=True)),
        ]
    )
    return rows


def _alone(heard: Sequence[Heard]) -> list[Heard]:
    return [replace(each, logits=each.alone) for each in heard]


def _tops(heard: Sequence[Heard]) -> tuple[float, float, float]:
    return scores.top(heard), scores.top(heard, 5), scores.window_top(heard)


def _three(found: tuple[float, float, float]) -> list[str]:
    return [f"{each:.3f}" for each in found]


def _draw(path: Path, seconds: dict[float, list[float]], by_shift: dict[float, list[Heard]]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
    for (shift, found), colour in zip(seconds.items(), (BLUE, ORANGE), strict=True):
        left.plot(SECONDS, found, "o-", color=colour, label=f"shift {shift:g}" if shift else "as recorded")
    left.set(xlabel="seconds listened", ylabel="top-1 of 50", ylim=(0, 1))
    left.legend(frameon=False)
    right.plot(SHIFTS, [scores.top(by_shift[s]) for s in SHIFTS], "o-", color=BLUE, label="recordings")
    right.plot(
        SHIFTS, [scores.window_top(by_shift[s]) for s in SHIFTS], "o-", color=GREY, label="windows of 100 s"
    )
    right.set(xlabel="size of the session shift")
    right.legend(frameon=False)
    save(figure, path)


def _page(
    beside: list[list[str]],
    shifts: list[list[str]],
    taught: list[list[str]],
    seconds: dict[float, list[float]],
    open_set: list[list[str]],
    answers: list[list[str]],
    alone: tuple[float, float, float],
    sessions: list[list[str]],
    wrong: list[str],
    error: float,
    command: str,
    seed: int,
    members: int,
) -> str:
    times = [[f"{at}", *(f"{seconds[shift][i]:.3f}" for shift in seconds)] for i, at in enumerate(SECONDS)]
    return f"""# Naming smells from an electronic nose

`olfactory train-sensors --data ../shared/data --out runs/nose --held-out-members {members}`, then
`{command}`; commit {commit()}, seed {seed}, {members} networks a fold. {machine()}

SmellNet's training recordings: 50 substances, five recordings each, about ten minutes at 1 Hz, one board. The official
test recordings and those of other days are not here; these are held-out figures of the training recordings alone.

## One recording of each substance held out

Five folds: each recording is named by networks and trees that learned from the other four of its substance, most of
them of the same session. A recording's answer is the mean of its windows' probabilities.

{table(["", "recordings, top-1", "top-5", "windows of 100 s, top-1"], beside)}

Expected calibration error of the first name's probability: {error:.3f}.

As recorded, trees on the same numbers do as well as the network, and with every channel better, for the reason that
follows; under any shift of the session (below) the network is far better than they are. They err elsewhere, so the
shipped model asks both, the trees by the square of the share of them that agree, which was chosen in these same folds:
more weight would name more rightly here and less in other sessions, where the trees cost a little against the network
alone. Trees that are also given the levels of the six gas channels, which the model must not have, are little better:
without the room, these recordings hardly tell more.

**What this can and cannot show.** Almost every substance was recorded in one session. The room alone names half of the
recordings, and trees that are given it, and the levels, beat everything: they recognise the session. What the network
is given leaves out the room (temperature, humidity, pressure, altitude), the gas resistance, which comes from the same
part and is stuck for nine substances, and the absolute level; its answers cannot change when the room is exchanged,
which a test holds. Ratios between the channels' levels remain, and part of what they tell may still be the session.

Mistaken as recorded: {", ".join(wrong)}.

## Another session, made up

{table(_SHIFT_HEAD, shifts)}

Means of five sessions of each size. The extra trees are given what the network is, and learned from the recordings as
they are; so did those that are asked beside the network. A shift changes each channel's gain, offset and slope. Its
size is set by the standard deviation of log levels between the sessions of the substances that have several, and
between the days of weakly smelling ones:

{table(["", *GAS], sessions)}

## Taught in that session

{table(_TAUGHT_HEAD, taught)}

What is taught by names that the model knows shows what the session does to the board, and the model then hears
everything without that (`olfactory sense enroll`, then `identify --smells both`). One recording of one other substance
is a reference sample; 50 are one of each. Means of the first three sessions, but for the first column and the last,
which names by the nearest of the 50 taught recordings alone.

## Seconds listened

![accuracy against seconds and shift](sensors.svg)

{table(["seconds", *(f"shift {shift:g}" if shift else "as recorded" for shift in seconds)], times)}

## Substances that it never heard

Ten of 50 left out, five times. AUROC of telling them from held-out recordings of the other forty, by how probable it
is that network and trees mean the same smell; then top-1 among the ten, by the nearest taught recording, on the
network's map and on that of the plain nose, which was trained on nothing.

{table(_OPEN_HEAD, open_set)}

What an answer says first, `unknown` counted as a name: what is not named rightly is taken for another smell or called
unknown. The known ones are heard by the noses of all 50. In another session all is stranger, and more is called
unknown.

{table(_ANSWERS_HEAD, answers)}

With the ten taught to a plain nose from four recordings each, {alone[1]:.3f} of their fifth recordings are called
`unknown`, and {alone[2]:.3f} of those of the other forty; {alone[0]:.3f} of the fifth are nearest to their own.
"""


if __name__ == "__main__":
    main()
