// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest that measures what an exit costs, in TSC ticks: one is one
 * instruction in deterministic time.  Host and guest are counted together.
 */
#include "../minivm/guest/guest.h"

#define EXITS	20000

static inline uint64_t ticks(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* To KVM and back: no kernel has this hypercall. */
static inline void exit_to_kvm(void)
{
	long nr = 0x7fffffff;

	asm volatile("vmmcall" : "+a"(nr) : : "memory", "rbx", "rcx", "rdx");
}

/* To user space and back. */
static inline void exit_to_vmm(void)
{
	asm volatile("inb $0xe0, %%al" : : : "eax");
}

static void report(const char *what, uint64_t begin)
{
	uint64_t tenths = (ticks() - begin) * 10 / EXITS;

	put_str("exit ");
	put_str(what);
	put_str(" ");
	put_dec(tenths / 10);
	put_str(".");
	put_dec(tenths % 10);
	put_str("\n");
}

int guest_main(struct minivm_boot *boot, unsigned int cpu)
{
	uint64_t begin;
	int i;

	idt_load();

	begin = ticks();
	for (i = 0; i < EXITS; i++)
		exit_to_kvm();
	report("kvm", begin);

	begin = ticks();
	for (i = 0; i < EXITS; i++)
		exit_to_vmm();
	report("vmm", begin);
	return 0;
}
