# Every target installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config.yaml
MINUTES ?= 5
KILLS ?= 20
MUTANTS ?= 100
MODULES ?= ovapi/engine/process ovapi/http ovapi/serving

.PHONY: help serve test quick lint docs fuzz soak mutate bench bench-model clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.serve ## run the server: make serve CONFIG=config.yaml
	$(BIN)/python -m ovapi --config $(CONFIG)

test: $(VENV)/.test ## run every test: some minutes
	$(BIN)/python -m pytest

# Whatever is in tests/clients needs an engine, and packages that are slow to import.
quick: $(VENV)/.test ## run the tests that need no engine: less than a minute
	$(BIN)/python -m pytest -m "not engine" --ignore=tests/clients

lint: $(VENV)/.lint ## check with ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.serve ## write the generated documentation
	$(BIN)/python -m ovapi.api.docs > api_documentation.md
	$(BIN)/python -m ovapi.config.documentation > docs/configuration.md

# Schemathesis knows the OpenAPI document; the campaign's own fuzzer knows the bounds in the schemas.
fuzz: $(VENV)/.fuzz ## send what the schemas allow, and what they do not: a few minutes
	$(BIN)/python -m tests.support.fuzz
	$(BIN)/python -m soak.fuzz

soak: $(VENV)/.test ## run the campaign: make soak MINUTES=60 KILLS=200, or SOAK="--only 9,10"
	$(BIN)/python -m soak --minutes $(MINUTES) --kills $(KILLS) $(SOAK)

mutate: $(VENV)/.mutate ## change the code at random places and see whether tests fail
	$(BIN)/python -m tests.support.mutate --mutants $(MUTANTS) $(MODULES)

bench: $(VENV)/.bench ## run the benchmarks: 35 minutes, or two with BENCH=--quick
	$(BIN)/python -m bench.model --check || $(MAKE) bench-model
	$(BIN)/python -m bench $(BENCH)

bench-model: $(VENV)/.train ## make the model of the benchmarks, once: 2 GB in ~/.cache/ovapi-bench
	$(BIN)/python -m bench.model int4 int8 fp16

clean: ## remove what was installed and built
	rm -rf $(VENV) build *.egg-info

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

$(VENV)/.mutate: setup.py $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,mutate]'
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
