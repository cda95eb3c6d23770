# Every command sets itself up: uv (from the package index) makes the virtual environment
# and installs a GPU build of torch, where anything asks for it, in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
SOURCES := Cargo.toml pyproject.toml $(shell find rust -name '*.rs')
FLOORS := .venv-floors
PEERS := .venv-peers
# What depends on versions: tables, types, tags, answers, cloning, fit parameters, networks and
# saving. Statistics, kernels, attacks on scores, texts, pages and gates see numbers alone; what else
# is left out differs from other tests of the same code by the estimator, the size or the question.
FLOOR_TESTS := tests --ignore-glob='tests/test_stats_*' $(addprefix --ignore=tests/test_,\
	$(addsuffix .py,kernels examples cluster neighbors defenses_networks defended_references exposure \
	gan_ensemble membership_curve perturbation known_answers compare_defenses synthesis groups \
	inversion inversion_contrast label_access cache enhancing large conditions plots plots_inversion \
	plots_risk plots_uncertainty defenses_selena defenses_adversarial defended_nets sample_access access \
	attack_details doubts exposed feature_space gmia leak lira_one_sided metrics private_labels \
	published_thresholds scale stratified vulnerability docs guide notices baseline locks \
	house markdown audit_labels audit_generators findings registry attacks audit_details cli_commands \
	cli_safety defenses_output defenses_pate evidence logan lost_references observed_values quick \
	report_page)) -m 'not slow and not gpu and not thorough' -k 'not demo and not workers_train \
	and not (scikit_learn_checks and (test_defenses_common or test_selection and Tree)) \
	and not (scikit_learn_checks and test_common and not (RMIA or Stacked or Cosine)) \
	and not (test_attributes and not (frames or types or networks)) \
	and not (test_dpsgd and not (accountant or answers or gradients or layers or seed)) \
	and not (test_defenses_training and not (metadata or parameters or weights)) \
	and not (test_qmia and not (tables or types or features or regressor)) \
	and not (test_repeats and not (values or widths))'
export UV_LINK_MODE := copy
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Images for containers often set this; then each process of the tests would compile numpy,
# scikit-learn and torch anew, which takes longer than to import them.
unexport PYTHONDONTWRITEBYTECODE
# One process per core, each with one thread: threads of several processes wait for each other. Each
# begins with a half of its own, in order, so that what the tests of a file share is made once.
PARALLEL := -n auto --dist worksteal

.PHONY: audit test thorough mutants tables test-slow lint lint-rust lint-python rust-test floors bench bench-peers docs \
	changelog hooks wheel clean

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
	cargo clippy --all-targets --features bench --quiet -- -D warnings

lint-python: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest mia_sklearn._rust
	$(BIN)/python tools/docstrings.py

rust-test:
	cargo test --quiet --lib

# Left to right, so that the quickest to fail comes first. `make --jobs=2` compiles what is Rust while
# packages are downloaded.
test: lint rust-test
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(PARALLEL)

# The same code on more estimators, sizes and examples than `make test` has time for.
thorough: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(PARALLEL) -m 'thorough and not slow' \
		$(shell grep -lE 'mark\.(thorough|one_for_all)' tests/test_*.py)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m '' examples/test_privacy.py

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

bench: $(VENV)/.test
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

clean:
	rm -rf $(VENV) $(FLOORS) $(PEERS) target dist site audit-report docs/_build docs/_examples docs/api docs/examples
