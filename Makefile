# `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help setup quickstart controller test test-unit test-data test-keras3 test-wheel lint wheel docs gpu clean check-python check-data

# TensorFlow's information messages hide the lines that matter; warnings and errors stay.
export TF_CPP_MIN_LOG_LEVEL ?= 2

VENV_PYTHON := .venv/bin/python
RUFF := .venv/bin/ruff
STAMP := .venv/installed

# Each candidate is run: a name on the PATH may be a shim with no interpreter behind it. A whole .venv keeps its own.
IS_SUPPORTED := import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))
CANDIDATES := $(if $(wildcard .venv/bin/pip),$(VENV_PYTHON),python3.11 python3.10 python3.9 python3)
ifeq ($(PYTHON),)
PYTHON := $(shell for candidate in $(CANDIDATES); do \
	"$$candidate" -c '$(IS_SUPPORTED)' 2>/dev/null && echo "$$candidate" && break; done)
endif
IS_PYTHON_SUPPORTED = $(shell "$(PYTHON)" -c '$(IS_SUPPORTED)' 2>/dev/null && echo yes)
TRIED = $(or $(PYTHON),$(lastword $(CANDIDATES)))
FOUND = $(or $(shell "$(TRIED)" --version 2>/dev/null),nothing that runs) ($(TRIED))

help:
	@echo 'make quickstart  set up .venv, then train a controller on the digits'
	@echo 'make controller  the package's default controller, from references to its judgement; TFDS_DATA_DIR is needed'
	@echo 'make test        format, lint, types and the tests that need no data set'
	@echo 'make test-unit   the quick ones of them: under a minute on two cores'
	@echo 'make test-data   the tests on real data, which TFDS_DATA_DIR must hold'
	@echo 'make test-keras3 the tests of the callback in Keras 3 on TensorFlow, JAX and PyTorch, an environment each'
	@echo 'make test-wheel  the wheel in an environment of its own for each Python from 3.9 to 3.13 that is found'
	@echo 'make lint        format, lint and types alone'
	@echo 'make wheel       the package to publish, in dist/'
	@echo 'make setup       .venv with the locked packages; PYTHON=python3.9 picks the interpreter of a new .venv'
	@echo 'make gpu         replace the TensorFlow in .venv by the one with CUDA (Linux, NVIDIA)'
	@echo 'make docs        the pages of docs/ with the reference, as a site that needs no server: site/index.html'
	@echo 'make clean       remove .venv*, caches and build files; runs/ stays'

setup: $(STAMP)

check-python:
	$(if $(IS_PYTHON_SUPPORTED),@:,$(error Python 3.9, 3.10 or 3.11 is needed; found $(FOUND)))

# pip is tested for, because a venv that failed half-way has a python and no pip.
$(STAMP): requirements.txt setup.py | check-python
	test -x .venv/bin/pip || "$(PYTHON)" -m venv --clear .venv
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

quickstart: setup
	$(VENV_PYTHON) -m learned_lr.train --gin_file=gin/train/digits_cnn.gin

# Each job goes on where it was stopped. runs/sweep/imitate/imitate/sweep.md has the seeds' mean regrets on the
# selection tasks: the seed with the least is the package's default.
controller: setup check-data
	$(VENV_PYTHON) -m learned_lr.references --gin_file=gin/references/default.gin
	$(VENV_PYTHON) -m learned_lr.sweep --gin_file=gin/sweep/imitate.gin
	$(VENV_PYTHON) -m learned_lr.judge --gin_file=gin/judge/default.gin

check-data:
	@test -d "$$TFDS_DATA_DIR" || { echo 'TFDS_DATA_DIR must name a folder with prepared data sets' >&2; exit 1; }

lint: setup
	$(RUFF) format --check .
	$(RUFF) check .
	$(VENV_PYTHON) -m mypy

NUM_TEST_WORKERS ?= 2
PYTEST := $(VENV_PYTHON) -m pytest -n $(NUM_TEST_WORKERS)

test: lint
	$(PYTEST)

test-unit: setup
	$(PYTEST) -m 'not smoke and not slow and not wheel'

test-data: setup check-data
	$(VENV_PYTHON) -m pytest -m slow

# The newest releases of the backends need Python 3.11. PIP_ARGS is for pip, say an index of CPU wheels.
KERAS3_BACKENDS := tensorflow jax torch
test-keras3: $(KERAS3_BACKENDS:%=test-keras3-%)

.PHONY: $(KERAS3_BACKENDS:%=test-keras3-%)
$(KERAS3_BACKENDS:%=test-keras3-%): test-keras3-%: .venv-keras3-%/installed
	KERAS_BACKEND=$* PYTHONPATH=$(CURDIR) .venv-keras3-$*/bin/python -m pytest tests/callback

.venv-keras3-%/installed: tests/callback/requirements-%.txt | check-python
	"$(PYTHON)" -m venv --clear .venv-keras3-$*
	.venv-keras3-$*/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r $<
	touch $@

.PRECIOUS: .venv-keras3-%/installed

# setuptools packs whatever an earlier build left in build/, so none is left.
wheel: setup
	rm -rf build dist
	$(VENV_PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
		--wheel-dir dist .
	rm -rf build

# The environments are .venv-wheel-3.9 and so on; -rs names each Python that isn't there.
test-wheel: wheel
	$(VENV_PYTHON) -m pytest -rs -m wheel tests/test_package.py

# Both packages own the same files, so one must go first; requirements.txt as constraints keeps all other versions.
# Once requirements.txt or setup.py changes, `setup` puts tensorflow-cpu back, and this must be run again.
gpu: setup
	$(VENV_PYTHON) -m pip uninstall --quiet --yes tensorflow-cpu
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -c requirements.txt 'tensorflow[and-cuda]==2.15.1'

# An environment of its own, because the pins of .venv are those of TensorFlow. Building needs no network.
docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=true .venv-docs/bin/python -m mkdocs build --strict

.venv-docs/installed: docs/requirements.txt | check-python
	"$(PYTHON)" -m venv --clear .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r $<
	touch $@

clean:
	rm -rf .venv .venv-keras3-* .venv-docs .venv-wheel-* site build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find official_resnet learned_lr tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
