/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: what the parts of dp_fuzz_test share.
 *
 *	dp_fuzz_guest.c	what the guest does, one operation after the other
 *	dp_fuzz_pick.c	the frames, entries and addresses that chance picks
 *	dp_fuzz_vmm.c	what the VMM does meanwhile
 *	dp_fuzz_test.c	arguments, and what came of it
 */
#ifndef SELFTEST_KVM_DP_FUZZ_H
#define SELFTEST_KVM_DP_FUZZ_H

#include "dp.h"

#define NR_ROLES	5		/* data, level 1 to level 4 */
#define NR_FRAMES	(12 * NR_ROLES)
#define NR_ERRORS	100
#define NOT_TRIED	(-(NR_ERRORS - 1))
#define MAX_PIECES	300		/* of a call that takes several executions */

/* A slot that comes and goes. */
#define EXTRA_GFN	(DP_MAX_GFN + 512)
#define EXTRA_PAGES	16

/* The pool's first block has the P2M list and the guest's own frames. */
#define BLOCK_PAGES	512
#define NR_BLOCKS	(DP_POOL_PAGES / BLOCK_PAGES)

enum op {
	OP_MMU_UPDATE,
	OP_PRESERVE_AD,
	OP_MACHPHYS,
	OP_UPDATE_VA,
	OP_PIN,
	OP_UNPIN,
	OP_BASEPTR,
	OP_MOV_CR3,
	OP_PAGE,
	OP_FLUSH,
	OP_MULTICALL,
	OP_LINEAR,
	OP_TREE,
	OP_LARGE,
	OP_LONG,
	OP_MEMORY,
	OP_SYSCALL,
	OP_RELEASE,
	OP_FILL,
	OP_STORE,
	OP_LOAD,
	OP_INVLPG,
	OP_GARBAGE,
	NR_OPS,
};

struct fuzz_cpu {
	u64 random;
	u64 done;
	/* The leaf of the last tree. */
	u64 va;
	/* The frame that a call is about, and how often others had the same. */
	u64 busy_mfn;
	u64 collisions;
	/* Results by operation and errno; native ones by vector. */
	u64 counts[NR_OPS][NR_ERRORS];
	struct kvm_dp_mmu_update pieces[MAX_PIECES];
};

/* In the guest's memory; set by the host, but for counts. */
struct fuzz {
	u64 ops;
	u64 audit_every;
	u64 gfns[NR_FRAMES];
	/* Of a slot that may be gone. */
	u64 extra[EXTRA_PAGES];
	u32 ready;
	u32 roots_lock;
	struct fuzz_cpu cpus[DP_MAX_VCPUS];
};

extern struct fuzz fuzz;

void fuzz_guest(int index);

/* The hostile VMM: what it is told, and what it did. */
struct fuzz_vmm {
	struct dp_vm dp;
	/* fuzz, as the host sees it. */
	struct fuzz *shared;
	u64 seed;
	/* Its turn, in operations of the guest; 0 for never. */
	u64 every;
	bool over;
	u64 run_ns;

	u64 audits;
	u64 audit_ns;
	u64 reads;
	u64 writes;
	u64 signals;
	u64 remaps;
	u64 peeks;
	u64 holds;
	u64 holds_refused;
	u64 slots;
	u64 slots_kept;
	u64 roots;
	u64 roots_refused;
};

extern struct fuzz_vmm vmm;

/* vCPUs and, if it is to act, the VMM, until all operations are done. */
void fuzz_run_all(void);
/* An audit, after which nothing may be broken. */
void fuzz_check(void);

/*
 * Chance, for both.
 */

static inline u64 rnd(struct fuzz_cpu *cpu)
{
	/* xorshift64* */
	cpu->random ^= cpu->random >> 12;
	cpu->random ^= cpu->random << 25;
	cpu->random ^= cpu->random >> 27;
	return cpu->random * 2685821657736338717ULL;
}

static inline u64 below(struct fuzz_cpu *cpu, u64 n)
{
	return (rnd(cpu) >> 16) % n;
}

static inline bool chance(struct fuzz_cpu *cpu, unsigned int percent)
{
	return below(cpu, 100) < percent;
}

/* By these, a level-4 table maps the guest itself. */
static inline bool fuzz_is_kept(unsigned int index)
{
	return index == 0 || index == dp_index(DP_LINEAR, 4);
}

/* Of the game; of that role, mostly, or of any if that is negative. */
u64 pick_frame(struct fuzz_cpu *cpu, int role);
u64 pick_mfn(struct fuzz_cpu *cpu, int role);
/* What to store in a table of that level, and where. */
u64 pick_entry(struct fuzz_cpu *cpu, int level);
u64 pick_maddr(struct fuzz_cpu *cpu, int *level);
/* In a table: anywhere but where the guest itself is mapped. */
unsigned int pick_index(struct fuzz_cpu *cpu);
/* Few at the upper levels, so that chance finds its way to the leaves. */
unsigned int pick_low(struct fuzz_cpu *cpu, int level);
/* Where the trees of the game have their leaves. */
u64 pick_va(struct fuzz_cpu *cpu);
u64 pick_linear_va(struct fuzz_cpu *cpu, int role);

#endif /* SELFTEST_KVM_DP_FUZZ_H */
