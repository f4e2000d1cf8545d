# Needs make and Python 3.11 or newer, nothing else. Another Python: make PYTHON=python3.13 venv

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
# Made when everything is installed, and again when what is to be installed changes.
READY = $(VENV)/.ready
# Made when the program alone is installed.
RUNNABLE = $(VENV)/.runnable
# One more than processors: some tests wait for others to give up.
WORKERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# For one test, or more words for pytest: make test ARGS="-k sqlite"
ARGS =

.PHONY: help venv check lint format test demo bench completions pictures docs clean

help: ## Show this help (the default)
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | \
	    while IFS='|' read -r name text; do printf '  %-12s %s\n' $$name "$$text"; done

venv: $(READY) ## Make .venv with the program and all tools

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "billing needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.13 venv" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[postgres,stripe,pdf,pdf-cjk,server,xlsx,notify]' --group dev
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

# Compiled files are kept even where they are not wanted: all workers would compile all anew.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY) ## Run the tests on all processors, and report their coverage
	@$(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal \
	    --cov --cov-report term $(ARGS)

# What the demo needs is there sooner than all that developers need.
$(RUNNABLE): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "billing needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.13 demo" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test $(READY) -nt pyproject.toml || \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[pdf]'
	@touch $(RUNNABLE)

demo: $(RUNNABLE) ## From a real log of 1993 to its invoices, from nothing
	@PATH="$$PWD/$(BIN):$$PATH" examples/demo.sh

bench: $(READY) ## Measure speed and memory (takes a while)
	@$(BIN)/python -m benchmarks

completions: $(READY) ## Generate the shell completions in completions/
	@$(BIN)/python -m completions.generate

pictures: $(READY) ## Make the pictures in docs/images/ from the data of the demo
	@$(BIN)/python -m docs.pictures

docs: $(READY) ## Generate docs/cli.md and docs/payloads.md
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m docs.payloads

clean: ## Remove what the targets make, except .venv
	@rm -rf .coverage .coverage.* .demo .hypothesis .import_linter_cache .mypy_cache \
	    .pytest_cache .ruff_cache build dist
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
