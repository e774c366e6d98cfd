// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: where KVM looks at the guest's memory by itself.  Emulated
 * string I/O, KVM_TRANSLATE, guest debugging, and what KVM shares with a guest
 * go through the tables that the hardware walks, and through their rights.
 * And what becomes of instructions that only KVM could give a meaning.
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

/*
 * Compatibility mode, at CPL 0.  The stack is not used there: its segment has
 * no size for that.
 */

#define CODE64		0x8
#define CODE32		0x30
#define CODE32_DESC	0x00cf9b000000ffffULL
#define TASK_GATE	0x38
#define TASK_GATE_DESC	0x0000850000180000ULL

/* To the second label, and back to what follows. */
#define IN_COMPAT_MODE(insn)						\
	"sub $128, %%rsp\n\t"						\
	"pushq $" __stringify(CODE32) "\n\t"				\
	"pushq $3f\n\t"							\
	"lretq\n\t"							\
	".code32\n\t"							\
	"3: " insn "\n\t"						\
	"4: ljmp $" __stringify(CODE64) ", $5f\n\t"			\
	".code64\n\t"							\
	"5: add $128, %%rsp\n\t"

static void set_descriptor(u16 selector, u64 desc)
{
	WRITE_ONCE(((u64 *)dp_boot.gdt.address)[selector / sizeof(u64)], desc);
}

static noinline long compat_call(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4)
{
	register u64 r10 asm("r10") = a4;
	long ret = nr;

	if (host_cpu_is_amd)
		asm volatile(IN_COMPAT_MODE("vmmcall")
			     : "+a" (ret), "+D" (a1), "+S" (a2), "+d" (a3),
			       "+r" (r10)
			     : : "rcx", "r8", "r9", "r11", "memory", "cc");
	else
		asm volatile(IN_COMPAT_MODE("vmcall")
			     : "+a" (ret), "+D" (a1), "+S" (a2), "+d" (a3),
			       "+r" (r10)
			     : : "rcx", "r8", "r9", "r11", "memory", "cc");
	return ret;
}

/* The vector of the exception that an instruction raises in there. */
#define compat_vector(insn, error, inputs...)				\
({									\
	u64 __v;							\
									\
	asm volatile("mov $" __stringify(KVM_EXCEPTION_MAGIC) ", %%r9\n\t" \
		     "lea 3f(%%rip), %%r10\n\t"				\
		     "lea 4f(%%rip), %%r11\n\t"				\
		     IN_COMPAT_MODE(insn)				\
		     "mov %%r9, %[v]\n\t"				\
		     "mov %%r10, %[ec]\n\t"				\
		     : [v] "=a" (__v), [ec] "=d" (*(error))		\
		     : inputs						\
		     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");	\
	__v;								\
})

#define MANY		1000

DP_TEST(compatibility_mode)
{
	u64 table, other, target, list_gfn = dp_alloc(), count = dp_alloc();
	struct kvm_dp_mmu_update *list;
	u64 error;
	int i;

	set_descriptor(CODE32, CODE32_DESC);
	dp_link(DP_VA);
	target = dp_alloc();
	*dp_ptr(target) = 0x5a5a;

	/* The address, and the frame's, are what all 64 bits say. */
	GUEST_ASSERT(DP_VA >> 32);
	GUEST_ASSERT_EQ(compat_call(KVM_DP_HC_UPDATE_VA_MAPPING, DP_VA,
				    dp_maddr(target) | DP_LEAF | DP_NX,
				    KVM_DP_UVMF_INVLPG, 0), 0);
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), 0x5a5a);
	dp_assert_writable(DP_VA);
	GUEST_ASSERT_EQ(dp_get(dp_walk(dp_root(), DP_VA, 1)) &
			~(DP_A | DP_D), dp_maddr(target) | DP_LEAF | DP_NX);
	GUEST_ASSERT_EQ(compat_call(KVM_DP_HC_UPDATE_VA_MAPPING, DP_VA,
				    DP_FOREIGN_MFN << PAGE_SHIFT | DP_P, 0, 0),
			-EPERM);
	GUEST_ASSERT_EQ(compat_call(KVM_DP_HC_UPDATE_VA_MAPPING, 1ULL << 47,
				    0, 0, 0), -EINVAL);
	/* Below 4 GiB, this is one of the calls. */
	GUEST_ASSERT_EQ(compat_call(KVM_DP_HC_MMUEXT_OP | BIT_ULL(32), 0, 0, 0,
				    KVM_DP_DOMID_SELF), -ENOSYS);

	/* SYSCALL is a call in 64-bit mode only. */
	GUEST_ASSERT_EQ(compat_vector("syscall", &error,
				      "a" (KVM_DP_HC_UPDATE_VA_MAPPING),
				      "D" (DP_VA), "S" (0ULL), "d" (0ULL)),
			UD_VECTOR);
	dp_assert_writable(DP_VA);
	dp_unmap(DP_VA);

	/* A list so long that the instruction is executed more than once. */
	list = (void *)dp_ptr(dp_alloc());
	for (i = 1; i < MANY * sizeof(*list) / PAGE_SIZE + 1; i++)
		GUEST_ASSERT_EQ((u64)dp_ptr(dp_alloc()),
				(u64)list + i * PAGE_SIZE);
	table = dp_gfn(dp_walk(dp_root(), DP_VA, 1) >> PAGE_SHIFT);
	other = dp_alloc();
	for (i = 0; i < MANY; i++) {
		list[i].ptr = dp_slot(table, i % 512);
		list[i].val = dp_maddr(i < 512 ? target : other) | DP_P;
	}
	GUEST_ASSERT_EQ(compat_call(KVM_DP_HC_MMU_UPDATE, (u64)list, MANY,
				    (u64)dp_ptr(count), KVM_DP_DOMID_SELF), 0);
	GUEST_ASSERT_EQ(*(u32 *)dp_ptr(count), MANY);
	for (i = 0; i < 512; i++)
		GUEST_ASSERT_EQ(PTE_GET_PFN(dp_ptr(table)[i]),
				dp_p2m[i < MANY - 512 ? other : target]);
	dp_unlink(DP_VA);
	dp_free(list_gfn);
}

/*
 * There are no tasks in long mode: whoever asks for a switch gets an exception
 * of his own, and KVM sees nothing.
 */
struct far_pointer {
	u32 offset;
	u16 selector;
} __packed;

DP_TEST(task_switch)
{
	struct far_pointer tss = { .selector = 0x18 };
	struct far_pointer gate = { .selector = TASK_GATE };
	u64 *idt = (u64 *)dp_boot.idt.address + 2 * 0x50, old[2];
	u64 error = 0;
	u8 vector;

	set_descriptor(CODE32, CODE32_DESC);
	set_descriptor(TASK_GATE, TASK_GATE_DESC);

	GUEST_ASSERT_EQ(kvm_asm_safe_ec("ljmp *%[p]", error, [p] "m" (tss)),
			GP_VECTOR);
	GUEST_ASSERT_EQ(error, tss.selector);
	GUEST_ASSERT_EQ(kvm_asm_safe_ec("lcall *%[p]", error, [p] "m" (tss)),
			GP_VECTOR);
	GUEST_ASSERT_EQ(error, tss.selector);
	GUEST_ASSERT_EQ(kvm_asm_safe_ec("ljmp *%[p]", error, [p] "m" (gate)),
			GP_VECTOR);
	GUEST_ASSERT_EQ(error, gate.selector);
	GUEST_ASSERT_EQ(kvm_asm_safe_ec("lcall *%[p]", error, [p] "m" (gate)),
			GP_VECTOR);
	GUEST_ASSERT_EQ(error, gate.selector);

	GUEST_ASSERT_EQ(compat_vector("ljmp $0x18, $0", &error, "D" (0)),
			GP_VECTOR);
	GUEST_ASSERT_EQ(error, tss.selector);
	GUEST_ASSERT_EQ(compat_vector("ljmp $0x38, $0", &error, "D" (0)),
			GP_VECTOR);
	GUEST_ASSERT_EQ(error, gate.selector);

	/* Through the IDT, and back by a link that IRET does not follow. */
	memcpy(old, idt, sizeof(old));
	WRITE_ONCE(idt[0], TASK_GATE_DESC);
	GUEST_ASSERT_EQ(kvm_asm_safe_ec("int $0x50", error, "D" (0)),
			GP_VECTOR);
	/* QEMU says of which entry in another way than CPUs do. */
	GUEST_ASSERT_EQ(error & 7, 2);
	memcpy(idt, old, sizeof(old));

	asm volatile("sub $128, %%rsp; pushfq; orq $0x4000, (%%rsp); popfq\n\t"
		     KVM_ASM_SAFE("iretq")
		     "pushfq; andq $~0x4000, (%%rsp); popfq\n\t"
		     "add $128, %%rsp\n\t"
		     : [vector] "=q" (vector), [error_code] "=S" (error)
		     : : "r9", "r10", "r11", "memory", "cc");
	GUEST_ASSERT_EQ(vector, GP_VECTOR);
	GUEST_ASSERT_EQ(error, 0);
}

/* Nested VMs: whatever the address is, nothing is read or written there. */
#define EXPECT_UD(insn, inputs...)					\
	GUEST_ASSERT_EQ(kvm_asm_safe(insn, inputs), UD_VECTOR)

/* A CPU may look at the address first. */
#define EXPECT_UD_OR_GP(insn, addr)					\
do {									\
	u64 __addr = (addr);						\
	u8 __v = kvm_asm_safe(insn, "a" (__addr));			\
									\
	GUEST_ASSERT(__v == UD_VECTOR ||				\
		     (__v == GP_VECTOR && __addr & (PAGE_SIZE - 1)) ||	\
		     (__v == GP_VECTOR && __addr >> 36));		\
} while (0)

static void expect_no_svm(u64 addr)
{
	EXPECT_UD_OR_GP("vmsave %%rax", addr);
	EXPECT_UD_OR_GP("vmload %%rax", addr);
	EXPECT_UD_OR_GP("vmrun %%rax", addr);
	EXPECT_UD("invlpga %%rax, %%ecx", "a" (addr), "c" (0));
}

static void expect_no_vmx(u64 addr)
{
	EXPECT_UD("vmxon %[p]", [p] "m" (addr));
	EXPECT_UD("vmclear %[p]", [p] "m" (addr));
	EXPECT_UD("vmptrld %[p]", [p] "m" (addr));
}

DP_TEST(nested)
{
	u64 gfn = dp_alloc(), i, n = 0, efer = rdmsr(MSR_EFER);
	const u64 addrs[] = {
		dp_maddr(gfn),			/* a frame of its own */
		dp_maddr(gfn) + 8,
		dp_maddr(dp_boot.root_gfn),	/* a table */
		PAGE_SIZE,			/* the host's */
		0,
		PHYSICAL_PAGE_MASK,		/* nobody's */
		~0xfffULL,
	};
	u8 vector;

	memset(dp_ptr(gfn), 0xa5, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		if (host_cpu_is_amd)
			expect_no_svm(addrs[i]);
		else
			expect_no_vmx(addrs[i]);
	}
	if (host_cpu_is_amd) {
		EXPECT_UD("skinit", "a" (0));
		/* The flag may be virtual, and then it is the guest's. */
		vector = kvm_asm_safe("clgi", "a" (0));
		GUEST_ASSERT(!vector || vector == UD_VECTOR);
		GUEST_ASSERT_EQ(kvm_asm_safe("stgi", "a" (0)), vector);
	} else {
		EXPECT_UD("vmxoff", "a" (0));
		EXPECT_UD("vmlaunch", "a" (0));
		EXPECT_UD("vmresume", "a" (0));
		EXPECT_UD("vmread %%rax, %%rdi", "a" (0), "D" (0));
		EXPECT_UD("vmwrite %%rax, %%rdi", "a" (0), "D" (0));
	}
	GUEST_ASSERT_EQ(wrmsr_safe(MSR_EFER, efer | EFER_SVME), GP_VECTOR);
	GUEST_ASSERT_EQ(rdmsr(MSR_EFER), efer);

	for (i = 0; i < 512; i++)
		n += dp_ptr(gfn)[i] == 0xa5a5a5a5a5a5a5a5ULL;
	GUEST_ASSERT_EQ(n, 512);
	dp_assert_read_only((u64)dp_ptr(dp_boot.root_gfn));
	dp_free(gfn);
}

/* The other vendor's hypercall is not rewritten, and not done. */
extern u8 other_vmcall[], other_vmmcall[];

static noinline void call_other(void)
{
	const u64 nr = KVM_DP_HC_MEMORY_OP;

	if (host_cpu_is_amd)
		GUEST_ASSERT_EQ(kvm_asm_safe("other_vmcall: vmcall",
					     "a" (nr), "D" (12)), UD_VECTOR);
	else
		GUEST_ASSERT_EQ(kvm_asm_safe("other_vmmcall: vmmcall",
					     "a" (nr), "D" (12)), UD_VECTOR);
}

DP_TEST(other_hypercall)
{
	const u8 *code = host_cpu_is_amd ? other_vmcall : other_vmmcall;
	int i;

	for (i = 0; i < 2; i++) {
		call_other();
		GUEST_ASSERT_EQ(READ_ONCE(code[0]), 0x0f);
		GUEST_ASSERT_EQ(READ_ONCE(code[1]), 0x01);
		GUEST_ASSERT_EQ(READ_ONCE(code[2]),
				host_cpu_is_amd ? 0xc1 : 0xd9);
	}
}

int main(int argc, char *argv[])
{
	dp_require();
	return test_harness_run(argc, argv);
}
