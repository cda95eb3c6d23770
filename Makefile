# Every command sets itself up: uv (from the package index) makes the virtual environment
# and installs a GPU build of torch, where anything asks for it, in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
SOURCES := Cargo.toml pyproject.toml $(shell find rust -name '*.rs')
FLOORS := .venv-floors
PEERS := .venv-peers
ARM := aarch64-unknown-linux-musl
LINUX := $(foreach libc,gnu musl,x86_64-unknown-linux-$(libc) aarch64-unknown-linux-$(libc))
FREE_THREADED := python3.14t
# What depends on versions: records of any library, tags, answers and attributes of models, cloning,
# networks, saving. Statistics, kernels, attacks on scores, texts, pages, gates and the command line
# see what these make of it, numbers and names alone.
FLOOR_TESTS := $(addprefix tests/test_,$(addsuffix .py,answers attributes audit_tables cli_tables common \
	defenses_common differential_privacy dpsgd ensembles gan gradients import \
	input_gradients models_that_write net_regressors notebooks observe other_targets own_records \
	pytest_plugin references regression regressors report_format row_labels selection side_effects signals \
	stored_records structural tables targets torch_target)) \
	-m 'not slow and not gpu and not thorough' -k 'not demo and not workers_train \
	and not (scikit_learn_checks and (test_defenses_common or test_selection and Tree)) \
	and not (scikit_learn_checks and test_common and not (RMIA or Stacked or Cosine)) \
	and not (test_attributes and not (frames or types or networks)) \
	and not (test_dpsgd and not (accountant or answers or gradients or layers or seed)) \
	and not (test_pytest_plugin and not gate) \
	and not passthrough and not of_another_size and not memorises and not diverged_models \
	and not modules_of_which'
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Images for containers often set this; then each process of the tests would compile numpy,
# scikit-learn and torch anew, which takes longer than to import them.
unexport PYTHONDONTWRITEBYTECODE
# One process per core, each with one thread: threads of several processes wait for each other. Each
# begins with a half of its own, in order, so that what the tests of a file share is made once.
PARALLEL := -n auto --dist worksteal
THOROUGH := not slow and not gpu
MARKS := $(THOROUGH) and not thorough

.PHONY: audit test thorough mutants tables test-slow lint lint-rust lint-python rust-test arm sanitize \
	python-test floors bench bench-peers docs changelog hooks wheel wheels clean

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

lint: lint-rust lint-python

lint-rust:
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	@# The same without the instructions of x86, where `rustup target add $(ARM)` has been said.
	+@if [ -d "$$(rustc --print target-libdir --target $(ARM))" ]; then \
		cargo clippy --all-targets --quiet --target $(ARM) -- -D warnings; \
	fi

lint-python: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest --mypy-config-file pyproject.toml mia_sklearn._rust
	$(BIN)/python tools/docstrings.py

rust-test:
	cargo test --quiet --lib

# The Rust tests on another processor, which qemu plays (`apt install qemu-user`, `rustup target add
# $(ARM)`). Linked by Rust's own linker against its own musl, they need nothing else of that machine,
# nor Python: no test calls it, so its symbols may stay open. Optimised as what is shipped, whose loops
# use other registers than those of a quick build.
arm: export CARGO_PROFILE_DEV_OPT_LEVEL = 3
arm: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER = rust-lld
arm: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER = qemu-aarch64
arm: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS = -Clink-arg=--unresolved-symbols=ignore-all
arm:
	cargo test --quiet --lib --target $(ARM) --features pyo3/extension-module

# The Rust tests under ThreadSanitizer, the standard library instrumented too: wants a nightly Rust with
# its sources (`rustup component add rust-src --toolchain nightly`).
sanitize: export RUSTFLAGS = -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer
sanitize: export CARGO_PROFILE_DEV_OPT_LEVEL = 1
sanitize: export RAYON_NUM_THREADS = 4
sanitize: export MIA_SKLEARN_THREADS_FOR_LITTLE = 1
sanitize:
	cargo +nightly test --quiet --lib -Zbuild-std --target x86_64-unknown-linux-gnu

python-test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(PARALLEL) -m '$(MARKS)'

# Left to right, so that the quickest to fail comes first. `make --jobs=2` compiles what is Rust while
# packages are downloaded, and checks types while the tests run.
test: lint rust-test python-test

# `make test` on more estimators, sizes and examples of the same code.
thorough:
	$(MAKE) test MARKS='$(THOROUGH)'

# Does a test fail for each small fault?
mutants: $(VENV)/.test
	$(BIN)/python tools/mutants.py

# The tables of the guide that follow from the code.
tables: $(VENV)/.test
	$(BIN)/python tools/tables.py

# The oldest versions that pyproject.toml allows, on the oldest Python found that has wheels of
# them. The extension is the one in the source tree: it holds for every Python from 3.10 on.
# diffprivlib cannot be imported beside the newest scikit-learn, so that it is tested here alone;
# from 0.6.6 on it needs numpy 2.
$(FLOORS)/.installed: $(UV) pyproject.toml Makefile
	@for python in python3.10 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.10.*/bin/python \
			python3.11 $(BIN)/python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] > (3, 11))' 2>/dev/null; then \
			$(UV) venv --quiet --clear --python "$$python" $(FLOORS) && \
			$(UV) pip install --quiet --python $(FLOORS)/bin/python --resolution lowest-direct \
				-r pyproject.toml --extra torch --extra dp 'pytest>=8' 'pytest-benchmark>=5' \
				'pytest-xdist>=3.5' 'diffprivlib>=0.6.5' && \
			touch $@; exit; \
		fi; \
	done; echo 'No Python 3.10 or 3.11: the oldest versions have no wheels, skipped.'

# Old versions warn of what newer ones have settled: warnings are errors on the newest only.
floors: $(VENV)/.package $(FLOORS)/.installed
	@if [ -e $(FLOORS)/.installed ]; then \
		OMP_NUM_THREADS=1 PYTHONPATH=python $(FLOORS)/bin/python -m pytest -q $(PARALLEL) -W ignore \
			$(FLOOR_TESTS); \
	fi

test-slow: $(VENV)/.test
	$(BIN)/pytest -q -m slow

# Lints of its Rust are here, as criterion is: compiling that takes as long as all else of `make lint-rust`.
bench: $(VENV)/.test
	cargo clippy --benches --features bench --quiet -- -D warnings
	cargo bench --quiet --features bench -- --noplot
	$(BIN)/pytest benchmarks/test_boundary.py -q --benchmark-enable --benchmark-max-time=0.5 \
		--benchmark-columns=min,median,rounds --benchmark-sort=name
	OMP_NUM_THREADS=1 $(BIN)/pytest benchmarks/attacks -q -rs --benchmark-enable --benchmark-max-time=0.5 \
		--benchmark-min-rounds=1 --benchmark-columns=min,median,rounds --benchmark-sort=mean

# Its own environment: the peers bring torch, several GB, and pin older versions.
$(PEERS)/.installed: $(UV) pyproject.toml
	$(UV) venv --quiet --clear --python $(BIN)/python $(PEERS)
	$(UV) pip install --quiet --python $(PEERS)/bin/python -r pyproject.toml --group peers
	touch $@

bench-peers: $(VENV)/.package $(PEERS)/.installed
	PYTHONPATH=python $(PEERS)/bin/python benchmarks/peers.py

# The guide, into site/: warnings are errors, and links between pages lead somewhere.
$(VENV)/.docs: $(VENV)/.package
	$(UV) pip install --quiet --python $(BIN)/python --group docs
	touch $@

docs: $(VENV)/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs auto \
		-d docs/_build -b html docs site
	$(BIN)/python tools/check_links.py site

# What the files of changes/ will add to the changelog.
changelog: $(VENV)/.package
	$(UV) pip install --quiet --python $(BIN)/python --group changelog
	$(BIN)/towncrier build --draft

# The quick checks, before every commit.
hooks: $(VENV)/.test
	$(UV) pip install --quiet --python $(BIN)/python --group hooks
	$(BIN)/pre-commit install

wheel: $(VENV)/.test
	$(BIN)/maturin build --release --out dist

# The wheels of Linux for the targets that this toolchain has (`rustup target add` brings others): zig
# links against a C library of 2014, or against musl. One serves every Python from 3.10 on, but for
# those without an interpreter lock, each of which wants its own.
wheels: $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --group wheels
	@export PATH="$(CURDIR)/$(BIN):$$PATH"; for target in $(LINUX); do \
		case $$target in *-musl) policy=musllinux_1_2;; *) policy=manylinux2014;; esac; \
		if [ ! -d "$$(rustc --print target-libdir --target $$target)" ]; then \
			echo "$$target: not in this toolchain, skipped."; continue; \
		fi; \
		build="maturin build --release --zig --target $$target --compatibility $$policy --out dist"; \
		$$build || exit; \
		for python in $(FREE_THREADED); do \
			if command -v $$python >/dev/null; then $$build --interpreter $$python || exit; \
			else echo "$$python: not found, $$target skipped for it."; fi; \
		done; \
	done

clean:
	rm -rf $(VENV) $(FLOORS) $(PEERS) target dist site audit-report docs/_build docs/_examples docs/api docs/examples
