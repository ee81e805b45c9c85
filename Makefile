# The front of the build. `make help` lists what there is.
#
#   make test ONLY=unit,contract     suites by name; `scripts/test.py --list` shows them
#   make run REDIS=1 PORT=4000       the demo on a real Redis, on another port
#   make lint ALL=1                  clang-tidy on every file, not only on changed ones
#   make fuzz SECONDS=600            seconds for each fuzzer
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

ONLY ?=
SECONDS ?= 300
JOBS ?= $(shell nproc)

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what building and testing needs, from Debian and npm
	@scripts/deps.sh

# Not the tests, which take as long again and build themselves.
PROGRAMS := notifications-gateway notifications-server notifications-edge notifyctl publish-example

.PHONY: build
build: build/build.ninja ## the programs, into build/bin
	@ninja -C build -j$(JOBS) $(PROGRAMS) notifications_publisher_archive

.PHONY: all
all: build/build.ninja ## the programs, the tests and the benchmarks
	@ninja -C build -j$(JOBS)

build/build.ninja:
	@cmake --preset release

.PHONY: run
run: deps build ## the gateway with a demo feed; REDIS=1: separate programs on a real Redis
	@scripts/run.sh

.PHONY: test
test: deps ## everything that must pass, sanitizers included
	@scripts/test.py --only "$(ONLY)"

.PHONY: test-sanitizers
test-sanitizers: deps ## what `make test` does not run under the sanitizers
	@scripts/test.py --group sanitizers --only "$(ONLY)"

.PHONY: test-long
test-long: deps ## the contract's waits at full length
	@scripts/test.py --group long

.PHONY: torture
torture: deps all ## faults for DURATION seconds (60): nothing may be lost; SEED=, BROKEN=gate|append|sessions
	@DURATION=$(DURATION) SEED=$(SEED) BROKEN=$(BROKEN) node tests/torture/run.mjs

.PHONY: fuzz
fuzz: deps ## every fuzzer for SECONDS (300)
	@scripts/test.py --only fuzz --fuzz-seconds $(SECONDS)

.PHONY: bench
bench: deps all ## the benchmarks, a table; QUICK=1: in two minutes
	@/usr/bin/python3 tests/bench/run.py $(if $(QUICK),--quick)

.PHONY: lint
lint: deps ## format, clang-tidy, includes, shell, Python, proto
	@scripts/lint.sh all

.PHONY: fmt
fmt: ## format the C++ sources
	@scripts/lint.sh format-in-place

.PHONY: clean
clean: ## remove what was built
	rm -rf build build-debug build-asan build-tsan build-fuzz
