// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what the guest of dp_fuzz_test does.
 *
 * What may go wrong is KVM's part, never the guest's own: it keeps what it runs
 * on out of the game.  Hence the rules for frames: those of the game are mapped
 * wherever chance wants them, all others at most read-only; and the two entries
 * by which a level-4 table maps the guest itself are never overwritten.  Large
 * leaves map blocks of which the guest uses nothing but frames of the game.
 */
#include "dp_fuzz.h"

#define MAX_BATCH	8

/* XENMEM_memory_map, _machphys_mapping, _maximum_reservation. */
#define MEMORY_MAXIMUM	4
#define MEMORY_MAP	9
#define MEMORY_MACHPHYS	12

struct fuzz fuzz;

/* Did another vCPU name the same frame in a call that is not over? */
static void busy(struct fuzz_cpu *cpu, u64 mfn)
{
	int i;

	__atomic_store_n(&cpu->busy_mfn, mfn, __ATOMIC_SEQ_CST);
	for (i = 0; mfn && i < dp_boot.nr_vcpus; i++)
		cpu->collisions += &fuzz.cpus[i] != cpu &&
				   READ_ONCE(fuzz.cpus[i].busy_mfn) == mfn;
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
		if (!fuzz_is_kept(i) && dp_ptr(gfn)[i] &&
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
	if (chance(cpu, 70))
		entry |= DP_RW;
	if (chance(cpu, 70))
		entry |= DP_NX;
	if (chance(cpu, 10))
		entry |= BIT_ULL(below(cpu, 52));
	/* The guest's own are slot 0 and the first block of the pool. */
	if (dp_gfn(PTE_GET_PFN(entry)) < DP_POOL_GFN + BLOCK_PAGES)
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
	u64 va = pick_linear_va(cpu, level);

	note(cpu, OP_FILL, dp_store(va, pick_entry(cpu, level)));
}

static void fuzz_store(struct fuzz_cpu *cpu)
{
	u64 va = chance(cpu, 70) ? pick_va(cpu) : pick_linear_va(cpu, -1);

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

	/*
	 * Not where an accepted call would read, or write, by chance.  The
	 * library's calls to the host have their structures at low addresses.
	 */
	for (i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = rnd(cpu) | BIT_ULL(62);
	args[0] &= ~BIT_ULL(63);
	if (chance(cpu, 50))
		args[3] = KVM_DP_DOMID_SELF;
	if (chance(cpu, 10))
		nr = rnd(cpu) >> below(cpu, 60);
	if (nr > 100)
		nr = 100 + nr % 100;
	if (nr != KVM_DP_HC_MEMORY_OP && chance(cpu, 50))
		args[1] &= 0xffff;
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

void fuzz_guest(int index)
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
