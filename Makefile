# make demo | make demo-text | make test | make lint: each sets up .venv first, once, and again when pyproject.toml changes.
# Another Python: make test PYTHON=python3.12. Another torch build: make test TORCH="torch torchvision --index-url ...".
PYTHON ?= python3
TORCH ?= torch torchvision
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: demo demo-text test lint clean

demo: $(STAMP)
	$(BIN)/python benchmarks/demo.py

demo-text: $(STAMP)
	$(BIN)/python benchmarks/demo_text.py

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) dist

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(TORCH)
	$(BIN)/python -m pip install -e ".[test,dev]"
	touch $@
