"""`python -m olfactory_transformer.api`: serve as the environment says."""

from __future__ import annotations

import sys

from olfactory_transformer.api.server import main

if __name__ == "__main__":
    sys.exit(main())
