# The two commands: make quickstart, make test. Both need Rust; the tests need Go and Node as well.

CARGO ?= cargo
# Most tests wait for servers, not for a processor.
export RUST_TEST_THREADS ?= 8
# Random histories are the same in every run, so that a red run is due to the change; another number tries others.
export PROPTEST_RNG_SEED ?= 1
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: help quickstart quickstart-cluster docs test test-versions test-upgrade bench bench-scale soak release release-check publish tool

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

# Runs one step, says what it is and how long it took. In a shell of its own: otherwise `set -e` ignores what fails before a `&&`.
define step
	@echo "==> $(1)"; begun=$$SECONDS; ($(2)); echo "==> $(1): $$((SECONDS - begun)) s"
endef

# The quickstarts start the program in the same folder. They compile as little as possible: without debug information, and
# `make quickstart` without whatever needs a cluster.
PROFILE ?= quick
BUILD = $(CARGO) build --profile $(PROFILE) --locked --no-default-features -p oauthclient-operator -p testkit --bin oauthclient-operator
BUILT = $${CARGO_TARGET_DIR:-target}/$(patsubst dev,debug,$(PROFILE))

quickstart: ## the whole job over files, watched for 45 seconds; needs only Rust
	@$(BUILD) --bin quickstart
	@$(BUILT)/quickstart

quickstart-cluster: ## the same on a real Kubernetes API, until Ctrl-C; needs Go, and builds the API server the first time
	@$(BUILD) --bin quickstart-cluster --features oauthclient-operator/kubernetes,testkit/kubernetes
	@$(BUILT)/quickstart-cluster

TOOLS := helm-4 helm-3 helm-unittest helm-docs kube-score crane krew validate-krew-manifest kubelet

docs: ## the documentation as a site with search, in target/site; needs Python 3.11
	@site/build.py

# As the tests build them. With `cargo run -p testkit`, their dependencies would be compiled again, with fewer features.
TESTKIT = $${CARGO_TARGET_DIR:-target}/debug

test: ## everything that must pass
	$(call step,format,$(CARGO) fmt --all --check)
	$(call step,clippy,$(CARGO) clippy --workspace --all-targets --locked -- -D warnings && $(CARGO) clippy --workspace --test node --locked -- -D warnings)
	$(call step,rustdoc,RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked)
	$(call step,dependencies: licences and bans and sources,release/dependencies.sh)
	$(call step,Dockerfile,release/dockerfile.sh)
	$(call step,build,$(CARGO) test --workspace --locked --no-run && $(CARGO) test --workspace --locked --no-run --test node)
	$(call step,control plane (built once; outside the checkout),$(TESTKIT)/control-plane build)
	$(call step,tools of chart and release (built once; outside the checkout),$(TESTKIT)/tools $(TOOLS))
	$(call step,packages (installed once, from Debian),testkit/install-packages.sh)
	$(call step,tests,PROPERTY_CASES=10000 HISTORIES=256 testkit/run-tests.py)
	$(call step,quickstart,$(MAKE) --no-print-directory quickstart PROFILE=dev)

# Beside 1.36, which all tests run on.
VERSIONS ?= 1.29.15 1.31.4 1.33.13 1.35.4 1.37.2

test-versions: ## the tests of the Kubernetes API on other versions, each built once: make test-versions VERSIONS="1.29.15 1.37.2"
	@testkit/test-versions.sh $(VERSIONS)

test-upgrade: ## let the operator of REVISION (a commit or tag) and this one take over 500 resources from each other
	@testkit/test-upgrade.sh $(REVISION)

bench: ## measure, with ratios from one run (about half an hour)
	$(CARGO) bench --locked --bench simulation
	$(CARGO) bench --locked --bench world
	$(CARGO) bench --locked --bench cluster
	PROPERTY_CASES=1000000 $(CARGO) test --release --locked --lib -- --nocapture reconcile::tests::property::no_secret

# How many resources bench-scale measures.
RESOURCES ?=

bench-scale: ## measure with 100,000 resources on a real control plane (about an hour): make bench-scale RESOURCES=10000
	RESOURCES=$(or $(RESOURCES),100000) $(CARGO) bench --locked --bench scale

# How long soak runs, and which faults come when.
HOURS ?= 2
SEED ?= 1

soak: ## run for HOURS with every kind of fault, and check all promises: make soak HOURS=0.1 RESOURCES=200 SEED=7
	HOURS=$(HOURS) SEED=$(SEED) RESOURCES=$(or $(RESOURCES),2000) $(CARGO) bench --locked --bench soak

release: ## build everything that a release consists of into dist/; IMAGE, PROJECT_URL and COSIGN_KEY say for where (release/build.sh)
	release/build.sh

release-check: ## build the programs twice and compare, then sign, publish and verify on a registry on loopback
	release/check.sh

publish: ## push what lies in dist/ to the registries that it names (release/publish.sh)
	release/publish.sh

tool: ## print where the tool NAME lies, and build it the first time: make tool NAME=helm-4
	@$(CARGO) run --quiet --locked -p testkit --bin tools -- $(NAME)
