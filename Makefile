# `make` lists the targets. Each does the set-up that it needs, on a machine
# that has cargo, and leaves nothing outside of target/ and cargo's own places.

.DEFAULT_GOAL := help
.PHONY: help cargo setup build run test bench lint doctor

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

cargo:
	@command -v cargo >/dev/null || { \
	  echo "make: cargo is missing: install Rust 1.95 or later, https://rustup.rs" >&2; exit 1; }

setup: cargo ## see to it that cargo can link V8 (idempotent; done by the others)
	@.setup/v8

build: setup ## build target/release/mcp-conductor
	cargo build --release

run: build ## run examples/report.ts, a first program
	cargo run --quiet --release -- run examples/report.ts --globals examples/sales.json

test: setup ## run every test, those in the documentation included
	cargo test --release --no-fail-fast

bench: setup ## measure; see benches/README.md
	cargo bench

lint: setup ## check formatting, and clippy with warnings as errors
	cargo fmt --check
	cargo clippy --release --all-targets -- -D warnings

doctor: build ## show what of the sandbox is enforced on this machine
	cargo run --quiet --release -- doctor
