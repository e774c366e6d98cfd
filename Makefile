# SPDX-License-Identifier: GPL-2.0
#
# Every target calls one script, which says in its head what it does.

.DEFAULT_GOAL := help
.PHONY: help run check bench-paging bench-minivm mutants modules install \
	uninstall tree refresh series vm setup pristine selftests minivm \
	testbed dist clean distclean

LANES ?=
KDIR ?=
FORCE ?=
TEST ?= shell
MUTANTS ?=
# make bench-paging CPU=... too, but not this default for make vm.
BENCH_CPU := $(or $(CPU),both)
CPU ?= amd
KERNEL ?= amd64
NPT ?= 1
export TEST CPU KERNEL NPT MODULES SMP ARGS ACCEL

help:
	@sed -n 's/^#: \?//p' Makefile

#: For users
#:   make run          build, boot an emulated machine, measure, print the table
#:   make check        run every test; LANES="compose lint" for a part,
#:                     LANES=long for what takes longer
#:   make bench-paging work on page tables with direct, nested and shadow
#:                     paging, in counts; CPU=amd|intel|both (default: both)
#:   make bench-minivm what the start of Mini-VMs costs: instructions, memory, code
#:   make modules      kvm.ko, kvm-amd.ko, kvm-intel.ko for both Debian 6.12
#:                     flavours; KDIR=/lib/modules/RELEASE/build for one kernel
#:   make install      into updates/ of the running kernel; undone by
#:   make uninstall
#:
#: For developers
#:   make tree         build/tree: Linux with one commit per patch;
#:                     FORCE=1 drops edits made there
#:   make refresh      build/tree back into patches/ and the new files
#:   make series       mails with cover letter and recipients in build/series
#:   make vm           one test in an emulated machine, console shown:
#:                     TEST=x86_64/NAME CPU=amd|intel KERNEL=amd64|rt NPT=0|1;
#:                     TEST=shell (the default) gives a shell there
#:   make selftests    the kernel's KVM selftests and ours
#:   make mutants      take out each check of direct paging: a test must fail;
#:                     MUTANTS="NAME ..." for some
#:   make minivm       the user tool
#:   make dist         release archive, for DKMS or a plain make on any machine
#:
#: Called by the others when needed
#:   make setup        packages that are missing, kernel into build/kernel
#:   make pristine     the modules without our patches
#:   make testbed      what the emulated machines need
#:
#:   make clean        removes what was built, keeps the kernel and build/tree
#:   make distclean    removes build/

run: setup modules minivm selftests testbed
	tools/latency/run
	@echo
	@echo "A VM with direct paging beside ordinary ones"
	tools/paging/run --show
	@echo
	@echo "GRUB's image for Xen in such a VM"
	tools/minivm/show

bench-paging: setup modules selftests testbed
	tools/paging/run --cpu $(BENCH_CPU)

bench-minivm: setup modules pristine minivm
	tools/minivm/bench

check:
	tools/testbed/check $(LANES)

setup:
	@tools/setup/setup

modules: | setup
	tools/build/modules $(if $(KDIR),--kdir '$(KDIR)')

pristine: | setup
	tools/build/modules --pristine

install:
	tools/build/install

uninstall:
	tools/build/install --undo

tree: | setup
	tools/series/compose $(if $(FORCE),--force)

refresh:
	tools/series/refresh

series: tree
	tools/series/mails

vm: setup selftests modules testbed
	tools/testbed/vm

mutants: modules selftests testbed
	tools/testbed/mutants/run $(MUTANTS)

selftests: | setup
	tools/build/selftests

minivm: | setup
	$(MAKE) -C tools/minivm

testbed: | setup
	tools/testbed/build

dist: tree
	tools/build/dist

clean:
	@tools/build/clean

distclean:
	@tools/build/clean --all
