# Partita's commands. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

ADDR ?= 127.0.0.1:8080
DATA ?= data
FUZZTIME ?= 10s
export CGO_ENABLED ?= 0

# The ONNX Runtime library is taken from an npm package; this is its folder name for this machine.
ORT_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x64)
ORT_PACKAGE := runtime/onnxruntime/node_modules/onnxruntime-node
ORT_LIBRARY := $(ORT_PACKAGE)/bin/napi-v6/linux/$(ORT_ARCH)/libonnxruntime.so.1

# The processor that this machine is not: functions for it are built where Debian's cross compiler is installed.
OTHER_ARCH := $(if $(filter arm64,$(ORT_ARCH)),x86_64,arm64)
OTHER_CC := $(if $(filter arm64,$(ORT_ARCH)),x86_64-linux-gnu-gcc,aarch64-linux-gnu-gcc)
OTHER := bin/function-$(OTHER_ARCH)
OTHER_ORT_LIBRARY := $(ORT_PACKAGE)/bin/napi-v6/linux/$(if $(filter arm64,$(ORT_ARCH)),x64,arm64)/libonnxruntime.so.1

# Go decides by content what to rebuild; these lists only spare starting it when no file is newer.
go_files = $(shell find $(1) -name '*.go' -not -name '*_test.go' -not -path '*/node_modules/*') go.mod go.sum
EMBEDDED := $(shell find planner server web -type f -not -name '*.go' -not -path 'web/dist/*' -not -path '*/testdata/*')
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The page's program is downloaded before anything else: functions are not inlined in it, which makes it smaller by a twelfth, but where
# time is spent: in reading what the planner tells.
WASM_INLINED = runtime internal/runtime/... compress/flate encoding/json reflect strconv
WASM_PAGE_FLAGS = -gcflags=all=-l $(foreach package,$(WASM_INLINED),-gcflags=$(package)=)

# What a build with the tag libhdf5 needs: where Debian keeps the library's headers.
LIBHDF5 = CGO_ENABLED=1 CGO_CFLAGS="-O2 -g $$(pkg-config --cflags hdf5)" CGO_LDFLAGS="-O2 -g $$(pkg-config --libs-only-L hdf5)"

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: build ## build everything and serve it on http://127.0.0.1:8080
	bin/partita serve --addr $(ADDR) --data $(DATA)

.PHONY: build
build: bin/partita bin/function/bootstrap bin/function/libonnxruntime.so ## build bin/partita and all it needs
	@if printf '#include <stdlib.h>\nint main(void) { return 0; }' | $(OTHER_CC) -x c - -o /dev/null 2>/dev/null; then $(MAKE) --no-print-directory other; fi

bin/partita: $(call go_files,planner runtime server web app) $(EMBEDDED) web/dist/.built | tools
	go build -trimpath -ldflags '-s -w -X partita/server/cli.buildVersion=$(VERSION)' -o $@ ./server
	@touch $@

bin/function/bootstrap: $(call go_files,planner runtime) | tools
	@mkdir -p $(@D)
	CGO_ENABLED=1 go build -trimpath -ldflags '-s -w' -o $@ ./runtime
	@touch $@

bin/function/libonnxruntime.so: $(ORT_LIBRARY)
	@mkdir -p $(@D)
	cp $< $@.new && mv $@.new $@
	@touch $@

.PHONY: other
other: $(OTHER)/bootstrap $(OTHER)/libonnxruntime.so
	@:

$(OTHER)/bootstrap: $(call go_files,planner runtime)
	@mkdir -p $(@D)
	CGO_ENABLED=1 GOARCH=$(if $(filter arm64,$(ORT_ARCH)),amd64,arm64) CC=$(OTHER_CC) go build -trimpath -ldflags '-s -w' -o $@ ./runtime
	@touch $@

$(OTHER)/libonnxruntime.so: $(ORT_LIBRARY)
	@mkdir -p $(@D)
	cp $(OTHER_ORT_LIBRARY) $@.new && mv $@.new $@
	@touch $@

$(ORT_LIBRARY): runtime/onnxruntime/package-lock.json runtime/onnxruntime/package.json | tools
	cd runtime/onnxruntime && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The page: two WebAssembly programs, the page itself and its planner, which is given back its loops (internal/wasmloops), and their
# compressed forms, which take long and are made only when a program has changed.
web/dist/.built: $(call go_files,planner app internal/wasmloops) $(EMBEDDED) web/precompress.mjs | tools
	@mkdir -p $(@D)
	GOOS=js GOARCH=wasm go build -trimpath -ldflags '-s -w' $(WASM_PAGE_FLAGS) -o web/dist/app.wasm.new ./app
	GOOS=js GOARCH=wasm go build -trimpath -ldflags '-w' -o web/dist/planner.wasm.jumps ./app/planner
	go run ./internal/wasmloops/program web/dist/planner.wasm.jumps web/dist/planner.wasm.new && rm web/dist/planner.wasm.jumps
	@for program in app planner; do f=web/dist/$$program.wasm; \
		if cmp -s $$f.new $$f && [ -f $$f.br ]; then rm $$f.new; else mv $$f.new $$f && node web/precompress.mjs $$f; fi || exit 1; \
	done
	@touch $@

.PHONY: tools
tools:
	@missing=; for tool in go gcc node npm git; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
		packages=$$(echo "$$missing" | sed 's/\bgo\b/golang-go/; s/\bnode\b/nodejs/'); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq $$packages; \
		else echo "missing:$$missing. Install with: sudo apt-get install$$packages" >&2; exit 1; fi; \
	fi

.PHONY: test
test: test-tools ## install what the tests need, build and run them all: unit, integration, browser
	@$(MAKE) --no-print-directory build # not before the tools: functions for the other processor are built where its compiler is
	@test -z "$$(gofmt -l app planner runtime server web internal)" || { echo "not formatted:"; gofmt -l app planner runtime server web internal; exit 1; }
	CGO_ENABLED=1 go vet ./...
	GOOS=js GOARCH=wasm go vet ./app/...
	CGO_ENABLED=1 go test -timeout 15m ./...
	$(LIBHDF5) go vet -tags libhdf5 ./server ./server/libhdf5
	$(LIBHDF5) go test -tags libhdf5 ./server/libhdf5

.PHONY: test-models
test-models: build ## deploy every model of the shared test data in 1, 2 and 4 stages and compare its outputs
	CGO_ENABLED=1 PARTITA_TEST_MODELS=1 go test -count=1 -timeout 30m -run TestModels -v ./server/endtoend

.PHONY: check-milp
check-milp: test-tools ## compare the optimiser with CBC on thousands of random problems and the zoo with nearly all its cuts (an hour)
	CGO_ENABLED=1 PARTITA_TEST_MILP=1 go test -count=1 -timeout 4h -v ./internal/milp

# What the tests need beyond what builds the product, as what is looked for and Debian's package of it. Without the first two most tests
# cannot run; without one of the others some are skipped, and say so.
NEEDED_BY_TESTS = chromium:chromium+fonts-dejavu-core hdf5.pc:libhdf5-dev+pkg-config
USED_BY_TESTS = cbc:coinor-cbc qemu-aarch64-static:qemu-user-static $(OTHER_CC):$(if $(filter arm64,$(ORT_ARCH)),gcc-x86-64-linux-gnu,gcc-aarch64-linux-gnu+libc6-dev-arm64-cross) \
	aws:awscli boto3.py:python3-boto3 h5dump:hdf5-tools pdftotext:poppler-utils python3:python3 unzip:unzip

.PHONY: test-tools
test-tools: | tools
	@missing() { \
		for tool in "$$@"; do case $$tool in \
			*.pc:*) pkg-config --exists $${tool%.pc:*} 2>/dev/null;; \
			*.py:*) python3 -c "import $${tool%.py:*}" 2>/dev/null || /usr/bin/python3 -c "import $${tool%.py:*}" 2>/dev/null;; \
			*) command -v $${tool%:*} >/dev/null;; \
		esac || echo $${tool#*:} | tr + ' '; done; \
	}; \
	needed=$$(missing $(NEEDED_BY_TESTS)); used=$$(missing $(USED_BY_TESTS)); \
	if [ -n "$$needed$$used" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$needed $$used >/dev/null; \
		needed=$$(missing $(NEEDED_BY_TESTS)); used=$$(missing $(USED_BY_TESTS)); \
	fi; \
	if [ -n "$$used" ]; then echo "some tests will be skipped. To run them: sudo apt-get install" $$used >&2; fi; \
	if [ -n "$$needed" ]; then echo "most tests cannot run. To run them: sudo apt-get install" $$needed >&2; exit 1; fi
	@for folder in planner/export/testdata/asl server/endtoend/testdata/axe; do \
		[ $$folder/node_modules -nt $$folder/package-lock.json ] || \
		(cd $$folder && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules) || exit 1; \
	done

.PHONY: fuzz
fuzz: ## run every fuzz target for a while: FUZZTIME=10s, or a count of inputs as FUZZTIME=1000x
	@binary=$$(mktemp); trap 'rm -f "$$binary"' EXIT; corpus=$$(go env GOCACHE)/fuzz/partita; \
	for package in $$(grep -rl --include='*_test.go' '^func Fuzz' app planner runtime server | xargs -n1 dirname | sort -u); do \
		CGO_ENABLED=1 go test -c -fuzz . -o "$$binary" ./$$package || exit 1; \
		for target in $$("$$binary" -test.list '^Fuzz'); do \
			echo "$$package $$target"; \
			(cd $$package && "$$binary" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 100x \
				-test.fuzzcachedir "$$corpus/$$package") || exit 1; \
		done; \
	done

.PHONY: bench
bench: build ## measure the design's targets, as ratios in one run, and print them as a table (3 minutes)
	CGO_ENABLED=1 go test -run '^$$' -bench '^BenchmarkTargets$$' -benchtime 1x -timeout 30m ./server/endtoend

.PHONY: screenshots
screenshots: test-tools build ## take the README's pictures of the page anew
	@mkdir -p web/screenshots
	CGO_ENABLED=1 PARTITA_SCREENSHOTS=$(CURDIR)/web/screenshots go test -count=1 -run '^TestPagePictures$$' ./server/endtoend

.PHONY: clean
clean: ## remove what the build made
	rm -rf bin web/dist/*.wasm* web/dist/.built runtime/onnxruntime/node_modules planner/export/testdata/asl/node_modules server/endtoend/testdata/axe/node_modules
