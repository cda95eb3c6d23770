# Every command sets itself up: uv (from the package index) makes the virtual environment
# and installs a GPU build of torch, where anything asks for it, in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
SOURCES := Cargo.toml pyproject.toml $(shell find rust -name '*.rs')
export UV_LINK_MODE := copy
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

.PHONY: audit test test-slow lint rust-test floors bench bench-peers wheel clean

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade uv

# The package alone: what a user installs.
$(VENV)/.package: $(UV) $(SOURCES)
	$(UV) pip install --quiet --python $(BIN)/python --reinstall-package mia-sklearn --editable .
	touch $@

# The package and all that the tests need.
$(VENV)/.test: $(VENV)/.package
	$(UV) pip install --quiet --python $(BIN)/python --group test
	touch $@

audit: $(VENV)/.package
	$(BIN)/mia-sklearn demo --output audit-report

lint: $(VENV)/.test
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest mia_sklearn._rust

rust-test:
	cargo test --quiet

test: lint rust-test
	$(BIN)/pytest -q

test-slow: $(VENV)/.test
	$(BIN)/pytest -q -m slow

wheel: $(VENV)/.test
	$(BIN)/maturin build --release --out dist

clean:
	rm -rf $(VENV) target dist audit-report
