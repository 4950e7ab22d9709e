# SPDX-License-Identifier: MIT
#
# The commands of a working day; Meson and Ninja do the building.
# "make help" lists them.

PREFIX ?= /usr/local
# A tree to sum in "make run".
TREE ?= /usr/share/doc /usr/include
# For the test targets, e.g. TESTARGS="--suite e2e" or TESTARGS="queue".
TESTARGS ?=
BENCHARGS ?=
# For bench-peers, e.g. PEERARGS="--only submit1 --rounds 5".
PEERARGS ?=
# For bench-lines: "--write docs/PERFORMANCE.md" updates the table.
LINESARGS ?=
# For test-kernel: sequences of the storm; Debian suites, the first that can be had
# (default: the newest kernel); KERNELARGS=--write updates docs/CONFORMANCE.md.
STORM ?= 200
SUITE ?=
KERNELARGS ?=

build := scripts/build.sh
deps := scripts/install-deps.sh
test := scripts/test.sh

.PHONY: all help run test test-debug test-sanitize test-asan test-tsan
.PHONY: test-detectors test-pods test-objects test-arm64 test-kernel bench
.PHONY: bench-growth bench-lines bench-peers clang format check-format floors models install
.PHONY: clean

all: ## build everything in build/release
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1#/p' Makefile | \
		awk -F'#' '{ printf "make %-16s %s\n", $$1, $$2 }'

run: ## install what is missing, build, and sum a real tree with cmwq-sum
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@echo "cmwq-sum --stats $(TREE) > build/cmwq-sum.txt"
	@build/release/tools/cmwq-sum --stats $(TREE) > build/cmwq-sum.txt
	@echo "$$(wc -l < build/cmwq-sum.txt) checksums in build/cmwq-sum.txt:"
	@head -n 3 build/cmwq-sum.txt

test: ## install what is missing, build, and run all tests
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@$(test) build/release $(TESTARGS)

test-debug: ## the tests with the library's lock checks
	@$(deps) test
	@$(build) build/debug --buildtype=debug -Doptimization=g -Dlockdep=true
	@$(test) build/debug $(TESTARGS)

test-sanitize: ## the tests under ASan with UBSan, then under TSan
	@rc=0; $(MAKE) --no-print-directory test-asan || rc=1; \
	$(MAKE) --no-print-directory test-tsan || rc=1; exit $$rc

test-asan:
	@$(deps) sanitize
	@$(build) build/asan -Dlockdep=true -Db_lundef=false \
		-Db_sanitize=address,undefined -Dbenches=false
	@$(test) build/asan --no-suite house $(TESTARGS)

# With clang: gcc's TSan runtime takes 770 KiB of every stack for itself.
test-tsan:
	@$(deps) sanitize
	@CC=clang $(build) build/tsan -Dlockdep=true -Db_lundef=false \
		-Db_sanitize=thread -Dbenches=false
	@$(test) build/tsan --no-suite house $(TESTARGS)

test-arm64: ## cross-build for arm64 and test under qemu
	@$(deps) arm64
	@scripts/arm64.sh $(TESTARGS)

test-detectors: ## the tests without the sentinel, then without the tick
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@rc=0; for off in cmwq.sentinel cmwq.tick; do \
		echo "CMWQ_PARAMS=\"$$CMWQ_PARAMS $$off=0\""; \
		CMWQ_STRESS_SECONDS=$${CMWQ_STRESS_SECONDS:-1} \
		CMWQ_PARAMS="$$CMWQ_PARAMS $$off=0" $(test) build/release \
			--logbase "testlog-$$off" --no-suite house \
			--no-suite unit $(TESTARGS) || rc=1; \
	done; exit $$rc

test-pods: ## the programs with a pod, then a NUMA node, for each CPU
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@scripts/test-pods.sh build/release $(TESTARGS)

test-kernel: ## the conformance cases in a real Linux as well, under qemu
	@SUITE="$(SUITE)" scripts/test-kernel.sh $(STORM) $(KERNELARGS)

test-objects: ## the programs with CMWQ_DEBUG=objects
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@CMWQ_STRESS_SECONDS=$${CMWQ_STRESS_SECONDS:-1} CMWQ_DEBUG=objects \
		$(test) build/release --logbase testlog-objects \
		--suite e2e $(TESTARGS)

bench: ## measure; compares with the targets
	@$(deps) run
	@$(build) build/release --prefix=$(PREFIX)
	@build/release/bench/cmwq-bench $(BENCHARGS)

bench-peers: ## measure the same on cmwq and on what one could use instead
	@$(deps) peers || echo "bench-peers: going on with what is there"
	@scripts/peers.sh
	@bench/peers/run.py $(PEERARGS) || echo "bench-peers: some runs failed, see above"
	@bench/peers/report.py --svg build/peers --markdown build/peers/report.md
	@echo "bench-peers: build/peers/report.md, results.json and plots"

bench-growth: ## the same with many items, workqueues, timers, producers
	@$(deps) run
	@$(build) build/release --prefix=$(PREFIX)
	@build/release/bench/cmwq-bench --only growth_ --runs 3 $(BENCHARGS)

bench-lines: ## which cache lines each operation writes, by valgrind
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@python3 bench/lines.py build/release $(LINESARGS)

clang: ## build everything with clang, warnings and lock contracts as errors
	@$(deps) all
	@CC=clang $(build) build/clang

format: ## bring all C files into the style
	@$(deps) all
	@scripts/format.sh

check-format: ## fail if a C file is not in the style
	@$(deps) all
	@scripts/format.sh --check

floors: ## check the floor table against includes and symbols
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@python3 tests/floors.py --objects build/release/libcmwq.so.*.p

models: ## check the models of the protocols with spin
	@$(deps) all
	@models/run.sh

install: ## install below PREFIX (and DESTDIR)
	@$(deps) test
	@$(build) build/release --prefix=$(PREFIX)
	@meson install -C build/release --no-rebuild

clean: ## remove what was built
	rm -rf build
