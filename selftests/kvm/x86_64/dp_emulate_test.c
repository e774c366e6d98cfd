// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: where KVM looks at the guest's memory by itself.  Emulated
 * string I/O, KVM_TRANSLATE, guest debugging, and what KVM shares with a guest
 * go through the tables that the hardware walks, and through their rights.
 */
#include "apic.h"
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define PORT		0x5e8
#define IPI_VECTOR	0x41
#define RFLAGS_IF	BIT(9)
#define X2APIC_SELF_IPI	0x83f

/* Two pages that follow each other in the guest only. */
#define CROSSING	(DP_VA + PAGE_SIZE - 4)

static u64 gfns[2];

static __always_inline u8 string_out(u64 va, u64 count, u64 *error)
{
	u64 ec = 0;
	u8 vector;

	asm volatile(KVM_ASM_SAFE("rep outsb")
		     : KVM_ASM_SAFE_OUTPUTS(vector, ec), "+S" (va),
		       "+c" (count)
		     : "d" (PORT)
		     : KVM_ASM_SAFE_CLOBBERS, "memory");
	*error = ec;
	return vector;
}

static __always_inline u8 string_in(u64 va, u64 *error)
{
	u64 ec = 0, count = 1;
	u8 vector;

	asm volatile(KVM_ASM_SAFE("rep insb")
		     : KVM_ASM_SAFE_OUTPUTS(vector, ec), "+D" (va),
		       "+c" (count)
		     : "d" (PORT)
		     : KVM_ASM_SAFE_CLOBBERS, "memory");
	*error = ec;
	return vector;
}

/* Not the frames that come one after the other. */
static void map_two(void)
{
	u64 other;
	int i;

	dp_link(DP_VA);
	for (i = 0; i < 2; i++) {
		gfns[i] = dp_alloc();
		other = dp_alloc();
		dp_map(DP_VA + i * PAGE_SIZE, gfns[i], DP_LEAF);
		dp_free(other);
	}
}

/*
 * String I/O
 */

static void guest_outs(int cpu)
{
	u64 error;

	map_two();
	memcpy((void *)CROSSING, "directly", 8);
	GUEST_ASSERT_EQ(string_out(CROSSING, 8, &error), 0);

	dp_unmap(DP_VA + PAGE_SIZE);
	GUEST_ASSERT_EQ(string_out(DP_VA + PAGE_SIZE, 1, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, 0);
	GUEST_ASSERT_EQ(dp_read_cr2(), DP_VA + PAGE_SIZE);
}

/* What the guest says on the port until it is done. */
static void collect(struct kvm_vcpu *vcpu, char *text, size_t size)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;
	size_t n = 0;

	for (;;) {
		vcpu_run(vcpu);
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT)
			break;
		TEST_ASSERT(n + run->io.count < size, "The guest says too much");
		memcpy(text + n, (char *)run + run->io.data_offset,
		       run->io.count * run->io.size);
		n += run->io.count;
	}
	text[n] = 0;
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_DONE:
		return;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Exit %u", run->exit_reason);
	}
}

TEST(string_output)
{
	struct dp_vm dp;
	char text[64];

	dp_vm_create(&dp, guest_outs, 1);
	dp_vm_start(&dp);
	collect(dp.vcpus[0], text, sizeof(text));
	TEST_ASSERT(!strcmp(text, "directly"), "The guest says '%s'", text);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

static void guest_ins(int cpu)
{
	u64 error, table = (u64)dp_ptr(dp_boot.root_gfn), first;

	map_two();
	GUEST_ASSERT_EQ(string_in(DP_VA, &error), 0);
	GUEST_ASSERT_EQ(*(u8 *)DP_VA, 0xa5);

	/* The emulator must not do what the guest cannot. */
	first = READ_ONCE(*(u64 *)table);
	GUEST_ASSERT_EQ(string_in(table, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, PFERR_PRESENT_MASK | PFERR_WRITE_MASK);
	GUEST_ASSERT_EQ(dp_read_cr2(), table);
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)table), first);

	GUEST_ASSERT_EQ(string_in(1ULL << 47, &error), GP_VECTOR);
}

TEST(string_input)
{
	struct kvm_run *run;
	struct dp_vm dp;
	struct ucall uc;

	dp_vm_create(&dp, guest_ins, 1);
	dp_vm_start(&dp);
	run = dp.vcpus[0]->run;
	for (;;) {
		vcpu_run(dp.vcpus[0]);
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT)
			break;
		memset((char *)run + run->io.data_offset, 0xa5,
		       run->io.count * run->io.size);
	}
	switch (get_ucall(dp.vcpus[0], &uc)) {
	case UCALL_DONE:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Exit %u", run->exit_reason);
	}
	dp_audit(&dp);
	dp_vm_free(&dp);
}

/*
 * KVM_TRANSLATE
 */

static void guest_rest(int cpu)
{
	map_two();
	GUEST_SYNC(1);
}

static void expect_translation(struct kvm_vcpu *vcpu, u64 va, u64 gpa)
{
	struct kvm_translation tr = { .linear_address = va };

	vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr);
	if (gpa == ~0ULL) {
		TEST_ASSERT(!tr.valid, "%#lx is at %#llx", va,
			    tr.physical_address);
		return;
	}
	TEST_ASSERT(tr.valid, "%#lx is nowhere", va);
	TEST_ASSERT(tr.physical_address == gpa, "%#lx is at %#llx, not %#lx",
		    va, tr.physical_address, gpa);
}

TEST(translate)
{
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	u64 *gfn;

	vcpu = dp_vm_begin(&dp, guest_rest);

	gfn = dp_gva_hva(&dp, (vm_vaddr_t)gfns);
	expect_translation(vcpu, DP_VA + 5, (gfn[0] << PAGE_SHIFT) + 5);
	expect_translation(vcpu, DP_VA + PAGE_SIZE, gfn[1] << PAGE_SHIFT);
	expect_translation(vcpu, DP_LINEAR + 0x1234, 0x1234);
	/* Tables too: where, but not what is in them. */
	expect_translation(vcpu, DP_LINEAR + (dp.root_gfn << PAGE_SHIFT),
			   dp.root_gfn << PAGE_SHIFT);
	expect_translation(vcpu, DP_VA + 2 * PAGE_SIZE, ~0ULL);
	expect_translation(vcpu, 1ULL << 47, ~0ULL);
	/* The window onto host memory is not the guest's memory. */
	expect_translation(vcpu, KVM_DP_M2P_BASE, ~0ULL);

	dp_run_until(vcpu, 0);
	dp_vm_free(&dp);
}

/*
 * Guest debugging
 */

/* Breakpoints are left out: the emulated AMD machine does not intercept #BP. */
#define STEPS		20

static void guest_stepped(int cpu)
{
	GUEST_SYNC(1);
}

TEST(single_step)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_run *run;
	struct dp_vm dp;
	u64 pc = 0;
	int i;

	dp_vm_begin(&dp, guest_stepped);
	run = dp.vcpus[0]->run;

	vcpu_guest_debug_set(dp.vcpus[0], &debug);
	for (i = 0; i < STEPS; i++) {
		vcpu_run(dp.vcpus[0]);
		TEST_ASSERT_KVM_EXIT_REASON(dp.vcpus[0], KVM_EXIT_DEBUG);
		TEST_ASSERT_EQ(run->debug.arch.exception, DB_VECTOR);
		TEST_ASSERT(run->debug.arch.pc != pc, "Still at %#lx", pc);
		pc = run->debug.arch.pc;
	}

	memset(&debug, 0, sizeof(debug));
	vcpu_guest_debug_set(dp.vcpus[0], &debug);
	dp_vm_end(&dp);
}

/*
 * PV EOI: KVM writes a word of the guest's choice at each interrupt.
 */

static u32 eoi_seen;

static void on_ipi(struct ex_regs *regs)
{
	u32 *eoi = (u32 *)dp_ptr(gfns[0]);

	/* See the emulator's double delivery: the false one has IF clear. */
	if (!(regs->rflags & RFLAGS_IF))
		return;
	eoi_seen++;
	if (*eoi & 1)
		*eoi = 0;
	else
		x2apic_write_reg(APIC_EOI, 0);
}

static void one_ipi(void)
{
	u32 seen = READ_ONCE(eoi_seen);

	wrmsr(X2APIC_SELF_IPI, IPI_VECTOR);
	asm volatile("sti; nop");
	while (READ_ONCE(eoi_seen) == seen)
		cpu_relax();
	asm volatile("cli");
}

static void guest_pv_eoi(int cpu)
{
	u64 table, gpa;
	int i;

	x2apic_enable();
	gfns[0] = dp_alloc();
	gpa = gfns[0] << PAGE_SHIFT;
	wrmsr(MSR_KVM_PV_EOI_EN, gpa | KVM_MSR_ENABLED);
	one_ipi();

	/* The same with a page table: it stays as it is. */
	table = dp_alloc();
	dp_seal(table);
	GUEST_ASSERT_EQ(dp_pin(1, table), 0);
	wrmsr(MSR_KVM_PV_EOI_EN, table << PAGE_SHIFT | KVM_MSR_ENABLED);
	one_ipi();
	for (i = 0; i < 512; i++)
		GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(table)[i]), 0);
	wrmsr(MSR_KVM_PV_EOI_EN, 0);
	GUEST_ASSERT_EQ(dp_unpin(table), 0);
	dp_unseal(table);
}

TEST(pv_eoi)
{
	struct dp_vm dp;

	dp_vm_create(&dp, guest_pv_eoi, 1);
	vm_install_exception_handler(dp.vm, IPI_VECTOR, on_ipi);
	dp_vm_start(&dp);
	dp_vm_end(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();
	return test_harness_run(argc, argv);
}
