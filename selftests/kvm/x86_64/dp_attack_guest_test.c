// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what a hostile guest tries with one vCPU.  Frames of others,
 * the host's window, large pages over page tables, and the control registers
 * by the ways on which KVM, not the CPU, writes them.
 *
 * The attacks by KVM's own writers (kvmclock, steal time, results of calls) are
 * in dp_seal_test, registers that the CPU or the VMM writes in dp_root_test.
 */
#include <fcntl.h>

#include "apic.h"
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK		0xfeedULL
#define SIZE_2M		BIT_ULL(21)
#define SIZE_1G		BIT_ULL(30)
#define BLOCK		512

#define FEP_FILE	"/sys/module/kvm/parameters/force_emulation_prefix"

/*
 * Frames of others, among the VM's own: whatever is looked up finds none.
 */
static void refuse_frame(u64 maddr, u64 mfn)
{
	u64 entry = mfn << PAGE_SHIFT | DP_P;

	GUEST_ASSERT_EQ(dp_set(maddr, entry), -EPERM);
	GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_RW), -EPERM);
	GUEST_ASSERT_EQ(dp_pin_mfn(1, mfn), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(mfn << PAGE_SHIFT, 0), -EINVAL);
}

DP_TEST(frames_of_others)
{
	u64 maddr = dp_link(DP_VA), gfn, mfn;
	unsigned int n = 0;

	/* Behind each run of the VM's frames, and before it. */
	for (gfn = DP_POOL_GFN; gfn < DP_MAX_GFN; gfn++) {
		for (mfn = dp_p2m[gfn] - 1; mfn <= dp_p2m[gfn] + 1; mfn += 2) {
			if (dp_is_own(mfn))
				continue;
			refuse_frame(maddr, mfn);
			n++;
		}
	}
	/* The host's whole memory, as far as there is time. */
	for (mfn = 1; mfn < BIT_ULL(19); mfn += 397) {
		if (dp_is_own(mfn))
			continue;
		refuse_frame(maddr, mfn);
		n++;
	}
	GUEST_ASSERT(n > 1000);
	GUEST_ASSERT_EQ(dp_get(maddr), 0);
	dp_unlink(DP_VA);
}

/* The window tells nothing of frames that are not the VM's. */
static unsigned int look_around(u64 mfn)
{
	u64 end = (mfn | 511) + 1;
	unsigned int n = 0;

	for (mfn &= ~511ULL; mfn < end; mfn++) {
		if (dp_is_own(mfn))
			continue;
		GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[mfn]), ~0ULL);
		n++;
	}
	return n;
}

DP_TEST(window_of_others)
{
	unsigned int n;
	u64 gfn;

	/* The slot of the program ends where its block does not. */
	n = look_around(dp_p2m[dp_boot.slot0_pages - 1]);
	for (gfn = DP_POOL_GFN; gfn < DP_MAX_GFN; gfn += 64)
		n += look_around(dp_p2m[gfn]);
	GUEST_PRINTF("%u entries of others\n", n);
	GUEST_ASSERT(n || !(dp_boot.slot0_pages & 511));
}

/*
 * A table of level 4 that is refused: neither a slot that the host would
 * write, nor anything else is another one than before.
 */
DP_TEST(refused_root_is_unchanged)
{
	const unsigned int bad[] = { 0, 255, 272, 511 };
	u64 gfn = dp_alloc(), *p = dp_ptr(gfn), random = MARK;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (j = 0; j < 512; j++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			/* Not present and without an address, but in the host's slots. */
			p[j] = j >= KVM_DP_M2P_SLOT &&
			       j < KVM_DP_M2P_SLOT + KVM_DP_HOST_SLOTS ?
			       random : (random >> 52) << 52 & ~DP_NX;
		}
		p[bad[i]] = DP_FOREIGN_MFN << PAGE_SHIFT | DP_LEAF;
		dp_seal(gfn);
		GUEST_ASSERT_EQ(dp_pin(4, gfn), -EPERM);
		dp_unseal(gfn);

		GUEST_ASSERT_EQ(p[bad[i]], DP_FOREIGN_MFN << PAGE_SHIFT |
				DP_LEAF);
		for (j = KVM_DP_M2P_SLOT;
		     j < KVM_DP_M2P_SLOT + KVM_DP_HOST_SLOTS; j++)
			GUEST_ASSERT(p[j]);
	}
	for (j = 0; j < 512; j++)
		p[j] = 0;
	dp_free(gfn);
}

/* A pin makes a frame no root but one of level 4. */
DP_TEST(pinned_tables_are_no_roots)
{
	struct dp_tree tree;
	u64 cr3 = get_cr3();
	int level;

	dp_tree_fill(&tree, DP_VA);
	dp_tree_seal(&tree);
	for (level = 1; level <= 3; level++) {
		GUEST_ASSERT_EQ(dp_pin(level, tree.gfn[level]), 0);
		GUEST_ASSERT_EQ(dp_mov_cr3(dp_maddr(tree.gfn[level])),
				GP_VECTOR);
		GUEST_ASSERT_EQ(dp_baseptr(tree.gfn[level]), -EINVAL);
		GUEST_ASSERT_EQ(get_cr3(), cr3);
	}
	for (level = 1; level <= 3; level++)
		GUEST_ASSERT_EQ(dp_unpin(tree.gfn[level]), 0);
	dp_tree_unseal(&tree);
	dp_tree_free(&tree);
}

/* A link is a reference, but none that UNPIN may drop. */
DP_TEST(unpin_of_linked_tables)
{
	struct dp_tree tree;
	int level;

	dp_tree_up(&tree, DP_VA);
	for (level = 1; level <= 3; level++)
		GUEST_ASSERT_EQ(dp_unpin(tree.gfn[level]), -EINVAL);
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(dp_linear(tree.gfn[level], true), -EBUSY);
	dp_tree_down(&tree);
}

/*
 * Large pages.  The pool has blocks of 2 MiB that are contiguous, unless the
 * host's memory was in pieces.
 */
static u64 find_block(void)
{
	u64 gfn;
	unsigned int i;

	/* The lowest frames of the pool are the first to become tables. */
	for (gfn = DP_POOL_GFN + BLOCK; gfn < DP_MAX_GFN; gfn += BLOCK) {
		for (i = 0; i < BLOCK && dp_p2m[gfn + i] == dp_p2m[gfn] + i; i++)
			;
		if (i == BLOCK && !(dp_p2m[gfn] % BLOCK))
			return gfn;
	}
	return 0;
}

static u64 find_block_or_tell(void)
{
	u64 gfn = find_block();

	if (!gfn)
		GUEST_PRINTF("No 2 MiB of contiguous memory\n");
	return gfn;
}

DP_TEST(large_pages)
{
	u64 gfn = find_block_or_tell(), l2, l3, entry, bit;

	if (!gfn)
		return;
	dp_link(DP_VA);
	l2 = dp_walk(dp_root(), DP_VA, 2) + sizeof(u64);
	l3 = dp_walk(dp_root(), DP_VA, 3) + sizeof(u64);
	entry = dp_maddr(gfn) | DP_LEAF | DP_PS | DP_NX;

	GUEST_ASSERT_EQ(dp_set(l2, entry), 0);
	dp_assert_writable(DP_VA + SIZE_2M);
	dp_assert_writable(DP_VA + 2 * SIZE_2M - sizeof(u64));

	/* PAT, and what has to be zero. */
	for (bit = 12; bit <= 20; bit++)
		GUEST_ASSERT_EQ(dp_set(l2 + 8, entry | BIT_ULL(bit)), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(l2 + 8, entry | DP_PCD), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(l2 + 8, entry | DP_PWT), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(l2 + 8, entry | BIT_ULL(59)), -EINVAL);
	/* 1 GiB of which the VM has but a part, if it is aligned at all. */
	GUEST_ASSERT_EQ(dp_set(l3, entry), -EINVAL);
	GUEST_ASSERT(dp_set(l3, entry & ~(SIZE_1G - SIZE_2M)) < 0);

	GUEST_ASSERT_EQ(dp_set(l2, 0), 0);
	dp_invlpg(DP_VA + SIZE_2M);
	dp_assert_unmapped(DP_VA + SIZE_2M);
	dp_unlink(DP_VA);
}

/* A frame of a slot that ends within the block. */
DP_TEST(large_page_beyond_the_slot)
{
	u64 gfn = dp_boot.slot0_pages & ~(BLOCK - 1ULL), l2;

	dp_link(DP_VA);
	l2 = dp_walk(dp_root(), DP_VA, 2) + sizeof(u64);
	if (gfn != dp_boot.slot0_pages && !(dp_p2m[gfn] % BLOCK)) {
		GUEST_ASSERT_EQ(dp_set(l2, dp_maddr(gfn) | DP_P | DP_PS | DP_NX),
				-EINVAL);
		GUEST_ASSERT_EQ(dp_set(l2, dp_maddr(gfn) | DP_LEAF | DP_PS |
				       DP_NX), -EINVAL);
	} else {
		GUEST_PRINTF("The slot ends with a block\n");
	}
	dp_unlink(DP_VA);
}

/* Either a large page is writable, or there is a table within. */
DP_TEST(tables_in_large_pages)
{
	u64 gfn = find_block_or_tell(), l2, entry, table = gfn + 77;

	if (!gfn)
		return;
	dp_link(DP_VA);
	l2 = dp_walk(dp_root(), DP_VA, 2) + sizeof(u64);
	entry = dp_maddr(gfn) | DP_LEAF | DP_PS | DP_NX;
	dp_seal(table);

	GUEST_ASSERT_EQ(dp_set(l2, entry), 0);
	GUEST_ASSERT_EQ(dp_pin(1, table), -EBUSY);
	GUEST_ASSERT_EQ(dp_set(l2 + 16, dp_maddr(table) | DP_LEAF), -EBUSY);

	/* Two of them: the first that goes is not the last. */
	GUEST_ASSERT_EQ(dp_set(l2 + 8, entry), 0);
	GUEST_ASSERT_EQ(dp_set(l2, 0), 0);
	GUEST_ASSERT_EQ(dp_pin(1, table), -EBUSY);
	GUEST_ASSERT_EQ(dp_set(l2 + 8, entry & ~DP_RW), 0);
	GUEST_ASSERT_EQ(dp_pin(1, table), 0);

	GUEST_ASSERT_EQ(dp_set(l2 + 8, entry), -EBUSY);
	GUEST_ASSERT_EQ(dp_set((l2 + 8) | KVM_DP_PT_UPDATE_PRESERVE_AD, entry),
			-EBUSY);
	GUEST_ASSERT_EQ(dp_set(l2, entry), -EBUSY);
	dp_assert_read_only(DP_VA + 2 * SIZE_2M + 77 * PAGE_SIZE);

	GUEST_ASSERT_EQ(dp_unpin(table), 0);
	GUEST_ASSERT_EQ(dp_set(l2, entry), 0);
	GUEST_ASSERT_EQ(dp_set(l2, 0), 0);
	GUEST_ASSERT_EQ(dp_set(l2 + 8, 0), 0);
	dp_unlink(DP_VA);
	dp_unseal(table);
}

/*
 * User mode calls nothing.  It runs two instructions, a call and one that
 * faults, and the handler goes back to where it was entered.
 */
#define USER_GDT	0x40
#define USER_CS		(USER_GDT | 3)
#define USER_SS		((USER_GDT + 8) | 3)
#define USER_TSS	(USER_GDT + 16)

static struct {
	u32 reserved;
	u64 rsp0;
	u8 rest[92];
} __packed tss;

static u8 tss_stack[2 * 4096] __aligned(16);
static u64 user_rsp, user_rip, user_rax;

static void on_user_fault(struct ex_regs *regs)
{
	/* What IRET pops after these: RSP and SS. */
	u64 *frame = &regs->rip;

	GUEST_ASSERT_EQ(regs->cs, USER_CS);
	WRITE_ONCE(user_rax, regs->rax);
	regs->rip = user_rip;
	regs->cs = 0x8;
	frame[3] = user_rsp;
	frame[4] = 0x10;
}

static void prepare_user_mode(void)
{
	u64 *gdt = (u64 *)dp_boot.gdt.address + USER_GDT / sizeof(u64);
	u64 base = (u64)&tss;

	tss.rsp0 = (u64)(tss_stack + sizeof(tss_stack));
	gdt[0] = 0x00affb000000ffffULL;
	gdt[1] = 0x00cff3000000ffffULL;
	gdt[2] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 |
		 (base >> 24 & 0xff) << 56;
	gdt[3] = base >> 32;
	asm volatile("ltr %w0" : : "r" (USER_TSS));
}

static void map_user_code(void)
{
	const u8 call[] = { 0x0f, 0x01, host_cpu_is_amd ? 0xd9 : 0xc1, 0xf4 };
	u64 gfn = dp_alloc(), maddr;
	int level;

	memcpy(dp_ptr(gfn), call, sizeof(call));
	dp_link(DP_VA);
	for (level = 2; level <= 4; level++) {
		maddr = dp_walk(dp_root(), DP_VA, level);
		GUEST_ASSERT_EQ(dp_set(maddr, dp_get(maddr) | DP_US), 0);
	}
	dp_map(DP_VA, gfn, DP_P | DP_US);
}

static noinline long call_as_user(u64 nr, u64 a1, u64 a2, u64 a3)
{
	register u64 r10 asm("r10") = KVM_DP_DOMID_SELF;

	asm volatile("push %%rbp\n\t"
		     "push %%rbx\n\t"
		     "mov %%rsp, %[rsp]\n\t"
		     "lea 1f(%%rip), %%rcx\n\t"
		     "mov %%rcx, %[rip]\n\t"
		     "pushq %[ss]\n\t"
		     "pushq $0\n\t"
		     "pushq $2\n\t"
		     "pushq %[cs]\n\t"
		     "push %%rbx\n\t"
		     "iretq\n\t"
		     "1: pop %%rbx\n\t"
		     "pop %%rbp\n\t"
		     : [rsp] "=m" (user_rsp), [rip] "=m" (user_rip), "+a" (nr),
		       "+D" (a1), "+S" (a2), "+d" (a3), "+r" (r10)
		     : [ss] "i" (USER_SS), [cs] "i" (USER_CS), "b" (DP_VA)
		     : "rcx", "r8", "r9", "r11", "r12", "r13", "r14", "r15",
		       "cc", "memory");
	return READ_ONCE(user_rax);
}

static void guest_user(int cpu)
{
	struct kvm_dp_mmuext_op op = { .cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL };
	struct kvm_dp_mmu_update req = {};
	u64 nr;

	prepare_user_mode();
	map_user_code();
	/* Each of them, even if there is nothing to do. */
	GUEST_ASSERT_EQ(call_as_user(KVM_DP_HC_MMU_UPDATE, (u64)&req, 0, 0),
			-EPERM);
	GUEST_ASSERT_EQ(call_as_user(KVM_DP_HC_MMUEXT_OP, (u64)&op, 1, 0),
			-EPERM);
	GUEST_ASSERT_EQ(call_as_user(KVM_DP_HC_MULTICALL, (u64)&op, 0, 0),
			-EPERM);
	GUEST_ASSERT_EQ(call_as_user(KVM_DP_HC_UPDATE_VA_MAPPING, DP_VA, 0, 0),
			-EPERM);
	GUEST_ASSERT_EQ(call_as_user(KVM_DP_HC_MEMORY_OP, 0, 0, 0), -EPERM);
	GUEST_ASSERT_EQ(call_as_user(KVM_DP_HC_MMUEXT_OP, 0, KVM_DP_PREEMPTED,
				     0), -EPERM);
	/* Xen's that KVM refuses, answers and forwards, and no one's. */
	for (nr = 0; nr < 66; nr++)
		GUEST_ASSERT_EQ(call_as_user(nr, 1, 0, 0), -EPERM);
	GUEST_ASSERT_EQ(call_as_user(~0ULL, 0, 0, 0), -EPERM);
	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
}

TEST(user_mode)
{
	struct dp_vm dp;

	dp_vm_create(&dp, guest_user, 1);
	vm_install_exception_handler(dp.vm, GP_VECTOR, on_user_fault);
	dp_enable_xen(&dp, 0);
	dp_vm_start(&dp);
	dp_vm_end(&dp);
}

/*
 * Registers that the emulator writes.  KVM emulates what follows a prefix, if
 * root lets it.
 */
static void refuse_cr0(u64 val)
{
	GUEST_ASSERT_EQ(kvm_asm_safe_fep("mov %[val], %%cr0", [val] "r" (val)),
			GP_VECTOR);
}

static void refuse_cr3(u64 val)
{
	GUEST_ASSERT_EQ(kvm_asm_safe_fep("mov %[val], %%cr3", [val] "r" (val)),
			GP_VECTOR);
}

static void refuse_cr4(u64 val)
{
	GUEST_ASSERT_EQ(kvm_asm_safe_fep("mov %[val], %%cr4", [val] "r" (val)),
			GP_VECTOR);
}

static void guest_emulator(int cpu)
{
	u64 cr0 = get_cr0(), cr3 = get_cr3(), cr4 = get_cr4();
	u64 efer = rdmsr(MSR_EFER), data = dp_alloc();
	u8 v;

	refuse_cr0(cr0 & ~X86_CR0_WP);
	refuse_cr0(cr0 & ~X86_CR0_PG);
	refuse_cr0(cr0 & ~(X86_CR0_PG | X86_CR0_PE));
	refuse_cr3(0ULL);
	refuse_cr3(dp_maddr(data));
	refuse_cr3(DP_FOREIGN_MFN << PAGE_SHIFT);
	refuse_cr3(cr3 | DP_PCD);
	refuse_cr3(cr3 | BIT_ULL(63));
	refuse_cr4(cr4 & ~X86_CR4_PAE);
	refuse_cr4(cr4 | X86_CR4_PCIDE);
	refuse_cr4(cr4 | X86_CR4_LA57);
	refuse_cr4(cr4 | X86_CR4_VME);

	GUEST_ASSERT_EQ(kvm_asm_safe_fep("wrmsr", "a" ((u32)efer & ~EFER_NX),
					 "d" (0), "c" (MSR_EFER)), GP_VECTOR);
	GUEST_ASSERT_EQ(kvm_asm_safe_fep("wrmsr", "a" ((u32)efer | EFER_SVME),
					 "d" (0), "c" (MSR_EFER)), GP_VECTOR);
	/* Cannot clear PE; what else it sets is the guest's. */
	v = kvm_asm_safe_fep("lmsw %%ax", "a" (0));
	GUEST_ASSERT(!v || v == GP_VECTOR);

	GUEST_ASSERT_EQ(get_cr0() & (X86_CR0_PG | X86_CR0_PE | X86_CR0_WP),
			X86_CR0_PG | X86_CR0_PE | X86_CR0_WP);
	GUEST_ASSERT_EQ(get_cr3(), cr3);
	GUEST_ASSERT_EQ(get_cr4(), cr4);
	GUEST_ASSERT_EQ(rdmsr(MSR_EFER), efer);

	/* A store to a table faults as the hardware's would. */
	v = kvm_asm_safe_fep("movq $0, (%%rax)",
			     "a" (dp_ptr(dp_boot.root_gfn)));
	GUEST_ASSERT_EQ(v, PF_VECTOR);
	v = kvm_asm_safe_fep("movq $0, (%%rax)", "a" (dp_ptr(data)));
	GUEST_ASSERT_EQ(v, 0);
	dp_assert_read_only((u64)dp_ptr(dp_boot.root_gfn));
	dp_free(data);
}

TEST(emulator)
{
	int fd = open(FEP_FILE, O_WRONLY);
	struct dp_vm dp;

	if (fd < 0)
		SKIP(return, "Only root can force emulation");
	TEST_ASSERT(write(fd, "1", 1) == 1, "write: %d", errno);
	dp_vm_create(&dp, guest_emulator, 1);
	dp_vm_start(&dp);
	dp_vm_end(&dp);
	TEST_ASSERT(write(fd, "0", 1) == 1, "write: %d", errno);
	close(fd);
}

/* INIT, SIPI and SMI would take the vCPU out of its mode of paging. */
static void guest_ipis(int cpu)
{
	const u64 modes[] = { APIC_DM_INIT | APIC_INT_ASSERT,
			      APIC_DM_INIT | APIC_INT_LEVELTRIG | APIC_INT_ASSERT,
			      0x600 | APIC_INT_ASSERT | 0x10,
			      0x200 | APIC_INT_ASSERT };
	u64 self, cr3 = get_cr3();
	unsigned int i;

	x2apic_enable();
	self = x2apic_read_reg(APIC_ID);
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		x2apic_write_reg(APIC_ICR, self << 32 | modes[i]);
	GUEST_SYNC(1);
	GUEST_ASSERT_EQ(get_cr3(), cr3);
	GUEST_ASSERT(get_cr0() & X86_CR0_PG);
	dp_assert_read_only((u64)dp_ptr(dp_boot.root_gfn));
}

TEST(ipis)
{
	struct kvm_mp_state state;
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;

	vcpu = dp_vm_begin(&dp, guest_ipis);
	vcpu_mp_state_get(vcpu, &state);
	TEST_ASSERT_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	TEST_ASSERT(dp_vcpu_stat(vcpu, "dp_ignored") >= 4,
		    "%lu of 4 are ignored", dp_vcpu_stat(vcpu, "dp_ignored"));
	dp_vm_end(&dp);
}

/*
 * A vCPU that shuts down leaves its root, and does not run until it is started
 * again.
 */
static struct dp_tree victim;
static u32 crashed;

static void guest_crash(int cpu)
{
	struct desc_ptr idt = {};

	if (cpu) {
		if (READ_ONCE(crashed))
			return;
		dp_set_cr3(dp_maddr(victim.gfn[4]));
		WRITE_ONCE(crashed, 1);
		asm volatile("lidt %0; ud2" : : "m" (idt));
	}
	dp_tree_up(&victim, DP_VA);
	GUEST_SYNC(1);
	GUEST_ASSERT_EQ(dp_unpin(victim.gfn[4]), 0);
	/* VMX keeps the state of a vCPU that has shut down. */
	if (host_cpu_is_amd) {
		dp_tree_unseal(&victim);
	} else {
		GUEST_ASSERT_EQ(dp_linear(victim.gfn[4], true), -EBUSY);
		GUEST_SYNC(2);
		dp_tree_unseal(&victim);
	}
	GUEST_SYNC(3);
}

TEST(triple_fault)
{
	struct kvm_x86_dp_audit audit;
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	int r;

	dp_vm_create(&dp, guest_crash, 2);
	dp_vm_start(&dp);
	vcpu = dp.vcpus[1];
	dp_run_until(dp.vcpus[0], 1);

	vcpu_run(vcpu);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_SHUTDOWN);
	audit = dp_audit(&dp);
	TEST_ASSERT_EQ(audit.roots, host_cpu_is_amd ? 1 : 2);
	r = __vcpu_run(vcpu);
	TEST_ASSERT(host_cpu_is_amd ? r < 0 && errno == EINVAL :
		    !r && vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN,
		    "KVM_RUN: %d, errno %d, exit %u", r, errno,
		    vcpu->run->exit_reason);

	if (!host_cpu_is_amd) {
		dp_run_until(dp.vcpus[0], 2);
		dp_vcpu_start(&dp, 1);
	}
	dp_run_until(dp.vcpus[0], 3);
	dp_audit(&dp);
	dp_vcpu_start(&dp, 1);
	dp_run_until(vcpu, 0);
	dp_vm_end(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
