// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what chance picks for dp_fuzz_test.  Mostly what makes sense,
 * as nothing but noise would never get beyond the first check.
 */
#include "dp_fuzz.h"

u64 pick_frame(struct fuzz_cpu *cpu, int role)
{
	if (role < 0 || chance(cpu, 5))
		return fuzz.gfns[below(cpu, NR_FRAMES)];
	return fuzz.gfns[below(cpu, NR_FRAMES / NR_ROLES) * NR_ROLES + role];
}

unsigned int pick_index(struct fuzz_cpu *cpu)
{
	unsigned int i;

	do {
		i = chance(cpu, 80) ? 2 + below(cpu, 8) : below(cpu, 512);
	} while (fuzz_is_kept(i));
	return i;
}

unsigned int pick_low(struct fuzz_cpu *cpu, int level)
{
	return 2 + below(cpu, level == 1 ? 8 : 2);
}

/* Not what the guest runs on: an update of data is a store. */
static u64 pick_foreign_mfn(struct fuzz_cpu *cpu)
{
	u64 mfn;

	do {
		mfn = rnd(cpu) >> (chance(cpu, 50) ? 24 : 44);
	} while (dp_is_own(mfn));
	return mfn;
}

u64 pick_mfn(struct fuzz_cpu *cpu, int role)
{
	if (chance(cpu, 94))
		return dp_p2m[pick_frame(cpu, role)];
	if (chance(cpu, 50))
		return READ_ONCE(fuzz.extra[below(cpu, EXTRA_PAGES)]);
	return pick_foreign_mfn(cpu);
}

static bool is_in_game(u64 mfn)
{
	int i;

	for (i = 0; i < NR_FRAMES; i++) {
		if (dp_p2m[fuzz.gfns[i]] == mfn)
			return true;
	}
	return false;
}

/* Any bit more, which may name another frame: not a writable one of its own. */
static u64 add_bit(struct fuzz_cpu *cpu, u64 entry)
{
	u64 mfn;

	entry |= BIT_ULL(below(cpu, 64));
	mfn = PTE_GET_PFN(entry);
	return dp_is_own(mfn) && !is_in_game(mfn) ? entry & ~DP_RW : entry;
}

u64 pick_entry(struct fuzz_cpu *cpu, int level)
{
	u64 entry = pick_mfn(cpu, level - 1) << PAGE_SHIFT;

	if (chance(cpu, 15))
		return chance(cpu, 70) ? 0 : rnd(cpu) & ~DP_P;

	entry |= DP_P;
	if (level > 1 || chance(cpu, 60))
		entry |= DP_RW;
	if (chance(cpu, 30))
		entry |= rnd(cpu) & (DP_US | DP_A | DP_D | BIT_ULL(9) |
				     BIT_ULL(57) | DP_NX);
	if (chance(cpu, 4))
		entry = add_bit(cpu, entry);
	/* A table of the guest's own: readable, and no more than that. */
	if (chance(cpu, 3))
		entry = dp_maddr(dp_boot.root_gfn) | DP_P |
			(chance(cpu, 50) ? DP_RW : 0);
	return entry & PHYSICAL_PAGE_MASK ? entry : 0;
}

u64 pick_maddr(struct fuzz_cpu *cpu, int *level)
{
	unsigned int i;

	*level = 1 + below(cpu, 4);
	i = chance(cpu, 50) ? pick_low(cpu, *level) : pick_index(cpu);
	return (pick_mfn(cpu, *level) << PAGE_SHIFT) + i * sizeof(u64);
}

u64 pick_va(struct fuzz_cpu *cpu)
{
	u64 va = 0;
	int level;

	if (cpu->va && chance(cpu, 60))
		return cpu->va + pick_index(cpu) * sizeof(u64);

	for (level = 1; level <= 4; level++)
		va |= (u64)pick_low(cpu, level) <<
		      (PAGE_SHIFT + 9 * (level - 1));
	return va + pick_index(cpu) * sizeof(u64);
}

u64 pick_linear_va(struct fuzz_cpu *cpu, int role)
{
	return (u64)dp_ptr(pick_frame(cpu, role)) +
	       pick_index(cpu) * sizeof(u64);
}
