# procpool's commands; `make` alone lists them. Nothing is needed but Go and make: tools come with their versions through `go run`.
# Only `make race`, and so `make check`, wants a C compiler as well, because Go's race detector does.

GO       ?= go
GOLANGCI ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BENCHSTAT ?= $(GO) run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 0.3s
COUNT     ?= 6
PKG       ?= ./pool
SOAK      ?= 20m

# What the race detector runs: the core. cmd/procpool and the README's program exercise the same code as whole programs.
CORE ?= ./wire/... ./worker/... ./pool/... ./internal/...

# Linux runs everything, macOS nearly everything, Windows compiles: all are type-checked, their tests too.
PLATFORMS ?= linux/amd64 linux/arm64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help
.PHONY: help demo build test check tidy fmt-check vet-cross lint race fuzz soak-short soak kills faults bench bench-stat bench-profile bench-peers fix clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Watch a real job: all Go files of your Go distribution, with one that crashes its worker
	@$(GO) run ./cmd/procpool demo

build: ## Build the command into bin/procpool
	$(GO) build -o bin/procpool ./cmd/procpool

test: ## Run all tests (a few minutes)
	$(GO) test -timeout 9m ./...

check: tidy fmt-check vet-cross lint race fuzz soak-short ## What CI runs after the tests: all of the next seven

tidy: ## Check that go.mod and go.sum are tidy
	$(GO) mod tidy -diff

fmt-check: ## Check that every file is formatted
	@files=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .) && if [ -n "$$files" ]; then echo "not formatted, run make fix:"; echo "$$files"; exit 1; fi

vet-cross: ## Vet the code and its tests for every platform of PLATFORMS
	@failed=; for platform in $(PLATFORMS); do \
		echo "vet for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) vet ./... || failed="$$failed $$platform"; \
	done; if [ -n "$$failed" ]; then echo "vet failed for$$failed"; exit 1; fi

lint: ## Run the linters of .golangci.yml
	$(GOLANGCI) run ./...

race: ## Run the tests of the core under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m $(CORE)

fuzz: ## Run each fuzz target for FUZZTIME (10s)
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" sh .ci/fuzz

soak-short: ## Soak for a minute
	@$(GO) run ./internal/soak -for 1m

soak: ## Let everything happen to workers under load, for SOAK (20m), then kill 500; SEED=n draws the same again
	$(GO) run ./internal/soak -for $(SOAK) $(if $(SEED),-seed $(SEED))
	$(GO) run ./internal/soak -kills 500 $(if $(SEED),-seed $(SEED))

kills: ## Kill a run of two million lines ten times, resume it each time, and count the lines that came (SEED=n kills at the same moments)
	PROCPOOL_KILL_LINES=2000000 PROCPOOL_KILL_SEED=$(SEED) $(GO) test -count 1 -run KilledTenTimesLeaves -v ./cmd/procpool

faults: ## Run the tests of all faults in each of their settings, and write FAULTS.md (about ten minutes)
	$(GO) run ./internal/faults/table

# One commit's figures mean little by themselves: `make -s bench >old.txt` on one, `make -s bench >new.txt` on the other, then make bench-stat.
# The packages run one after another, so that they do not disturb each other.
bench: ## Run the Go benchmarks so often that commits can be compared (BENCH=regexp, BENCHTIME=0.3s, COUNT=6)
	$(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) -timeout 60m $(CORE)

bench-stat: ## Compare two outputs of make bench (OLD=old.txt, NEW=new.txt)
	@$(BENCHSTAT) $(or $(OLD),old.txt) $(or $(NEW),new.txt)

# Then: go tool pprof -http : bin/bench.test bin/cpu.out (or mem.out, mutex.out). These profiles are the parent's. Workers are the same program
# and perf sees all of them: perf record -g -o bin/perf.data bin/bench.test -test.run '^$$' -test.bench Stream && perf report -i bin/perf.data.
bench-profile: ## Profile benchmarks of one package into bin (BENCH=regexp, PKG=./pool)
	@mkdir -p bin
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -o bin/bench.test -cpuprofile bin/cpu.out -memprofile bin/mem.out -mutexprofile bin/mutex.out $(PKG)

bench-peers: ## Measure beside goroutines, raw pipes and Python's pools, and print the table of targets (three minutes; ARGS='-quick -run call')
	@$(GO) run ./internal/peers $(ARGS)

fix: ## Format every file, and let the linters mend what they can
	"$$($(GO) env GOROOT)/bin/gofmt" -w .
	$(GOLANGCI) run --fix ./...

clean: ## Remove what make build made
	rm -rf bin
