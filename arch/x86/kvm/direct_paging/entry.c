// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what an entry of a page table may hold.
 *
 * A whitelist: a bit that means nothing today may mean something on the next
 * CPU.  The address is not judged here.  That it lies within the physical
 * width follows from the frame lookup, which knows the VM's own frames only;
 * a not-present entry has no lookup, hence dp_check_absent().
 */
#include <linux/mm.h>

#include <asm/cpufeature.h>
#include <asm/pgtable_types.h>
#include <asm/processor.h>

#include "dp.h"

/* Below the address of a large leaf: PAT, and bits that have to be zero. */
#define DP_ENTRY_LOW_2M		GENMASK_ULL(20, 12)
#define DP_ENTRY_LOW_1G		GENMASK_ULL(29, 12)

struct kvm_dp_entry_env kvm_dp_entry_env __read_mostly;

/*
 * L1TF: the CPU reads ahead from the cache through an entry that is not
 * present.  Below the limit only frame 0 is no secret, as the host never uses
 * it.  But with PS the CPU takes zero for all of the first 2 MiB or 1 GiB.
 */
static int dp_check_absent(u64 entry, int level,
			   const struct kvm_dp_entry_env *env)
{
	u64 addr = entry & env->l1tf_mask;

	if (addr >= env->l1tf_limit)
		return 0;

	if (addr || (level > PG_LEVEL_4K && entry & _PAGE_PSE))
		return -EINVAL;

	return 0;
}

static int dp_check_large(u64 entry, int level,
			  const struct kvm_dp_entry_env *env)
{
	u64 low = level == PG_LEVEL_2M ? DP_ENTRY_LOW_2M : DP_ENTRY_LOW_1G;

	if (!env->large_pages || level < PG_LEVEL_2M || level > PG_LEVEL_1G)
		return -EINVAL;

	if (entry & (low | (~DP_ENTRY_MAY & ~_PAGE_PSE)))
		return -EINVAL;

	/* Else a guest that splits the page while it runs there stops the CPU. */
	if (env->large_needs_nx && !(entry & _PAGE_NX))
		return -EINVAL;

	return 0;
}

int kvm_dp_check_rare_entry(u64 entry, int level,
			    const struct kvm_dp_entry_env *env)
{
	if (!(entry & _PAGE_PRESENT))
		return dp_check_absent(entry, level, env);

	/* At level 1 this bit is PAT. */
	if (entry & _PAGE_PSE)
		return dp_check_large(entry, level, env);

	/* AMD's CPUs want G to be zero at the top, alone among the tables. */
	if (level == PG_LEVEL_512G && entry & _PAGE_GLOBAL)
		return -EINVAL;

	return entry & ~DP_ENTRY_MAY ? -EINVAL : 0;
}

/*
 * The cache compares no more than cache_bits bits of an address, whatever lies
 * above.  Memory beyond the limit leaves no address that is known to be safe.
 */
static void dp_set_l1tf(struct kvm_dp_entry_env *env, unsigned int cache_bits,
			u64 limit, u64 ram_end)
{
	if (ram_end > limit) {
		env->l1tf_mask = DP_ENTRY_ADDR;
		env->l1tf_limit = U64_MAX;
		return;
	}

	env->l1tf_mask = PAGE_MASK & (BIT_ULL(cache_bits) - 1);
	env->l1tf_limit = limit;
}

void kvm_dp_init_entry_env(struct kvm_dp_entry_env *env, bool large_pages)
{
	*env = (struct kvm_dp_entry_env) {
		.large_pages = large_pages,
		.large_needs_nx = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT),
	};

	/*
	 * The end of memory as modules can know it.  Memory that is plugged in
	 * later has the host's own not-present entries for an obstacle first.
	 */
	if (boot_cpu_has_bug(X86_BUG_L1TF))
		dp_set_l1tf(env, boot_cpu_data.x86_cache_bits,
			    l1tf_pfn_limit() << PAGE_SHIFT,
			    __pa(high_memory - 1) + 1);
}

#ifdef CONFIG_KVM_DIRECT_PAGING_KUNIT_TEST
#include "entry_test.c"
#endif
