# make serve: run the server; make test: run every test; make lint: ruff and mypy
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config.yaml
MINUTES ?= 5
KILLS ?= 20

.PHONY: serve test lint docs fuzz soak bench bench-model clean

serve: $(VENV)/.serve
	$(BIN)/python -m ovapi --config $(CONFIG)

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Bounded: a few minutes
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.support.fuzz

# Bounded: about a quarter of an hour; make soak MINUTES=60 KILLS=200 for more
soak: $(VENV)/.test
	$(BIN)/python -m soak --minutes $(MINUTES) --kills $(KILLS) $(SOAK)

# Bounded: 35 minutes, or two: make bench BENCH=--quick
bench: $(VENV)/.bench
	$(BIN)/python -m bench.model --check || $(MAKE) bench-model
	$(BIN)/python -m bench $(BENCH)

# A few minutes and 2 GB in ~/.cache/ovapi-bench, once
bench-model: $(VENV)/.train
	$(BIN)/python -m bench.model int4 int8 fp16

docs: $(VENV)/.serve
	$(BIN)/python -m ovapi.api.docs > api_documentation.md
	$(BIN)/python -m ovapi.config.documentation > docs/configuration.md

# One stamp for each set of packages; a change of setup.py installs again.
$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.serve: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.test: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.lint: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,lint]'
	touch $@

$(VENV)/.fuzz: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,fuzz]'
	touch $@

$(VENV)/.bench: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@

# optimum-intel names torchvision, which nothing here needs; its CUDA build beside a torch without
# CUDA makes every model of transformers fail to import
$(VENV)/.train: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train]'
	$(BIN)/pip uninstall --quiet --yes torchvision
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
