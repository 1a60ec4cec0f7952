BIN := .venv/bin

# Variables count only on the command line: one of the same name in the environment belongs to
# another program, and could say what is run here.
VARIABLES := PYTHON CORES TARGET ARGS EXPERIMENT CASES SEED KILLS
ifeq ($(MAKELEVEL),0)
$(foreach name,$(VARIABLES),$(if $(filter environment%,$(origin $(name))),\
  $(info $(name) in the environment is not used; write: make … $(name)=…)))
endif

PYTHON := python3
# of `make run` and `make resume`
CORES := all
TARGET := results/synthetic_model.pt
ARGS :=
# of `make pin` and `make unpin`
EXPERIMENT :=

.DEFAULT_GOAL := help
.PHONY: help install run resume pin unpin test nightly fuzz bench audit lint site lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1	/' | \
	  awk -F '	' '{ printf "make %-8s  %s\n", $$1, $$2 }'
	@echo
	@echo "variables: TARGET=results/<name>/report.html  CORES=8  ARGS='--dry-run'  EXPERIMENT=<name>"

install: .venv/installed-dev ## create .venv with the library (editable) and the tools of the tests

run: .venv/installed ## run the pipeline up to TARGET, on CORES cores
	$(BIN)/snakemake --cores $(CORES) $(TARGET) $(ARGS)

resume: .venv/installed ## after Snakemake was killed: end its jobs, unlock, continue
	$(BIN)/python -m hybrid_pde.workflow.resume $(TARGET) $(ARGS)
	$(MAKE) run

pin: .venv/installed ## freeze the results of EXPERIMENT
	$(BIN)/python -m hybrid_pde.workflow.pin "$(EXPERIMENT)"

unpin: .venv/installed ## let the results of EXPERIMENT be computed again
	$(BIN)/python -m hybrid_pde.workflow.pin --free "$(EXPERIMENT)"

test: .venv/installed-dev ## run the tests, without the nightly ones
	$(BIN)/python -m pytest -n auto

# a sample of the damaged files and of the kills is among the tests; the jobs on two nodes need the
# cluster of tests/slurm/cluster.py
CASES := 10000
SEED := 0
KILLS := 100
nightly: .venv/installed-dev fuzz ## run the long suites: fuzzing, kills, physics sweep, two nodes
	$(BIN)/python -m pytest -m nightly --ignore tests/fuzz
	folder=$$(mktemp -d) && \
	  $(BIN)/python -m tests.resilience --kill $(KILLS) --signal $(KILLS) --directory "$$folder"

fuzz: .venv/installed-dev ## read CASES damaged files, run every equation with every scheme
	$(BIN)/python -m tests.fuzz.report --cases $(CASES) --seed $(SEED)
	$(BIN)/python -m pytest -q -m nightly tests/fuzz/test_physics.py

bench: .venv/installed-dev .venv-bench/installed ## measure speed beside other programs, 25 minutes
	$(BIN)/python -m benchmarks.speed --exponax .venv-bench/bin/python

audit: .venv-audit/installed ## look up known vulnerabilities of the pinned releases
	.venv-audit/bin/pip-audit --strict --requirement requirements-dev.lock --no-deps --disable-pip

lint: .venv/installed-dev ## check style, types and rules, as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

site: .venv/installed-dev ## build the documentation into site/, warnings are errors
	$(BIN)/python -m sphinx --fresh-env --write-all --fail-on-warning --keep-going --quiet docs site

lock: ## pin the newest releases that requirements*.in allow
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --requirement requirements.in
	.venv-lock/bin/python -m pip freeze | $(RELEASES) > requirements.lock
	.venv-lock/bin/python -m pip install --quiet --requirement requirements-dev.in
	.venv-lock/bin/python -m pip freeze | $(RELEASES) > requirements-dev.lock
	rm -rf .venv-lock

# a local version such as 2.13.0+cpu is no release that others can install
RELEASES := sed 's/+[a-z0-9.]*$$//'

clean: ## remove what the workflow made, without pinned results; ARGS=--dry-run lists it
	@test -x $(BIN)/python || { echo "make clean: needs .venv; run make install first"; exit 1; }
	$(BIN)/python -m hybrid_pde.workflow.clean $(ARGS)

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	touch $@

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit==2.10.1
	touch $@

.venv-bench/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --requirement $<
	touch $@
