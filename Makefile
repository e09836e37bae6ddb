# The commands of README; each installs the Debian packages that it needs first.

PREFIX ?= /usr/local
# Builds of different kinds lie beside each other: build, build-asan, build-tsan, build-fuzz.
RELEASE = build

.PHONY: help build demo test bench fuzz soak install clean build-packages test-packages
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build-packages:
	@tools/install-packages build

test-packages:
	@tools/install-packages test

build: build-packages ## build/takhin and build/takhin-profiler, linked beside README
	@cmake --preset release >$(RELEASE).log 2>&1 || { cat $(RELEASE).log; exit 1; }
	@rm -f $(RELEASE).log
	@cmake --build $(RELEASE)
	@ln -sf $(RELEASE)/takhin takhin
	@ln -sf $(RELEASE)/takhin-profiler takhin-profiler

demo: build ## a broker under real load, its CPU profile and the top table; about half a minute
	@tools/demo $(RELEASE)

test: test-packages ## everything that must hold: plain, sanitizers, real clients, fuzz smoke
	@tools/test

bench: test-packages build ## the figures that ARCHITECTURE.md and README quote, each beside its goal
	@tools/bench $(RELEASE)

fuzz: test-packages ## every fuzz target for FUZZ_SECONDS (default 600) each
	@tools/fuzz $${FUZZ_SECONDS:-600}

soak: test-packages build ## every profile and traces in parallel beside a load, for SOAK_SECONDS (default 3600)
	@tools/soak $(RELEASE) $${SOAK_SECONDS:-3600}

install: build ## to PREFIX (default /usr/local): both programs, man page, bash completion, the pages, deploy/
	@cmake --install $(RELEASE) --prefix "$(PREFIX)"

clean: ## remove what was built
	rm -rf build build-asan build-tsan build-fuzz takhin takhin-profiler
