SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
.PHONY: help setup demo demo-service demo-scale test test-faults lint type fmt lock bench bench-gpu bench-check bench-publish bench-accuracy bench-consent bench-erasure bench-sealing bench-hook bench-diarization clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/weights ## everything that the other targets need: environment, package, weights

demo: setup ## process a real call that the repository ships, and show what came out
	@$(BIN)/python scripts/demo.py

demo-service: setup ## a signed event becomes a stored call, though the worker is killed in mid-call
	@$(BIN)/python scripts/service_demo.py

demo-scale: setup ## an archive of real calls, killed and gone on with, tightened, and done by two workers on PostgreSQL and S3
	@$(BIN)/python -m scripts.scale_demo

test: setup ## every test, with real weights
	@$(BIN)/python -m pytest -n 4 --dist loadfile

test-faults: setup ## kill workers, hook, watcher, database and store, fill the disk, send what is hostile; count every call (minutes)
	@$(BIN)/python -m tests.faults && $(BIN)/python -m pytest -m faults

lint: .venv/installed ## style and formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

type: .venv/installed ## types
	@$(BIN)/mypy

fmt: .venv/installed ## format, and fix what can be fixed safely
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup ## the whole suite beside other chains, as a table, JSON and a page (20 minutes on two cores; QUICK=1: five)
	@$(BIN)/callseal bench run --to demo-out/bench.json $(if $(QUICK),--quick) $(foreach each,$(MINUTES),--minutes $(each))

bench-gpu: setup ## the same with the models on a GPU, and the sweep of batch sizes (PRICE=2.50: cost of 1,000 call hours)
	@$(BIN)/callseal bench run --gpu --to demo-out/bench-gpu.json $(if $(QUICK),--quick) $(if $(PRICE),--price $(PRICE))

bench-check: .venv/installed ## what got worse between two runs beyond their noise: OLD=a.json NEW=b.json
	@$(BIN)/callseal bench check "$(OLD)" "$(NEW)"

bench-publish: .venv/installed ## keep a run (RESULT, else the last) and make the tables of README.md and docs from it
	@$(BIN)/callseal bench publish "$(or $(RESULT),demo-out/bench.json)"

bench-accuracy: setup .venv/bench ## what is still audible and readable after redaction, beside the stock chain (hours)
	@$(BIN)/python -m benchmarks.accuracy --stock --json demo-out/accuracy.json --html demo-out/accuracy.html

bench-consent: setup .venv/bench ## verdicts and evidence on the labelled consent set, beside a keyword baseline (half an hour, then kept)
	@$(BIN)/python -m benchmarks.consent --list --json demo-out/consent.json

bench-erasure: .venv/installed ## what an erasure costs beside deleting, and the plan as the index grows
	@$(BIN)/python -m benchmarks.erasure

bench-sealing: .venv/installed ## time to seal and open, as a ratio to raw AES-GCM on the same buffers
	@$(BIN)/python -m benchmarks.sealing

bench-hook: .venv/installed ## 100 finished-call events a second against the hook, on SQLite and on PostgreSQL
	@$(BIN)/python -m benchmarks.hook

bench-diarization: setup ## who speaks: speed against error
	@$(BIN)/python -m benchmarks.diarization

lock: .venv/locked ## pin every version again after a change of pyproject.toml
	@$(BIN)/pip-compile --quiet --extra dev --generate-hashes --unsafe-package pip --strip-extras --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-options --output-file requirements.lock pyproject.toml

clean: ## remove what was made here, but for the environment
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis dist demo-out; find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/locked: requirements.lock
	@scripts/install.sh requirements.lock && touch $@

.venv/installed: .venv/locked pyproject.toml
	@$(BIN)/pip install -qq --no-deps --no-build-isolation -e . && touch $@

.venv/bench: .venv/installed
	@$(BIN)/pip install -qq kokoro-onnx==0.6.1 && touch $@

.venv/weights: .venv/installed models/registry.toml
	@$(BIN)/callseal models fetch --all && touch $@
