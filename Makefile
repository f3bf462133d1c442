# `make run` and `make test` need nothing but Python 3.11 or newer, make and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
PROCESSES ?= 2

.PHONY: run test lint conformance bench icons lock clean

run: $(VENV)/.base $(BIN)/mcp-gateway
	@$(BIN)/python manage.py gateway --demo $(ARGS)

# In two processes; `make test PROCESSES=0` in one, as plain pytest does.
test: lint
	$(BIN)/python -m pytest -n $(PROCESSES) $(ARGS)

lint: $(VENV)/.dev $(BIN)/mcp-gateway
	$(BIN)/ruff check .
	$(BIN)/mypy gateway_site projects audit guardrails servers proxy tests bench
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

conformance: $(VENV)/.dev
	$(BIN)/python -m tests.conformance --combination all

bench: $(VENV)/.dev
	$(BIN)/python -m bench.run $(ARGS)

# The icons of projects/static/gateway/icons.txt, out of the theme's font; the font is kept in the repository.
icons: $(VENV)/.dev
	$(BIN)/uv run -q --no-project --python $(BIN)/python --with-requirements requirements/icons.txt \
	  python -m tests.browser.icons

# The lock files hold hashes for every supported Python and name no registry.
lock: $(VENV)/.dev
	cd requirements && for name in base parquet dev build train icons attack_servers; do \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-find-links $$name.in -o $$name.txt || exit 1; done

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements/base.txt | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/base.txt
	@touch $@

# The command itself; all that it needs is there already.
$(BIN)/mcp-gateway: pyproject.toml requirements/build.txt | $(VENV)/.base
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) var tests/conformance/node_modules .attack_servers
