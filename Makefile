# Every verb sets up .venv first (some milliseconds when nothing changed) and uses nothing but .venv.
# Variables, all optional:
#   PYTHON       interpreter for .venv (default: the newest Python >= 3.12 that runs)
#   AEL_EXTRAS   extras to install (default: engine,dev)
#   DEMO_ARGS    arguments of `ael demo`, for example DEMO_ARGS="--runs 50"
#   PYTEST_ARGS  arguments of pytest, for example PYTEST_ARGS="-k layering -x"
#   WORKERS      processes of `make test` (default: one a core, without Docker half as many more); 0 runs all tests in
#                one, as a debugger needs it
#   SEED         order of `make test-hostile`, to repeat one
#   UP_ARGS      arguments of deploy/stack.py up, such as --available
#   DOCTOR_ARGS  arguments of `ael doctor --stack`, such as --json
#   CLEAN_ARGS   arguments of deploy/stack.py clean-data, such as --yes
#   CI           true: a test that this machine could have run must not be skipped

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PYTHON AEL_EXTRAS SEED
WORKERS ?= auto

BIN    := .venv/bin
PY     := $(BIN)/python
PYTEST := $(PY) -m pytest
STACK  := $(PY) deploy/stack.py
SCHEMA := $(PY) -m tools.telemetry_schema
# Python sources, as far as they exist.
SRC    := $(wildcard ael_otel ael_hook.py tools deploy dashboards tests)

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@awk '/^# Variables/ { on = 1 } /^[^#]|^$$/ { on = 0 } on { sub(/^# ?/, ""); print }' $(MAKEFILE_LIST)

# --- a person's verbs -------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## run real workflows and show them; needs no Docker, and a package index only the first time
	@$(BIN)/ael demo $(DEMO_ARGS)

.PHONY: up
up: setup ## start the stack (Collector, Prometheus, Loki, Tempo, Grafana, Alertmanager) and print its links
	@$(STACK) up $(UP_ARGS)

.PHONY: down
down: setup ## stop the stack; its data stays
	@$(STACK) down

.PHONY: status
status: setup ## say which services of the stack are ready
	@$(STACK) status

.PHONY: doctor
doctor: setup ## check the installation and the stack, and say what to do (DOCTOR_ARGS=--json)
	@$(BIN)/ael doctor --stack $(DOCTOR_ARGS)

.PHONY: images
images: setup ## build the images that are missing from source (air-gapped hosts, CI)
	@$(STACK) images

.PHONY: clean-data
clean-data: setup ## delete what the stack has stored; asks first
	@$(STACK) clean-data $(CLEAN_ARGS)

# --- a developer's verbs ----------------------------------------------------------------------------------------------

.PHONY: setup
setup: ## make .venv with everything these verbs need
	@./deploy/setup.sh

.PHONY: fmt
fmt: setup ## format the sources and apply safe lint fixes
	@$(BIN)/ruff check --fix-only --quiet $(SRC)
	@$(BIN)/ruff format $(SRC)

.PHONY: fmt-check
fmt-check: setup
	@$(BIN)/ruff format --check $(SRC)

.PHONY: lint
lint: setup ## lint the sources
	@$(BIN)/ruff check $(SRC)

.PHONY: type
type: setup ## type-check the package and what builds it: mypy and pyright, both strict
	@status=0; $(BIN)/mypy || status=1; $(BIN)/pyright --warnings || status=1; exit $$status

.PHONY: generate
generate: setup ## write what is generated: names and docs from the registry, redaction of the Collector, settings, dashboards
	@$(SCHEMA) generate
	@$(PY) -m tools.redaction_rules
	@$(PY) -m tools.settings_reference
	@$(PY) -m tools.docs_site.cli_reference
	@if [ -f dashboards/src/__main__.py ]; then $(PY) -m dashboards.src; fi

.PHONY: schema
schema: setup ## hold the registry, what is made from it, and every query to their rules
	@status=0; \
	$(SCHEMA) check || status=1; \
	$(SCHEMA) generate --check || status=1; \
	$(SCHEMA) diff || status=1; \
	$(SCHEMA) weaver || status=1; \
	$(SCHEMA) lint-queries dashboards prometheus collector/config.yaml docs README.md || status=1; \
	$(SCHEMA) lint-queries --every-metric dashboards prometheus/rules || status=1; \
	exit $$status

.PHONY: generate-check
generate-check: schema
	@$(PY) -m tools.redaction_rules --check
	@$(PY) -m tools.settings_reference --check
	@$(PY) -m tools.docs_site.cli_reference --check
	@if [ -f dashboards/src/__main__.py ]; then $(PY) -m dashboards.src --check; fi

.PHONY: docs
docs: setup ## build the documentation site to build/site; a broken link or reference fails
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict
	@echo "docs: build/site/index.html; with search: $(PY) -m http.server --bind 127.0.0.1 --directory build/site"

.PHONY: boards
boards: setup ## write dashboards/*.json from their sources
	@$(PY) -m dashboards.src

.PHONY: boards-check
boards-check: setup ## run the demo against a stack of its own, print what every query of every board returned (BOARDS=uid, ARGS=--help)
	@$(PY) -m tests.dashboards.check $(BOARDS) $(ARGS)

.PHONY: test
test: setup ## run the whole suite; what needs an absent tool is skipped with a reason
	@$(PYTEST) -n $(WORKERS) --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: setup ## run what needs nothing: unit tests, layering, types of the generated API
	@$(PYTEST) -n logical --hypothesis-profile=quick tests/unit tests/typing $(PYTEST_ARGS)

.PHONY: test-hostile
test-hostile: setup ## run tests in random order, with odd HOME, TZ, COLUMNS and LC_ALL (PYTEST_ARGS=tests/...: only those)
	@$(PY) -m tests.hostile -n $(WORKERS) $(PYTEST_ARGS)

STRESS := limits paused switches
STRESSED := tests/engine/test_matrix.py tests/engine/test_overlap.py tests/privacy/test_canaries.py tests/unit/lifecycle \
  tests/unit/sdk/test_run_spans.py tests/unit/sdk/test_log_notes.py tests/unit/emit tests/unit/core/test_telemetry_thread.py \
  tests/process/sdk/test_conservation.py tests/process/store/test_run_ends.py
# It counts requests, of which random switches make two where 20 items are usually one batch.
STRESSED += --deselect tests/process/sdk/test_conservation.py::test_refusals_are_counted_by_reason

.PHONY: stress
stress: setup ## run outcomes, overlap, canaries and comparisons with full queues, paused threads, random switches (7 minutes)
	@status=0; for kind in $(STRESS); do echo "stress: $$kind"; \
	STRESS_TELEMETRY=$$kind $(PYTEST) -q -n $(WORKERS) $(STRESSED) $(PYTEST_ARGS) || status=1; done; exit $$status

.PHONY: attribution
attribution: setup ## measure precision and recall of line attribution over 500 random histories (half an hour)
	@$(PY) -m tests.attribution.measure $(PYTEST_ARGS)

.PHONY: rules
rules: setup ## check the alerts: unit tests, what breaks them, and live from fault to message (Docker)
	@$(PYTEST) tests/rules $(PYTEST_ARGS)

.PHONY: e2e
e2e: setup ## pull the images that are absent, start the stack, drive it, check every backend
	@$(STACK) pull || echo "e2e: going on with what is here" >&2
	@$(PYTEST) -m e2e tests/e2e $(PYTEST_ARGS)

.PHONY: bench
bench: setup ## measure what the instrumentation costs
	@if [ -f tests/bench/run.py ]; then $(PY) tests/bench/run.py; else $(PYTEST) -s tests/bench $(PYTEST_ARGS); fi

.PHONY: bench-profile
bench-profile: setup ## show where the time of a step and of a run over stdio goes (half a minute)
	@$(PY) tests/bench/profile_run.py

PEERS := logfire==5.1.1 openinference-instrumentation==0.1.72 opentelemetry-util-genai==1.3b0 \
  traceloop-sdk==0.62.4 httpx
MLFLOW := mlflow-tracing==3.17.2 opentelemetry-exporter-otlp-proto-http

.PHONY: insights-proof
insights-proof: setup ## look for planted causes in 200 generated histories each, and for none in 200 clean ones (minutes)
	@AEL_INSIGHTS_HISTORIES=200 $(PYTEST) -rP -k 'planted or clean' tests/unit/insights

.PHONY: bench-peers
bench-peers: setup ## measure a run with this package and with others that trace agents; needs a package index
	@[ -x build/peers/bin/python ] || $(BIN)/uv venv -q --python $(PY) build/peers
	@$(BIN)/uv pip install -q --python build/peers/bin/python $(PEERS)
	@[ -x build/mlflow/bin/python ] || $(BIN)/uv venv -q --python $(PY) build/mlflow
	@$(BIN)/uv pip install -q --python build/mlflow/bin/python $(MLFLOW)
	@$(PY) tests/bench/peers.py build/peers/bin/python build/mlflow/bin/python

.PHONY: bench-load
bench-load: setup ## measure an engine under load with telemetry and without: delay, runs a second, memory, end (5 minutes)
	@$(PY) tests/bench/load.py load $(BENCH_ARGS)

.PHONY: bench-health
bench-health: setup ## measure /health of `ael serve` beside runs that return large values (2 minutes)
	@$(PY) tests/bench/health.py $(BENCH_ARGS)

.PHONY: soak
soak: setup ## run an hour at 100 runs/s; fails if memory grows or something is dropped (BENCH_ARGS="--minutes 5")
	@$(PY) tests/bench/load.py soak $(BENCH_ARGS)

.PHONY: release
release: setup ## build VERSION, try it on every Python of this machine, write build/release (first: python -m tools.release prepare VERSION)
	@$(PY) -m tools.release check $(VERSION)

.PHONY: check
check: fmt-check lint type generate-check docs test ## everything a change must pass

.PHONY: clean
clean: ## remove .venv, caches and build output; stored runs and the stack's data stay
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find ael_otel tools tests deploy dashboards -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
