"""Which model reads a recording, and whose smells it is named by: the model's own, the user's, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from olfactory_transformer.core.errors import UnknownSmell
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.inference.defaults import DEFAULT_NOSE
from olfactory_transformer.inference.nose.contract import NoseModel, NoseReadings
from olfactory_transformer.inference.nose.enrolment import Enrolled
from olfactory_transformer.inference.nose.plain import PlainNose, model_for
from olfactory_transformer.inference.nose.reading import is_whole
from olfactory_transformer.inference.nose.session import SessionNose, session_of, shows_session
from olfactory_transformer.inference.nose.taught import Evidence, Taught, TaughtEvidence
from olfactory_transformer.sensors.recording import Recording

Smells = Literal["auto", "base", "own", "both"]


class Namer:
    """Names recordings of any board; immutable.

    A board whose channels the base model does not know is read by a plain nose, which knows no smell by itself.

    Parameters
    ----------
    base : NoseModel
    evidence : callable
        Makes an `Evidence` of the base model's own smells, with nothing in it.
    config : NoseConfig
        Of the base model.
    taught : sequence of Enrolled
        To whatever model; each is used with its own.
    smells : "auto", "base", "own" or "both"
        What a recording may be named: `own` smells alone, those of the `base` model alone, or `both`. `auto` is `own`
        where one was taught to the model that reads the recording, else `base`. With `both`, own smells of names that
        the base model does not know come first. Those of names that it knows only show what the session does to the
        board, and the base model hears it without that (`inference.nose.session`), which names them better than
        their distance to what was taught does.

    Examples
    --------
    >>> from olfactory_transformer.inference.nose.plain import PlainNose
    >>> from olfactory_transformer.inference.nose.enrolment import enrol
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> frames = [Frame(float(t), {"mq3": 300.0 + t, "mq135": 120.0}) for t in range(120)]
    >>> coffee = Recording.of(frames)
    >>> taught = [enrol(PlainNose(), "coffee", [coffee])]
    >>> Namer(PlainNose(), TaughtEvidence, NoseConfig(("CO", "VOC"), ()), taught).identify(coffee).name
    'coffee'
    """

    def __init__(
        self,
        base: NoseModel,
        evidence: Callable[[], Evidence],
        config: NoseConfig,
        taught: Sequence[Enrolled] = (),
        smells: Smells = "auto",
    ) -> None:
        self.channels, self.smells = config.channels, smells
        self._evidence, self._taught, self._config = evidence, tuple(taught), config
        mine = [each for each in taught if each.model_version == base.version] if smells == "both" else []
        shift = session_of(mine, config)
        self.base = SessionNose(base, shift) if shift is not None else base

    @classmethod
    def from_pretrained(
        cls, model: str | Path = DEFAULT_NOSE, taught: Sequence[Enrolled] = (), smells: Smells = "auto"
    ) -> Namer:
        """Load the base model.

        Raises
        ------
        ModelNotFound, ModelForeign, ModelCorrupt
        """
        from olfactory_transformer.inference.nose.evidence import Evidence as BaseEvidence
        from olfactory_transformer.inference.nose.predictor import NosePredictor

        base = NosePredictor.from_pretrained(model)
        return cls(base, lambda: BaseEvidence(base.config), base.config, taught, smells)

    def model_for(self, recording: Recording) -> NoseModel:
        """Return the model that reads a board with a recording's channels."""
        return model_for(recording, self.base, self.channels)

    def evidence(self, model: NoseModel) -> Evidence:
        """Return what gathers a model's readings, with nothing in it.

        Raises
        ------
        UnknownSmell
            There is nothing that a recording could be named: own smells are asked for and none was taught to this
            model, or the base model's of a board that it does not know.
        """
        mine = [each for each in self._taught if each.model_version == model.version]
        plain = isinstance(model, PlainNose)
        if self.smells == "base" or (self.smells != "own" and not mine):
            if plain:
                raise UnknownSmell(
                    f"{self.base.version} does not know the channels of this board; it knows "
                    f"{', '.join(self.channels)}. Teach it smells with `olfactory sense enroll`; or, "
                    "where its columns are c1, c2, ..., name them with SENSOR_CHANNELS"
                )
            return self._evidence()
        if not mine:
            raise UnknownSmell(f"no smell was taught to {model.version}, which reads this board")
        if self.smells != "both" or plain:
            return TaughtEvidence(Taught(mine, model.version))
        mine = [each for each in mine if not shows_session(each, self._config)]
        return TaughtEvidence(Taught(mine, model.version), self._evidence()) if mine else self._evidence()

    def answer(self, model: NoseModel, heard: Iterable[NoseReadings]) -> SmellIdentification:
        """Return what a model's readings say, with a warning where no window is whole, one for every channel of the
        base model that the board does not have, and one for every smell that was taught to another version of this
        model, and so is not used.

        Raises
        ------
        UnknownSmell
            As from `evidence`.
        """
        evidence, longest, used = self.evidence(model), 0.0, set[str]()
        for readings in heard:
            evidence.add(readings)
            used.update(name.strip().lower() for name in readings.channels)
            longest = max(longest, readings.seconds.max(initial=0.0))
        answer = evidence.answer()
        short = ("short",) if not is_whole(longest, model.window_seconds) else ()
        known = () if isinstance(model, PlainNose) else self.channels
        missing = (f"missing:{each}" for each in known if each.lower() not in used)
        name = model.version.partition("@")[0]
        unused = (
            f"not-used:{each.name}"
            for each in self._taught
            if each.model_version != model.version and each.model_version.partition("@")[0] == name
        )
        return replace(answer, warnings=tuple(dict.fromkeys((*answer.warnings, *short, *missing, *unused))))

    def identify(self, recording: Recording) -> SmellIdentification:
        """Name a whole recording.

        Raises
        ------
        RecordingError
            Nothing can be made of it.
        UnknownSmell
            As from `evidence`.
        """
        model = self.model_for(recording)
        # Reading comes first, as a recording of nothing is not helped by teaching.
        return self.answer(model, [model.read(recording)])
