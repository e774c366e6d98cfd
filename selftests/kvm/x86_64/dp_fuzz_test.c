// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: random hypercalls, faults and accesses of a hostile guest with
 * several vCPUs, with the auditor looking on.
 *
 *	dp_fuzz_test [-o operations] [-v vCPUs] [-s seed] [-a audit every]
 *
 * What may go wrong is KVM's part, never the guest's own: it keeps what it runs
 * on out of the game.  Hence the rules for frames: those of the game are mapped
 * wherever chance wants them, all others at most read-only; and the two entries
 * by which a level-4 table maps the guest itself are never overwritten.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>

#include "dp.h"

#define NR_ROLES	5		/* data, level 1 to level 4 */
#define NR_FRAMES	(12 * NR_ROLES)
#define NR_ERRORS	100
#define MAX_BATCH	8
#define MAX_ROOTS	4

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
	[OP_FILL] = "fill",
	[OP_STORE] = "store",
	[OP_LOAD] = "load",
	[OP_INVLPG] = "invlpg",
	[OP_GARBAGE] = "garbage",
};

struct fuzz_cpu {
	u64 random;
	u64 done;
	/* Results by operation and errno; native ones by vector. */
	u64 counts[NR_OPS][NR_ERRORS];
};

/* Set by the host, but for counts. */
static struct fuzz {
	u64 ops;
	u64 audit_every;
	u64 gfns[NR_FRAMES];
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

static u64 pick_mfn(struct fuzz_cpu *cpu, int role)
{
	if (chance(cpu, 96))
		return dp_p2m[pick_frame(cpu, role)];
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
	*level = 1 + below(cpu, 4);
	return (pick_mfn(cpu, *level) << PAGE_SHIFT) +
	       pick_index(cpu) * sizeof(u64);
}

/* Where the trees of the game have their leaves. */
static u64 pick_va(struct fuzz_cpu *cpu)
{
	u64 va = 0;
	int level;

	for (level = 1; level <= 4; level++)
		va |= (u64)(2 + below(cpu, 8)) << (PAGE_SHIFT + 9 * (level - 1));
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
	r = dp_mmu_update(reqs, n, &done);
	__GUEST_ASSERT(r ? done < n : done == n, "%ld, done %u of %u", r, done,
		       n);
	note(cpu, op, r);
}

static void fuzz_update_va(struct fuzz_cpu *cpu)
{
	u64 va = pick_va(cpu) & PAGE_MASK;

	if (chance(cpu, 2))
		va = rnd(cpu) | BIT_ULL(62);
	note(cpu, OP_UPDATE_VA,
	     dp_update_va(va, pick_entry(cpu, 1), below(cpu, 16) & ~8ULL));
}

static void fuzz_pin(struct fuzz_cpu *cpu)
{
	int level = 1 + below(cpu, 4);

	note(cpu, OP_PIN, dp_pin_mfn(level, pick_mfn(cpu, level)));
}

static void fuzz_unpin(struct fuzz_cpu *cpu)
{
	u64 mfn = pick_mfn(cpu, 1 + below(cpu, 4));

	note(cpu, OP_UNPIN, dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn, 0));
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
	long r = -1;

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
	u64 to = pick_frame(cpu, -1), from = pick_mfn(cpu, -1);
	long r;

	lock_roots();
	if (is_root(to))
		r = -1;
	else if (chance(cpu, 50))
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
	note(cpu, OP_LINEAR, dp_linear(pick_frame(cpu, -1), chance(cpu, 50)));
}

/* What a guest does that means it: fill, make read-only, pin. */
static void fuzz_tree(struct fuzz_cpu *cpu)
{
	u64 gfn[NR_ROLES];
	unsigned int i;
	int level;
	u64 *table;

	for (level = 0; level < NR_ROLES; level++)
		gfn[level] = fuzz.gfns[below(cpu, NR_FRAMES / NR_ROLES) *
				       NR_ROLES + level];

	for (level = 1; level < NR_ROLES; level++) {
		table = dp_ptr(gfn[level]);
		dp_linear(gfn[level], true);
		i = 2 + below(cpu, 8);
		dp_store((u64)&table[i], dp_maddr(gfn[level - 1]) | DP_LEAF);
		/* From time to time, more than fits into one execution. */
		for (i = 12; level == 1 && chance(cpu, 2) && i < 273; i++)
			dp_store((u64)&table[i], dp_maddr(gfn[0]) | DP_P);
		dp_linear(gfn[level], false);
	}
	note(cpu, OP_TREE, dp_pin(4, gfn[4]));
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
		fuzz.gfns[i] = dp_alloc();
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

/* Other vCPUs go on meanwhile, so tables may be partial. */
static void check(void)
{
	struct kvm_x86_dp_audit audit = {};

	vm_ioctl(dp.vm, KVM_X86_DP_AUDIT, &audit);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	TEST_ASSERT(!audit.np_enabled, "Nested paging was on");
}

static void *run_vcpu(void *vcpu)
{
	struct ucall uc;

	while (dp_run(vcpu, &uc) != UCALL_DONE)
		check();
	return NULL;
}

static void run_vcpus(void)
{
	pthread_t threads[DP_MAX_VCPUS];
	int i, r;

	for (i = 0; i < dp.nr_vcpus; i++) {
		r = pthread_create(&threads[i], NULL, run_vcpu, dp.vcpus[i]);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < dp.nr_vcpus; i++)
		pthread_join(threads[i], NULL);
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
			if (is_native(op))
				printf("  #%d %lu", error, n);
			else
				printf("  %s %lu", strerrorname_np(error), n);
		}
		printf("\n");
	}
}

static u64 number(const char *text)
{
	char *end;
	u64 n = strtoull(text, &end, 0);

	TEST_ASSERT(*text && !*end, "'%s' is not a number", text);
	return n;
}

int main(int argc, char *argv[])
{
	u64 seed = 1, ops = 2000, every = 1;
	int opt, i, nr_vcpus = 1;
	struct fuzz *f;

	while ((opt = getopt(argc, argv, "o:v:s:a:")) != -1) {
		switch (opt) {
		case 'o':
			ops = number(optarg);
			break;
		case 'v':
			nr_vcpus = number(optarg);
			break;
		case 's':
			seed = number(optarg);
			break;
		case 'a':
			every = number(optarg);
			break;
		default:
			TEST_FAIL("usage: %s [-o operations] [-v vCPUs] [-s seed] [-a audit every]",
				  argv[0]);
		}
	}

	dp_require();
	printf("# %lu operations, %d vCPUs, seed %lu, audit every %lu\n",
	       ops, nr_vcpus, seed, every);
	dp_vm_create(&dp, guest_fuzz, nr_vcpus);
	f = dp_gva_hva(&dp, (vm_vaddr_t)&fuzz);
	f->ops = ops / nr_vcpus;
	f->audit_every = every;
	for (i = 0; i < nr_vcpus; i++)
		f->cpus[i].random = (seed + 1) * 0x9e3779b97f4a7c15ULL + i;

	dp_vm_start(&dp);
	run_vcpus();
	check();
	report(f);
	dp_vm_free(&dp);
	return 0;
}
