// SPDX-License-Identifier: GPL-2.0
/*
 * Test bed only: say that the TSC ticks at a constant rate.
 *
 * KVM does not load on PREEMPT_RT without CONSTANT_TSC.  QEMU's TCG has a TSC
 * of constant rate, yet cannot say so for an AMD CPU.  This module says it, and
 * refuses to do so anywhere but there: on a real machine it would be a lie.
 */
#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#define TCG_SIGNATURE	"TCGTCGTCGTCG"

static bool __init runs_under_tcg(void)
{
	u32 eax, sig[3];

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;

	cpuid(0x40000000, &eax, &sig[0], &sig[1], &sig[2]);
	return !memcmp(sig, TCG_SIGNATURE, sizeof(sig));
}

static int __init constant_tsc_init(void)
{
	if (!runs_under_tcg()) {
		pr_err("constant_tsc: this is not QEMU's TCG, nothing done\n");
		return -ENODEV;
	}

	/* KVM asks boot_cpu_has(), which reads this word at run time. */
	set_cpu_cap(&boot_cpu_data, X86_FEATURE_CONSTANT_TSC);
	return 0;
}

/* The bit stays: whoever loaded KVM on the strength of it still runs. */
static void __exit constant_tsc_exit(void)
{
}

module_init(constant_tsc_init);
module_exit(constant_tsc_exit);
MODULE_DESCRIPTION("CONSTANT_TSC for KVM on PREEMPT_RT under QEMU's TCG");
MODULE_LICENSE("GPL");
