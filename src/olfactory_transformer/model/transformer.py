"""The whole network: a transformer over atoms, with the structure of the molecule in its attention, then heads.

Every atom is a token; a readout token gathers the molecule. What atom i is to atom j (a kind of bond, or how many
bonds apart) adds a learned bias to their attention, one a head and layer, as in Graphormer (Ying et al. 2021,
arXiv:2106.05234), so no positions are needed and the order of the atoms does not matter.

What the transformer makes of the molecule, the embedding, is read together with counts of its substructures (Morgan,
radius 2), which say exactly which known molecules it resembles; then comes one layer a task. What panels rated is
also told by a Gaussian process on what that layer sees (`gaussian_process`).

All of this is blind to mirror images. What tells them apart is added to the words' log odds: a linear function of
signed features that change sign in the mirror (see `handedness`), and so do the answers: where no stereo is given, a
word's log odds are the mean of those of the two mirror images.

Shapes: B molecules, N atoms (padded), T = N + 1 tokens, F atom features, H heads, L layers, D width, E embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.gaussian_process import GaussianProcess
from olfactory_transformer.model.heads import BinaryHead, DilutionHead, RegressionHead

_NEVER = -1e4  # an attention bias: e^-10000 is 0
_SUM_SCALE = 16.0  # atoms; keeps the summed readout near unit size for odorants


class Outputs(NamedTuple):
    """What the network says of B molecules.

    Parameters
    ----------
    embedding : Tensor, (B, E)
        Coordinates on the odour map.
    words : Tensor, (B, words)
        Logits of the odour descriptors.
    isomeric : Tensor, (B, isomeric)
        Logits of the descriptors of the isomeric set.
    ratings : Tensor, (B, ratings)
        Panel ratings at the dilution given, on the scale of the training file (0-100).
    profile : Tensor, (B, profile)
        Panel profile at the dilution given, on the scale of the training file (words 0-5, intensity and
        pleasantness 0-10).
    atlas : Tensor, (B, atlas)
        Percentage of applicability, 0-100.
    threshold : Tensor, (B, 1)
        log10(1 / ODT), ODT in ppm (v/v).
    odorless : Tensor, (B, 1)
        Logit.
    volatility : Tensor, (B, 2)
        Normal boiling point in degrees C, and log10 of the vapour pressure in mmHg at 25 degrees C.
    """

    embedding: Tensor
    words: Tensor
    isomeric: Tensor
    ratings: Tensor
    profile: Tensor
    atlas: Tensor
    threshold: Tensor
    odorless: Tensor
    volatility: Tensor


HEADS = Outputs._fields[1:]
# Dense layer -> the heads on it. Words have one of their own: beside the numbers they are learned worse.
READERS = {"words": ("words", "isomeric"), "numbers": HEADS[2:]}
HANDED = READERS["words"]  # heads that tell mirror images apart
PROCESSES = ("ratings", "profile", "atlas")  # heads that a Gaussian process answers with
_PROCESS = 0.5  # its share
_KINDS: dict[str, type[BinaryHead | RegressionHead]] = {
    "words": BinaryHead,
    "isomeric": BinaryHead,
    "ratings": DilutionHead,
    "profile": DilutionHead,
    "atlas": RegressionHead,
    "threshold": RegressionHead,
    "odorless": BinaryHead,
    "volatility": RegressionHead,
}
_FIXED_COLUMNS = {"threshold": 1, "odorless": 1, "volatility": 2}


def reader_width(config: ModelConfig, reader: str) -> int:
    """Return the outputs of a dense layer of `READERS`; those of several readers of words stand side by side."""
    return config.dense * (config.word_readers if reader == "words" else 1)


class Attention(nn.Module):
    """Multi-head self-attention with a bias for each pair of tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, T, D), bias (B, H, T, T) with a large negative number at padded keys -> (B, T, D)."""
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads)  # (B, T, 3, H, D/H)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, T, D/H)
        scores = q @ k.transpose(-1, -2) * (D // self.heads) ** -0.5 + bias  # (B, H, T, T)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, D)
        return self.out(mixed)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention, then two dense layers; normalised before each, as in GPT-2."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.norm_dense = nn.LayerNorm(config.width)
        self.dense = nn.Sequential(
            nn.Linear(config.width, config.feedforward),
            nn.GELU(),
            nn.Linear(config.feedforward, config.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, T, D) -> (B, T, D)."""
        x = x + self.dropout(self.attention(self.norm_attention(x), bias))
        x = x + self.dropout(self.dense(self.norm_dense(x)))
        return x


class Encoder(nn.Module):
    """The transformer: a molecule's tokens in, its embedding out.

    Parameters
    ----------
    config : ModelConfig
        Its size.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        D, E = config.width, config.embedding
        self.atom_embedding = nn.Embedding(voc.atom_codes(), D, padding_idx=voc.PAD)
        self.readout = nn.Parameter(torch.randn(D) * 0.02)
        self.relation_bias = nn.Embedding(len(voc.RELATIONS), config.layers * config.heads)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(D)
        self.to_embedding = nn.Linear(2 * D, E)
        self.norm_embedding = nn.LayerNorm(E)
        nn.init.normal_(self.atom_embedding.weight, std=0.2)
        nn.init.zeros_(self.relation_bias.weight)

    def forward(self, atoms: Tensor, relations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the molecules' coordinates and the atoms' states.

        Parameters
        ----------
        atoms : Tensor of uint8, (B, N, F)
        relations : Tensor of uint8, (B, N, N)

        Returns
        -------
        (Tensor, Tensor)
            (B, E) and (B, N, D); states of padded atoms mean nothing.
        """
        L, H = self.config.layers, self.config.heads
        present = atoms[..., 0] != voc.PAD  # (B, N)
        x = self.atom_embedding(atoms.int()).sum(-2)  # (B, N, F, D) -> (B, N, D)
        readout = self.readout.expand(x.shape[0], 1, -1)
        x = torch.cat([readout, x], 1)  # (B, T, D)
        # Relations with padding have code 0, whose bias is fixed: nobody attends to padding.
        table = torch.cat(
            [torch.full_like(self.relation_bias.weight[:1], _NEVER), self.relation_bias.weight[1:]]
        )
        pairs = F.embedding(self._with_readout(relations, present).int(), table)  # (B, T, T, L*H)
        B, T = x.shape[:2]
        biases = pairs.view(B, T, T, L, H).permute(3, 0, 4, 1, 2)  # (L, B, H, T, T)
        # Not by index: the gradient of each would be a tensor of all layers, nearly all zeros.
        for layer, bias in zip(self.layers, biases.unbind(0), strict=True):
            x = layer(x, bias)
        x = self.norm(x)
        states = x[:, 1:]  # (B, N, D)
        # The sum makes additive properties (mass, volatility) easy, which attention, being a mean, makes hard.
        total = (states * present[..., None]).sum(1) / _SUM_SCALE  # (B, D)
        joined = torch.cat([x[:, 0], total], -1)  # (B, 2D)
        return self.norm_embedding(self.to_embedding(joined)), states

    @staticmethod
    def _with_readout(relations: Tensor, present: Tensor) -> Tensor:
        """(B, N, N) -> (B, T, T): relations to and from the readout token, which comes first."""
        code = {name: voc.RELATIONS.index(name) for name in ("readout>atom", "atom>readout", "readout")}
        there = present.to(torch.uint8)  # (B, N); a relation with padding stays 0
        column = (there * code["atom>readout"])[:, :, None]  # (B, N, 1)
        first = torch.cat([torch.full_like(there[:, :1], code["readout"]), there * code["readout>atom"]], 1)
        return torch.cat([first[:, None, :], torch.cat([column, relations], 2)], 1)


def unit_hands(hands: Tensor) -> Tensor:
    """Scale signed features (B, 512) to length 1, or leave them 0: a centre counts for less beside others."""
    return hands / hands.norm(dim=-1, keepdim=True).clamp(min=1.0)  # type: ignore[no-any-return]


def _zeros(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


class OlfactoryTransformer(nn.Module):
    """A molecule's tokens and fingerprint in, its smell out.

    Parameters
    ----------
    config : ModelConfig
        Size and outputs.

    Examples
    --------
    >>> import torch
    >>> from olfactory_transformer.core.config import ModelConfig
    >>> model = OlfactoryTransformer(ModelConfig(words=("fruity", "green"), ratings=("intensity",))).eval()
    >>> atoms = torch.full((2, 3, 6), 2, dtype=torch.uint8)
    >>> relations = torch.ones((2, 3, 3), dtype=torch.uint8)
    >>> fingerprint = torch.zeros((2, 2048), dtype=torch.uint8)
    >>> hands = torch.zeros((2, 512), dtype=torch.int8)
    >>> out = model(atoms, relations, fingerprint, hands, torch.tensor([-3.0, -3.0]))
    >>> tuple(out.words.shape), tuple(out.embedding.shape)
    ((2, 2), (2, 256))
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        inputs = config.embedding + voc.FINGERPRINT_BITS
        self.dense = nn.ModuleDict({name: nn.Linear(inputs, reader_width(config, name)) for name in READERS})
        columns = {name: len(getattr(config, name, ())) for name in HEADS} | _FIXED_COLUMNS
        self.hands = nn.ModuleDict({name: _zeros(voc.HAND_FEATURES, columns[name]) for name in HANDED})
        self.heads = nn.ModuleDict(
            {
                name: kind(reader_width(config, reader), columns[name], config.dropout, deep=False)
                for reader, names in READERS.items()
                for name, kind in _KINDS.items()
                if name in names
            }
        )
        self.processes = nn.ModuleDict(
            {
                name: GaussianProcess(rows, reader_width(config, "numbers"), columns[name])
                for name, rows in zip(PROCESSES, config.process_rows, strict=False)
            }
        )

    def forward(
        self, atoms: Tensor, relations: Tensor, fingerprint: Tensor, hands: Tensor, log_dilution: Tensor
    ) -> Outputs:
        """Predict B molecules, each at a dilution.

        Parameters
        ----------
        atoms : Tensor of uint8, (B, N, F)
        relations : Tensor of uint8, (B, N, N)
        fingerprint : Tensor of uint8, (B, 2048)
        hands : Tensor of int8, (B, 512)
        log_dilution : Tensor of float, (B,)
            log10 of the volume fraction, for the ratings and the profile alone.
        """
        embedding, _ = self.encoder(atoms, relations)
        counts = torch.log(fingerprint.float() + 1.0)
        found = {"embedding": embedding}
        for reader, names in READERS.items():
            joint = self.read(reader, embedding, counts)
            for name in names:
                head = self.heads[name]
                found[name] = head(joint, log_dilution) if isinstance(head, DilutionHead) else head(joint)
                if name in self.processes:
                    process = self.processes[name](joint, log_dilution)
                    found[name] = torch.lerp(found[name], process, _PROCESS)
        turned = unit_hands(hands.float())
        for name in HANDED:
            found[name] = found[name] + self.hands[name](turned)
        return Outputs(**found)

    def read(self, reader: str, embedding: Tensor, counts: Tensor) -> Tensor:
        """Return what the heads of a reader see, (B, readers of it * dense), of embedding and log(1 + count)."""
        return F.gelu(self.dense[reader](torch.cat([embedding, counts], -1)))

    @classmethod
    def from_pretrained(cls, model: str | Path) -> OlfactoryTransformer:
        """Load a model folder, or a bundled model by its name; see `checkpoint.load`."""
        from olfactory_transformer.model.checkpoint import load

        return load(model)

    def save_pretrained(self, folder: str | Path, card: str = "") -> None:
        """Write a model folder; see `checkpoint.save`."""
        from olfactory_transformer.model.checkpoint import save

        save(self, folder, card)
