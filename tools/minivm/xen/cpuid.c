// SPDX-License-Identifier: GPL-2.0-only
/* What CPUID says to a guest that speaks Xen's ABI. */
#include <stdint.h>
#include <linux/kvm.h>
#include <xen/xen.h>
#include <xen/arch-x86/cpuid.h>

#include "xen.h"

/* KVM's own are at the first place where a guest looks. */
#define BASE		0x40000100

#define LEAF_1_EDX_PSE		(1U << 3 | 1U << 17)
#define LEAF_81_EDX_1G		(1U << 26)

/* Xen gives such guests no large pages, so they do not expect any. */
static void hide_large_pages(struct kvm_cpuid_entry2 *e)
{
	if (e->function == 1 || e->function == 0x80000001)
		e->edx &= ~LEAF_1_EDX_PSE;
	if (e->function == 0x80000001)
		e->edx &= ~LEAF_81_EDX_1G;
}

unsigned int xen_cpuid(struct kvm_cpuid_entry2 *e, unsigned int nr)
{
	static const struct kvm_cpuid_entry2 leaves[XEN_CPUID_LEAVES] = {
		{ .function = BASE, .eax = BASE + XEN_CPUID_MAX_NUM_LEAVES,
		  .ebx = XEN_CPUID_SIGNATURE_EBX,
		  .ecx = XEN_CPUID_SIGNATURE_ECX,
		  .edx = XEN_CPUID_SIGNATURE_EDX },
		{ .function = BASE + 1, .eax = XEN_VERSION },
		/* One hypercall page, by this MSR. */
		{ .function = BASE + 2, .eax = 1, .ebx = XEN_MSR,
		  .ecx = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD },
		/* KVM fills two of these, with how the TSC tells time. */
		{ .function = BASE + 3, .index = 0,
		  .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = BASE + 3, .index = 1,
		  .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = BASE + 3, .index = 2,
		  .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = BASE + 4 },
		{ .function = BASE + 5, .ebx = 52 },
	};
	unsigned int i;

	for (i = 0; i < nr; i++)
		hide_large_pages(&e[i]);
	for (i = 0; i < XEN_CPUID_LEAVES; i++)
		e[nr + i] = leaves[i];
	return nr + XEN_CPUID_LEAVES;
}
