# `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME    ?= 100000x
SERVE       ?=
PREFIX      ?= /usr/local
DESTDIR     ?=

# The modules of their own that hold tests, so that dockwire needs nothing of
# what those need.
MODULES := daemon/console/browsertest daemon/ingress/tlstest
TORTURE := cmd/dockwire/e2e/torture

export PATH := $(CURDIR)/.cache/bin:$(PATH)

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Compile bin/dockwire, one static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags '-s -w' -o bin/dockwire ./cmd/dockwire

UNITS       := dockwire.service dockwire.socket dockwire-ingress.socket
INSTALLED   := bin/dockwire $(UNITS:%=lib/systemd/system/%) lib/sysusers.d/dockwire.conf \
	share/bash-completion/completions/dockwire share/zsh/site-functions/_dockwire share/fish/vendor_completions.d/dockwire.fish
PUT         := install -D --mode=644 /dev/stdin $(DESTDIR)$(PREFIX)

.PHONY: install
install: bin/dockwire ## Install below PREFIX: binary, systemd units, completions
	install -D --target-directory=$(DESTDIR)$(PREFIX)/bin bin/dockwire
	for unit in $(UNITS); do sed 's,/usr/local/bin/,$(PREFIX)/bin/,' deploy/$$unit | $(PUT)/lib/systemd/system/$$unit; done
	$(PUT)/lib/sysusers.d/dockwire.conf <deploy/sysusers.conf
	bin/dockwire completion bash | $(PUT)/share/bash-completion/completions/dockwire
	bin/dockwire completion zsh | $(PUT)/share/zsh/site-functions/_dockwire
	bin/dockwire completion fish | $(PUT)/share/fish/vendor_completions.d/dockwire.fish

bin/dockwire:
	$(MAKE) build

.PHONY: uninstall
uninstall: ## Remove what install has put there; state and configuration stay
	rm -f $(INSTALLED:%=$(DESTDIR)$(PREFIX)/%)

.PHONY: run
run: build engine ## Run the daemon; more flags in SERVE='…'
	bin/dockwire serve $(SERVE)

.PHONY: demo
demo: build engine ## Build, run and watch a small app, from a git URL to its page
	examples/demo.sh

.PHONY: engine
engine: ## Find a Docker Engine, else start one, else install one
	.ci/setup engine

.PHONY: tools
tools: ## Install what the tests and benchmarks call, where it is missing
	.ci/setup tools

.PHONY: test
test: tools engine ## Run all tests, on real containers
	.ci/setup current
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 30m ./...
	for module in $(MODULES); do (cd $$module && CGO_ENABLED=1 go test -race -shuffle=on -timeout 20m ./...); done
	cd $(TORTURE) && go test -shuffle=on -timeout 20m ./...

.PHONY: test-current
test-current: tools ## Run all tests on a current engine, compiled for it
	.ci/setup current
	for module in . $(MODULES) $(TORTURE); do (cd $$module && go mod download); done
	.ci/with-current $(MAKE) test

.PHONY: torture
torture: tools ## Run the fault tests in their long form: hours
	cd $(TORTURE) && go test -v -timeout 0 ./... -form long

.PHONY: swarm-test
swarm-test: tools ## Run all tests of swarms of three current engines, which takes ten minutes
	.ci/setup current
	CGO_ENABLED=1 go test -race -tags swarm -timeout 20m -run Swarm ./engine/... ./cmd/dockwire/e2e

.PHONY: lint
lint: ## Check format, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt these:"; echo "$$unformatted"; exit 1; fi
	go vet -tags swarm ./...
	go run $(STATICCHECK) -tags swarm ./...
	for module in $(MODULES) $(TORTURE); do (cd $$module && go vet ./... && go run $(STATICCHECK) ./...); done

.PHONY: vuln
vuln: ## Look for known vulnerabilities; takes the network
	@mkdir -p .cache
	go run $(GOVULNCHECK) -format json ./... >.cache/vuln.json
	go run ./.ci/vuln <.cache/vuln.json

.PHONY: bench
bench: tools engine ## Measure, beside docker, websocketd, go-ethereum, nginx, Caddy
	go test -run '^$$' -bench . -benchmem ./...
	rows=$$(mktemp); trap 'rm -f "$$rows"' EXIT; cd cmd/dockwire/bench && BENCH_ROWS=$$rows go test -run '^$$' -bench . -benchtime 1x -timeout 1h -p 1 ./...

# In inputs, not in time: at the end of a time go test can take its own
# deadline for a failure (golang.org/issue/75804).
.PHONY: fuzz
fuzz: ## Run every fuzz target with FUZZTIME inputs
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { targets[n++] = $$1 } /^ok/ { while (n) print $$2, targets[--n] }' | \
	while read -r pkg target; do go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg"; done

.PHONY: clean
clean: ## Remove what these targets made here
	rm -rf bin .cache
