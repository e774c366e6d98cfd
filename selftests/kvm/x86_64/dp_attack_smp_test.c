// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: two vCPUs against each other, or against a thread of the VMM.
 * One changes what the other uses, or still knows a translation of.
 *
 * A victim does not leave the guest on its own between what it learns and what
 * it must not be able to do, so nothing but KVM's own flush saves the host.
 * More of that is in dp_smp_test; stale_writable there is XSA-408.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define ROUNDS		300
#define READS		100
#define CHILDREN	16
#define BLOCK		512
#define SIZE_2M		BIT_ULL(21)
#define FORGED		(DP_FOREIGN_MFN << PAGE_SHIFT | DP_LEAF)

#define EXTRA_GFN	0x8000ULL
#define EXTRA_PAGES	512
#define EXTRA_SIZE	(EXTRA_PAGES * PAGE_SIZE)

static u64 stage;
static u64 over;
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

/*
 * XSA-401: while one vCPU makes a frame a page table, the other maps it
 * writable, writes, and unmaps it again.
 */
static void write_victim(u64 n)
{
	/* An entry that is not present, if ever it is one. */
	u64 val = (n & 0x7f) << 52;

	if (dp_update_va(DP_VA, dp_maddr(victim) | DP_LEAF, 0))
		return;
	dp_store(DP_VA + n % 512 * sizeof(u64), val);
	/* Once more, by what may be stale then. */
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), 0);
	dp_store(DP_VA + n % 512 * sizeof(u64), val ^ BIT_ULL(58));
	if (n % 8 == 0)
		dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, dp_p2m[victim], 0);
}

static u64 sum_of(u64 gfn)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < 512; i++)
		sum += READ_ONCE(dp_ptr(gfn)[i]) * (i + 1);
	return sum;
}

DP_SMP_TEST(xsa_401, 2)
{
	unsigned int i, j, pinned = 0;
	u64 sum;

	if (cpu) {
		wait_for(1);
		for (i = 0; !READ_ONCE(over); i++)
			write_victim(i);
		go_on(2);
		return;
	}

	victim = dp_alloc();
	dp_link(DP_VA);
	dp_seal(victim);
	go_on(1);
	for (i = 0; i < ROUNDS; i++) {
		if (dp_pin(1, victim))
			continue;
		pinned++;
		sum = sum_of(victim);
		for (j = 0; j < READS / 10; j++)
			GUEST_ASSERT_EQ(sum_of(victim), sum);
		GUEST_ASSERT_EQ(dp_unpin(victim), 0);
	}
	GUEST_PRINTF("%u of %u pins\n", pinned, i);
	GUEST_ASSERT(pinned);
	WRITE_ONCE(over, 1);
	wait_for(2);
	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
	dp_unseal(victim);
	dp_free(victim);
}

/*
 * XSA-299: a tree that no execution of an instruction gets through, validated,
 * taken apart, linked and changed by all at once.
 */
struct wide {
	u64 data;
	u64 l1[CHILDREN];
	u64 l2;
	u64 l3;
	u64 l4;
};

static struct wide wide;

static void wide_fill(struct wide *w)
{
	unsigned int i, j;

	w->data = dp_alloc();
	w->l2 = dp_alloc();
	w->l3 = dp_alloc();
	w->l4 = dp_alloc();
	for (i = 0; i < CHILDREN; i++) {
		w->l1[i] = dp_alloc();
		for (j = 0; j < 512; j++)
			dp_ptr(w->l1[i])[j] = dp_maddr(w->data) |
					      (j & 1 ? DP_LEAF : DP_P);
		/* Each of them twice. */
		dp_ptr(w->l2)[i] = dp_maddr(w->l1[i]) | DP_LEAF;
		dp_ptr(w->l2)[511 - i] = dp_maddr(w->l1[i]) | DP_LEAF;
		dp_seal(w->l1[i]);
	}
	dp_ptr(w->l3)[0] = dp_maddr(w->l2) | DP_LEAF;
	dp_ptr(w->l4)[dp_index(DP_VA, 4)] = dp_maddr(w->l3) | DP_LEAF;
	dp_copy_kernel(w->l4);
	dp_seal(w->l2);
	dp_seal(w->l3);
	dp_seal(w->l4);
}

static void wide_step(struct wide *w, u64 random)
{
	u64 child = w->l1[random / 16 % CHILDREN], slot;
	long r = 0;

	slot = dp_slot(dp_boot.root_gfn, dp_index(DP_VA, 4));
	switch (random % 12) {
	case 0:
	case 1:
		r = dp_pin(4, w->l4);
		break;
	case 2:
		r = dp_unpin(w->l4);
		break;
	case 3:
		r = dp_pin(3, w->l3);
		break;
	case 4:
		r = dp_unpin(random & 256 ? w->l3 : w->l2);
		break;
	case 5:
		r = dp_pin(1, child);
		break;
	case 6:
		r = dp_unpin(child);
		break;
	case 7:
		r = dp_set(slot, dp_maddr(w->l3) | DP_LEAF);
		break;
	case 8:
		r = dp_set(slot, 0);
		break;
	case 9:
		/* What it replaces may be linked nowhere else. */
		r = dp_set(dp_slot(w->l2, random / 16 % CHILDREN),
			   random & 256 ? dp_maddr(child) | DP_LEAF : 0);
		break;
	case 10:
		r = dp_set(dp_slot(child, random / 256 % 512),
			   dp_maddr(w->data) | (random & 256 ? DP_LEAF : DP_P));
		break;
	default:
		r = dp_pin(2, child);
		break;
	}
	GUEST_ASSERT(!r || r == -EINVAL || r == -EBUSY);
}

static void wide_end(struct wide *w)
{
	int i;

	dp_set(dp_slot(dp_boot.root_gfn, dp_index(DP_VA, 4)), 0);
	dp_unpin(w->l4);
	dp_unpin(w->l3);
	dp_unpin(w->l2);
	for (i = 0; i < CHILDREN; i++) {
		dp_unpin(w->l1[i]);
		dp_unseal(w->l1[i]);
	}
	dp_unseal(w->l2);
	dp_unseal(w->l3);
	dp_unseal(w->l4);
}

static u32 finished;

static void xsa_299(int cpu)
{
	u64 random = 0x9e3779b97f4a7c15ULL * (cpu + 1);
	unsigned int i;

	if (!cpu) {
		wide_fill(&wide);
		go_on(1);
	}
	wait_for(1);
	for (i = 0; i < ROUNDS; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		wide_step(&wide, random >> 33);
	}
	__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL);
	if (cpu)
		return;
	while (READ_ONCE(finished) != dp_boot.nr_vcpus)
		cpu_relax();
	wide_end(&wide);
}

DP_SMP_TEST(xsa_299_2, 2)
{
	xsa_299(cpu);
}

DP_SMP_TEST(xsa_299_4, 4)
{
	xsa_299(cpu);
}

/*
 * A root that one vCPU loads while the other unpins it, makes data of it, and
 * writes to it.
 */
DP_SMP_TEST(root_that_goes, 2)
{
	static struct dp_tree tree;
	unsigned int i, loads = 0, data = 0;
	u64 slot;
	u8 v;

	if (cpu) {
		dp_enable_interrupts();
		wait_for(1);
		while (!READ_ONCE(over)) {
			v = dp_mov_cr3(dp_maddr(tree.gfn[4]));
			GUEST_ASSERT(!v || v == GP_VECTOR);
			loads += !v;
			/* Else it is not there as soon as it is data. */
			if (!v)
				dp_assert_writable(DP_VA);
			dp_set_cr3(dp_maddr(dp_boot.root_gfn));
		}
		GUEST_PRINTF("%u loads\n", loads);
		go_on(2);
		return;
	}

	dp_tree_up(&tree, DP_VA);
	slot = dp_slot(tree.gfn[4], 200);
	go_on(1);
	for (i = 0; i < ROUNDS; i++) {
		GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
		if (!dp_linear(tree.gfn[4], true)) {
			data++;
			WRITE_ONCE(dp_ptr(tree.gfn[4])[200], FORGED);
			WRITE_ONCE(dp_ptr(tree.gfn[4])[200], 0);
			dp_seal(tree.gfn[4]);
		} else {
			/* A table still, of which entries are checked. */
			dp_set(slot, 0);
		}
		GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	}
	GUEST_PRINTF("%u times data\n", data);
	WRITE_ONCE(over, 1);
	wait_for(2);
	dp_tree_down(&tree);
}

/* One round of a victim: it learns a translation, and must lose it. */
static void learn_and_lose(u64 i, u64 va)
{
	u64 error;

	wait_for(4 * i + 1);
	WRITE_ONCE(*(u64 *)va, 0);
	go_on(4 * i + 2);
	wait_for(4 * i + 3);
	GUEST_ASSERT_EQ(dp_store_ec(va, FORGED, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, PFERR_WRITE_MASK);
	go_on(4 * i + 4);
}

/* As long as a vCPU knows what was below a table, that is no data. */
DP_SMP_TEST(stale_below_table, 2)
{
	static struct dp_tree tree;
	u64 i, maddr = dp_slot(dp_boot.root_gfn, dp_index(DP_VA, 4));

	for (i = 0; i < ROUNDS / 3; i++) {
		if (cpu) {
			learn_and_lose(i, DP_VA);
			continue;
		}
		dp_tree_fill(&tree, DP_VA);
		dp_tree_seal(&tree);
		GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF),
				0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
		/* The table becomes writable, and nobody flushes but KVM. */
		GUEST_ASSERT_EQ(dp_update_va((u64)dp_ptr(tree.gfn[1]),
					     dp_maddr(tree.gfn[1]) | DP_LEAF,
					     0), 0);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
		dp_tree_unseal(&tree);
		dp_tree_free(&tree);
	}
}

static u64 find_block(void)
{
	u64 gfn;
	unsigned int i;

	for (gfn = DP_POOL_GFN + BLOCK; gfn < DP_MAX_GFN; gfn += BLOCK) {
		for (i = 0; i < BLOCK && dp_p2m[gfn + i] == dp_p2m[gfn] + i; i++)
			;
		if (i == BLOCK && !(dp_p2m[gfn] % BLOCK))
			return gfn;
	}
	return 0;
}

/* A large page that is gone, and a frame of it that becomes a table. */
DP_SMP_TEST(stale_large, 2)
{
	u64 i, gfn = find_block(), table = gfn + 99, l2 = 0;

	if (!gfn) {
		GUEST_PRINTF("No 2 MiB of contiguous memory\n");
		return;
	}
	if (!cpu) {
		dp_link(DP_VA);
		l2 = dp_walk(dp_root(), DP_VA, 2) + sizeof(u64);
		dp_seal(table);
	}
	for (i = 0; i < ROUNDS / 3; i++) {
		if (cpu) {
			learn_and_lose(i, DP_VA + SIZE_2M + 99 * PAGE_SIZE);
			continue;
		}
		GUEST_ASSERT_EQ(dp_set(l2, dp_maddr(gfn) | DP_LEAF | DP_PS |
				       DP_NX), 0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		GUEST_ASSERT_EQ(dp_set(l2, 0), 0);
		GUEST_ASSERT_EQ(dp_pin(1, table), 0);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
		GUEST_ASSERT_EQ(READ_ONCE(*dp_ptr(table)), 0);
		GUEST_ASSERT_EQ(dp_unpin(table), 0);
	}
	if (!cpu) {
		dp_unseal(table);
		dp_unlink(DP_VA);
	}
}

/* A table that is gone, in a block that is mapped large and writable then. */
DP_SMP_TEST(stale_table_in_large, 2)
{
	u64 i, block = find_block(), table = block + 99, data = block + 100;
	u64 l2 = 0;

	if (!block) {
		GUEST_PRINTF("No 2 MiB of contiguous memory\n");
		return;
	}
	if (!cpu) {
		dp_link(DP_VA);
		l2 = dp_walk(dp_root(), DP_VA, 2);
		dp_ptr(table)[0] = dp_maddr(data) | DP_LEAF;
		dp_seal(table);
	}
	for (i = 0; i < ROUNDS / 3; i++) {
		if (cpu) {
			learn_and_lose(i, DP_VA + SIZE_2M);
			continue;
		}
		GUEST_ASSERT_EQ(dp_set(l2 + 8, dp_maddr(table) | DP_LEAF), 0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		GUEST_ASSERT_EQ(dp_set(l2 + 8, 0), 0);
		GUEST_ASSERT_EQ(dp_set(l2 + 16, dp_maddr(block) | DP_LEAF |
				       DP_PS | DP_NX), 0);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
		GUEST_ASSERT_EQ(dp_set(l2 + 16, 0), 0);
	}
	if (!cpu) {
		dp_unseal(table);
		dp_unlink(DP_VA);
	}
}

/*
 * The VMM takes part: vCPU 0 asks it for something at each stage, while vCPU 1
 * stays in the guest.
 */
static u64 list_mfn;
static u64 table_gfn;

static void *other_vcpu(void *vcpu)
{
	dp_run_until(vcpu, 0);
	return NULL;
}

/* A slot goes; what it was mapped as read-only is known for long. */
static void guest_stale_slot(int cpu)
{
	u64 i, error, maddr;

	if (!cpu)
		dp_link(DP_VA);
	for (i = 0; i < ROUNDS / 10; i++) {
		if (cpu) {
			wait_for(4 * i + 1);
			READ_ONCE(*(u64 *)DP_VA);
			go_on(4 * i + 2);
			wait_for(4 * i + 3);
			GUEST_ASSERT_EQ(dp_load_ec(DP_VA, &error), PF_VECTOR);
			GUEST_ASSERT_EQ(error, 0);
			go_on(4 * i + 4);
			continue;
		}
		GUEST_SYNC(1);
		maddr = READ_ONCE(list_mfn) << PAGE_SHIFT;
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, maddr | DP_P, 0), 0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), 0);
		GUEST_SYNC(2);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
	}
	if (!cpu)
		dp_unlink(DP_VA);
}

TEST(stale_slot)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = 1,
		.gpa = (DP_MAX_GFN - 1) << PAGE_SHIFT,
	};
	pthread_t thread;
	struct dp_vm dp;
	int gmem, i;
	void *hva;

	dp_vm_create(&dp, guest_stale_slot, 2);
	dp_vm_start(&dp);
	gmem = vm_create_guest_memfd(dp.vm, EXTRA_SIZE, DP_GMEM_FLAGS);
	hva = mmap(NULL, EXTRA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem,
		   0);
	TEST_ASSERT(hva != MAP_FAILED, "mmap: %d", errno);
	pthread_create(&thread, NULL, other_vcpu, dp.vcpus[1]);
	for (i = 0; i < ROUNDS / 10; i++) {
		dp_run_until(dp.vcpus[0], 1);
		DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
					EXTRA_GFN, EXTRA_PAGES, hva, gmem, 0),
			  0);
		vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m);
		dp_write_global(&dp, list_mfn,
				*(u64 *)dp_gfn_hva(&dp, DP_MAX_GFN - 1));
		dp_run_until(dp.vcpus[0], 2);
		DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0,
					NULL, -1, 0), 0);
	}
	dp_run_until(dp.vcpus[0], 0);
	pthread_join(thread, NULL);
	dp_audit(&dp);
	munmap(hva, EXTRA_SIZE);
	close(gmem);
	dp_vm_free(&dp);
}

/* A table that is data again, and that the VMM writes to. */
static void guest_stale_unseal(int cpu)
{
	static struct dp_tree tree;
	u64 i, maddr = dp_slot(dp_boot.root_gfn, dp_index(DP_VA, 4));

	for (i = 0; i < ROUNDS / 10; i++) {
		if (cpu) {
			learn_and_lose(i, DP_VA);
			continue;
		}
		dp_tree_fill(&tree, DP_VA);
		dp_tree_seal(&tree);
		WRITE_ONCE(table_gfn, tree.gfn[1]);
		GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF),
				0);
		go_on(4 * i + 1);
		wait_for(4 * i + 2);
		GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
		GUEST_SYNC(1);
		go_on(4 * i + 3);
		wait_for(4 * i + 4);
		dp_tree_unseal(&tree);
		dp_tree_free(&tree);
	}
}

TEST(stale_unseal)
{
	pthread_t thread;
	struct dp_vm dp;
	u64 *table;
	int i;

	dp_vm_create(&dp, guest_stale_unseal, 2);
	dp_vm_start(&dp);
	pthread_create(&thread, NULL, other_vcpu, dp.vcpus[1]);
	for (i = 0; i < ROUNDS / 10; i++) {
		dp_run_until(dp.vcpus[0], 1);
		table = dp_gfn_hva(&dp, dp_read_global(&dp, table_gfn));
		WRITE_ONCE(table[7], FORGED);
	}
	dp_run_until(dp.vcpus[0], 0);
	pthread_join(thread, NULL);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
