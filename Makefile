# `make demo` and `make test` work on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs

.PHONY: help demo test test-fast slow lint docs benchmark clean

help:
	@echo "make demo       set everything up and train a recommender that polarises its users (3 minutes)"
	@echo "make test       set everything up, check style and types, run the tests"
	@echo "make test-fast  the tests but for whole programs and studies (tests/system, tests/experiments), without the checks"
	@echo "make slow       the scientific checks that take longer"
	@echo "make docs       build the site of docs/ into build/site"
	@echo "make benchmark  speed against NumPy, numba, NetworkX and rejax on this machine"

demo: $(VENV)/jaxrec
	$(BIN)/jaxrec run tampering --preset quick

test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/installed
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/system --ignore=tests/experiments

slow: $(VENV)/installed
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(BIN)/pytest -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(MKDOCS) build --quiet --strict

docs: $(VENV)/installed
	$(MKDOCS) build

benchmark: $(VENV)/installed
	$(BIN)/python -m benchmarks.polarising
	$(BIN)/python -m benchmarks.rewiring
	$(BIN)/python -m benchmarks.preference
	$(BIN)/python -m benchmarks.estimation
	$(BIN)/python -m benchmarks.ppo
	$(BIN)/python -m benchmarks.seeds
	$(BIN)/python -m benchmarks.scaling

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11) and "jaxrec needs Python 3.11 or newer, and " + \
	sys.executable + " is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12")

# What a command installs: jaxrec alone, or with the tools of its developers.
$(VENV)/jaxrec: EXTRAS :=
$(VENV)/installed: EXTRAS := [dev]
$(VENV)/jaxrec $(VENV)/installed: pyproject.toml
	@if command -v uv >/dev/null; then \
		uv venv --python ">=3.11" $(VENV) --allow-existing && uv pip install --python $(BIN)/python -e ".$(EXTRAS)"; \
	else \
		$(PYTHON) -c '$(NEW_ENOUGH)' && \
		{ $(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV); } && \
		$(BIN)/python -m pip install --quiet --upgrade pip && $(BIN)/python -m pip install --quiet -e ".$(EXTRAS)"; \
	fi
	@touch $(VENV)/jaxrec $@

clean:
	rm -rf $(VENV) .cache build dist *.egg-info
