# Paysaga. `make` alone lists the targets; the scripts in internal/stack do the work.

SHELL := /bin/bash
.DEFAULT_GOAL := help
STACK_SH := internal/stack/stack.sh
TEST_SH := internal/stack/test.sh

# A crash with backtraces on can hang for minutes.
export SWIFT_BACKTRACE := enable=no

.PHONY: help up down restart status logs demo reset clean-data deps build release deb sbom dist debug venv migrate descriptors \
  test test-unit test-integration test-e2e chaos drills simulate model fuzz tsan asan lint format bench clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  STACK=docker|local chooses the kind of stack; default: docker where an engine answers, otherwise local."

up: ## Install missing packages, build, start everything, migrate (PORTS=free chooses free ports)
	@$(STACK_SH) up

down: ## Stop everything that 'up' started; keep the data
	@$(STACK_SH) down

restart: ## down, then up on the same ports
	@$(STACK_SH) restart

status: ## Show what runs, where, and whether it is ready
	@$(STACK_SH) status

logs: ## Follow the logs
	@$(STACK_SH) logs

demo: ## Play an order and some direct payments through the running stack (ORDER=111 chooses the order)
	@$(STACK_SH) demo

reset: ## Remove the stack's data (after 'down')
	@$(STACK_SH) reset

clean-data: reset ## The same as 'reset'

deps: ## Install missing Debian packages
	@$(STACK_SH) deps

build: release ## The same as 'release'

release: ## Release build of the programs, in .build/release
	@$(STACK_SH) build

deb: release ## Debian package of the release build, in .build/deb
	@bash deploy/debian/build.sh

sbom: release ## List of what the release build consists of (CycloneDX), in .build/dist
	@$(STACK_SH) sbom

dist: release ## Archive of the release build with that list and its SHA-256, in .build/dist; the same build gives the same bytes
	@$(STACK_SH) dist

debug: ## Debug build of everything, tests included
	swift build --build-tests --jobs 2

venv: ## Make the Python environment of the tests, .local/venv
	@$(STACK_SH) venv

migrate: ## Migrate the local stack's database
	@$(STACK_SH) migrate up

descriptors: venv ## Generate the descriptors for server reflection from the .proto files of api/
	@.local/venv/bin/python -B internal/stack/descriptors.py

test: ## All tests: stack, model, unit, integration, end to end, release build, simulator, thread sanitizer
	@$(TEST_SH) all

test-unit: ## Unit tests
	@$(TEST_SH) unit

test-integration: ## Tests against real PostgreSQL, Redis and devkafka on free ports
	@$(TEST_SH) integration

test-e2e: ## End to end tests: the built programs against foreign clients
	@$(TEST_SH) e2e

chaos: debug venv ## Faults at random under load: SECONDS=60 of them, and as many as LOAD=10000 direct payments take; SEED=n draws the same; FAULTS=kill,cut only these
	CHAOS='$(or $(SECONDS),60)' CHAOS_LOAD='$(or $(LOAD),10000)' CHAOS_SEED='$(SEED)' CHAOS_FAULTS='$(FAULTS)' \
	  PAYSAGA_BIN='$(or $(PAYSAGA_BIN),$(CURDIR)/.build/debug)' \
	  .local/venv/bin/python -m pytest -p no:cacheprovider -s tests/e2e/test_chaos.py tests/e2e/test_direct_chaos.py

drills: debug venv ## Stage the eleven faults of docs/drills.md, find and repair each (OUT=DIR keeps what was typed and seen)
	DRILLS='$(if $(OUT),$(abspath $(OUT)))' PAYSAGA_BIN='$(or $(PAYSAGA_BIN),$(CURDIR)/.build/debug)' \
	  .local/venv/bin/python -m pytest -p no:cacheprovider tests/drills

simulate: ## Play random schedules: CORE=relay, group-commit or payment; SEED=1 RUNS=10000; TRACE=1 with RUNS=1; SABOTAGE=NAME or all
	@internal/stack/simulate.sh

model: ## Check the models of relay and payment, and that the checks notice a broken protocol (spin)
	@internal/stack/model.sh

fuzz: ## Fuzz untrusted input with libFuzzer: SECONDS=60 per target; TARGET=NAME for one; INPUT=FILE repeats a find
	@FUZZ_SECONDS='$(or $(SECONDS),60)' TARGET='$(TARGET)' INPUT='$(INPUT)' internal/stack/fuzz.sh

tsan: ## Unit tests under the thread sanitizer; SANITIZE_INTEGRATION=1: integration tests, too
	@$(TEST_SH) tsan

asan: ## Unit tests under the address sanitizer; SANITIZE_INTEGRATION=1: integration tests, too
	@$(TEST_SH) asan

lint: ## Check formatting, imports, names in documents, shell and Python
	@internal/stack/lint.sh

format: ## Format the Swift sources in place
	swift format --in-place --recursive --parallel Package.swift cmd internal tests $(wildcard bench)

bench: ## Measure against baselines (bench/run)
	@if [ -x bench/run ]; then bench/run; else echo "bench/run is not there" >&2; exit 1; fi

clean: ## Remove build products; keep the data
	rm -rf .build .local/venv .local/test-log
