# Every target builds the environment it needs: `make demo` on a fresh clone just works.
# Overridable: PYTHON (3.11 or newer), e.g. `make test PYTHON=python3.12`.

PYTHON ?= python3

VENV  := .venv
BIN   := $(VENV)/bin
SIDE  := .venv-timm
LIGHT := .venv-light
DIST  := .venv-dist
PIP   := $(BIN)/python -m pip --disable-pip-version-check
# One release of everything, torch above all: with none named, pip takes the newest one whatever the size.
INSTALL := $(PIP) install -c constraints.txt

# A stamp is touched last, so a set-up that was cut off starts again; a finished one costs nothing.
BASE := $(VENV)/.base
RUN  := $(VENV)/.run
DEV  := $(VENV)/.dev
DOCS := $(VENV)/.docs

SUITES := faces fashion glyphs scenes
# Other requests or another model under the same methods: a few rows show that they run.
VARIANTS := faces-20x1 faces-strangers glyphs-50x1 glyphs-shadows glyphs-strangers fashion-swin fashion-convnext
FEW := original,oracle-scratch,head-mask,closed-form,gs-lora++

.DEFAULT_GOAL := help
.PHONY: bench bench-smoke bench-speed benchmarks-page reference demo-results help demo demo-detection test test-light test-slow coverage dist check check-fast format docs hooks clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(RUN) ## A pre-trained vision transformer forgets twenty people, four requests in a row
	$(BIN)/expunge demo

demo-detection: $(RUN) ## A detector forgets eight people, boxes before and after
	$(BIN)/expunge demo --task detection

# One process a core, and the tests of a file together: they share what is costly to make.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile

test: $(DEV) $(SIDE)/.installed ## Run the tests
	$(PYTEST)
	PYTHONPATH=$(SIDE) $(BIN)/python -m pytest tests/timm

test-light: $(LIGHT)/.installed ## Run the tests that need no torch, beside the base package alone
	$(LIGHT)/bin/python -m pytest @tests/light.txt

test-slow: $(DEV) bench-smoke ## Run the tests that are left out of `make test`, and the benchmark's smoke test
	$(PYTEST) -m slow

coverage: $(DEV) ## Run the tests and say which lines they ran; fails below the floor in pyproject.toml
	$(PYTEST) --cov --cov-report term:skip-covered

bench-smoke: $(DEV) ## A tiny version of every benchmark suite, and of every method and measure, two at a time
	rm -rf build/bench-smoke
	printf '%s\n' $(SUITES) $(foreach suite,$(VARIANTS),"$(suite) --methods $(FEW)") | \
		OMP_NUM_THREADS=1 xargs -P 2 -I @ sh -c '$(BIN)/expunge bench run @ --quick --seeds 1 --out build/bench-smoke || exit 255'
	$(BIN)/expunge bench table build/bench-smoke --out build/bench-smoke/tables

bench: $(DEV) ## Run all benchmark suites, hours long; goes on where it was cut off
	for suite in $(SUITES) $(VARIANTS); do $(BIN)/expunge bench run $$suite --out benchmarks/results || exit 1; done

bench-speed: $(DEV) ## Time the methods side by side, a quarter of an hour
	OMP_NUM_THREADS=1 $(BIN)/expunge bench speed --minutes 9 --models zoo:fashion,zoo:glyphs,zoo:faces,vit-b/16 --images 4,16 --out docs/speed

benchmarks-page: $(DEV) ## Write docs/benchmarks.md again from benchmarks/results
	$(BIN)/python scripts/benchmarks_page.py

check: check-fast ## Style, architecture and types
	$(BIN)/basedpyright

check-fast: $(DEV) ## The seconds-long part of `make check`, as the pre-commit hook runs it
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache --no-logo

format: $(DEV) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

reference: $(DEV) ## Write the reference pages again from the code
	$(BIN)/python scripts/reference.py

demo-results: $(RUN) ## Run the demo and put its figures into docs/results and the README
	$(BIN)/python scripts/demo_results.py

docs: $(DOCS) ## Build the documentation into build/site
	$(BIN)/zensical build --clean --strict

# The wheel is built from the sdist, which must therefore hold all that it needs.
dist: $(DIST)/.installed ## Build sdist and wheel into dist/, check both, try the wheel in an empty environment
	rm -rf dist build/dist
	$(DIST)/bin/python -m hatchling build --target sdist --directory dist
	$(DIST)/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	$(DIST)/bin/python -m twine check --strict dist/*
	$(DIST)/bin/python scripts/try_dist.py

hooks: ## Check before each commit, in seconds: style, architecture, the subject
	git config core.hooksPath .githooks

clean: ## Remove environments, caches and everything built
	rm -rf $(VENV) $(SIDE) $(LIGHT) $(DIST) build dist .coverage .pytest_cache .ruff_cache .hypothesis .cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BASE): constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --quiet pip hatchling editables
	touch $@

# Built without isolation: hatchling is already here, pinned like everything else.
$(RUN): $(BASE) pyproject.toml constraints.txt requirements/zoo.txt
	$(INSTALL) --no-build-isolation --editable '.[zoo,detection]'
	$(PIP) install --no-deps --require-hashes -r requirements/zoo.txt
	touch $@

$(DEV): $(RUN)
	$(INSTALL) --quiet --no-build-isolation --editable '.[dev]'
	touch $@

$(DOCS): $(RUN)
	$(INSTALL) --quiet --no-build-isolation --editable '.[docs]'
	touch $@

# Beside the environment, never in it: see requirements/timm.txt.
$(SIDE)/.installed: $(BASE) requirements/timm.txt
	rm -rf $(SIDE)
	$(PIP) install --quiet --no-deps --target $(SIDE) -r requirements/timm.txt
	touch $@

# As somebody has it who verifies certificates: nothing that runs models.
$(LIGHT)/.installed: pyproject.toml constraints.txt requirements/light.txt
	rm -rf $(LIGHT)
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt hatchling editables -r requirements/light.txt
	$(LIGHT)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt --no-build-isolation --editable .
	touch $@

$(DIST)/.installed: constraints.txt requirements/dist.txt
	rm -rf $(DIST)
	$(PYTHON) -m venv $(DIST)
	$(DIST)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt -r requirements/dist.txt
	touch $@
