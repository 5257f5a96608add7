# The two commands: make quickstart, make test. Both need Rust; the tests need Go and Node as well.

CARGO ?= cargo
# Most tests wait for servers, not for a processor.
export RUST_TEST_THREADS ?= 8
# Random histories are the same in every run, so that a red run is due to the change; another number tries others.
export PROPTEST_RNG_SEED ?= 1
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: help quickstart quickstart-cluster docs test bench

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

# Runs one step, says what it is and how long it took.
define step
	@echo "==> $(1)"; begun=$$SECONDS; $(2); echo "==> $(1): $$((SECONDS - begun)) s"
endef

# The quickstarts start the program that stands beside them.
BUILD := $(CARGO) build --locked -p oauthclient-operator -p testkit --bin oauthclient-operator
BUILT := $${CARGO_TARGET_DIR:-target}/debug

quickstart: ## the whole job over files, watched for 45 seconds; needs only Rust
	@$(BUILD) --bin quickstart
	@$(BUILT)/quickstart

quickstart-cluster: ## the same on a real Kubernetes API, until Ctrl-C; needs Go, and builds the API server the first time
	@$(BUILD) --bin quickstart-cluster
	@$(BUILT)/quickstart-cluster

CHART_TOOLS := helm-4 helm-3 helm-unittest helm-docs kube-score

docs: ## the documentation as a site with search, in target/site; needs Python 3.11
	@site/build.py

test: ## everything that must pass
	$(call step,format,$(CARGO) fmt --all --check)
	$(call step,clippy,$(CARGO) clippy --workspace --all-targets --locked -- -D warnings)
	$(call step,rustdoc,RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked)
	$(call step,build,$(CARGO) test --workspace --locked --no-run)
	$(call step,control plane (built once; outside the checkout),$(CARGO) run --quiet --locked -p testkit --bin control-plane -- build)
	$(call step,tools of the chart (built once; outside the checkout),$(CARGO) run --quiet --locked -p testkit --bin tools -- $(CHART_TOOLS))
	$(call step,packages (installed once, from Debian),testkit/install-packages.sh)
	$(call step,tests,$(CARGO) test --workspace --locked --no-fail-fast)
	$(call step,quickstart,$(MAKE) --no-print-directory quickstart)

bench: ## measure, with ratios from one run (about half an hour)
	$(CARGO) bench --locked --bench simulation
	$(CARGO) bench --locked --bench cluster
