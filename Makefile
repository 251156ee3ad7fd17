# make serve · make test · make test-slow · make check · make texts · make bench: each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN_STAMP := $(VENV)/.run-stamp
DEV_STAMP := $(VENV)/.dev-stamp
WEB_SOURCES := package.json $(shell find dashboard/web -type f)
WEB_BUILD := dashboard/static/build/manifest.json
PYTEST := $(BIN)/python -m pytest -q
# The tests start many processes: each would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE
# Whole files side by side, in the order of tests/conftest.py: the tests wait for processes more than they compute.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: serve test test-slow test-ci check format texts bench lock clean

serve: $(RUN_STAMP) $(WEB_BUILD)
	@$(BIN)/waymark geo update --if-missing
	@exec $(BIN)/waymark serve

# Browser tests run in a call of their own: Playwright's event loop would be in the way of the others'.
test: $(DEV_STAMP) $(WEB_BUILD)
	$(PYTEST) $(PARALLEL) -m "not slow and not browser"
	$(PYTEST) -m "browser and not slow"

test-slow: $(DEV_STAMP) $(WEB_BUILD)
	$(PYTEST) $(PARALLEL) -m "slow and together"
	$(PYTEST) -m "slow and not together"

# The share of the slow tests that fits into a CI run.
test-ci: $(DEV_STAMP) $(WEB_BUILD)
	$(PYTEST) $(PARALLEL) -m "slow and ci and together"
	$(PYTEST) -m "slow and ci and not together"

check: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Finds what customers read in the source, and tells what is not translated yet.
texts: $(DEV_STAMP)
	$(BIN)/python -m jobs.catalogues

bench: $(DEV_STAMP) $(WEB_BUILD)
	$(BIN)/python -m bench

# New versions within the bounds of pyproject.toml. The files name no index and no host.
lock: $(DEV_STAMP)
	$(BIN)/uv pip compile pyproject.toml --quiet --extra fast --extra labels --extra build --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --no-config --python-version 3.11 --universal --output-file requirements/run.lock.txt
	$(BIN)/uv pip compile pyproject.toml --quiet --extra fast --extra labels --extra postgres --extra dev --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --no-config --python-version 3.11 --universal \
	  --output-file requirements/dev.lock.txt

clean:
	rm -rf $(VENV) node_modules dashboard/static/build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Waymark needs Python 3.11 or newer; run: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements/run.lock.txt pyproject.toml | $(BIN)/python
	@echo "Installing Python packages ..."
	@$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/run.lock.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): requirements/dev.lock.txt $(RUN_STAMP)
	@echo "Installing development packages ..."
	@$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/dev.lock.txt
	@touch $@

node_modules/.stamp: package-lock.json package.json .npmrc
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' \
	  || { echo "Waymark's pages are built with Node 20 or newer; install it, or install a released wheel."; exit 1; }
	@echo "Installing web packages ..."
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB_BUILD): node_modules/.stamp $(WEB_SOURCES)
	@npm run --silent build
	@touch $@
