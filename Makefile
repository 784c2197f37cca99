# `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME    ?= 10s
SERVE       ?=

export PATH := $(CURDIR)/.cache/bin:$(PATH)

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Compile bin/dockwire, one static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags '-s -w' -o bin/dockwire ./cmd/dockwire

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
	CGO_ENABLED=1 go test -race -shuffle=on ./...

.PHONY: lint
lint: ## Check format, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt these:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

.PHONY: vuln
vuln: ## Look for known vulnerabilities; takes the network
	@mkdir -p .cache
	go run $(GOVULNCHECK) -format json ./... >.cache/vuln.json
	go run ./.ci/vuln <.cache/vuln.json

.PHONY: bench
bench: tools engine ## Measure: calls a second, log lines a second, beside others
	go test -run '^$$' -bench . -benchmem ./...
	cd rpc/bench && go test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { targets[n++] = $$1 } /^ok/ { while (n) print $$2, targets[--n] }' | \
	while read -r pkg target; do go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg"; done

.PHONY: clean
clean: ## Remove what these targets made here
	rm -rf bin .cache
