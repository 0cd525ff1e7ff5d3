# `make run` boots an application, `make test` runs the tests, `make help` lists all targets.

QEMU := qemu-system-x86_64
CPU := qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt
QEMU_FLAGS := -cpu $(CPU) -smp 1 -m 1G -display none -serial stdio -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=0x04
# The modules are compiled to bitcode and optimised as one program when they are linked: functions that are never called are
# removed, and those that are called once are inlined.
PRODUCTS := .build-loader/x86_64-unknown-none-elf/release
FREESTANDING := LOADER_FREESTANDING=1 swift build -c release --triple x86_64-unknown-none-elf --toolset toolset.json \
	--scratch-path .build-loader --experimental-lto-mode full --omit-frame-pointers
TOOLCHAIN := $(dir $(realpath $(shell command -v swiftc)))
LINK := $(TOOLCHAIN)ld.lld --gc-sections --lto-O2 -O2 -z max-page-size=4096 --build-id=none
LINK_LOADER := $(LINK) -T boot.ld -static
# The bitcode of the modules in $(1): SwiftPM lists each module's sources, and names the bitcode after them.
BITCODE = $$(for list in $(1); do sed "s|.*/|$$(dirname $$list)/|; s|swift$$|swift.bc|" $$list; done)
SWIFT_SOURCES := Package.swift Sources Tests Fixtures Fuzz

# Genuine images, which not everybody has; the tests look in the same place.
HERMIT_IMAGES := $(or $(LOADER_HERMIT_IMAGES),../shared/hermit)

APP := build/fixtures/demo
APPEND := env=GREETING=hello -- one two
QEMU_ARGS :=

# The parts of make test run two at a time, and say what they need. Elsewhere prerequisites are made in their order.
ifeq ($(MAKECMDGOALS),test-parts)
host-test: loader fixtures test-build
fuzz-briefly: fixtures
budget: loader fixtures test-build
else
.NOTPARALLEL:
endif
.DEFAULT_GOAL := help
.PHONY: help run disk check test test-parts test-build loader loader-elf loader-mz inspect install uninstall fixtures bench bench-deps budget deps lint format host-test soak witness \
	matrix fuzz fuzz-briefly coverage clean

define HELP
make run           boot an application in QEMU (APP=path APPEND="words for it" QEMU_ARGS="-m 4G")
make disk          build/disk.img, which boots an application under UEFI (APP=path APPEND="words for it")
make check         while you work: lint, build, the tests of the pure modules; within a minute after an edit
make test          everything that guards a commit, with samples if all cases would take too long
make soak          the same tests with all cases instead of samples: hours
make matrix        every generation of kernels on every machine, by every starter: thousands of boots
make witness       every ELF file of this system, as loader-inspect and readelf list it
make fuzz          fuzzing with libFuzzer (TARGET=all SECONDS=60); fuzz-briefly is its part of make test
make loader        build/loader and build/loader.efi; make inspect is build/loader-inspect, make fixtures the applications of the tests
make install       both programs, manual, documents and completions (PREFIX=/usr/local DESTDIR=); uninstall removes them
make bench         the cost of a boot, the loader, a relocation and a listing (QUICK=1); budget is its part of make test
make format        format the sources as make lint requires
make coverage      how many lines of the pure modules the tests run
make deps          install everything that this machine lacks for all of this, with apt
make clean         remove everything that was built
endef
export HELP

help:
	@echo "$$HELP"

# Boots $(APP); QEMU ends with status 3 if a Hermit application succeeds.
run: deps loader $(if $(filter build/fixtures/%,$(APP)),fixtures)
	@echo '$(QEMU) $(QEMU_FLAGS) -kernel build/loader -initrd $(APP) -append "$(APPEND)" $(QEMU_ARGS)'
	@$(QEMU) $(QEMU_FLAGS) -kernel build/loader -initrd "$(APP)" -append "$(APPEND)" $(QEMU_ARGS); \
	status=$$?; \
	if [ $$status -eq 3 ]; then echo "QEMU ended with status 3: success"; \
	else echo "QEMU ended with status $$status (see docs/exit-statuses.md)"; exit 1; fi

# A disk with $(APP) on it, for any machine with UEFI.
disk: deps loader inspect $(if $(filter build/fixtures/%,$(APP)),fixtures)
	@build/loader-inspect disk --output build/disk.img --loader build/loader.efi --command-line="$(APPEND)" $(APP)
	@echo "build/disk.img boots $(APP) under UEFI"

# Prefix of a command that runs tests: their temporary files lie in a folder that is removed after it, even if the process dies.
OWN_FOLDER = folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && TMPDIR=$$folder

# The package without the host tool, and its tests except those that say that they are not in make check.
CHECK := LOADER_CHECK=1 LOADER_PURE=1 timeout 600 swift
CHECK_OPTIONS := --scratch-path .build-check
check: lint
	$(CHECK) build $(CHECK_OPTIONS) --build-tests --explicit-target-dependency-import-check error
	$(OWN_FOLDER) $(CHECK) test $(CHECK_OPTIONS) --skip-build

test: deps
	@$(MAKE) --no-print-directory -j2 test-parts
	@$(SKIPPED) build/tests.log build/fuzz.log build/budget.log || echo "nothing was skipped"

# A name may have the word in it.
SKIPPED := grep -hE 'skipped(:|\.$$)'

test-parts: lint host-test fuzz-briefly budget

test-build:
	swift build --build-tests --explicit-target-dependency-import-check error

# The limits of a boot's cost and of the loader's size: few numbers, in budget.txt.
BUDGET_APPS := $(wildcard $(HERMIT_IMAGES)/hello_world) build/fixtures/demo
budget:
	$(if $(filter test-parts,$(MAKECMDGOALS)),,swift build --product loader-bench)
	.build/debug/loader-bench --parts boot --memory 1G,64G --budget budget.txt $(BUDGET_APPS) | tee build/budget.log

# Some thousand inputs for each fuzz target.
fuzz-briefly: fixtures
	@mkdir -p build
	Fuzz/run all 2500x 1 | tee build/fuzz.log

# A test that does not end is named, and ends with the process.
RUN_TESTS = mkdir -p build && $(OWN_FOLDER) timeout $(1) swift test --skip-build 2>&1 | tee build/tests.log
check host-test soak matrix coverage fuzz-briefly budget: private SHELL := /bin/bash -o pipefail
host-test:
	$(call RUN_TESTS,2400)

# Everything that takes long: every truncation booted, and the like.
soak: export LOADER_SOAK := 1
soak: deps loader fixtures test-build
	$(call RUN_TESTS,86400)
	@$(SKIPPED) build/tests.log || echo "nothing was skipped"

# Every ELF file of /usr and of the Swift toolchain as loader-inspect lists it and as readelf does: minutes.
witness: deps inspect
	nice python3 Tests/InspectionTests/Views/witness.py build/loader-inspect

# Fuzzing with libFuzzer and the address sanitizer: TARGET is one of those in Fuzz/run, or all.
TARGET := all
SECONDS := 60
fuzz: fixtures
	Fuzz/run $(TARGET) $(SECONDS)

# The number of lines of the pure modules that the host tests run.
coverage: loader fixtures
	$(OWN_FOLDER) swift test --enable-code-coverage --scratch-path .build-coverage --skip GuestTests
	@Fuzz/coverage .build-coverage

# Every generation on every machine, thousands of boots; writes the table of docs/generations.md to build/matrix.md, and that of
# docs/starters.md to the page: ROWS is a part of the words of those of its rows that are to be written.
ROWS :=
matrix: deps loader fixtures test-build
	$(OWN_FOLDER) LOADER_MATRIX=1 LOADER_MATRIX_ROWS="$(ROWS)" swift test --skip-build --filter MatrixTests 2>&1 | tee build/matrix.log
	@$(SKIPPED) build/matrix.log || echo "nothing was skipped"

# build/loader.debug and build/loader.efi.debug are the same with debugging information.
loader: loader-elf loader-mz

loader-elf:
	$(FREESTANDING) --target loader
	@mkdir -p build
	@$(LINK_LOADER) --lto-obj-path=build/loader.lto.o -o build/loader.debug $(PRODUCTS)/CMachine.build/*.o \
		$(call BITCODE,$$(ls $(PRODUCTS)/*.build/sources | grep -v /UEFI))
	@$(TOOLCHAIN)llvm-objdump -d --no-show-raw-insn build/loader.debug | { ! grep xmm | grep -vE $(TAKES_ANY_ADDRESS) | \
		grep -E $(MISALIGNED); } || { echo "a vector instruction needs a constant at a multiple of 16"; exit 1; }
	@$(TOOLCHAIN)llvm-objcopy --strip-debug build/loader.debug build/loader

# The MZ file, a UEFI application and a Linux kernel in one. The loader in it is linked from the same objects as the other, at two
# addresses, so that loader-pack finds the words that hold addresses. mz.ld takes the entries from boot.ld's symbols.
MZ := build/mz
MZ_SYMBOLS := loader_start|loader_data_end|loader_end|entry_linux32|entry_linux64|entry_long_mode
# make test builds the host package anyway, whose dependencies the loader does not need.
PACK_FOLDER := $(if $(filter test-parts,$(MAKECMDGOALS)),.build,.build-loader)
loader-mz: loader-elf
	$(FREESTANDING) --target UEFILoader
	@mkdir -p $(MZ)
	@for base in 0x100000 0x10011000; do \
		$(LINK_LOADER) --strip-all --defsym loader_base=$$base -o $(MZ)/$$base $(PRODUCTS)/CMachine.build/*.o build/loader.lto.o || exit 1; \
	done
	$(if $(filter .build-loader,$(PACK_FOLDER)),LOADER_FREESTANDING=1) swift build --scratch-path $(PACK_FOLDER) --product loader-pack
	@$(PACK_FOLDER)/debug/loader-pack $(MZ)/0x100000 $(MZ)/0x10011000 $(MZ)/loader.packed
	@$(TOOLCHAIN)llvm-nm build/loader.debug | sed -nE 's/^0*([0-9a-f]+) . ($(MZ_SYMBOLS))$$/\2 = 0x\1;/p' >$(MZ)/symbols.ld
	@$(LINK) -T Sources/CMZ/mz.ld -pie --no-dynamic-linker -o build/loader.efi.debug $(MZ)/symbols.ld $(PRODUCTS)/CMZ.build/*.o \
		$(PRODUCTS)/CMachine.build/memory.S.o \
		$(call BITCODE,$(foreach module,Diagnostics Bytes ELF Memory Architecture Firmware UEFI UEFILoader,$(PRODUCTS)/$(module).build/sources)) \
		--format=binary $(MZ)/loader.packed
	@$(TOOLCHAIN)llvm-objcopy -O binary build/loader.efi.debug build/loader.efi

# Instructions with an xmm register that accept memory at any address: unaligned moves, and those of one element.
TAKES_ANY_ADDRESS := '[[:space:]](movup[sd]|movdqu|lddqu|movs[sd]|mov[dq]|mov[hl]p[sd]|cvt[a-z0-9]*|pinsr[bwdq]|[a-z]*(s[sd]|comis[sd]))[[:space:]]'
# A constant address, absolute or relative to rip, that ends with another digit than 0.
MISALIGNED := '(\# |[[:space:],])0x[0-9a-f]*[1-9a-f]([ ,<]|$$)'

# The tool, its manual page and shell completions: man -M build/share/man loader-inspect.
SHARE := build/share
# With the runtime linked in, loader-inspect starts in half the time. No library refers to its symbols, which would be half a megabyte.
inspect:
	swift build -c release --static-swift-stdlib --product loader-inspect -Xlinker --no-export-dynamic
	@mkdir -p $(SHARE)/man/man1 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
		$(SHARE)/fish/vendor_completions.d $(SHARE)/doc/loader/docs
	@strip -o build/loader-inspect .build/release/loader-inspect
	@cp docs/loader-inspect.1 $(SHARE)/man/man1/
	@cp README.md CHANGELOG.md $(SHARE)/doc/loader/
	@cp docs/*.md docs/*.json $(SHARE)/doc/loader/docs/
	@build/loader-inspect --generate-completion-script bash >$(SHARE)/bash-completion/completions/loader-inspect
	@build/loader-inspect --generate-completion-script zsh >$(SHARE)/zsh/site-functions/_loader-inspect
	@build/loader-inspect --generate-completion-script fish >$(SHARE)/fish/vendor_completions.d/loader-inspect.fish

# Installs what inspect and loader make, where the shell and man find it; DESTDIR is for packagers.
PREFIX := /usr/local
install: inspect loader
	@mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/loader
	@install -m 755 build/loader-inspect $(DESTDIR)$(PREFIX)/bin/
	@install -m 644 build/loader build/loader.efi $(DESTDIR)$(PREFIX)/lib/loader/
	@cp -R $(SHARE) $(DESTDIR)$(PREFIX)/

# Removes what install has put there, and nothing else.
uninstall:
	@cd $(DESTDIR)$(PREFIX) && rm -rf bin/loader-inspect lib/loader share/doc/loader \
		share/man/man1/loader-inspect.1 share/bash-completion/completions/loader-inspect \
		share/zsh/site-functions/_loader-inspect share/fish/vendor_completions.d/loader-inspect.fish

# The costs of boots, the loader, relocations and listings: docs/benchmarks.md. QUICK=1 takes two minutes instead of ten,
# APPS="path …" boots others, BENCH="--json" and the like are for the program itself; only its output goes to standard output.
APPS := $(wildcard build/fixtures/demo build/fixtures/demo-recursive $(HERMIT_IMAGES)/hello_world $(HERMIT_IMAGES)/hello_c)
BENCH :=
bench:
	@$(MAKE) --no-print-directory deps bench-deps loader inspect fixtures >&2
	@swift build -c release --static-swift-stdlib --product loader-bench >&2
	@$(CC) -O2 -Wall -o build/bench-timer Sources/LoaderBench/timer.c
	@.build/release/loader-bench $(if $(QUICK),--quick) $(BENCH) $(APPS)

fixtures:
	@set -e; for makefile in Fixtures/*/Makefile; do $(MAKE) --no-print-directory -C $$(dirname $$makefile); done

lint:
	swift format lint --strict --recursive --parallel $(SWIFT_SOURCES)

format:
	swift format --in-place --recursive --parallel $(SWIFT_SOURCES)

# Installs the packages that $$missing names.
define INSTALL
if [ -n "$$missing" ]; then \
	echo "installing$$missing (apt-get)"; \
	sudo=""; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	{ $$sudo apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing; } \
	  >build-deps.log 2>&1 || { cat build-deps.log; exit 1; }; \
	rm -f build-deps.log; \
fi
endef

# Installs what building and testing need and the machine lacks, by apt; Swift is not available there.
deps:
	@command -v swiftc >/dev/null || { echo "no swiftc in PATH: install Swift 6.3 (https://www.swift.org/install)"; exit 1; }
	@missing=""; \
	command -v $(QEMU) >/dev/null || missing="$$missing qemu-system-x86"; \
	command -v pkg-config >/dev/null || missing="$$missing pkg-config"; \
	command -v dtc >/dev/null || missing="$$missing device-tree-compiler"; \
	command -v readelf >/dev/null || missing="$$missing binutils"; \
	command -v gcc >/dev/null || missing="$$missing gcc"; \
	command -v python3 >/dev/null || missing="$$missing python3"; \
	{ [ -f /usr/include/gelf.h ] && [ -f /usr/include/libelf.h ]; } || missing="$$missing libelf-dev"; \
	[ -f /usr/include/libiberty/demangle.h ] || missing="$$missing libiberty-dev"; \
	[ -f /usr/include/libfdt.h ] || missing="$$missing libfdt-dev"; \
	command -v bsdtar >/dev/null || missing="$$missing libarchive-tools"; \
	command -v pigz >/dev/null || missing="$$missing pigz"; \
	command -v zopfli >/dev/null || missing="$$missing zopfli"; \
	[ -f /usr/lib/grub/i386-pc/multiboot2.mod ] || missing="$$missing grub-pc-bin"; \
	[ -f /usr/lib/grub/x86_64-efi/multiboot2.mod ] || missing="$$missing grub-efi-amd64-bin"; \
	[ -f /usr/share/OVMF/OVMF_CODE.fd ] || missing="$$missing ovmf"; \
	command -v grub-mkrescue >/dev/null || missing="$$missing grub-common"; \
	command -v xorriso >/dev/null || missing="$$missing xorriso"; \
	command -v mformat >/dev/null || missing="$$missing mtools"; \
	[ -x /usr/sbin/sfdisk ] || [ -x /sbin/sfdisk ] || missing="$$missing fdisk"; \
	command -v sbsign >/dev/null || missing="$$missing sbsigntool"; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
	[ -f /usr/lib/ISOLINUX/isolinux.bin ] || missing="$$missing isolinux"; \
	[ -f /usr/lib/syslinux/modules/bios/mboot.c32 ] || missing="$$missing syslinux-common"; \
	[ -f /usr/lib/ipxe/qemu/pxe-e1000.rom ] || missing="$$missing ipxe-qemu"; \
	python3 -c 'import jsonschema' 2>/dev/null || /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || \
		missing="$$missing python3-jsonschema"; \
	$(INSTALL)

# The other readelfs, for make bench only.
bench-deps:
	@missing=""; \
	command -v eu-readelf >/dev/null || missing="$$missing elfutils"; \
	command -v llvm-readelf >/dev/null || missing="$$missing llvm"; \
	command -v size >/dev/null || missing="$$missing binutils"; \
	$(INSTALL)

clean:
	rm -rf build .build .build-*
