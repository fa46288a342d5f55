"""The data sources: where each can be had, under what terms, and the checksum of the file we train on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the data folder.

    Parameters
    ----------
    file : str
        Relative to the data folder.
    rows : int
        Not counting the header.
    what : str
    licence : str
    origin : str
        Publication or repository.
    sha256 : str
        Of the training part (the rest was kept back for scoring).
    """

    file: str
    rows: int
    what: str
    licence: str
    origin: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a file of a folder is the one we train on: `state` is "ok", "missing" or "different"."""

    source: Source
    state: str


def check(folder: Path) -> list[Check]:
    """Compare every source with the file of a data folder."""
    checks = []
    for source in SOURCES:
        path = folder / source.file
        if not path.is_file():
            state = "missing"
        else:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == source.sha256
            state = "ok" if same else "different"
        checks.append(Check(source, state))
    return checks


SOURCES: tuple[Source, ...] = (
    Source(
        "molecules/gs_lf.csv",
        4000,
        "138 odour descriptors of molecules (0/1), five stratified folds",
        "research, non-commercial (the sources' own terms); files MIT",
        "GoodScents + Leffingwell, as curated by OpenPOM",
        "061bd0e9b86b2ff9043b47aba68524f860f4580b2717166feed3793872f7a744",
    ),
    Source(
        "molecules/gs_lf_isomeric.csv",
        4716,
        "152 odour descriptors of stereoisomers (0/1/unknown)",
        "research, non-commercial (the sources' own terms); files MIT",
        "GoodScents + Leffingwell with stereo, microsoft/olfaction",
        "6527ffbbc6a8866c88d119afae7c160b4c232a2a949632022d38e05a99f1b75e",
    ),
    Source(
        "molecules/keller2016.csv",
        542,
        "mean ratings of 49 people: intensity, pleasantness, 19 words, by dilution",
        "CC BY 4.0",
        "Keller & Vosshall 2016, BMC Neuroscience 17:55 / DREAM olfaction challenge",
        "e1a918c3d6a11f6e5aa02aa45c94925ed691eefa999386a17fd6789c2a1b3831",
    ),
    Source(
        "molecules/dravnieks1985.csv",
        121,
        "146 descriptors, percentage of applicability",
        "ASTM DS61",
        "Dravnieks 1985, Atlas of Odor Character Profiles",
        "def32cd0a5f98277ca22fc46361972091a163023d4a532a7505a4b7922331978",
    ),
    Source(
        "molecules/abraham2012.csv",
        290,
        "odour detection thresholds, log10(1/ODT), ppm",
        "as published",
        "Abraham et al. 2012, Chemical Senses 37:207",
        "356f54e8564b6f43cee549b06795a7aab787a2cc0f6b861540adf67663431d08",
    ),
    Source(
        "molecules/mayhew2022.csv",
        1547,
        "odorous or odorless, boiling point, vapour pressure",
        "as published",
        "Mayhew et al. 2022, PNAS 119:e2116576119",
        "ee7c8fe480f9e7ad38b56313efd030da625e6119da2a698e9da092c16f100b07",
    ),
    Source(
        "molecules/dream2025_single.csv",
        200,
        "51-word profiles, intensity and pleasantness of molecules by dilution",
        "MIT (as released by a team)",
        "DREAM Olfactory Mixtures Prediction Challenge 2025",
        "eee1cf964f59fd88e331216a69625e7b44ef9d77d12b1547dfdf298b9203b22e",
    ),
    Source(
        "molecules/aux_arctander1960.csv",
        2044,
        "free-text descriptors",
        "CC BY-NC 4.0",
        "Arctander 1960, through pyrfume-data (MIT)",
        "1605d51f46f42a15d97ae5a533a6a2d312ebcbafc6d64a1813f56e4a6e411815",
    ),
    Source(
        "molecules/aux_ifra2019.csv",
        881,
        "free-text descriptors",
        "as published",
        "IFRA Fragrance Ingredient Glossary 2019, through pyrfume-data (MIT)",
        "526165fe209328e1860a8d87f8eb548154ee30f268de1a4912990cd79c27379d",
    ),
    Source(
        "molecules/aux_flavornet.csv",
        580,
        "free-text descriptors",
        "as published",
        "Flavornet, through pyrfume-data (MIT)",
        "61a029a34cfb731bf2d689c89748d1c625a7b6d25bc68695f0df5a8a2772a0a3",
    ),
    Source(
        "molecules/aux_aromadb.csv",
        711,
        "free-text descriptors",
        "as published",
        "AromaDb, through pyrfume-data (MIT)",
        "b94da893282f27fafc83835397dd58ed6297925853f6855c6e8c51bc512cfe8c",
    ),
    Source(
        "mixtures/pairs.csv",
        692,
        "perceptual distance of two mixtures",
        "MIT",
        "Snitz 2013, Bushdid 2014, Ravia 2020, as unified by POMMix",
        "c3905f41960aa2394f5783ec4b7c1685b1f2d751ed870b40e33765ab45b89786",
    ),
    Source(
        "mixtures/mixtures.csv",
        760,
        "the components of those mixtures",
        "MIT",
        "as above",
        "cfe7de0bad44daf6f8c1da2fb894d1a7f0cbc3d195039c01f3512cfe9a391b0b",
    ),
    Source(
        "mixtures/dream2025_profiles.csv",
        392,
        "51-word profiles, intensity and pleasantness of blends of 2-10",
        "MIT (as released by a team)",
        "DREAM Olfactory Mixtures Prediction Challenge 2025",
        "43a215d756ba62ee9a402a3b5280a370f44522f9401d161db289a64ee7b807dd",
    ),
    Source(
        "smellnet/train.csv.gz",
        150711,
        "electronic-nose recordings of 50 substances, 12 channels, 1 Hz",
        "MIT",
        "SmellNet",
        "8a1b3d435393c3f98a2a359d98db63dfc20a539b80be3a678fbcf62f6bc964ae",
    ),
    Source(
        "smellnet/gcms.csv",
        50,
        "relative composition of each substance by GC-MS",
        "MIT",
        "SmellNet",
        "3f4fb85b2d77588546788c117cc505a1798db5508dc812b3ed1c472949c2a7a5",
    ),
)
