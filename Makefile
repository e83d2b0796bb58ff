# One name for each thing one does here; `make` alone lists them.

CARGO ?= cargo
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
FUZZ_TIME ?= 60
BENCH_ROUNDS ?= 5
# Themes of tests/it that `make test` runs a second time with --pool session; `make soak` runs them all.
WITH_LINKS_OF_THEIR_OWN := auth:: failover::matrix transactions::
BENCH_OUT ?= results/bench
IMAGE ?= steadfast:dev
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINARY ?= target/release/steadfast

.DEFAULT_GOAL := help
.PHONY: help demo build install static release test test-rust test-clients test-browser test-deploy examples soak bench lint fuzz image clean

help: ## this list
	@echo 'Steadfast. The usual ones are `make demo` and `make test`.'
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

demo: ## watch a crash and a planned failover under load; STAY=1 keeps it up
	@tests/setup.sh server
	@$(CARGO) build --quiet --release --locked --bin steadfast --example failover_demo
	@target/release/examples/failover_demo $(if $(filter-out 0,$(STAY)),--stay)

build: ## the release binary, target/release/steadfast
	$(CARGO) build --release --locked --bin steadfast

install: ## what `make build` made, with unit files and an example of settings; PREFIX, DESTDIR
	@[ -x $(BINARY) ] || { echo 'There is no $(BINARY) yet: run `make build` first.' >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/steadfast
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's#/usr/local/bin/#$(PREFIX)/bin/#; s#/etc/steadfast/#$(SYSCONFDIR)/steadfast/#' \
		deploy/systemd/steadfast.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/steadfast.service
	install -m 0644 deploy/systemd/steadfast.socket $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -D -m 0644 deploy/systemd/steadfast.toml $(DESTDIR)$(PREFIX)/share/doc/steadfast/steadfast.toml
	install -m 0644 deploy/systemd/steadfast.env $(DESTDIR)$(PREFIX)/share/doc/steadfast
	@# Settings that are there stay as they are.
	[ -e $(DESTDIR)$(SYSCONFDIR)/steadfast/steadfast.toml ] || \
		install -D -m 0644 deploy/systemd/steadfast.toml $(DESTDIR)$(SYSCONFDIR)/steadfast/steadfast.toml

static: ## a static binary that runs in an empty image, dist/steadfast
	RUSTFLAGS='-C target-feature=+crt-static' \
		$(CARGO) build --release --locked --bin steadfast --target $(HOST)
	@mkdir -p dist
	cp target/$(HOST)/release/steadfast dist/steadfast

release: ## into dist/: the static binary of the last commit, built twice and compared, SBOM, checksums
	@tests/setup.sh release
	@.ci/release

test: test-rust test-clients test-deploy ## everything: Rust tests on real servers, real clients, manifests

test-rust: ## the Rust tests alone
	@tests/setup.sh server
	@tests/setup.sh newer
	@tests/setup.sh promtool
	$(CARGO) test --locked --no-fail-fast
	STEADFAST_POOL=session $(CARGO) test --locked --no-fail-fast --test it -- $(WITH_LINKS_OF_THEIR_OWN)

test-clients: ## redis-py, phpredis, ioredis, the CLI and the README's blocks
	@tests/setup.sh server
	@tests/setup.sh clients
	@tests/clients/run.sh

test-browser: ## the status page in a real browser, which it installs (some 200 MB); part of test-clients where there is one
	@tests/setup.sh server
	@tests/setup.sh clients
	@tests/setup.sh browser
	@tests/clients/run.sh browser/main.py

test-deploy: ## what is below deploy/, and the image, without a cluster
	@tests/setup.sh deploy
	@tests/deploy/run.sh

examples: ## every application below examples/ through a planned failover and a crash; ONLY=django for one
	@tests/setup.sh examples
	@tests/examples/run.sh $(ONLY)

soak: ## the long tests; figures of failovers in results/, resumed where they ended
	@tests/setup.sh server
	@tests/setup.sh newer
	@mkdir -p results
	STEADFAST_SOAK=1 $(CARGO) test --locked --release --test it -- soak:: storm:: resources:: partition:: sharing::
	STEADFAST_SOAK=1 $(CARGO) test --locked --release --test it -- --nocapture --test-threads=1 hostile:: fleet::
	STEADFAST_SOAK=1 $(CARGO) test --locked --release --lib -- --nocapture simulation:: splitting::
	STEADFAST_SOAK=1 STEADFAST_POOL=session $(CARGO) test --locked --release --lib -- --nocapture simulation::
	STEADFAST_POOL=session $(CARGO) test --locked --release --test it
	@for server in redis target/tools/bin/valkey-server-8.0 target/tools/bin/valkey-server-9.1; do \
		[ $$server = redis ] || [ -x $$server ] || continue; \
		echo "failovers on $$server"; \
		STEADFAST_SOAK=1 STEADFAST_TEST_SERVER=$$server $(CARGO) test --locked --release --test it \
			-- --nocapture --test-threads=1 failover:: || exit 1; \
	done

bench: build ## how fast: side by side with other proxies and none, then the pure parts alone
	@tests/setup.sh server
	@tests/setup.sh peers
	$(CARGO) build --quiet --release --locked --example load --example floor
	@mkdir -p $(BENCH_OUT)
	@python3 benches/side_by_side.py --rounds $(BENCH_ROUNDS) --out $(BENCH_OUT) \
		--json $(BENCH_OUT)/samples.json $(BENCH_FLAGS)
	$(CARGO) bench --locked --bench framing --bench discovery

lint: ## formatting, clippy, documentation, licences and sources of dependencies
	@tests/setup.sh lint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' $(CARGO) doc --locked --no-deps --document-private-items --quiet
	@$(CARGO) fetch --locked --quiet # for every platform, which a build does not need
	target/tools/bin/cargo-deny --offline --log-level error check bans licenses sources

fuzz: ## each fuzz target for FUZZ_TIME seconds (needs a nightly compiler)
	@tests/setup.sh fuzz
	@export PATH="$(CURDIR)/target/tools/bin:$$PATH"; \
	for target in $$(cargo-fuzz fuzz list --fuzz-dir tests/fuzz); do \
		mkdir -p target/fuzz-corpus/$$target; \
		$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz $$target \
			target/fuzz-corpus/$$target tests/fuzz/corpus/$$target \
			-- -max_total_time=$(FUZZ_TIME) || exit 1; \
	done

image: ## the container image IMAGE: with docker from source, else with buildah into dist/image.tar
	@deploy/image.sh $(IMAGE)

clean: ## remove what was built
	$(CARGO) clean
	rm -rf dist results
