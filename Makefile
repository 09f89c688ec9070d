# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench peers messages lock pictures clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Leitstand needs Python 3.11 or newer: try make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## make .venv with the pinned dependencies

demo: $(STAMP) ## start the simulated city and open the console (headless without a terminal)
	@if [ -t 0 ] && [ -t 1 ] && [ "$${TERM:-dumb}" != dumb ]; then $(BIN)/leitstand demo; else $(BIN)/leitstand demo --headless --seconds 60 --json; fi

peers: ## install the programs the peer tests talk to (Debian, root)
	@sh scripts/install-peers

test: $(STAMP) peers ## run every test
	$(BIN)/python -m pytest

check: $(STAMP) ## format, lint, layers, types, dependencies, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/vulture

bench: $(STAMP) ## measure every claim and render docs/benchmarks.md
	@sh scripts/install-peers bench
	$(BIN)/python -m benchmarks

messages: $(STAMP) ## compile the language catalogues
	$(BIN)/python scripts/messages.py

pictures: $(STAMP) ## make the README's pictures from the simulated city
	$(BIN)/python scripts/pictures.py

lock: ## pin the dependencies anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--group dev --python-version 3.11 pyproject.toml -o constraints.txt

clean: ## remove what the tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
