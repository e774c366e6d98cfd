// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what CR3 may be, and the control registers that the host
 * owns, by every way to write them.
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK		0xabcdef01ULL
#define OTHER_VA	(DP_VA + BIT_ULL(39))
#define SWITCHES	20000
#define KNOWN		4
#define ROUNDS		50

/* What a host may need besides interrupts: NMIs, and whatever is pending. */
#define OTHER_EXITS	8
#define FORK_PAGES	100

#define CR3_NOFLUSH	BIT_ULL(63)
#define EFER_LMSLE_BIT	BIT_ULL(13)
#define CR4_LAM_SUP	BIT_ULL(28)

static void expect_root(u64 gfn)
{
	GUEST_ASSERT_EQ(get_cr3(), dp_maddr(gfn));
	GUEST_ASSERT_EQ(dp_root(), gfn);
}

/* Each tree has a page of its own at the same address. */
static void trees_up(struct dp_tree *trees, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		dp_tree_up(&trees[i], DP_VA);
		*dp_ptr(trees[i].gfn[0]) = MARK + i;
	}
}

static void two_trees(struct dp_tree *trees)
{
	trees_up(trees, 2);
}

DP_TEST(switch_by_mov)
{
	struct dp_tree trees[2];
	int i;

	two_trees(trees);
	for (i = 0; i < 1000; i++) {
		GUEST_ASSERT_EQ(dp_mov_cr3(dp_maddr(trees[i & 1].gfn[4])), 0);
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK + (i & 1));
	}
	expect_root(trees[1].gfn[4]);
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	dp_tree_down(&trees[0]);
	dp_tree_down(&trees[1]);
}

DP_TEST(switch_by_call)
{
	struct dp_tree trees[2];
	int i;

	two_trees(trees);
	for (i = 0; i < 1000; i++) {
		GUEST_ASSERT_EQ(dp_baseptr(trees[i & 1].gfn[4]), 0);
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK + (i & 1));
	}
	expect_root(trees[1].gfn[4]);
	GUEST_ASSERT_EQ(dp_baseptr(dp_boot.root_gfn), 0);
	dp_tree_down(&trees[0]);
	dp_tree_down(&trees[1]);
}

static void refuse_root(u64 mfn)
{
	GUEST_ASSERT_EQ(dp_mov_cr3(mfn << PAGE_SHIFT), GP_VECTOR);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_NEW_BASEPTR, mfn, 0), -EINVAL);
	expect_root(dp_boot.root_gfn);
}

/* What calls pass is behind the same address of each root, but another page. */
DP_TEST(arguments_by_root)
{
	u64 out = dp_link(OTHER_VA), boot = dp_maddr(dp_boot.root_gfn), want;
	struct kvm_dp_mmu_update *req;
	/* More than KVM can tell apart by hash. */
	struct dp_tree trees[12];
	struct dp_tree *tree;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(trees); i++) {
		dp_tree_up(&trees[i], DP_VA);
		req = (void *)dp_ptr(trees[i].gfn[0]);
		req->ptr = out;
		req->val = dp_maddr(trees[i].gfn[0]) | DP_P;
	}
	for (i = 0; i < 3 * ARRAY_SIZE(trees); i++) {
		tree = &trees[i * 5 % ARRAY_SIZE(trees)];
		dp_set_cr3(dp_maddr(tree->gfn[4]));
		want = dp_maddr(tree->gfn[0]) | DP_P;
		GUEST_ASSERT_EQ(dp_mmu_update((void *)DP_VA, 1, NULL), 0);
		GUEST_ASSERT_EQ(dp_get(out), want);
	}
	dp_set_cr3(boot);
	GUEST_ASSERT_EQ(dp_set(out, 0), 0);
	dp_unlink(OTHER_VA);
	for (i = 0; i < ARRAY_SIZE(trees); i++)
		dp_tree_down(&trees[i]);
}

DP_TEST(bad_roots)
{
	struct dp_tree tree;
	u64 cr3 = get_cr3();
	int bit, level;

	/* Data, though it looks like a tree; tables of other levels. */
	dp_tree_fill(&tree, DP_VA);
	dp_tree_seal(&tree);
	for (level = 0; level <= 4; level++)
		refuse_root(dp_p2m[tree.gfn[level]]);
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	for (level = 0; level < 4; level++)
		refuse_root(dp_p2m[tree.gfn[level]]);
	dp_tree_down(&tree);
	refuse_root(dp_p2m[tree.gfn[4]]);

	refuse_root(0);
	refuse_root(DP_FOREIGN_MFN);
	refuse_root(dp_p2m[0]);

	/* Whatever else CR3 has bits for. */
	for (bit = 0; bit < PAGE_SHIFT; bit++) {
		if (BIT_ULL(bit) & (DP_PWT | DP_PCD))
			GUEST_ASSERT_EQ(dp_mov_cr3(cr3 | BIT_ULL(bit)),
					GP_VECTOR);
	}
	for (bit = 52; bit < 64; bit++)
		GUEST_ASSERT_EQ(dp_mov_cr3(cr3 | BIT_ULL(bit)), GP_VECTOR);
	GUEST_ASSERT_EQ(dp_mov_cr3(cr3 | CR3_NOFLUSH), GP_VECTOR);
	expect_root(dp_boot.root_gfn);
	GUEST_ASSERT_EQ(dp_mov_cr3(cr3), 0);
}

/* It stays a table for as long as a vCPU runs on it. */
DP_TEST(unpin_loaded)
{
	struct dp_tree tree;
	int level;

	dp_tree_up(&tree, DP_VA);
	*dp_ptr(tree.gfn[0]) = MARK;
	dp_set_cr3(dp_maddr(tree.gfn[4]));
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), -EINVAL);

	expect_root(tree.gfn[4]);
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK);
	for (level = 1; level <= 4; level++) {
		GUEST_ASSERT_EQ(dp_linear(tree.gfn[level], true), -EBUSY);
		dp_assert_read_only((u64)dp_ptr(tree.gfn[level]));
	}

	/* With the next root it is data; nothing else has to happen. */
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	dp_tree_unseal(&tree);
	refuse_root(dp_p2m[tree.gfn[4]]);
	dp_tree_free(&tree);
}

DP_TEST(unpin_loaded_by_call)
{
	struct dp_tree tree;

	dp_tree_up(&tree, DP_VA);
	GUEST_ASSERT_EQ(dp_baseptr(tree.gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	/* Pinned again while it is loaded. */
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_baseptr(dp_boot.root_gfn), 0);
	dp_tree_unseal(&tree);
	dp_tree_free(&tree);
}

/*
 * As fork() does: the child gets a copy of the leaves, all pages become
 * read-only in both, and who writes first takes a copy.
 */
static void fork_leaves(struct dp_tree *parent, struct dp_tree *child)
{
	struct kvm_dp_mmu_update reqs[32];
	u64 entry;
	int i, n = 0;

	dp_tree_fill(child, DP_VA);
	for (i = 0; i < FORK_PAGES; i++) {
		entry = dp_ptr(parent->gfn[1])[i] & ~DP_RW;
		dp_ptr(child->gfn[1])[i] = entry;
		reqs[n].ptr = dp_slot(parent->gfn[1], i) |
			      KVM_DP_PT_UPDATE_PRESERVE_AD;
		reqs[n++].val = entry;
		if (n < ARRAY_SIZE(reqs) && i < FORK_PAGES - 1)
			continue;
		GUEST_ASSERT_EQ(dp_mmu_update(reqs, n, NULL), 0);
		n = 0;
	}
	dp_tree_seal(child);
	GUEST_ASSERT_EQ(dp_pin(4, child->gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
}

static void copy_on_write(u64 va)
{
	u64 gfn = dp_alloc(), error;

	GUEST_ASSERT_EQ(dp_store_ec(va, 0, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, PFERR_PRESENT_MASK | PFERR_WRITE_MASK);
	*dp_ptr(gfn) = READ_ONCE(*(u64 *)va);
	GUEST_ASSERT_EQ(dp_update_va(va, dp_maddr(gfn) | DP_LEAF,
				     KVM_DP_UVMF_INVLPG), 0);
	GUEST_ASSERT_EQ(dp_store(va, READ_ONCE(*(u64 *)va) + MARK), 0);
}

DP_TEST(fork_copy)
{
	u64 pages[FORK_PAGES], va;
	struct dp_tree parent, child;
	int i;

	dp_tree_up(&parent, DP_VA);
	dp_set_cr3(dp_maddr(parent.gfn[4]));
	for (i = 0; i < FORK_PAGES; i++) {
		pages[i] = dp_alloc();
		dp_map(DP_VA + i * PAGE_SIZE, pages[i], DP_LEAF);
		GUEST_ASSERT_EQ(dp_store(DP_VA + i * PAGE_SIZE, i), 0);
	}
	fork_leaves(&parent, &child);

	dp_set_cr3(dp_maddr(child.gfn[4]));
	for (i = 0; i < FORK_PAGES; i += 2)
		copy_on_write(DP_VA + i * PAGE_SIZE);
	for (i = 0; i < FORK_PAGES; i++) {
		va = DP_VA + i * PAGE_SIZE;
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)va), i & 1 ? i : i + MARK);
	}

	/* The parent saw nothing, and cannot write either. */
	dp_set_cr3(dp_maddr(parent.gfn[4]));
	for (i = 0; i < FORK_PAGES; i++) {
		va = DP_VA + i * PAGE_SIZE;
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)va), i);
		dp_assert_read_only(va);
		GUEST_ASSERT_EQ(READ_ONCE(*dp_ptr(pages[i])), i);
	}

	/* The child exits. */
	GUEST_ASSERT_EQ(dp_unpin(child.gfn[4]), 0);
	dp_tree_unseal(&child);
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	GUEST_ASSERT_EQ(dp_unpin(parent.gfn[4]), 0);
	dp_tree_unseal(&parent);
	for (i = 0; i < FORK_PAGES; i++)
		dp_free(pages[i]);
}

/*
 * On VMX, roots that a vCPU has loaded before are CR3 targets: to switch among
 * four of them costs no exit.  SVM has no such thing.
 */
static bool has_targets(void)
{
	/* KVM as a guest of KVM has none either. */
	return host_cpu_is_intel && !this_cpu_has(X86_FEATURE_HYPERVISOR);
}

static void switch_among(struct dp_tree *trees, int nr_trees, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		dp_set_cr3(dp_maddr(trees[i % nr_trees].gfn[4]));
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK + i % nr_trees);
	}
}

static void guest_targets(int cpu)
{
	struct dp_tree trees[KNOWN + 1];
	int i;

	trees_up(trees, KNOWN + 1);
	/* All of them, and last another than the next stage ends on. */
	switch_among(trees, KNOWN, 2 * KNOWN + 1);
	GUEST_SYNC(1);
	switch_among(trees, KNOWN, SWITCHES);
	GUEST_SYNC(2);
	expect_root(trees[(SWITCHES - 1) % KNOWN].gfn[4]);
	/* The same root again, as Linux does to flush. */
	for (i = 0; i < SWITCHES; i++)
		dp_set_cr3(get_cr3());
	GUEST_SYNC(3);
	switch_among(trees, KNOWN + 1, SWITCHES);
	GUEST_SYNC(4);
	/* Each is data as soon as it is unpinned. */
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	for (i = 0; i < KNOWN + 1; i++)
		dp_tree_down(&trees[i]);
}

/* Without interrupts of the host, and the exit that ended the stage. */
static u64 run_switches(struct kvm_vcpu *vcpu, int stage, const char *name)
{
	u64 interrupts = dp_vcpu_stat(vcpu, "irq_exits");
	u64 exits = dp_vcpu_stat(vcpu, "exits");

	dp_run_until(vcpu, stage);
	interrupts = dp_vcpu_stat(vcpu, "irq_exits") - interrupts;
	exits = dp_vcpu_stat(vcpu, "exits") - exits - interrupts - 1;
	pr_info("%d loads of CR3, %s: %lu exits, and %lu by interrupts\n",
		SWITCHES, name, exits, interrupts);
	return exits;
}

static void expect_exits(u64 exits, u64 wanted)
{
	TEST_ASSERT(exits >= wanted && exits <= wanted + OTHER_EXITS,
		    "%lu exits, not %lu", exits, wanted);
}

/* KVM walks the tree that the hardware is on, whoever loaded it. */
static void expect_tree(struct dp_vm *dp, int i)
{
	struct kvm_translation tr = { .linear_address = DP_VA };
	u64 *mark;

	vcpu_ioctl(dp->vcpus[0], KVM_TRANSLATE, &tr);
	TEST_ASSERT(tr.valid, "Not mapped in the loaded tree");
	mark = dp_gfn_hva(dp, tr.physical_address >> PAGE_SHIFT);
	TEST_ASSERT_EQ(*mark, MARK + i);
}

TEST(targets)
{
	u64 each = has_targets() ? 0 : SWITCHES;
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	u64 exits;

	vcpu = dp_vm_begin(&dp, guest_targets);
	dp_audit(&dp);
	expect_tree(&dp, 0);
	expect_exits(run_switches(vcpu, 2, "four roots"), each);
	dp_audit(&dp);
	expect_tree(&dp, KNOWN - 1);
	expect_exits(run_switches(vcpu, 3, "the same root"), each);
	exits = run_switches(vcpu, 4, "five roots");
	TEST_ASSERT(exits >= SWITCHES / (KNOWN + 1) &&
		    exits <= SWITCHES + OTHER_EXITS, "%lu exits", exits);
	dp_audit(&dp);
	dp_vm_end(&dp);
}

/* What the guest switches to without an exit, KVM sees nevertheless. */
static void guest_to_and_fro(int cpu)
{
	struct dp_tree tree;
	int i;

	trees_up(&tree, 1);
	for (i = 1; i <= 2 * ROUNDS; i++) {
		dp_set_cr3(dp_maddr(dp_boot.root_gfn));
		dp_set_cr3(dp_maddr(tree.gfn[4]));
		GUEST_SYNC(i);
		expect_root(tree.gfn[4]);
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK);
	}
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	dp_tree_down(&tree);
}

static void translate(struct kvm_vcpu *vcpu, u64 va)
{
	struct kvm_translation tr = { .linear_address = va };

	vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr);
	TEST_ASSERT(tr.valid, "%#lx is not mapped in the loaded tree", va);
}

static u64 run_rounds(struct kvm_vcpu *vcpu, int first, bool set)
{
	u64 interrupts = dp_vcpu_stat(vcpu, "irq_exits");
	u64 exits = dp_vcpu_stat(vcpu, "exits");
	struct kvm_sregs sregs;
	int i;

	for (i = first; i < first + ROUNDS; i++) {
		dp_run_until(vcpu, i);
		translate(vcpu, DP_VA);
		vcpu_sregs_get(vcpu, &sregs);
		if (set)
			vcpu_sregs_set(vcpu, &sregs);
	}
	interrupts = dp_vcpu_stat(vcpu, "irq_exits") - interrupts;
	return dp_vcpu_stat(vcpu, "exits") - exits - interrupts - ROUNDS;
}

/* A vCPU that gets registers knows the root that came with them, only. */
TEST(targets_and_sregs)
{
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	u64 exits;

	dp_vm_create(&dp, guest_to_and_fro, 1);
	dp_vm_start(&dp);
	vcpu = dp.vcpus[0];
	exits = run_rounds(vcpu, 1, false);
	pr_info("%d rounds: %lu exits\n", ROUNDS, exits);
	exits = run_rounds(vcpu, ROUNDS + 1, true);
	pr_info("%d rounds with KVM_SET_SREGS: %lu exits\n", ROUNDS, exits);
	TEST_ASSERT(exits >= ROUNDS - 1, "Targets survive KVM_SET_SREGS");
	dp_audit(&dp);
	dp_vm_end(&dp);
}

static u64 stage;
static struct dp_tree shared[KNOWN];

static void wait_for(u64 s)
{
	while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) < s)
		cpu_relax();
}

static void go_on(u64 s)
{
	__atomic_store_n(&stage, s, __ATOMIC_RELEASE);
}

/* Another vCPU still knows the root: nobody but KVM may have to care. */
DP_SMP_TEST(unpin_idle_target, 2)
{
	u64 i;

	for (i = 0; i < 4 * ROUNDS; i += 4) {
		if (cpu) {
			wait_for(i + 1);
			dp_set_cr3(dp_maddr(shared[0].gfn[4]));
			dp_set_cr3(dp_maddr(dp_boot.root_gfn));
			go_on(i + 2);
			wait_for(i + 3);
			GUEST_ASSERT_EQ(dp_mov_cr3(dp_maddr(shared[0].gfn[4])),
					GP_VECTOR);
			expect_root(dp_boot.root_gfn);
			go_on(i + 4);
			continue;
		}
		trees_up(shared, 1);
		go_on(i + 1);
		wait_for(i + 2);
		GUEST_ASSERT_EQ(dp_unpin(shared[0].gfn[4]), 0);
		dp_tree_unseal(&shared[0]);
		dp_assert_writable((u64)dp_ptr(shared[0].gfn[4]));
		go_on(i + 3);
		wait_for(i + 4);
		dp_tree_free(&shared[0]);
	}
}

/* Another vCPU runs on it, and came there without an exit. */
DP_SMP_TEST(unpin_loaded_target, 2)
{
	u64 i, gfn;

	for (i = 0; i < 4 * ROUNDS; i += 4) {
		if (cpu) {
			wait_for(i + 1);
			gfn = shared[0].gfn[4];
			dp_set_cr3(dp_maddr(gfn));
			dp_set_cr3(dp_maddr(dp_boot.root_gfn));
			dp_set_cr3(dp_maddr(gfn));
			go_on(i + 2);
			while (READ_ONCE(stage) < i + 3) {
				GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK);
				cpu_relax();
			}
			expect_root(gfn);
			dp_set_cr3(dp_maddr(dp_boot.root_gfn));
			go_on(i + 4);
			continue;
		}
		trees_up(shared, 1);
		go_on(i + 1);
		wait_for(i + 2);
		GUEST_ASSERT_EQ(dp_unpin(shared[0].gfn[4]), 0);
		GUEST_ASSERT_EQ(dp_unpin(shared[0].gfn[4]), -EINVAL);
		GUEST_ASSERT_EQ(dp_linear(shared[0].gfn[4], true), -EBUSY);
		GUEST_ASSERT_EQ(dp_linear(shared[0].gfn[1], true), -EBUSY);
		go_on(i + 3);
		wait_for(i + 4);
		dp_tree_unseal(&shared[0]);
		dp_tree_free(&shared[0]);
	}
}

/* Loaded after UNPIN, as another vCPU runs on it: nobody gets back to it. */
DP_SMP_TEST(unpinned_root, 2)
{
	if (cpu) {
		wait_for(1);
		dp_set_cr3(dp_maddr(shared[0].gfn[4]));
		go_on(2);
		wait_for(3);
		dp_set_cr3(dp_maddr(dp_boot.root_gfn));
		go_on(4);
		return;
	}

	trees_up(shared, 1);
	go_on(1);
	wait_for(2);
	GUEST_ASSERT_EQ(dp_unpin(shared[0].gfn[4]), 0);
	dp_set_cr3(dp_maddr(shared[0].gfn[4]));
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK);
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	go_on(3);
	wait_for(4);
	dp_tree_unseal(&shared[0]);
	dp_tree_free(&shared[0]);
}

/* Two switch, one pins and unpins: who got the root has it. */
static u64 switched[2], refused;

static void switcher(int cpu)
{
	u64 i = cpu, n;
	u8 v;

	dp_enable_interrupts();
	wait_for(1);
	while (READ_ONCE(stage) == 1) {
		n = i++ * 7 / 3 % (KNOWN + 1);
		v = dp_mov_cr3(dp_maddr(n < KNOWN ? shared[n].gfn[4] :
						    dp_boot.root_gfn));
		if (v) {
			GUEST_ASSERT_EQ(v, GP_VECTOR);
			__atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
			continue;
		}
		if (n < KNOWN)
			GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK + n);
		switched[cpu - 1]++;
	}
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	__atomic_add_fetch(&stage, 1, __ATOMIC_ACQ_REL);
}

DP_SMP_TEST(switch_and_unpin, 3)
{
	int i, n;

	if (cpu) {
		switcher(cpu);
		return;
	}

	trees_up(shared, KNOWN);
	go_on(1);
	for (i = 0; i < 4 * ROUNDS; i++) {
		n = i % KNOWN;
		GUEST_ASSERT_EQ(dp_unpin(shared[n].gfn[4]), 0);
		GUEST_ASSERT_EQ(dp_unpin(shared[n].gfn[4]), -EINVAL);
		GUEST_ASSERT_EQ(dp_pin(4, shared[n].gfn[4]), 0);
		if (!(i % 10))
			GUEST_ASSERT_EQ(dp_baseptr(shared[n].gfn[4]), 0);
	}
	GUEST_ASSERT_EQ(dp_baseptr(dp_boot.root_gfn), 0);
	go_on(2);
	wait_for(4);
	for (n = 0; n < KNOWN; n++)
		dp_tree_down(&shared[n]);
	GUEST_PRINTF("%lu and %lu switches, %lu refused\n", switched[0],
		     switched[1], refused);
}

static void refuse_cr0(u64 clear, u64 set)
{
	u64 cr0 = get_cr0();
	u8 v = dp_mov_cr0((cr0 & ~clear) | set);

	__GUEST_ASSERT(v == GP_VECTOR && get_cr0() == cr0,
		       "CR0: without %lx, with %lx: vector %u, now %lx", clear,
		       set, v, get_cr0());
}

static void refuse_cr4(u64 clear, u64 set)
{
	u64 cr4 = get_cr4();
	u8 v = dp_mov_cr4((cr4 & ~clear) | set);

	__GUEST_ASSERT(v == GP_VECTOR && get_cr4() == cr4,
		       "CR4: without %lx, with %lx: vector %u, now %lx", clear,
		       set, v, get_cr4());
}

static void refuse_efer(u64 clear, u64 set)
{
	u64 efer = rdmsr(MSR_EFER);
	u8 v = wrmsr_safe(MSR_EFER, (efer & ~clear) | set);

	__GUEST_ASSERT(v == GP_VECTOR && rdmsr(MSR_EFER) == efer,
		       "EFER: without %lx, with %lx: vector %u, now %lx", clear,
		       set, v, rdmsr(MSR_EFER));
}

DP_TEST(control_registers)
{
	u64 table = (u64)dp_ptr(dp_boot.root_gfn);

	refuse_cr0(X86_CR0_WP, 0);
	dp_assert_read_only(table);
	refuse_cr0(X86_CR0_PG, 0);
	refuse_cr0(X86_CR0_PG | X86_CR0_PE, 0);
	refuse_cr0(X86_CR0_PE, 0);
	refuse_cr0(X86_CR0_PG | X86_CR0_WP, 0);

	refuse_cr4(X86_CR4_PAE, 0);
	refuse_cr4(0, X86_CR4_PCIDE);
	refuse_cr4(0, X86_CR4_LA57);
	refuse_cr4(0, X86_CR4_VMXE);
	refuse_cr4(0, CR4_LAM_SUP);
	/* No CPU and no CPUID forbids these two, but the list of what may be. */
	refuse_cr4(0, X86_CR4_VME);
	refuse_cr4(0, X86_CR4_PVI);
	refuse_cr4(0, BIT_ULL(31));

	refuse_efer(EFER_NX, 0);
	refuse_efer(EFER_LME, 0);
	refuse_efer(EFER_LME | EFER_LMA, 0);
	refuse_efer(0, EFER_SVME);
	refuse_efer(0, EFER_LMSLE_BIT);

	/* System calls are the guest's. */
	GUEST_ASSERT_EQ(wrmsr_safe(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE), 0);
	GUEST_ASSERT(rdmsr(MSR_EFER) & EFER_SCE);
	GUEST_ASSERT_EQ(wrmsr_safe(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE), 0);
	dp_assert_read_only(table);
}

/* The same, and more, by ioctl while the guest is at rest. */
static void guest_rest(int cpu)
{
	GUEST_SYNC(1);
	dp_assert_read_only((u64)dp_ptr(dp_boot.root_gfn));
	expect_root(dp_boot.root_gfn);
}

static void refuse_sregs(struct kvm_vcpu *vcpu, struct kvm_sregs *bad,
			 const char *name)
{
	struct kvm_sregs before, after;
	int r;

	vcpu_sregs_get(vcpu, &before);
	r = _vcpu_sregs_set(vcpu, bad);
	TEST_ASSERT(r < 0 && errno == EINVAL, "%s: %d, errno %d", name, r,
		    errno);
	vcpu_sregs_get(vcpu, &after);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)),
		    "%s: refused, but the state is another one", name);
}

static void refuse_sregs2(struct kvm_vcpu *vcpu, struct kvm_sregs *bad,
			  const char *name)
{
	struct kvm_sregs2 before, after, sregs2;
	int r;

	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &before);
	sregs2 = before;
	sregs2.cr0 = bad->cr0;
	sregs2.cr3 = bad->cr3;
	sregs2.cr4 = bad->cr4;
	sregs2.efer = bad->efer;
	r = __vcpu_ioctl(vcpu, KVM_SET_SREGS2, &sregs2);
	TEST_ASSERT(r < 0 && errno == EINVAL, "%s: %d, errno %d", name, r,
		    errno);
	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &after);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)),
		    "%s: refused, but the state is another one", name);
}

#define REFUSE(_field, _value)						\
do {									\
	struct kvm_sregs __bad = good;					\
									\
	__bad._field = (_value);					\
	refuse_sregs(vcpu, &__bad, #_field " = " #_value);		\
	refuse_sregs2(vcpu, &__bad, #_field " = " #_value);		\
} while (0)

static void refuse_all_sregs(struct dp_vm *dp)
{
	struct kvm_vcpu *vcpu = dp->vcpus[0];
	struct kvm_sregs good;
	u64 *p2m = dp_gfn_hva(dp, DP_POOL_GFN);

	vcpu_sregs_get(vcpu, &good);
	TEST_ASSERT(good.cr3 == p2m[dp->root_gfn] << PAGE_SHIFT,
		    "CR3 %#llx is not the root's machine address", good.cr3);

	REFUSE(cr0, good.cr0 & ~X86_CR0_WP);
	REFUSE(cr0, good.cr0 & ~X86_CR0_PG);
	REFUSE(cr0, good.cr0 & ~(X86_CR0_PG | X86_CR0_PE));
	REFUSE(cr0, 0);
	REFUSE(cr3, 0);
	REFUSE(cr3, dp->root_gfn << PAGE_SHIFT);
	REFUSE(cr3, p2m[DP_MAX_GFN - 1] << PAGE_SHIFT);
	REFUSE(cr3, good.cr3 | DP_PCD);
	REFUSE(cr3, good.cr3 | CR3_NOFLUSH);
	REFUSE(cr3, ~0ULL);
	REFUSE(cr4, good.cr4 & ~X86_CR4_PAE);
	REFUSE(cr4, good.cr4 | X86_CR4_PCIDE);
	REFUSE(cr4, good.cr4 | X86_CR4_LA57);
	REFUSE(cr4, good.cr4 | X86_CR4_VMXE);
	REFUSE(cr4, good.cr4 | X86_CR4_VME);
	REFUSE(efer, good.efer & ~EFER_NX);
	REFUSE(efer, good.efer & ~EFER_LME);
	REFUSE(efer, good.efer & ~(EFER_LME | EFER_LMA));
	REFUSE(efer, good.efer | EFER_SVME);
	REFUSE(efer, 0);

	/* What it is may be set. */
	vcpu_sregs_set(vcpu, &good);
}

static void refuse_msr(struct kvm_vcpu *vcpu, u64 value)
{
	u64 efer = vcpu_get_msr(vcpu, MSR_EFER);

	TEST_ASSERT(_vcpu_set_msr(vcpu, MSR_EFER, value) == 0,
		    "EFER can be %#lx", value);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_EFER), efer);
}

TEST(registers_by_ioctl)
{
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	u64 efer;

	vcpu = dp_vm_begin(&dp, guest_rest);

	refuse_all_sregs(&dp);
	efer = vcpu_get_msr(vcpu, MSR_EFER);
	refuse_msr(vcpu, efer & ~EFER_NX);
	refuse_msr(vcpu, efer & ~EFER_LME);
	refuse_msr(vcpu, efer | EFER_SVME);
	refuse_msr(vcpu, 0);

	dp_audit(&dp);
	dp_vm_end(&dp);
}

/* And by what KVM_RUN synchronizes. */
TEST(registers_by_sync)
{
	struct kvm_sregs *sregs;
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	u64 cr3;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_SREGS);
	dp_vm_create(&dp, guest_rest, 1);
	dp_vm_start(&dp);
	vcpu = dp.vcpus[0];
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	dp_run_until(vcpu, 1);

	sregs = &vcpu->run->s.regs.sregs;
	cr3 = sregs->cr3;
	sregs->cr3 = 0;
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	DP_EXPECT(__vcpu_run(vcpu), EINVAL);
	sregs->cr3 = cr3;
	sregs->cr0 &= ~X86_CR0_WP;
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	DP_EXPECT(__vcpu_run(vcpu), EINVAL);

	vcpu->run->kvm_dirty_regs = 0;
	dp_vm_end(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
