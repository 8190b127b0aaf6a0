# esnap. `make help` lists the targets.
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT   ?= $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS  := -s -w -funcalign=16 -X github.com/esnap/esnap/cmd.version=$(VERSION) -X github.com/esnap/esnap/cmd.commit=$(COMMIT)
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
VULN     := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME ?= 100000x
BIN      := bin
SEEDS    ?= 200
SEED     ?=
FAULTS   ?= $(if $(SEED),^TestFault(Schedules|ProcessKilled)$$,^TestFault)
FAULTS_ON ?= es670
BENCH    ?= .
K8S_TESTS ?= ^TestKubernetes$$
SOAK     ?= 1h
SOAK_KILL ?= 3m
MATRIX   := es670 es6823 es71728 es8197 es920 os1320 os2110 os330
# No server that esnap speaks to needs HTTP/2, and without it the binary is 0.5 MB smaller.
# The alignment of functions in LDFLAGS saves 0.1 MB more.
TAGS     := nethttpomithttp2
export CGO_ENABLED = 0

.PHONY: help build dist release test unit integration faults soak servers matrix test-docker race lint manifests chart k8s-test fuzz licences vuln bench demo image image-test swarm-test golden cover clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## build bin/esnap for this machine
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(BIN)/esnap ./cmd/esnap

dist: ## build static binaries for linux amd64 and arm64 into dist/
	GOOS=linux GOARCH=amd64 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o dist/esnap-linux-amd64 ./cmd/esnap
	GOOS=linux GOARCH=arm64 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o dist/esnap-linux-arm64 ./cmd/esnap

release: ## the archives and checksums of the version TAG (vX.Y.Z) into dist/; the release workflow calls it after make vuln
	@GO='$(GO)' scripts/release.sh '$(TAG)'

test: unit integration ## unit tests, and integration tests on Elasticsearch OSS 6.7.0 and OpenSearch 2.11.0

unit: ## tests that need no server
	$(GO) test ./...

integration: servers ## integration tests on real servers (ESNAP_TEST_FLAVOURS, default es670,os2110)
	ESNAP_REQUIRE_SERVERS=1 $(GO) test -tags integration -count=1 -timeout 40m -parallel 16 -v -skip '^Test(Fault|Soak)' ./integration/

faults: servers ## the fault rig on Elasticsearch OSS 6.7.0: SEEDS random schedules (200), or one of them: SEED=n
	ESNAP_TEST_FLAVOURS=$(FAULTS_ON) ESNAP_REQUIRE_SERVERS=1 SEEDS=$(SEEDS) SEED=$(SEED) \
		$(GO) test -tags integration -count=1 -timeout 90m -v -run '$(FAULTS)' ./integration/

soak: servers ## two processes of esnap serve for the time SOAK (1h), one killed every SOAK_KILL (3m), on Elasticsearch OSS 6.7.0
	ESNAP_TEST_FLAVOURS=$(FAULTS_ON) ESNAP_REQUIRE_SERVERS=1 SOAK=$(SOAK) SOAK_KILL=$(SOAK_KILL) \
		$(GO) test -tags integration -count=1 -timeout 12h -v -run '^TestSoak$$' ./integration/

servers: ## install the JDK and Maven that real servers need, where they are missing (Debian)
	@[ "$(ESNAP_TEST_PROVIDER)" = docker ] || scripts/ci-install.sh

matrix: servers ## the same scenarios on every supported server, and a table of what passed
	@scripts/matrix.sh $(MATRIX)

test-docker: ## integration tests on official images, through a Docker engine
	ESNAP_TEST_PROVIDER=docker $(MAKE) integration

race: ## unit tests with the race detector, which needs a C compiler
	CGO_ENABLED=1 $(GO) test -race ./...

lint: ## golangci-lint, and no change left by gofmt and go mod tidy
	@scripts/lint.sh $(LINT)

manifests: ## the Kubernetes manifests of examples/, strictly against the API types of the versions they are for
	@GO='$(GO)' scripts/manifests.sh

chart: ## the Helm chart: its suites with helm-unittest; lint, render for several versions of Kubernetes, decode strictly
	@GO='$(GO)' scripts/chart.sh

k8s-test: ## the chart and the commands of examples/kubesphere on a real Kubernetes (KUBECONFIG, K8S_TEST_IMAGE; by hand)
	$(GO) test -tags k8s -count=1 -timeout 120m -v -run '$(K8S_TESTS)' ./integration/

fuzz: ## every fuzz test for FUZZTIME (100000x: 100,000 inputs)
	@GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

licences: ## the licences of the modules in the binary
	$(GO) test -count=1 -v -run '^TestLicences$$' .

vuln: ## known vulnerabilities, from Go's database: needs the network
	$(GO) run $(VULN) ./...

bench: servers ## benchmarks on real servers, and beside Curator (scripts/curators.sh) the table of docs/performance.md
	ESNAP_REQUIRE_SERVERS=1 $(GO) test -tags integration -run '^$$' -bench '$(BENCH)' -benchtime 5x -timeout 150m ./integration/

demo: build servers ## the main job on a real Elasticsearch OSS 6.7.0, started and stopped by itself
	$(GO) run ./internal/demo $(BIN)/esnap

image: ## build the container images esnap:$(VERSION) and esnap:$(VERSION)-shell (IMAGE_FLAGS: more words for docker build)
	docker build $(IMAGE_FLAGS) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t esnap:$(VERSION) .
	docker build $(IMAGE_FLAGS) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --target shell -t esnap:$(VERSION)-shell .

image-test: servers ## build the images and start them as CronJobs do; then KubeSphere's stock files in them, on real servers
	IMAGE_FLAGS='$(IMAGE_FLAGS)' scripts/image-test.sh esnap:image-test
	ESNAP_TEST_IMAGE=esnap:image-test ESNAP_REQUIRE_SERVERS=1 $(GO) test -tags integration -count=1 -timeout 20m -v -run '^TestStock$$' ./integration/

swarm-test: ## examples/swarm on a real Docker Swarm of one node, which this makes and leaves (STACK_IMAGE: an image of esnap)
	scripts/swarm-test.sh $(or $(STACK_IMAGE),esnap:latest)

golden: ## write golden files again; look at the difference before committing
	$(GO) test ./cmd ./internal/report -update

cover: ## coverage of the unit tests
	$(GO) test -coverprofile=cover.out ./... && $(GO) tool cover -func=cover.out | tail -1

clean: ## remove what was built
	rm -rf $(BIN) dist cover.out .cache
