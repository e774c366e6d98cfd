// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: vCPUs that change the same page tables at a time.
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define STEPS		4000
#define SHARED		4
#define OWN		2
#define DATA		8
#define ROUNDS		500
#define MARK		0x600dULL

static u32 arrived;
static u32 generation;

static void barrier_all(void)
{
	u32 g = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) ==
	    dp_boot.nr_vcpus) {
		WRITE_ONCE(arrived, 0);
		__atomic_store_n(&generation, g + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&generation, __ATOMIC_ACQUIRE) == g)
		cpu_relax();
}

/*
 * Random operations.  What a call answers depends on the others, but it is one
 * of few things, and what the hardware uses stays sound.
 */

struct actor {
	u64 random;
	struct dp_tree own[OWN];
	u64 done[5];	/* 0, EINVAL, EBUSY, EPERM, a fault */
};

static struct dp_tree shared[SHARED];
static u64 data[DATA];
static struct actor actors[DP_MAX_VCPUS];

static u64 next(struct actor *a)
{
	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return a->random >> 11;
}

static void count(struct actor *a, long r)
{
	static const long results[] = { 0, -EINVAL, -EBUSY, -EPERM };
	int i;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		if (r == results[i]) {
			a->done[i]++;
			return;
		}
	}
	GUEST_FAIL("Result %ld", r);
}

static struct dp_tree *any_tree(struct actor *a)
{
	u64 n = next(a) % (SHARED + OWN);

	return n < SHARED ? &shared[n] : &a->own[n - SHARED];
}

static u64 any_data(struct actor *a)
{
	return data[next(a) % DATA];
}

static u64 any_frame(struct actor *a)
{
	return next(a) & 1 ? any_data(a) :
			     any_tree(a)->gfn[1 + next(a) % 4];
}

/* Slots of tests, not those that the guest runs on. */
static u64 any_slot(struct actor *a, u64 gfn, int level)
{
	u64 index = next(a) % 4;

	return dp_slot(gfn, level == 4 ? dp_index(DP_VA, 4) + index : index);
}

static void do_pin(struct actor *a)
{
	int level = 1 + next(a) % 4;
	struct dp_tree *tree = any_tree(a);

	/* Mostly at the level that it is filled for. */
	count(a, dp_pin(next(a) % 8 ? level : 1 + next(a) % 4,
			tree->gfn[level]));
}

static void do_unpin(struct actor *a)
{
	count(a, dp_unpin(any_tree(a)->gfn[1 + next(a) % 4]));
}

static void do_switch(struct actor *a)
{
	u64 root = next(a) % 4 ? any_tree(a)->gfn[4] : dp_boot.root_gfn;
	u8 v;

	if (next(a) & 1) {
		count(a, dp_baseptr(root));
		return;
	}
	v = dp_mov_cr3(dp_maddr(root));
	GUEST_ASSERT(!v || v == GP_VECTOR);
	a->done[v ? 4 : 0]++;
}

static void do_set(struct actor *a)
{
	int level = 1 + next(a) % 4;
	struct dp_tree *tree = any_tree(a);
	u64 maddr = any_slot(a, tree->gfn[level], level), val = 0;

	if (next(a) % 4) {
		val = level == 1 || !(next(a) % 8) ? any_frame(a) :
		      any_tree(a)->gfn[level - 1];
		val = dp_maddr(val) | DP_P | (next(a) & 1 ? DP_RW : 0);
	}
	if (next(a) & 1)
		maddr |= KVM_DP_PT_UPDATE_PRESERVE_AD;
	count(a, dp_set(maddr, val));
}

static void do_update_va(struct actor *a)
{
	u64 va = DP_VA + next(a) % 4 * PAGE_SIZE;
	u64 val = dp_maddr(any_frame(a)) | DP_P | (next(a) & 1 ? DP_RW : 0);

	count(a, dp_update_va(va, next(a) % 4 ? val : 0,
			      next(a) % 3 | (next(a) & 1 ? KVM_DP_UVMF_ALL :
							   KVM_DP_UVMF_LOCAL)));
}

/* Data may be written, tables never; whatever happens, it is the guest's. */
static void do_access(struct actor *a)
{
	u64 va = DP_VA + next(a) % 4 * PAGE_SIZE, error;
	u8 v = next(a) & 1 ? dp_store_ec(va + 64, 0, &error) :
			     dp_load_ec(va, &error);

	GUEST_ASSERT(!v || v == PF_VECTOR);
	GUEST_ASSERT(!v || !(error & PFERR_RSVD_MASK));
	a->done[v ? 4 : 0]++;
}

/* Ask for a writable mapping; only what is data now gets one. */
static void do_linear(struct actor *a)
{
	u64 gfn = any_tree(a)->gfn[1 + next(a) % 4];
	long r = dp_linear(gfn, true);

	count(a, r);
	if (!r)
		dp_seal(gfn);
}

static void do_flush(struct actor *a)
{
	u64 all = ~0ULL;

	count(a, dp_ext(KVM_DP_MMUEXT_TLB_FLUSH_LOCAL + next(a) % 6,
			DP_VA, (u64)&all));
}

static void do_something(struct actor *a)
{
	static void (* const ops[])(struct actor *a) = {
		do_pin, do_pin, do_unpin, do_switch, do_set, do_set, do_set,
		do_update_va, do_update_va, do_access, do_access, do_linear,
		do_flush,
	};

	ops[next(a) % ARRAY_SIZE(ops)](a);
}

static void fill_trees(struct dp_tree *trees, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		dp_tree_fill(&trees[i], DP_VA);
		dp_tree_seal(&trees[i]);
	}
}

static void unpin_all(struct dp_tree *trees, int n)
{
	int i, level;

	for (i = 0; i < n; i++) {
		for (level = 1; level <= 4; level++)
			dp_unpin(trees[i].gfn[level]);
	}
}

static void unseal_all(struct dp_tree *trees, int n)
{
	int i;

	for (i = 0; i < n; i++)
		dp_tree_unseal(&trees[i]);
}

static void random_operations(int cpu)
{
	struct actor *a = &actors[cpu];
	int i;

	if (!cpu) {
		fill_trees(shared, SHARED);
		for (i = 0; i < DATA; i++)
			data[i] = dp_alloc();
	}
	fill_trees(a->own, OWN);
	a->random = 0x9e3779b97f4a7c15ULL * (cpu + 1);
	barrier_all();

	for (i = 0; i < STEPS; i++)
		do_something(a);

	/* Nobody runs on them, nobody pins them: all is data again. */
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	barrier_all();
	unpin_all(a->own, OWN);
	if (!cpu)
		unpin_all(shared, SHARED);
	barrier_all();
	unseal_all(a->own, OWN);
	if (!cpu)
		unseal_all(shared, SHARED);
	GUEST_PRINTF("vCPU %d: %lu done, %lu EINVAL, %lu EBUSY, %lu EPERM, %lu faults\n",
		     cpu, a->done[0], a->done[1], a->done[2], a->done[3],
		     a->done[4]);
	GUEST_ASSERT(a->done[0] && a->done[1] && a->done[2] && a->done[4]);
}

DP_SMP_TEST(random_2, 2)
{
	random_operations(cpu);
}

DP_SMP_TEST(random_3, 3)
{
	random_operations(cpu);
}

DP_SMP_TEST(random_4, 4)
{
	random_operations(cpu);
}

/* One tree that all pin and unpin: each goes on with what others began. */
static u64 pins, unpins;

static void pin_race(int cpu)
{
	u64 gfn;
	long r;
	int i;

	if (!cpu)
		fill_trees(shared, 1);
	barrier_all();
	gfn = shared[0].gfn[4];
	for (i = 0; i < ROUNDS; i++) {
		r = dp_pin(4, gfn);
		GUEST_ASSERT(!r || r == -EINVAL);
		if (!r)
			__atomic_add_fetch(&pins, 1, __ATOMIC_RELAXED);
		/* It may also end a pin that another one is in the middle of. */
		r = dp_unpin(gfn);
		GUEST_ASSERT(!r || r == -EINVAL);
		if (!r)
			__atomic_add_fetch(&unpins, 1, __ATOMIC_RELAXED);
	}
	barrier_all();
	if (cpu)
		return;
	/* How many is not known: two may have finished the same pin. */
	GUEST_ASSERT(pins && unpins);
	dp_unpin(gfn);
	dp_tree_unseal(&shared[0]);
	dp_tree_free(&shared[0]);
}

DP_SMP_TEST(pin_race_2, 2)
{
	pin_race(cpu);
}

DP_SMP_TEST(pin_race_4, 4)
{
	pin_race(cpu);
}

/*
 * A vCPU that does not leave the guest knows a translation that is gone.  It
 * must not get at what the frame has become.
 */
static u64 stage;
static u64 victim;

static void wait_for(u64 s)
{
	while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) != s)
		cpu_relax();
}

static void go_on(u64 s)
{
	__atomic_store_n(&stage, s, __ATOMIC_RELEASE);
}

DP_SMP_TEST(stale_writable, 2)
{
	u64 i, error;

	if (!cpu) {
		victim = dp_alloc();
		dp_link(DP_VA);
	}
	for (i = 0; i < ROUNDS; i++) {
		if (cpu) {
			wait_for(4 * i + 1);
			WRITE_ONCE(*(u64 *)DP_VA, 0);
			go_on(4 * i + 2);
			wait_for(4 * i + 3);
			GUEST_ASSERT_EQ(dp_store_ec(DP_VA, MARK, &error),
					PF_VECTOR);
			GUEST_ASSERT_EQ(error, PFERR_WRITE_MASK);
			go_on(4 * i + 4);
			continue;
		}

		GUEST_ASSERT_EQ(dp_update_va(DP_VA, dp_maddr(victim) | DP_LEAF,
					     0), 0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		/* The guest flushes nothing. */
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), 0);
		GUEST_ASSERT_EQ(dp_update_va((u64)dp_ptr(victim),
					     dp_maddr(victim) | DP_P, 0), 0);
		GUEST_ASSERT_EQ(dp_pin(1, victim), 0);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
		GUEST_ASSERT_EQ(READ_ONCE(*dp_ptr(victim)), 0);
		GUEST_ASSERT_EQ(dp_unpin(victim), 0);
		dp_unseal(victim);
	}
	if (!cpu) {
		dp_unlink(DP_VA);
		dp_free(victim);
	}
}

/* The same with a table that another vCPU may still walk through. */
DP_SMP_TEST(stale_table, 2)
{
	static struct dp_tree tree;
	u64 i, maddr, error;

	maddr = dp_slot(dp_boot.root_gfn, dp_index(DP_VA, 4));
	for (i = 0; i < ROUNDS; i++) {
		if (cpu) {
			wait_for(4 * i + 1);
			WRITE_ONCE(*(u64 *)DP_VA, 0);
			go_on(4 * i + 2);
			wait_for(4 * i + 3);
			GUEST_ASSERT_EQ(dp_load_ec(DP_VA + PAGE_SIZE, &error),
					PF_VECTOR);
			GUEST_ASSERT_EQ(error, 0);
			go_on(4 * i + 4);
			continue;
		}

		dp_tree_fill(&tree, DP_VA);
		dp_tree_seal(&tree);
		GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF),
				0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		/* Data that looks like an entry for a frame of the host. */
		GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
		GUEST_ASSERT_EQ(dp_update_va((u64)dp_ptr(tree.gfn[1]),
					     dp_maddr(tree.gfn[1]) | DP_LEAF,
					     0), 0);
		dp_invlpg((u64)dp_ptr(tree.gfn[1]));
		WRITE_ONCE(dp_ptr(tree.gfn[1])[1],
			   DP_FOREIGN_MFN << PAGE_SHIFT | DP_P);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
		dp_tree_unseal(&tree);
		dp_tree_free(&tree);
	}
}

/* Accessed and dirty bits that another vCPU's hardware sets meanwhile. */
DP_SMP_TEST(dirty_race, 2)
{
	u64 i, maddr, entry, seen, error;

	if (!cpu) {
		victim = dp_alloc();
		dp_link(DP_VA);
	}
	barrier_all();
	maddr = dp_walk(dp_root(), DP_VA, 1);
	entry = dp_maddr(victim) | DP_LEAF;
	for (i = 0; i < ROUNDS; i++) {
		if (!cpu)
			GUEST_ASSERT_EQ(dp_set(maddr, entry), 0);
		barrier_all();
		if (cpu) {
			/* Written, or not there any more. */
			error = dp_store(DP_VA, i + 1);
			GUEST_ASSERT(!error || error == PF_VECTOR);
		} else {
			GUEST_ASSERT_EQ(dp_set(maddr |
					       KVM_DP_PT_UPDATE_PRESERVE_AD, 0),
					0);
			dp_ext(KVM_DP_MMUEXT_INVLPG_ALL, DP_VA, 0);
		}
		barrier_all();
		if (!cpu) {
			seen = dp_get(maddr);
			GUEST_ASSERT_EQ(seen & ~(DP_A | DP_D), 0);
			GUEST_ASSERT_EQ(!!(seen & DP_D),
					READ_ONCE(*dp_ptr(victim)) == i + 1);
		}
	}
	barrier_all();
	if (!cpu) {
		dp_unlink(DP_VA);
		dp_free(victim);
	}
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
