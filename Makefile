# Everything a fresh clone needs is done by the targets themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILE := .cache/uv/bin/uv pip compile --generate-hashes --universal --no-annotate --no-header \
  --no-emit-index-url --quiet --upgrade
PACKAGES := streams detectors model_backend autoscaler dashboards tidegate

SERVED := broker or kafka or influx or kubernetes or registry or browser or replicas
# Each of two processes has services of its own; a file with services stays with one of them.
BOTH_PASSES = code=0; \
  $(BIN)/python -m pytest -n 2 --cov --cov-report= -m "not ($(SERVED))" || code=$$?; \
  $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-append --cov-report=term:skip-covered -m "$(SERVED)" tests || code=$$?; \
  exit $$code

.DEFAULT_GOAL := help
.PHONY: help run test check quick format lint types layers services setup docs lock clean \
	bench-batching bench-demo bench-chaos bench-detect bench-ingest bench-failover bench-plan bench-scale bench-scrape bench-young bench-client soak

help:  ## Say what there is.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup  ## Run everything on this machine; Ctrl-C stops it all. ARGS="--duration 180 --report r.json"
	@$(BIN)/tidegate up $(ARGS)

test: setup services  ## Run every test, with real Kafka, InfluxDB, Kubernetes, a Schema Registry and Chromium where the machine can.
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),$(BOTH_PASSES))

quick: setup  ## The inner loop: unit tests only, properties on 20 examples instead of 100.
	@$(BIN)/python -m pytest -q -x -n 2 --hypothesis-profile quick -m "not ($(SERVED) or slow)" $(ARGS)

promises: setup  ## What the guards promise, in 20,000 made-up lives of a pool and a million random situations; 5 minutes.
	@$(BIN)/python -m pytest -q tests/autoscaler/test_promises.py --hypothesis-profile thorough

check: setup lint types layers test  ## Exactly what CI runs.

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

format: setup  ## Format and mend what can be mended.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only .

types: setup
	@$(BIN)/mypy $(PACKAGES) benchmarks clients/python/tidegate_client tests
	@$(BIN)/mypy --python-version 3.9 clients/python/tidegate_client

layers: setup
	@$(BIN)/lint-imports --no-cache

services: setup  ## Fetch or build Kafka, InfluxDB, Kubernetes, a Schema Registry and Chromium for the tests, once.
	@$(BIN)/python -m tests.services || [ "$$CI" != true ]

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tidegate needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv);" \
	         "set PYTHON=/path/to/python3"; exit 1; }
	@echo "This downloads, once: about 340 MB of Python packages and a 253 MB language model (Gemma 3 270M," \
	      "under Google's Gemma Terms of Use), about 1.6 GB on disk. 'make test' also fetches Kafka" \
	      "(54 MB), builds InfluxDB (400 MB of sources) and Kubernetes' API server (60 MB), fetches" \
	      "Apicurio Registry (150 MB) and installs Chromium (110 MB), where it can."
	@$(PYTHON) -m venv $(VENV)
	@# --no-deps: the lock is complete, and pip 23 looks past it for the newest of any package that another names with an extra.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --disable-pip-version-check > /dev/null || $(BIN)/python -m pip check
	@touch $@

docs: setup  ## Write anew what is made from the code: schemas, configuration, dashboards.
	@$(BIN)/python -m streams.schemas.export docs/schemas
	@$(BIN)/python -m streams.schemas.vocabulary > clients/python/tidegate_client/fields.py
	@$(BIN)/python -m dashboards.boards
	@$(BIN)/tidegate config > docs/configuration.md

bench-demo: setup  ## Ten seeds of the demo with faults, one quiet run; half an hour.
	@$(BIN)/python -m benchmarks.demo $(ARGS)

bench-chaos: setup services  ## 20 kills, freezes, rebalances over 2 million events; equal to an undisturbed run?
	@$(BIN)/python -m benchmarks.chaos $(ARGS)

soak: setup services  ## An hour under a million series: flat? Run again to go on. ARGS="--duration 180"
	@$(BIN)/python -m benchmarks.soak $(ARGS)

bench-ingest: setup build/bench-venv/.ready  ## INGEST against its peers; 15 minutes. ARGS="--events 1000000 --runs 5"
	@$(BIN)/python -m benchmarks.ingest $(ARGS)

# The peers are nobody's dependency: Faust, Quix Streams, Bytewax and confluent-kafka in an environment of their own.
build/bench-venv/.ready: benchmarks/ingest/requirements.lock
	@$(PYTHON) -m venv build/bench-venv
	@build/bench-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

bench-detect: setup build/detect-peers/.ready  ## Detectors against their peers on labelled data, and in the fault laboratory. DATA=DIR ARGS="--no-peers"
	@PYTHONPATH=build/detect-peers OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/tidegate bench detect \
	  --data $(or $(DATA),$(error DATA must be a directory with asd, ms_cloud, nab or smd)) --jobs 2 --json build/detect.json $(ARGS)
	@$(BIN)/tidegate bench faults --json build/faults.json

build/detect-peers/.ready: benchmarks/detect/requirements.lock $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target $(@D) -r $<
	@touch $@

bench-scale: setup  ## The autoscaler against its peers on traces of demand; goes on where it was cut off. DATA=DIR ARGS="--usual"
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/tidegate bench scale \
	  --data $(or $(DATA),$(error DATA must be a directory with traces as .npz)) --jobs 2 --json build/scale.json $(ARGS)

bench-batching: setup  ## The batching simulator against real llama.cpp replicas; 10 minutes. ARGS="--runs 1 --replicas 1"
	@$(BIN)/python -m benchmarks.batching $(ARGS)

bench-plan: setup  ## What deciding for 1,000 pools costs PLAN. ARGS="1000 400"
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.plan $(ARGS)

bench-young: setup  ## Replicas that just started: false anomalies, and delay of a fault; 5 minutes. ARGS="--seeds 101-108"
	@$(BIN)/python -m benchmarks.young $(ARGS)

bench-scrape: setup  ## Scrape 1,000 engines for a minute on this machine. ARGS="--targets 500 1000 2000"
	@$(BIN)/python -m benchmarks.scrape $(ARGS)

bench-client: setup services  ## What tidegate-client adds to a request, with the broker alive, dead and silent; 6 minutes.
	@PYTHONPATH=clients/python $(BIN)/python -m benchmarks.client $(ARGS)

bench-failover: setup services  ## A worker killed inside a transaction: when do others act; 15 minutes.
	@for case in "--stage ingest" "--stage ingest --alone" "--stage watch" "--stage watch --alone"; do \
	  $(BIN)/python -m benchmarks.failover $$case $(ARGS) || exit 1; done

lock:  ## Resolve the dependencies anew.
	@$(PYTHON) -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv
	@$(COMPILE) pyproject.toml --all-extras --group dev -o requirements.lock
	@$(COMPILE) --python-version 3.11 benchmarks/ingest/requirements.in -o benchmarks/ingest/requirements.lock
	@$(COMPILE) --python-version 3.11 --no-deps benchmarks/detect/requirements.in -o benchmarks/detect/requirements.lock

clean:  ## Remove what was made here; the cache of services stays.
	@rm -rf $(VENV) .cache .coverage* htmlcov .mypy_cache .ruff_cache
