# Every target does the set-up it needs: a virtual environment in .venv with the pinned packages of constraints.txt.
# It is brought up to date when a packaging file changes, and left alone otherwise.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.stamp

# The Python that the virtual environment is made with; the first of these that is 3.9 to 3.11 and can make one. Where
# there is none, uv makes the environment, if it is there, with a Python that it finds or fetches.
PYTHONS := python3.11 python3.10 python3.9 python3 python
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
DEMO_DIR := demo
# Pictures for the demo: files, folders and patterns, comma-separated.
PHOTOS :=

.PHONY: help demo train-demo check test test-all lint types format install clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## the package's model on couples and on PHOTOS='a.jpg,b/*.jpg', fine-tuned, drawn into demo/ (minutes)
	$(BIN)/python -m opec_tf.demo --output_dir=$(DEMO_DIR) --photos='$(PHOTOS)'

train-demo: $(INSTALLED)  ## from random weights to a scored model, into runs/train_demo (20 to 50 minutes on 2 cores)
	$(BIN)/python -m opec_tf.prepare_data synthetic --output_dir=data/train_demo --couples=3000
	$(BIN)/python -m opec_tf.train --flagfile=configs/train_demo.flags --workdir=runs/train_demo
	$(BIN)/python -m opec_tf.evaluate --flagfile=configs/train_demo.flags --workdir=runs/train_demo

check: lint types  ## before every commit: lint, types, tests that are not marked slow (some 3 minutes on 2 cores)
	$(PYTEST) -m "not slow and not slowest"

test: lint types  ## what CI runs: lint, types, all tests but the slowest (some 15 minutes on 2 cores)
	$(PYTEST) -m "not slowest"

test-all: lint types  ## before a release: lint, types, all tests (about half an hour on 2 cores)
	$(PYTEST)

lint: $(INSTALLED)  ## ruff: lint and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(INSTALLED)  ## mypy
	$(BIN)/python -m mypy

format: $(INSTALLED)  ## ruff: format, sort imports, mend what it can
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

install: $(INSTALLED)  ## only the set-up

clean:  ## remove .venv, caches and build folders (data/, runs/ and demo/ stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find opec_tf tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg constraints.txt pyproject.toml
	@$(BIN)/python -c "" 2> /dev/null || { \
	  python=; missing=; \
	  for candidate in $(PYTHONS); do \
	    $$candidate -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' 2> /dev/null || continue; \
	    if $$candidate -c 'import ensurepip, venv' 2> /dev/null; then python=$$candidate; break; fi; \
	    missing=$$candidate; \
	  done; \
	  if [ -n "$$python" ]; then \
	    echo "making $(VENV) with $$($$python --version)"; \
	    $$python -m venv --clear $(VENV); \
	  elif command -v uv > /dev/null; then \
	    echo "making $(VENV) with $$(uv --version)"; \
	    uv venv --clear --seed --python "$${missing:-3.11}" $(VENV); \
	  elif [ -n "$$missing" ]; then \
	    echo "error: $$missing cannot make virtual environments; on Debian or Ubuntu: apt-get install $$(basename $$missing)-venv" >&2; exit 1; \
	  else \
	    echo "error: no Python 3.9, 3.10 or 3.11 found; install one, name it (make PYTHONS=/path/to/python3.11), or install uv" >&2; exit 1; \
	  fi; \
	}
	@echo "installing the packages of constraints.txt (about 2.5 GB; minutes the first time)"
	$(PIP_INSTALL) pip setuptools wheel
	$(PIP_INSTALL) -e .[test]
	@$(BIN)/python -c "import cv2" || { \
	  echo "error: OpenCV cannot be loaded; on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0" >&2; exit 1; }
	@touch $@
