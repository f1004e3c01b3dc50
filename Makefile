# Two commands do all the set-up: `make serve` and `make test`. They need Python 3.11 or later and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help serve test lint bench compatibility docs lock clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 20

serve: $(VENV)/.runtime ## Install, fetch the default model, start the server (ARGS="--port 9000" and so on)
	$(BIN)/fireside serve $(ARGS)

test: $(VENV)/.dev ## Install, fetch the test model, run all tests (ARGS="tests/api -x" and so on)
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## Check style, types and the borders between rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Compare speed with llama.cpp and vLLM (ARGS=--quick for three minutes)
	$(BIN)/python -m bench $(ARGS)

compatibility: $(VENV)/.dev ## Run the real clients, and write docs/compatibility.md from what they did
	FIRESIDE_WRITE_COMPATIBILITY=1 $(BIN)/python -m pytest tests/clients

docs: $(VENV)/.dev ## Build the documentation into site/
	$(BIN)/mkdocs build --strict

lock: ## Bring the lock files up to date with pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links pyproject.toml -o requirements/runtime.txt
	uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links -c requirements/runtime.txt --group dev pyproject.toml -o requirements/dev.txt
	# Which CUDA packages torch wants is for its own build to say: there are builds without.
	sed -i -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton/d' requirements/dev.txt

clean: ## Remove what these commands made
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"Fireside needs Python 3.11 or later; $(PYTHON) is older or missing. Name another: make PYTHON=python3.12 serve"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo \
		"$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.runtime: $(BIN)/python pyproject.toml requirements/runtime.txt
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(PIP) install -r requirements/dev.txt
	@touch $@
