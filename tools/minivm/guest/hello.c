// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest that tests the tool: prints what it was given, then does what its
 * arguments say: exit=N, do=spin, do=sleep, do=fault, do=triple, do=mmio.
 */
#include "guest.h"

static volatile unsigned int started;

int guest_main(struct minivm_boot *boot, unsigned int cpu)
{
	const char *args = (const char *)boot->args, *val;

	/* Only vCPU 0 speaks, so that lines stay whole. */
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	if (cpu)
		for (;;)
			asm volatile("hlt");
	while (started < boot->cpus)
		asm volatile("pause");

	idt_load();
	put_str("hello: magic ");
	put_str(boot->magic == MINIVM_BOOT_MAGIC ? "ok" : "wrong");
	put_str(" cpus ");
	put_dec(started);
	put_str(" mem ");
	put_dec(boot->mem_size >> 20);
	put_str("M args [");
	put_str(args);
	put_str("]\n");

	val = arg_find(args, "do");
	/* No PAUSE: it makes an emulator leave its fast path every time. */
	if (val && arg_is(val, "spin"))
		for (;;)
			asm volatile("");
	if (val && arg_is(val, "sleep"))
		for (;;)
			asm volatile("hlt");
	if (val && arg_is(val, "fault"))
		asm volatile("ud2");
	if (val && arg_is(val, "mmio"))
		*(volatile int *)0xd0000000 = 1;
	if (val && arg_is(val, "triple")) {
		uint64_t none[2] = { 0, 0 };

		asm volatile("lidt %0; ud2" : : "m"(none));
	}
	val = arg_find(args, "exit");
	return val ? arg_num(&val) : 0;
}
