# The developer's commands. `make help` lists them.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
BIN     := p2pshare
TOOLS   := $(CURDIR)/.tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The checkers are pinned here instead of in go.mod, because nothing that ships needs them.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.44.0
GOTESTSUM   := gotest.tools/gotestsum@v1.13.0

FUZZTIME ?= 10s
SOAKTIME ?= 10m
# The packages where a change that no test notices would hurt most, the number of changes tried in each, and their seed.
MUTATE      ?= ./acl ./internal/signed ./internal/gate ./internal/grouplog ./internal/groupnet ./internal/groupsync ./internal/seal
MUTATE_N    ?= 25
MUTATE_SEED ?= 1
# The size of the payloads relative to docs/benchmarks.md (at 1: up to 2 GB), and how often each is measured.
BENCH_SCALE ?= 0.25
BENCH_RUNS  ?= 3

.PHONY: FORCE help build install test quick docs check deps tools unit integration interop bench demo fuzz mutate package release packaging clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

build: ## build ./p2pshare, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/p2pshare

$(BIN)-bench: FORCE
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ ./cmd/p2pshare-bench

FORCE:

install: build ## install the binary, its man page, completions and a user's units for systemd below DESTDIR/PREFIX
	to='$(DESTDIR)$(PREFIX)'
	made=$$(mktemp -d)
	trap 'rm -rf "$$made"' EXIT
	install -D -m 0755 $(BIN) "$$to/bin/$(BIN)"
	./$(BIN) man > "$$made/man"
	install -D -m 0644 "$$made/man" "$$to/share/man/man1/$(BIN).1"
	for shell in bash zsh fish; do ./$(BIN) completion $$shell > "$$made/$$shell"; done
	install -D -m 0644 "$$made/bash" "$$to/share/bash-completion/completions/$(BIN)"
	install -D -m 0644 "$$made/zsh" "$$to/share/zsh/site-functions/_$(BIN)"
	install -D -m 0644 "$$made/fish" "$$to/share/fish/vendor_completions.d/$(BIN).fish"
	sed 's|/usr/bin/p2pshare |$(PREFIX)/bin/$(BIN) |' packaging/systemd/user/p2pshare.service > "$$made/service"
	install -D -m 0644 "$$made/service" "$$to/lib/systemd/user/p2pshare.service"
	install -D -m 0644 packaging/systemd/user/p2pshare.socket "$$to/lib/systemd/user/p2pshare.socket"

test: deps check unit integration packaging ## install what the tests need, then run all checks and tests
	@echo "make test: all checks and tests passed"

deps: ## install the clients and tools that the tests use (Debian packages)
	@integration/deps.sh

RUNNER := $(TOOLS)/gotestsum-$(lastword $(subst @, ,$(GOTESTSUM)))

tools: $(TOOLS)/staticcheck-$(lastword $(subst @, ,$(STATICCHECK))) $(TOOLS)/govulncheck-$(lastword $(subst @, ,$(GOVULNCHECK)))

$(TOOLS)/staticcheck-%:
	@integration/tool.sh '$(TOOLS)' '$(STATICCHECK)' '$@'

$(TOOLS)/govulncheck-%:
	@integration/tool.sh '$(TOOLS)' '$(GOVULNCHECK)' '$@'

$(TOOLS)/nfpm-%:
	@integration/tool.sh '$(TOOLS)' '$(NFPM)' '$@'

$(TOOLS)/gotestsum-%:
	@integration/tool.sh '$(TOOLS)' '$(GOTESTSUM)' '$@'

check: tools ## run gofmt, go vet, staticcheck, govulncheck and the house rules
	@GO='$(GO)' integration/check.sh '$(TOOLS)'

quick: ## run the tests that need no root, no network namespaces and no Debian packages: under two minutes
	$(GO) test ./...
	cd internal/goutp && $(GO) test ./...

unit: $(RUNNER) ## run the tests of every package, with the race detector
	run() { GO='$(GO)' $(CURDIR)/integration/gotest.sh '$(TOOLS)' "$$@"; }
	# The longest first, so that none of them runs alone at the end while the other core is idle.
	run "./internal/node ./internal/localapi/conform ./internal/engine $$($(GO) list ./... | grep -vE '/(integration(/netlab|/client|/wire)?|fetcher)$$' | tr '\n' ' ')" -timeout 20m
	as=(); [ "$$(id -u)" -eq 0 ] || as=(-exec 'sudo --preserve-env=P2PSHARE_TEST') # it fills file systems that it mounts
	run ./fetcher -timeout 20m "$${as[@]}"
	cd internal/goutp && run ./... -timeout 5m

integration: build $(BIN)-bench $(RUNNER) ## test the whole program with real clients, in network namespaces (needs root, or sudo)
	@GO='$(GO)' integration/run.sh '$(TOOLS)' -timeout 20m -parallel 10

interop: build ## test the matrix of clients, print it and write docs/interop.md
	@integration/deps.sh interop
	GO='$(GO)' P2PSHARE_INTEROP_OUT='$(CURDIR)/docs/interop.md' integration/run.sh '$(TOOLS)' -v -timeout 60m -parallel 10 -run '^TestInterop$$'
	cat docs/interop.md

bench: deps build $(BIN)-bench ## compare with the other clients, with results in dist/bench (BENCH_SCALE=1: the payloads of docs/benchmarks.md)
	@integration/bench/run.sh '$(CURDIR)/$(BIN)' '$(BENCH_SCALE)' '$(BENCH_RUNS)' dist/bench

demo: build ## publish a folder and fetch it by its magnet link, on this machine only
	@integration/demo.sh '$(CURDIR)/$(BIN)'

docs: build ## draw the pictures of README and docs
	$(GO) run ./integration/record/draw ./$(BIN) docs/demo.svg

fuzz: ## run every fuzz target for FUZZTIME
	@GO='$(GO)' integration/fuzz.sh '$(FUZZTIME)'

mutate: ## change the security code in MUTATE_N places of each package (0: all), and check that its tests notice
	@$(GO) run ./integration/mutate -n '$(MUTATE_N)' -seed '$(MUTATE_SEED)' $(MUTATE)

soak: deps build ## attack a daemon in every way at once for SOAKTIME, while timing normal use (needs root, or sudo)
	@GO='$(GO)' P2PSHARE_SOAK='$(SOAKTIME)' integration/run.sh '$(TOOLS)' -v -timeout 2h -run '^TestSoak$$'

package: $(TOOLS)/nfpm-$(lastword $(subst @, ,$(NFPM))) ## make dist/*.deb and dist/container
	@GO='$(GO)' VERSION='$(VERSION)' packaging/package.sh '$(TOOLS)/nfpm' dist

release: ## make dist/*.tar.gz, *.zip and SHA256SUMS for every system, reproducibly
	@GO='$(GO)' VERSION='$(VERSION)' packaging/release.sh dist

packaging: deps $(TOOLS)/nfpm-$(lastword $(subst @, ,$(NFPM))) ## test packages, releases and systemd units (needs root, or sudo)
	@GO='$(GO)' integration/package.sh '$(TOOLS)/nfpm'

clean: ## remove build results
	rm -rf $(BIN) $(BIN)-bench dist $(TOOLS)
