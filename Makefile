# Every target sets up what it needs on a machine with Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(shell command -v uv >/dev/null 2>&1 && echo "uv pip install --quiet --python $(BIN)/python" || echo "$(BIN)/python -m pip install --quiet --disable-pip-version-check")

.PHONY: help setup demo test check format conformance bench faults docs clean peer-server peer-trackers peer-s3

help:           ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Paragrad needs Python 3.11 or newer; set PYTHON=...")'
	@if command -v uv >/dev/null 2>&1; then uv venv --quiet --python $(PYTHON) $(VENV); else $(PYTHON) -m venv $(VENV); fi

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@tools/install.sh run "$(INSTALL)" $(VENV)

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@tools/install.sh dev "$(INSTALL)" $(VENV)

setup: $(VENV)/.dev   ## everything for working on the library
	@tools/servers.sh

demo: $(VENV)/.run    ## train a small program on the embedded language model: no key, no network
	@echo "[2/2] paragrad demo"
	@$(BIN)/paragrad demo $(ARGS)

check: setup    ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet paragrad tests tools benchmarks examples || { echo "run: make format"; exit 1; }
	@$(BIN)/mypy

format: setup   ## put the code into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet paragrad tests tools benchmarks examples

test: check     ## everything that must pass: style, types, tests, conformance
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

conformance: setup   ## the numbered requirements, one line each
	@$(BIN)/python -m tools.conformance

bench: setup    ## measure; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.run $(ARGS)

faults: setup   ## the long fault-injection runs
	@PARAGRAD_FAULTS=long $(BIN)/python -m pytest -m faults tests -s $(ARGS)

peer-server:    ## a server of another make in an environment of its own: transformers serve, on a model made in code
	@tools/peers.sh server $(PYTHON)

peer-trackers:  ## MLflow and Weights & Biases for real, offline, in an environment of their own
	@tools/peers.sh trackers $(PYTHON)

peer-s3:        ## a store in an S3 bucket, over HTTP, on moto's server in an environment of its own
	@tools/peers.sh s3 $(PYTHON)

docs: setup     ## the documentation's code and links
	@$(BIN)/python -m pytest tests/docs $(ARGS)

clean:          ## remove what was made here
	@rm -rf $(VENV) $(VENV)-server $(VENV)-trackers $(VENV)-s3 .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
