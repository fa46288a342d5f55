"""`python -m olfactory_transformer.cli`."""

from olfactory_transformer.cli import main

if __name__ == "__main__":
    main()
