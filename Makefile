# SPDX-License-Identifier: Apache-2.0
# Needs make, git and a Swift 6.3 toolchain on Debian 12; everything else is installed by `make packages`.

PYTHON := /usr/bin/python3
STACK := $(PYTHON) examples/demo/stack.py
SOURCES := services shared cli Tests Benchmarks Package.swift
BENCH_CONFIGURATION ?= release
E2E_BUSES ?= postgres kafka
# Without a bound Swift Testing begins every test at once: more connections than Postgres has, more waiting than limits.
TESTS_AT_ONCE ?= 24
# What is shipped brings the Swift runtime along, holds only what is used of it and starts with few relocations: less
# than two thirds of the memory of a plain release build, and no toolchain needed where it runs.
RELEASE_FLAGS := --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker --no-export-dynamic \
	-Xlinker -z -Xlinker pack-relative-relocs -Xlinker -z -Xlinker noseparate-code
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-down build release test test-unit test-e2e build-tests lint fmt base-images bench-deploy \
	bench-bus bench-scheduler soak-bus docs packages packages-test python

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1   \2/p' $(MAKEFILE_LIST)

demo: python ## From nothing to an application that answers on its URL, all running; BUS=kafka has events on Kafka
	@$(if $(BUS),SLIPWAY_DEMO_BUS=$(BUS)) $(STACK) demo

demo-down: python ## Stop and remove everything that `make demo` made, data included; caches in .build stay
	@$(STACK) down

build: packages ## Build the executables
	swift build

release: packages ## Build the executables as they are shipped, in .build/release
	swift build --configuration release $(RELEASE_FLAGS)

test: test-unit test-e2e ## Run all tests: unit, component against real Postgres and Kafka, end to end on both buses

build-tests: packages-test
	swift build --build-tests

test-unit: build-tests ## Run the Swift tests; those that need Postgres or Kafka get one of their own
	@echo "→ swift test, with a private Postgres and Kafka broker"
	@$(STACK) with-servers -- swift test --skip-build --skip SchedulerTests \
		--experimental-maximum-parallelization-width $(TESTS_AT_ONCE)
	@echo "→ the scheduler's tests by themselves: they take all cores, and others wait for time-outs meanwhile"
	@swift test --skip-build --filter SchedulerTests
	@echo "→ a thousand Kafka clients made and ended, and what they leave behind"
	@$(STACK) with-servers -- .build/debug/kafka-leak-check 1000

test-e2e: build-tests ## Run the end-to-end tests with the real executables, on each bus of E2E_BUSES
	@status=0; for bus in $(E2E_BUSES); do \
		echo "→ end-to-end tests, events on $$bus"; \
		SLIPWAY_E2E_BUS=$$bus SLIPWAY_BIN="$${SLIPWAY_BIN:-$(CURDIR)/.build/debug}" \
			$(PYTHON) -m pytest Tests/EndToEnd $(ARGUMENTS) || status=1; \
	done; exit $$status

lint: python ## Check formatting and style
	swift format lint --strict --recursive --parallel $(SOURCES)
	@$(PYTHON) .ci/check_text.py

fmt: ## Format the Swift sources in place
	swift format --in-place --recursive --parallel $(SOURCES)

base-images: python ## Have the base images in the container engine, from a registry or from Debian packages
	@$(STACK) base-images $(IMAGES)

bench-deploy: packages ## Measure deploys beside the raw engine's (BENCH_CONFIGURATION=debug spares the release build)
	swift build --configuration $(BENCH_CONFIGURATION) $(if $(filter release,$(BENCH_CONFIGURATION)),$(RELEASE_FLAGS))
	@SLIPWAY_BIN="$(CURDIR)/.build/$(BENCH_CONFIGURATION)" $(PYTHON) Benchmarks/deploy/bench.py

bench-bus: packages ## Measure the event bus beside a bare librdkafka loop; BENCH_QUICK=1 for a short run
	swift build --configuration $(BENCH_CONFIGURATION) --product bus-bench \
		$(if $(filter release,$(BENCH_CONFIGURATION)),$(RELEASE_FLAGS))
	@SLIPWAY_BIN="$(CURDIR)/.build/$(BENCH_CONFIGURATION)" $(PYTHON) Benchmarks/bus/bench.py

bench-scheduler: packages ## Measure the scheduler beside a scan of every host; BENCH_QUICK=1 for a short run
	swift build --configuration $(BENCH_CONFIGURATION) --product scheduler-bench \
		$(if $(filter release,$(BENCH_CONFIGURATION)),$(RELEASE_FLAGS))
	@.build/$(BENCH_CONFIGURATION)/scheduler-bench

soak-bus: packages ## Faults at random against a ledger of events, SOAK_MINUTES (30) in all, on each bus or the one of BUS
	swift build --configuration $(BENCH_CONFIGURATION) --product bus-soak \
		$(if $(filter release,$(BENCH_CONFIGURATION)),$(RELEASE_FLAGS))
	@SLIPWAY_BIN="$(CURDIR)/.build/$(BENCH_CONFIGURATION)" $(PYTHON) Benchmarks/soak/soak.py

docs: packages ## Write docs/asyncapi.json, docs/events.md and missing event samples from the catalogue
	swift build --product slipway-panel
	@panel="$$(swift build --show-bin-path)/slipway-panel"; \
	for pair in asyncapi:asyncapi.json page:events.md; do \
		"$$panel" catalogue "$${pair%%:*}" > docs/.made && mv docs/.made "docs/$${pair#*:}" || exit 1; \
	done; \
	"$$panel" catalogue samples Tests/EventsTests

packages: python ## Install the Debian packages that building and running need
	@$(STACK) packages

packages-test: python
	@$(STACK) packages test

python:
	@test -x $(PYTHON) || { \
		echo "The Debian package python3 is missing and will be installed: it runs the local stack."; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 \
		|| { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3; } \
		|| { echo "Fix: sudo apt-get install python3, then run this again." >&2; exit 1; }; }
