# Needs make and Python 3.11 or newer, nothing else. Another Python: make PYTHON=python3.13 venv

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
# Made when everything is installed, and again when what is to be installed changes.
READY = $(VENV)/.ready
# For one test, or more words for pytest: make test ARGS="-k sqlite"
ARGS =

.PHONY: help venv check lint format test demo bench completions docs clean

help: ## Show this help (the default)
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | \
	    while IFS='|' read -r name text; do printf '  %-12s %s\n' $$name "$$text"; done

venv: $(READY) ## Make .venv with the program and all tools

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "billing needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.13 venv" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[postgres,server,stripe]' --group dev
	@touch $(READY)

check: lint test ## Lint and test: what must pass before a change goes in

lint: $(READY) ## Check style, types and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## Format the code, and mend what can be mended safely
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

test: $(READY) ## Run the tests on all processors, and report their coverage
	@$(BIN)/python -m pytest --quiet --numprocesses logical --maxprocesses 8 --dist worksteal \
	    --cov --cov-report term $(ARGS)

demo: $(READY) ## From a real log of 1993 to its invoices, from nothing
	@PATH="$$PWD/$(BIN):$$PATH" examples/demo.sh

bench: $(READY) ## Measure speed and memory (takes a while)
	@$(BIN)/python -m benchmarks

completions: $(READY) ## Generate the shell completions in completions/
	@$(BIN)/python -m completions.generate

docs: $(READY) ## Generate docs/cli.md
	@$(BIN)/python -m docs.generate

clean: ## Remove what the targets make, except .venv
	@rm -rf .coverage .coverage.* .demo .hypothesis .import_linter_cache .mypy_cache \
	    .pytest_cache .ruff_cache build dist
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
