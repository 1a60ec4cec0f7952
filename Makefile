PYTHON ?= python3
BIN := .venv/bin

# of `make run` and `make resume`
CORES ?= all
TARGET ?= results/synthetic_model.pt
ARGS ?=

.PHONY: run resume pin unpin test fuzz audit lint lock clean

run: .venv/installed
	$(BIN)/snakemake --cores $(CORES) $(TARGET) $(ARGS)

# after Snakemake itself was killed
resume: .venv/installed
	$(BIN)/python -m hybrid_pde.workflow.resume $(TARGET) $(ARGS)
	$(MAKE) run

# the results of EXPERIMENT stay as they are, whatever settings and code become
pin: .venv/installed
	$(BIN)/python -m hybrid_pde.workflow.pin "$(EXPERIMENT)"

unpin: .venv/installed
	$(BIN)/python -m hybrid_pde.workflow.pin --free "$(EXPERIMENT)"

test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto

# damaged files of every kind: 500 cases are among the tests, this is the nightly run
CASES ?= 10000
SEED ?= 0
fuzz: .venv/installed-dev
	$(BIN)/python -m tests.fuzz.report --cases $(CASES) --seed $(SEED)
	FUZZ_CASES=$(CASES) $(BIN)/python -m pytest -q tests/fuzz/test_physics.py

# known vulnerabilities of the pinned releases, looked up at pypi.org
audit: .venv-audit/installed
	.venv-audit/bin/pip-audit --strict --requirement requirements-dev.lock --no-deps --disable-pip

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit==2.10.1
	touch $@

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

.venv/installed: requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	touch $@

# pins the newest releases that requirements*.in allow; a local version such as +cpu is not a
# release that others can install
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --requirement requirements.in
	.venv-lock/bin/python -m pip freeze | sed 's/+[a-z0-9.]*$$//' > requirements.lock
	.venv-lock/bin/python -m pip install --quiet --requirement requirements-dev.in
	.venv-lock/bin/python -m pip freeze | sed 's/+[a-z0-9.]*$$//' > requirements-dev.lock
	rm -rf .venv-lock

clean:
	rm -rf results data .snakemake
