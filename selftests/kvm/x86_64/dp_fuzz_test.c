// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: random hypercalls, faults and accesses of a hostile guest with
 * several vCPUs, and whatever a hostile VMM does meanwhile, with the auditor
 * looking on.
 *
 *	dp_fuzz_test [-o operations] [-v vCPUs] [-s seed] [-a audit every]
 *		     [-m VMM's turn every]
 *
 * All numbers are of operations; 0 for never, or only at the end.
 *
 * What may go wrong is KVM's part, never the guest's own: it keeps what it runs
 * on out of the game.  Hence the rules for frames: those of the game are mapped
 * wherever chance wants them, all others at most read-only; and the two entries
 * by which a level-4 table maps the guest itself are never overwritten.  Large
 * leaves map blocks of which the guest uses nothing but frames of the game.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "dp.h"

#define NR_ROLES	5		/* data, level 1 to level 4 */
#define NR_FRAMES	(12 * NR_ROLES)
#define NR_ERRORS	100
#define MAX_BATCH	8
#define NOT_TRIED	(-(NR_ERRORS - 1))
#define MAX_PIECES	300		/* of a call that takes several executions */

/* A slot that comes and goes. */
#define EXTRA_GFN	(DP_MAX_GFN + 512)
#define EXTRA_PAGES	16

/* The pool's first block has the P2M list and the guest's own frames. */
#define BLOCK_PAGES	512
#define NR_BLOCKS	(DP_POOL_PAGES / BLOCK_PAGES)

/* A run that long must have seen all there is to see. */
#define FULL_RUN	100000
#define FULL_COUNT	1000

/* XENMEM_memory_map, _machphys_mapping, _maximum_reservation. */
#define MEMORY_MAXIMUM	4
#define MEMORY_MAP	9
#define MEMORY_MACHPHYS	12

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

static const char * const op_names[NR_OPS] = {
	[OP_MMU_UPDATE] = "mmu_update",
	[OP_PRESERVE_AD] = "preserve_ad",
	[OP_MACHPHYS] = "machphys",
	[OP_UPDATE_VA] = "update_va",
	[OP_PIN] = "pin",
	[OP_UNPIN] = "unpin",
	[OP_BASEPTR] = "new_baseptr",
	[OP_MOV_CR3] = "mov_cr3",
	[OP_PAGE] = "clear/copy",
	[OP_FLUSH] = "flush",
	[OP_MULTICALL] = "multicall",
	[OP_LINEAR] = "linear",
	[OP_TREE] = "tree",
	[OP_LARGE] = "large leaf",
	[OP_LONG] = "long batch",
	[OP_MEMORY] = "memory_op",
	[OP_SYSCALL] = "syscall",
	[OP_RELEASE] = "release",
	[OP_FILL] = "fill",
	[OP_STORE] = "store",
	[OP_LOAD] = "load",
	[OP_INVLPG] = "invlpg",
	[OP_GARBAGE] = "garbage",
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

/* Set by the host, but for counts. */
static struct fuzz {
	u64 ops;
	u64 audit_every;
	u64 gfns[NR_FRAMES];
	/* Of a slot that may be gone. */
	u64 extra[EXTRA_PAGES];
	u32 ready;
	u32 roots_lock;
	struct fuzz_cpu cpus[DP_MAX_VCPUS];
} fuzz;

/*
 * Guest
 */

static u64 rnd(struct fuzz_cpu *cpu)
{
	/* xorshift64* */
	cpu->random ^= cpu->random >> 12;
	cpu->random ^= cpu->random << 25;
	cpu->random ^= cpu->random >> 27;
	return cpu->random * 2685821657736338717ULL;
}

static u64 below(struct fuzz_cpu *cpu, u64 n)
{
	return (rnd(cpu) >> 16) % n;
}

static bool chance(struct fuzz_cpu *cpu, unsigned int percent)
{
	return below(cpu, 100) < percent;
}

static u64 pick_frame(struct fuzz_cpu *cpu, int role)
{
	if (role < 0 || chance(cpu, 5))
		return fuzz.gfns[below(cpu, NR_FRAMES)];
	return fuzz.gfns[below(cpu, NR_FRAMES / NR_ROLES) * NR_ROLES + role];
}

static bool is_kept(unsigned int index)
{
	return index == 0 || index == dp_index(DP_LINEAR, 4);
}

static unsigned int pick_index(struct fuzz_cpu *cpu)
{
	unsigned int i;

	do {
		i = chance(cpu, 80) ? 2 + below(cpu, 8) : below(cpu, 512);
	} while (is_kept(i));
	return i;
}

/* Few at the upper levels, so that chance finds its way to the leaves. */
static unsigned int pick_low(struct fuzz_cpu *cpu, int level)
{
	return 2 + below(cpu, level == 1 ? 8 : 2);
}

static u64 pick_mfn(struct fuzz_cpu *cpu, int role)
{
	if (chance(cpu, 94))
		return dp_p2m[pick_frame(cpu, role)];
	if (chance(cpu, 50))
		return READ_ONCE(fuzz.extra[below(cpu, EXTRA_PAGES)]);
	return chance(cpu, 50) ? rnd(cpu) >> 24 : rnd(cpu) >> 44;
}

static u64 pick_entry(struct fuzz_cpu *cpu, int level)
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
		entry |= BIT_ULL(below(cpu, 64));
	/* A table of the guest's own: readable, and no more than that. */
	if (chance(cpu, 3))
		entry = dp_maddr(dp_boot.root_gfn) | DP_P |
			(chance(cpu, 50) ? DP_RW : 0);
	return entry & PHYSICAL_PAGE_MASK ? entry : 0;
}

static u64 pick_maddr(struct fuzz_cpu *cpu, int *level)
{
	unsigned int i;

	*level = 1 + below(cpu, 4);
	i = chance(cpu, 50) ? pick_low(cpu, *level) : pick_index(cpu);
	return (pick_mfn(cpu, *level) << PAGE_SHIFT) + i * sizeof(u64);
}

/* Did another vCPU name the same frame in a call that is not over? */
static void busy(struct fuzz_cpu *cpu, u64 mfn)
{
	int i;

	__atomic_store_n(&cpu->busy_mfn, mfn, __ATOMIC_SEQ_CST);
	for (i = 0; mfn && i < dp_boot.nr_vcpus; i++)
		cpu->collisions += &fuzz.cpus[i] != cpu &&
				   READ_ONCE(fuzz.cpus[i].busy_mfn) == mfn;
}

/* Where the trees of the game have their leaves. */
static u64 pick_va(struct fuzz_cpu *cpu)
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

static u64 linear_va(struct fuzz_cpu *cpu, int role)
{
	return (u64)dp_ptr(pick_frame(cpu, role)) +
	       pick_index(cpu) * sizeof(u64);
}

static void note(struct fuzz_cpu *cpu, enum op op, long result)
{
	u64 error = result < 0 ? -result : result;

	/* What a refused call returns is an errno, and nothing else. */
	__GUEST_ASSERT(error < NR_ERRORS, "operation %d returns %ld", op,
		       result);
	cpu->counts[op][error]++;
}

static void fuzz_mmu_update(struct fuzz_cpu *cpu, enum op op, u64 cmd)
{
	struct kvm_dp_mmu_update reqs[MAX_BATCH];
	u32 n = 1 + below(cpu, MAX_BATCH), done = 0, i;
	int level;
	long r;

	for (i = 0; i < n; i++) {
		reqs[i].ptr = pick_maddr(cpu, &level) | cmd;
		reqs[i].val = pick_entry(cpu, level);
	}
	busy(cpu, reqs[0].ptr >> PAGE_SHIFT);
	r = dp_mmu_update(reqs, n, &done);
	busy(cpu, 0);
	__GUEST_ASSERT(r ? done < n : done == n, "%ld, done %u of %u", r, done,
		       n);
	note(cpu, op, r);
}

/* Several, as long as there is a tree to do it in. */
static void fuzz_update_va(struct fuzz_cpu *cpu)
{
	unsigned int n;
	u64 va, flags;

	for (n = 1 + below(cpu, 5); n; n--) {
		va = pick_va(cpu) & PAGE_MASK;
		if (chance(cpu, 2))
			va = rnd(cpu) | BIT_ULL(62);
		flags = below(cpu, 16) & ~8ULL;
		note(cpu, OP_UPDATE_VA,
		     dp_update_va(va, pick_entry(cpu, 1), flags));
	}
}

static void fuzz_pin(struct fuzz_cpu *cpu)
{
	int level = 1 + below(cpu, 4);
	u64 mfn = pick_mfn(cpu, level);

	busy(cpu, mfn);
	note(cpu, OP_PIN, dp_pin_mfn(level, mfn));
	busy(cpu, 0);
}

static void fuzz_unpin(struct fuzz_cpu *cpu)
{
	unsigned int n;
	u64 mfn;

	for (n = 1 + below(cpu, 4); n; n--) {
		mfn = pick_mfn(cpu, 1 + below(cpu, 4));
		busy(cpu, mfn);
		note(cpu, OP_UNPIN, dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn, 0));
		busy(cpu, 0);
	}
}

static void lock_roots(void)
{
	while (__atomic_exchange_n(&fuzz.roots_lock, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}

static void unlock_roots(void)
{
	__atomic_store_n(&fuzz.roots_lock, 0, __ATOMIC_RELEASE);
}

/* Would the guest survive on it? */
static bool is_root(u64 gfn)
{
	unsigned int i = dp_index(DP_LINEAR, 4);

	return dp_ptr(gfn)[0] == dp_ptr(dp_boot.root_gfn)[0] &&
	       dp_ptr(gfn)[i] == dp_ptr(dp_boot.root_gfn)[i];
}

static void fuzz_root(struct fuzz_cpu *cpu, enum op op)
{
	u64 gfn = chance(cpu, 20) ? dp_boot.root_gfn : pick_frame(cpu, 4);
	long r = NOT_TRIED;

	lock_roots();
	if (is_root(gfn))
		r = op == OP_BASEPTR ? dp_baseptr(gfn) :
				       dp_mov_cr3(dp_maddr(gfn));
	unlock_roots();
	note(cpu, op, r);
}

/* Not on frames of level-4 tables, which would lose the entries to keep. */
static void fuzz_page(struct fuzz_cpu *cpu)
{
	unsigned int role = chance(cpu, 60) ? 0 : below(cpu, 4);
	u64 to, from = pick_mfn(cpu, -1);
	long r;

	to = fuzz.gfns[below(cpu, NR_FRAMES / NR_ROLES) * NR_ROLES + role];
	lock_roots();
	if (chance(cpu, 50))
		r = dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, dp_p2m[to], 0);
	else
		r = dp_ext(KVM_DP_MMUEXT_COPY_PAGE, dp_p2m[to], from);
	unlock_roots();
	note(cpu, OP_PAGE, r);
}

static void fuzz_flush(struct fuzz_cpu *cpu)
{
	u64 vcpus = rnd(cpu);
	u32 cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL + below(cpu, 6);

	note(cpu, OP_FLUSH, dp_ext(cmd, pick_va(cpu), (u64)&vcpus));
}

static void fuzz_multicall(struct fuzz_cpu *cpu)
{
	struct kvm_dp_mmu_update reqs[MAX_BATCH];
	struct kvm_dp_multicall_entry list[4] = {};
	u32 n = 1 + below(cpu, ARRAY_SIZE(list)), i;
	int level;

	for (i = 0; i < MAX_BATCH; i++) {
		reqs[i].ptr = pick_maddr(cpu, &level);
		reqs[i].val = pick_entry(cpu, level);
	}
	for (i = 0; i < n; i++) {
		if (chance(cpu, 50)) {
			list[i].op = KVM_DP_HC_UPDATE_VA_MAPPING;
			list[i].args[0] = pick_va(cpu) & PAGE_MASK;
			list[i].args[1] = pick_entry(cpu, 1);
		} else {
			list[i].op = KVM_DP_HC_MMU_UPDATE;
			list[i].args[0] = (u64)reqs;
			list[i].args[1] = below(cpu, MAX_BATCH + 1);
			list[i].args[3] = KVM_DP_DOMID_SELF;
		}
	}
	note(cpu, OP_MULTICALL, dp_multicall(list, n));
}

static void fuzz_linear(struct fuzz_cpu *cpu)
{
	int role = below(cpu, NR_ROLES);

	note(cpu, OP_LINEAR, dp_linear(pick_frame(cpu, role),
				       chance(cpu, role ? 15 : 50)));
}

/* If it is data, and writable. */
static void clear_table(u64 gfn)
{
	unsigned int i;

	GUEST_ASSERT(gfn);
	for (i = 0; i < 512; i++) {
		if (!is_kept(i) && dp_ptr(gfn)[i] &&
		    dp_store((u64)&dp_ptr(gfn)[i], 0))
			return;
	}
}

/* What a guest does that means it: fill, make read-only, pin. */
static void fuzz_tree(struct fuzz_cpu *cpu)
{
	u64 gfn[NR_ROLES], va = 0;
	unsigned int i;
	int level;
	u64 *table;
	long r;

	for (level = 0; level < NR_ROLES; level++)
		gfn[level] = fuzz.gfns[below(cpu, NR_FRAMES / NR_ROLES) *
				       NR_ROLES + level];

	for (level = 1; level < NR_ROLES; level++) {
		table = dp_ptr(gfn[level]);
		dp_linear(gfn[level], true);
		/* What chance stored there would mostly be refused. */
		if (chance(cpu, 70))
			clear_table(gfn[level]);
		i = pick_low(cpu, level);
		va |= (u64)i << (PAGE_SHIFT + 9 * (level - 1));
		dp_store((u64)&table[i], dp_maddr(gfn[level - 1]) | DP_LEAF);
		/* From time to time, more than fits into one execution. */
		if (level == 1 && chance(cpu, 2))
			for (i = 12; i < 500; i++)
				dp_store((u64)&table[i],
					 dp_maddr(gfn[0]) | DP_P);
		dp_linear(gfn[level], false);
	}

	/* A tree, or a part of one that others may link. */
	level = chance(cpu, 60) ? 4 : 1 + below(cpu, 3);
	busy(cpu, dp_p2m[gfn[level]]);
	r = dp_pin(level, gfn[level]);
	busy(cpu, 0);
	note(cpu, OP_TREE, r);
	if (r || level < 4)
		return;

	lock_roots();
	if (is_root(gfn[4]) && !dp_baseptr(gfn[4]))
		cpu->va = va;
	unlock_roots();
}

/*
 * A large leaf, or another way to use its block.  Writable only where the guest
 * keeps nothing of its own.
 */
static void fuzz_large(struct fuzz_cpu *cpu)
{
	u64 block = below(cpu, NR_BLOCKS), gfn, entry;
	int tries = 6;
	bool table;

	/* A mere store into data would succeed, and mean nothing. */
	do {
		gfn = pick_frame(cpu, chance(cpu, 95) ? 2 : 3);
		table = dp_linear(gfn, true) == -EBUSY;
		if (!table)
			dp_linear(gfn, false);
	} while (!table && --tries);
	if (!table) {
		note(cpu, OP_LARGE, NOT_TRIED);
		return;
	}

	entry = dp_maddr(DP_POOL_GFN + block * BLOCK_PAGES) | DP_P | DP_PS;
	if (block && chance(cpu, 70))
		entry |= DP_RW;
	if (chance(cpu, 70))
		entry |= DP_NX;
	if (chance(cpu, 10))
		entry |= BIT_ULL(below(cpu, 52));
	if (!block)
		entry &= ~DP_RW;

	note(cpu, OP_LARGE,
	     dp_set(dp_slot(gfn, 4 + below(cpu, 6)), entry));
}

/* More than fits into one execution, most of it for one table. */
static void fuzz_long(struct fuzz_cpu *cpu)
{
	u32 n = chance(cpu, 5) ? MAX_PIECES : 1 + below(cpu, 40), done = 0, i;
	u64 table = pick_mfn(cpu, 1) << PAGE_SHIFT;
	bool drop = chance(cpu, 50);
	long r;

	for (i = 0; i < n; i++) {
		cpu->pieces[i].ptr = table + (10 + i) * sizeof(u64);
		cpu->pieces[i].val = drop ? 0 : pick_entry(cpu, 1);
		/* Nothing that must be refused, for the batch to be long. */
		if (!drop && n == MAX_PIECES)
			cpu->pieces[i].val = dp_maddr(pick_frame(cpu, 0)) |
					     DP_P | (i & 1 ? DP_RW : 0);
	}
	r = dp_mmu_update(cpu->pieces, n, &done);
	__GUEST_ASSERT(r ? done < n : done == n, "%ld, done %u of %u", r, done,
		       n);
	note(cpu, OP_LONG, r);
}

/*
 * Unpin all there is, in one list as far as each goes.  Without that, what is
 * pinned and linked would come to a standstill.  At once, what were tables may
 * become a large page.
 */
static void fuzz_release(struct fuzz_cpu *cpu)
{
	struct kvm_dp_mmuext_op ops[NR_FRAMES + EXTRA_PAGES] = {};
	u64 block = dp_maddr(DP_POOL_GFN + BLOCK_PAGES);
	u64 gfn = fuzz.gfns[2];
	u32 done, i;
	long r = 0;

	if (chance(cpu, 94)) {
		note(cpu, OP_RELEASE, NOT_TRIED);
		return;
	}

	dp_baseptr(dp_boot.root_gfn);
	/* One table is left, which is not in that block. */
	dp_linear(gfn, true);
	clear_table(gfn);
	dp_linear(gfn, false);
	dp_pin(2, gfn);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i].cmd = KVM_DP_MMUEXT_UNPIN_TABLE;
		ops[i].arg1 = i < NR_FRAMES ? dp_p2m[fuzz.gfns[i]] :
					      fuzz.extra[i - NR_FRAMES];
		if (ops[i].arg1 == dp_p2m[gfn])
			ops[i].arg1 = 0;
	}
	for (i = 0; i < ARRAY_SIZE(ops); i += done + 1) {
		done = 0;
		r = dp_mmuext(&ops[i], ARRAY_SIZE(ops) - i, &done);
		GUEST_ASSERT(done <= ARRAY_SIZE(ops) - i);
		GUEST_ASSERT(!r || r == -EINVAL);
	}
	dp_set(dp_slot(gfn, 4), block | DP_P | DP_RW | DP_PS | DP_NX);
	if (chance(cpu, 50))
		dp_unpin(gfn);
	note(cpu, OP_RELEASE, 0);
}

/* As large as any answer. */
union memory_answer {
	struct {
		u64 start;
		u64 end;
		u64 max_mfn;
	} machphys;
	struct {
		u32 n;
		u32 pad;
		u64 buffer;
	} map;
	u16 domid;
};

static void fuzz_memory(struct fuzz_cpu *cpu)
{
	u8 entries[4 * 20];
	union memory_answer a = {};
	u64 cmd = below(cpu, 24);
	long r;

	if (cmd == MEMORY_MAP) {
		a.map.n = below(cpu, 5);
		a.map.buffer = (u64)entries;
	} else if (cmd <= MEMORY_MAXIMUM) {
		a.domid = KVM_DP_DOMID_SELF;
	}

	r = dp_hypercall(KVM_DP_HC_MEMORY_OP, cmd, (u64)&a, 0, 0, 0);
	if (!r && cmd == MEMORY_MACHPHYS)
		GUEST_ASSERT_EQ(a.machphys.start, KVM_DP_M2P_BASE);
	if (cmd == MEMORY_MAXIMUM)
		GUEST_ASSERT(r >= (long)DP_POOL_PAGES);
	note(cpu, OP_MEMORY, r > 0 ? 0 : r);
}

static long call_by_syscall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4)
{
	register u64 r10 asm("r10") = a4;
	long ret = nr;

	asm volatile("syscall"
		     : "+a" (ret), "+D" (a1), "+S" (a2), "+d" (a3), "+r" (r10)
		     : : "rcx", "r8", "r9", "r11", "memory");
	return ret;
}

static void fuzz_syscall(struct fuzz_cpu *cpu)
{
	struct kvm_dp_mmu_update req;
	int level;
	long r;

	req.ptr = pick_maddr(cpu, &level);
	req.val = pick_entry(cpu, level);
	if (chance(cpu, 10))
		r = call_by_syscall(100 + below(cpu, 100), 0, 0, 0, 0);
	else
		r = call_by_syscall(KVM_DP_HC_MMU_UPDATE, (u64)&req, 1, 0,
				    KVM_DP_DOMID_SELF);
	note(cpu, OP_SYSCALL, r);
}

static void fuzz_fill(struct fuzz_cpu *cpu)
{
	int level = 1 + below(cpu, 4);
	u64 va = linear_va(cpu, level);

	note(cpu, OP_FILL, dp_store(va, pick_entry(cpu, level)));
}

static void fuzz_store(struct fuzz_cpu *cpu)
{
	u64 va = chance(cpu, 70) ? pick_va(cpu) : linear_va(cpu, -1);

	note(cpu, OP_STORE, dp_store(va, pick_entry(cpu, 1 + below(cpu, 4))));
}

static void fuzz_load(struct fuzz_cpu *cpu)
{
	u64 va = chance(cpu, 80) ? pick_va(cpu) :
				   (u64)&dp_m2p[pick_mfn(cpu, -1)];

	note(cpu, OP_LOAD, dp_load(va));
}

static void fuzz_invlpg(struct fuzz_cpu *cpu)
{
	dp_invlpg(pick_va(cpu));
	note(cpu, OP_INVLPG, 0);
}

/* Pointers, counts and numbers that no guest would use. */
static void fuzz_garbage(struct fuzz_cpu *cpu)
{
	static const u8 calls[] = {
		KVM_DP_HC_MMU_UPDATE, KVM_DP_HC_MEMORY_OP,
		KVM_DP_HC_MULTICALL, KVM_DP_HC_UPDATE_VA_MAPPING,
		KVM_DP_HC_MMUEXT_OP,
	};
	u64 args[4], nr = calls[below(cpu, ARRAY_SIZE(calls))];
	unsigned int i;
	long r;

	/* Not where an accepted call would read, or write, by chance. */
	for (i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = rnd(cpu) | BIT_ULL(62);
	args[0] &= ~BIT_ULL(63);
	if (chance(cpu, 50))
		args[3] = KVM_DP_DOMID_SELF;
	if (chance(cpu, 50))
		args[1] &= 0xffff;
	if (chance(cpu, 10))
		nr = rnd(cpu) >> below(cpu, 60);
	if (nr > 100)
		nr = 100 + nr % 100;
	/* Multicall and memory_op: an operation, not a pointer, comes first. */
	r = dp_hypercall(nr, args[0], args[1], args[2], args[3], rnd(cpu));
	note(cpu, OP_GARBAGE, r > 0 ? 0 : r);
}

static void fuzz_one(struct fuzz_cpu *cpu)
{
	enum op op = below(cpu, NR_OPS);

	switch (op) {
	case OP_MMU_UPDATE:
		return fuzz_mmu_update(cpu, op, KVM_DP_NORMAL_PT_UPDATE);
	case OP_PRESERVE_AD:
		return fuzz_mmu_update(cpu, op, KVM_DP_PT_UPDATE_PRESERVE_AD);
	case OP_MACHPHYS:
		return fuzz_mmu_update(cpu, op, KVM_DP_MACHPHYS_UPDATE);
	case OP_UPDATE_VA:
		return fuzz_update_va(cpu);
	case OP_PIN:
		return fuzz_pin(cpu);
	case OP_UNPIN:
		return fuzz_unpin(cpu);
	case OP_BASEPTR:
	case OP_MOV_CR3:
		return fuzz_root(cpu, op);
	case OP_PAGE:
		return fuzz_page(cpu);
	case OP_FLUSH:
		return fuzz_flush(cpu);
	case OP_MULTICALL:
		return fuzz_multicall(cpu);
	case OP_LINEAR:
		return fuzz_linear(cpu);
	case OP_TREE:
		return fuzz_tree(cpu);
	case OP_LARGE:
		return fuzz_large(cpu);
	case OP_LONG:
		return fuzz_long(cpu);
	case OP_MEMORY:
		return fuzz_memory(cpu);
	case OP_SYSCALL:
		return fuzz_syscall(cpu);
	case OP_RELEASE:
		return fuzz_release(cpu);
	case OP_FILL:
		return fuzz_fill(cpu);
	case OP_STORE:
		return fuzz_store(cpu);
	case OP_LOAD:
		return fuzz_load(cpu);
	case OP_INVLPG:
		return fuzz_invlpg(cpu);
	default:
		return fuzz_garbage(cpu);
	}
}

static void fuzz_init_frames(void)
{
	int i;

	for (i = 0; i < NR_FRAMES; i++) {
		/* The second half in a block that may be mapped at once. */
		do {
			fuzz.gfns[i] = dp_alloc();
		} while (i >= NR_FRAMES / 2 &&
			 fuzz.gfns[i] < DP_POOL_GFN + BLOCK_PAGES);
		if (i % NR_ROLES == 4)
			dp_copy_kernel(fuzz.gfns[i]);
	}
	__atomic_store_n(&fuzz.ready, 1, __ATOMIC_RELEASE);
}

static void guest_fuzz(int index)
{
	struct fuzz_cpu *cpu = &fuzz.cpus[index];

	if (!index)
		fuzz_init_frames();
	while (!__atomic_load_n(&fuzz.ready, __ATOMIC_ACQUIRE))
		cpu_relax();

	for (cpu->done = 1; cpu->done <= fuzz.ops; cpu->done++) {
		fuzz_one(cpu);
		if (fuzz.audit_every && cpu->done % fuzz.audit_every == 0)
			GUEST_SYNC(cpu->done);
	}
}

/*
 * Host
 */

static struct dp_vm dp;
static struct fuzz *shared;
static bool over;

static struct {
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
} vmm;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Other vCPUs go on meanwhile, so tables may be partial. */
static void check(void)
{
	struct kvm_x86_dp_audit audit = {};
	u64 start = now_ns();

	vm_ioctl(dp.vm, KVM_X86_DP_AUDIT, &audit);
	__atomic_fetch_add(&vmm.audit_ns, now_ns() - start, __ATOMIC_RELAXED);
	__atomic_fetch_add(&vmm.audits, 1, __ATOMIC_RELAXED);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	TEST_ASSERT(!audit.np_enabled, "Nested paging was on");
}

static u64 host_mfn(u64 gfn)
{
	u64 *p2m = dp_gfn_hva(&dp, DP_POOL_GFN);

	return READ_ONCE(p2m[gfn]);
}

/*
 * Any root that there is, and then the guest's own again, which is pinned for
 * good.  No vCPU cares which it is on.
 */
static void change_root(struct fuzz_cpu *random, struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;
	u64 root = host_mfn(dp.root_gfn);

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr3 = host_mfn(READ_ONCE(shared->gfns[below(random, NR_FRAMES)])) << PAGE_SHIFT;
	if (!sregs.cr3)
		return;
	if (chance(random, 10))
		sregs.cr3 = rnd(random);
	if (_vcpu_sregs_set(vcpu, &sregs))
		__atomic_fetch_add(&vmm.roots_refused, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&vmm.roots, 1, __ATOMIC_RELAXED);

	sregs.cr3 = root << PAGE_SHIFT;
	vcpu_sregs_set(vcpu, &sregs);
}

static void *run_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct fuzz_cpu random = { .random = shared->cpus[vcpu->id].random };
	struct ucall uc;

	while (dp_run(vcpu, &uc) != UCALL_DONE) {
		check();
		change_root(&random, vcpu);
	}
	return NULL;
}

/* Accesses of the VMM to what may be a table. */
static __thread sigjmp_buf env;
static __thread bool armed;

static void on_signal(int sig)
{
	if (!READ_ONCE(armed))
		_exit(KSFT_FAIL);
	siglongjmp(env, 1);
}

static void touch(struct fuzz_cpu *random, u64 *p, bool write)
{
	if (sigsetjmp(env, 1)) {
		WRITE_ONCE(armed, false);
		vmm.signals++;
		return;
	}

	WRITE_ONCE(armed, true);
	if (write) {
		WRITE_ONCE(*p, chance(random, 50) ? 0 : rnd(random) & ~DP_P);
		vmm.writes++;
	} else {
		READ_ONCE(*p);
		vmm.reads++;
	}
	WRITE_ONCE(armed, false);
}

static u64 pick_game_gfn(struct fuzz_cpu *random)
{
	return READ_ONCE(shared->gfns[below(random, NR_FRAMES)]);
}

static void vmm_touch(struct fuzz_cpu *random)
{
	u64 *p = dp_gfn_hva(&dp, pick_game_gfn(random));

	touch(random, p + pick_index(random), chance(random, 50));
}

/* Mappings that come and go, as page tables of the VMM do. */
static void vmm_remap(struct fuzz_cpu *random)
{
	u64 gfn = pick_game_gfn(random);
	u64 *p;

	p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		 dp.gmem, gfn << PAGE_SHIFT);
	TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	touch(random, p + pick_index(random), chance(random, 50));
	if (chance(random, 50))
		touch(random, p + pick_index(random), false);
	munmap(p, 2 * PAGE_SIZE);
	vmm.remaps++;
}

static void vmm_read(struct fuzz_cpu *random)
{
	static char buffer[3 * PAGE_SIZE];
	struct kvm_x86_dp_read read = {
		.gpa = (pick_game_gfn(random) << PAGE_SHIFT) +
		       below(random, PAGE_SIZE),
		.size = below(random, sizeof(buffer)),
		.buffer = (u64)buffer,
	};

	vm_ioctl(dp.vm, KVM_X86_DP_READ, &read);
	vmm.peeks++;
}

static void vmm_hold(struct fuzz_cpu *random)
{
	static int fds[4] = { -1, -1, -1, -1 };
	struct kvm_x86_dp_hold hold = {
		.gfn = pick_game_gfn(random),
		.npages = 1 + below(random, 3),
	};
	int *fd = &fds[below(random, ARRAY_SIZE(fds))];

	if (*fd >= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	*fd = __vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold);
	if (*fd >= 0)
		vmm.holds++;
	else
		vmm.holds_refused++;
}

/* New memory, about which the guest learns, or an attempt to take it away. */
static void vmm_slot(void)
{
	static int gmem = -1;
	static bool there;
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = EXTRA_PAGES,
		.gpa = addr_hva2gpa(dp.vm, shared->extra),
	};
	int r;

	if (gmem < 0)
		gmem = vm_create_guest_memfd(dp.vm, EXTRA_PAGES * PAGE_SIZE,
					     DP_GMEM_FLAGS);
	if (there) {
		r = __dp_set_slot(&dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0, NULL, -1,
				  0);
		TEST_ASSERT(!r || errno == EBUSY, "delete: errno %d", errno);
		there = r;
		vmm.slots_kept += there;
		if (there)
			return;
		/* The host has it back: others get these frames next. */
		r = fallocate(gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      0, EXTRA_PAGES * PAGE_SIZE);
		TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("fallocate", r));
		return;
	}

	r = __dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD, EXTRA_GFN,
			  EXTRA_PAGES, NULL, gmem, 0);
	TEST_ASSERT(!r, KVM_IOCTL_ERROR(KVM_SET_USER_MEMORY_REGION2, r));
	there = true;
	vmm.slots++;
	vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m);
}

static u64 done(void)
{
	u64 n = 0;
	int i;

	for (i = 0; i < dp.nr_vcpus; i++)
		n += READ_ONCE(shared->cpus[i].done);
	return n;
}

struct vmm_args {
	u64 seed;
	u64 every;
};

/* Bound to the guest's progress, so that neither starves the other. */
static void *run_vmm(void *data)
{
	const struct vmm_args *args = data;
	struct fuzz_cpu random = { .random = args->seed };
	u64 next = 0;

	while (!READ_ONCE(shared->ready) && !READ_ONCE(over))
		usleep(1000);

	while (!READ_ONCE(over)) {
		if (done() < next) {
			usleep(200);
			continue;
		}
		next = done() + args->every;

		switch (below(&random, 8)) {
		case 0:
		case 1:
		case 2:
			vmm_touch(&random);
			break;
		case 3:
			vmm_remap(&random);
			break;
		case 4:
			vmm_read(&random);
			break;
		case 5:
			vmm_hold(&random);
			break;
		case 6:
			vmm_slot();
			break;
		case 7:
			if (shared->audit_every && chance(&random, 5))
				check();
			break;
		}
	}
	return NULL;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

static void run_all(struct vmm_args *args)
{
	pthread_t threads[DP_MAX_VCPUS], thread;
	int i, r;

	if (args->every) {
		catch_signals();
		r = pthread_create(&thread, NULL, run_vmm, args);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < dp.nr_vcpus; i++) {
		r = pthread_create(&threads[i], NULL, run_vcpu, dp.vcpus[i]);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < dp.nr_vcpus; i++)
		pthread_join(threads[i], NULL);
	WRITE_ONCE(over, true);
	if (args->every)
		pthread_join(thread, NULL);
}

static u64 sum(const struct fuzz *f, int op, int error)
{
	u64 n = 0;
	int i;

	for (i = 0; i < dp.nr_vcpus; i++)
		n += f->cpus[i].counts[op][error];
	return n;
}

/* Vectors for what the guest does natively. */
static bool is_native(enum op op)
{
	return op == OP_MOV_CR3 || op == OP_FILL || op == OP_STORE ||
	       op == OP_LOAD;
}

static bool is_rare(enum op op)
{
	return op == OP_GARBAGE || op == OP_RELEASE;
}

static void report(const struct fuzz *f)
{
	int op, error;
	u64 n;

	for (op = 0; op < NR_OPS; op++) {
		printf("# %-12s accepted %8lu", op_names[op], sum(f, op, 0));
		for (error = 1; error < NR_ERRORS; error++) {
			n = sum(f, op, error);
			if (!n)
				continue;
			if (error == -NOT_TRIED)
				printf("  not tried %lu", n);
			else if (is_native(op))
				printf("  #%d %lu", error, n);
			else
				printf("  %s %lu", strerrorname_np(error), n);
		}
		printf("\n");
	}
}

static u64 collisions(void)
{
	u64 n = 0;
	int i;

	for (i = 0; i < dp.nr_vcpus; i++)
		n += shared->cpus[i].collisions;
	return n;
}

/* Blocks of the pool that a large leaf can map. */
static int large_blocks(void)
{
	int i, j, n = 0;
	u64 first;

	for (i = 0; i < NR_BLOCKS; i++) {
		first = host_mfn(DP_POOL_GFN + i * BLOCK_PAGES);
		for (j = 0; j < BLOCK_PAGES; j++) {
			if (host_mfn(DP_POOL_GFN + i * BLOCK_PAGES + j) !=
			    first + j)
				break;
		}
		n += j == BLOCK_PAGES && !(first % BLOCK_PAGES);
	}
	return n;
}

static void expect(const char *what, u64 n, u64 min, bool full)
{
	if (n < min)
		printf("# not reached: %s %lu, not %lu\n", what, n, min);
	TEST_ASSERT(!full || n >= min, "%s: %lu, not %lu", what, n, min);
}

static void report_vmm(const struct vmm_args *args, u64 ops, bool full)
{
	printf("# audits %lu, %lu us each; other roots %lu, refused %lu\n",
	       vmm.audits, vmm.audit_ns / 1000 / (vmm.audits ?: 1), vmm.roots,
	       vmm.roots_refused);
	if (!args->every)
		return;

	printf("# VMM: reads %lu writes %lu signals %lu remaps %lu peeks %lu\n",
	       vmm.reads, vmm.writes, vmm.signals, vmm.remaps, vmm.peeks);
	printf("# VMM: holds %lu, refused %lu slots %lu, kept %lu\n",
	       vmm.holds, vmm.holds_refused, vmm.slots, vmm.slots_kept);

	full &= ops / args->every >= 500;
	expect("signals", vmm.signals, 1, full);
	expect("writes of the VMM", vmm.writes, 1, full);
	expect("holds", vmm.holds, 1, full);
	expect("refused holds", vmm.holds_refused, 1, full);
	expect("slots", vmm.slots, 2, full);
	expect("slots in use", vmm.slots_kept, 1, full);
}

/* Each call, each cause of a refusal, and all that takes more than one step. */
static void report_coverage(bool full, bool vmm_acts)
{
	static const char * const stats[] = {
		"dp_promotions", "dp_demotions", "dp_entries",
		"dp_refused_entry", "dp_refused_frame", "dp_refused_busy",
		"dp_flushes", "dp_zaps", "dp_unseals", "dp_continuations",
	};
	u64 n[ARRAY_SIZE(stats)];
	int i, blocks = large_blocks();

	printf("#");
	for (i = 0; i < ARRAY_SIZE(stats); i++) {
		n[i] = vm_get_stat(dp.vm, stats[i]);
		printf(" %s %lu", stats[i] + 3, n[i]);
	}
	printf("\n# collisions %lu, blocks for large leaves %d\n",
	       collisions(), blocks);

	for (i = 0; i < ARRAY_SIZE(stats); i++) {
		/* For these, the VMM must map what becomes a table. */
		if (!vmm_acts && (!strcmp(stats[i], "dp_unseals") ||
				  !strcmp(stats[i], "dp_zaps")))
			continue;
		expect(stats[i], n[i], 1, full);
	}
	for (i = 0; i < NR_OPS; i++) {
		if (i == OP_LARGE && !blocks)
			continue;
		expect(op_names[i], sum(shared, i, 0),
		       is_rare(i) || is_native(i) ? 1 : FULL_COUNT, full);
	}
	if (dp.nr_vcpus > 1)
		expect("collisions", collisions(), 1, full);
}

static void help(const char *name)
{
	printf("usage: %s [-o operations] [-v vCPUs] [-s seed]\n"
	       "          [-a audit every] [-m VMM's turn every]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char *argv[])
{
	u64 seed = 1, ops = 2000, every = 1, start;
	struct vmm_args args = {};
	int opt, i, nr_vcpus = 1;

	while ((opt = getopt(argc, argv, "o:v:s:a:m:")) != -1) {
		switch (opt) {
		case 'o':
			ops = atoi_positive("operations", optarg);
			break;
		case 'v':
			nr_vcpus = atoi_positive("vCPUs", optarg);
			break;
		case 's':
			seed = atoi_non_negative("seed", optarg);
			break;
		case 'a':
			every = atoi_non_negative("audit every", optarg);
			break;
		case 'm':
			args.every = atoi_non_negative("VMM's turn every", optarg);
			break;
		default:
			help(argv[0]);
		}
	}

	dp_require();
	printf("# %lu operations, %d vCPUs, seed %lu, audit every %lu, VMM every %lu\n",
	       ops, nr_vcpus, seed, every, args.every);
	args.seed = (seed + 1) * 0xd1342543de82ef95ULL;
	dp_vm_create(&dp, guest_fuzz, nr_vcpus);
	shared = dp_gva_hva(&dp, (vm_vaddr_t)&fuzz);
	shared->ops = ops / nr_vcpus;
	shared->audit_every = every;
	for (i = 0; i < nr_vcpus; i++)
		shared->cpus[i].random = (seed + 1) * 0x9e3779b97f4a7c15ULL + i;

	dp_vm_start(&dp);
	start = now_ns();
	run_all(&args);
	start = now_ns() - start;
	check();

	report(shared);
	printf("# %lu ms, %lu operations a second\n", start / 1000000,
	       ops * 1000 / (start / 1000000 ?: 1));
	report_coverage(ops >= FULL_RUN, args.every);
	report_vmm(&args, ops, ops >= FULL_RUN);
	dp_vm_free(&dp);
	return 0;
}
