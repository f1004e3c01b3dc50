# Two commands do all the set-up: `make serve` and `make test`. They need Python 3.11 or later and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help serve extras test test-fast lint bench compatibility docs reference lock platforms clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

serve: $(VENV)/.runtime ## Install, fetch the default model, start the server (ARGS="--port 9000" and so on)
	@$(BIN)/fireside serve $(ARGS)

extras: $(VENV)/.runtime ## Install what PostgreSQL, S3 and functions need
	@$(BIN)/python tools/install.py extras

test: $(VENV)/.dev ## Install, fetch the test model, run all tests (ARGS="tests/api -x" and so on)
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(VENV)/.dev ## Run the tests that take under three minutes together (ARGS="-x" and so on)
	$(BIN)/python -m pytest --fast $(ARGS)

lint: $(VENV)/.dev ## Check style, words, types and the borders between packages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.words
	$(BIN)/python -m tools.check_javascript
	$(BIN)/python -m tools.check_locks

bench: $(VENV)/.dev ## Compare speed with llama.cpp and vLLM (ARGS=--quick for three minutes)
	$(BIN)/python -m bench $(ARGS)

compatibility: $(VENV)/.dev ## Run the real clients, and write docs/compatibility.md from what they did
	FIRESIDE_WRITE_COMPATIBILITY=1 $(BIN)/python -m pytest tests/clients

docs: $(VENV)/.dev ## Build the documentation into site/
	$(BIN)/zensical build --strict

reference: $(VENV)/.dev ## Renew what the documentation says of commands, settings and costs, out of the code
	$(BIN)/python -m tools.reference

lock: $(VENV)/.dev ## Bring the lock files up to date with pyproject.toml (ARGS="--upgrade" and so on)
	$(BIN)/python -m tools.lock $(ARGS)

platforms: $(VENV)/.dev ## Fetch what is locked for each Python and platform, to see that it can be installed there
	$(BIN)/python -m tools.check_platforms $(ARGS)

clean: ## Remove what these commands made
	rm -rf $(VENV) site .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
		"Fireside needs Python 3.11 or later; $(PYTHON) is older or missing. Name another: make PYTHON=python3.12 serve"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
		"$(PYTHON) cannot make virtual environments. On Debian and Ubuntu, as root: apt install $(notdir $(PYTHON))-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: $(BIN)/python pyproject.toml requirements/runtime.txt requirements/build.txt
	@$(BIN)/python tools/install.py runtime
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt requirements/torch.txt
	@$(BIN)/python tools/install.py dev
	@touch $@
