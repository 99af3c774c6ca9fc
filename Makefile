# Two commands on a fresh machine: `make demo` and `make test`. Python 3.11.5+, pip and make are assumed, nothing else.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo lab showcase test test-quick test-browser bench lint resolve clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## set up .venv with the tested versions; every other target does it when needed

# Rewritten only when what is to be installed changes. A .venv without a working pip is made anew.
$(STAMP): pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found; install Python 3.11.5 or newer, or name it: make install PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || { echo "fedkit needs Python 3.11.5 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); name a newer one: make install PYTHON=python3.11" >&2; exit 1; }; \
	  $(PYTHON) -m venv --clear .venv; }
	@echo "Installing fedkit and its tested dependencies into .venv (some minutes, once) ..."
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[test,hub]'
	@touch $@

demo: install ## the main job on the bundled data; writes runs/demo
	$(BIN)/fedkit demo --out runs/demo

lab: install ## open JupyterLab on the first notebook
	$(BIN)/fedkit lab

showcase: install ## open the executive demo: no code, English and Japanese
	$(BIN)/fedkit showcase

test: install ## all tests
	$(BIN)/python -m pytest

test-quick: install ## the tests that take seconds
	$(BIN)/python -m pytest -m "not slow"

test-browser: install ## the sliders in JupyterLab and Voila, in a real Chromium; installs neither
	$(BIN)/python -m pytest tests/browser -rs

bench: install ## how fast it is on this machine
	$(BIN)/python tests/bench

lint: install ## style, format and types, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

resolve: install ## do all extras resolve on Windows, Linux and macOS, Python 3.11.5 to 3.14? asks the package index
	@$(BIN)/python -m pip install -qq -c constraints.txt uv
	$(BIN)/python -m pytest tests/test_resolution.py

clean: ## remove caches and build leftovers; keeps .venv and runs
	@rm -rf build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . \( -name .venv -o -name .git -o -name runs \) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +
