// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: who answers which of Xen's hypercalls, by each of the three
 * instructions and from within a multicall.  Those that change page tables have
 * tests of their own.
 */
#include <stddef.h>

#include "dp.h"
#include "kselftest_harness.h"

#include <asm/pvclock-abi.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

/* Xen's numbers, which KVM's ABI has no names for. */
enum {
	XEN_SET_TRAP_TABLE = 0,
	XEN_SET_GDT = 2,
	XEN_STACK_SWITCH = 3,
	XEN_SET_CALLBACKS = 4,
	XEN_FPU_TASKSWITCH = 5,
	XEN_PLATFORM_OP = 7,
	XEN_SET_DEBUGREG = 8,
	XEN_GET_DEBUGREG = 9,
	XEN_UPDATE_DESCRIPTOR = 10,
	XEN_SET_TIMER_OP = 15,
	XEN_VERSION = 17,
	XEN_CONSOLE_IO = 18,
	XEN_GRANT_TABLE_OP = 20,
	XEN_OTHERDOMAIN = 22,
	XEN_IRET = 23,
	XEN_SET_SEGMENT_BASE = 25,
	XEN_NMI_OP = 28,
	XEN_SCHED_OP = 29,
	XEN_CALLBACK_OP = 30,
	XEN_SYSCTL = 35,
	XEN_DOMCTL = 36,
};

#define XEN_SCHEDOP_BLOCK	1

#define NR_CALLS		64
#define NR_ERRORS		64

#define UPCALL_VECTOR		0x30
#define TIMER_PORT		5
#define SHARED_INFO_GFN		(DP_MAX_GFN - 1)
#define TICKS			20
#define TICK_NS			1000000

static const u64 dead[] = {
	XEN_SET_TRAP_TABLE, XEN_SET_GDT, XEN_STACK_SWITCH, XEN_SET_CALLBACKS,
	XEN_FPU_TASKSWITCH, XEN_PLATFORM_OP, XEN_SET_DEBUGREG,
	XEN_GET_DEBUGREG, XEN_UPDATE_DESCRIPTOR, XEN_OTHERDOMAIN, XEN_IRET,
	XEN_SET_SEGMENT_BASE, XEN_NMI_OP, XEN_CALLBACK_OP, XEN_SYSCTL,
	XEN_DOMCTL,
};

/* The VMM's: known to KVM with other arguments, known to Xen, and to nobody. */
static const u64 forwarded[] = {
	XEN_VERSION, XEN_CONSOLE_IO, XEN_GRANT_TABLE_OP, 63, 64, 1000,
	1ULL << 31, 1ULL << 63, ~0ULL,
};

/* What the VMM says, so that a wrong argument or order is seen. */
static long answer(u64 nr, const __u64 *args)
{
	return (nr ^ args[0] ^ args[1] << 1 ^ args[2] << 2 ^ args[3] << 3 ^
		args[4] << 4) & 0x7fffffff;
}

static void fill_args(__u64 *args, u64 seed)
{
	int i;

	for (i = 0; i < 5; i++)
		args[i] = (seed + i) * 0x9e3779b97f4a7c15ULL;
}

static long call_by_syscall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 asm("r10") = a4;
	register u64 r8 asm("r8") = a5;
	long ret = nr;

	asm volatile("syscall"
		     : "+a" (ret), "+D" (a1), "+S" (a2), "+d" (a3),
		       "+r" (r10), "+r" (r8)
		     : : "rcx", "r9", "r11", "memory");
	return ret;
}

typedef long (*call_fn)(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

static bool is_xen_exit(struct kvm_vcpu *vcpu)
{
	return vcpu->run->exit_reason == KVM_EXIT_XEN &&
	       vcpu->run->xen.type == KVM_EXIT_XEN_HCALL;
}

/* Answers what comes; returns how often, when the guest is done or syncs. */
static int serve(struct kvm_vcpu *vcpu)
{
	struct ucall uc;
	int n = 0;

	for (;;) {
		vcpu_run(vcpu);
		if (!is_xen_exit(vcpu))
			break;

		TEST_ASSERT_EQ(vcpu->run->xen.u.hcall.longmode, 1);
		TEST_ASSERT_EQ(vcpu->run->xen.u.hcall.cpl, 0);
		vcpu->run->xen.u.hcall.result =
			answer(vcpu->run->xen.u.hcall.input,
			       vcpu->run->xen.u.hcall.params);
		n++;
	}
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	return n;
}

static void expect_call(struct kvm_vcpu *vcpu)
{
	vcpu_run(vcpu);
	TEST_ASSERT(is_xen_exit(vcpu), "Exit %u", vcpu->run->exit_reason);
}

/* A VM whose guest waits for an answer. */
static struct kvm_vcpu *begin_call(struct dp_vm *dp, dp_guest_fn guest)
{
	dp_vm_create(dp, guest, 1);
	dp_enable_xen(dp, 0);
	dp_vm_start(dp);
	expect_call(dp->vcpus[0]);
	return dp->vcpus[0];
}

static u64 stat_of(struct dp_vm *dp, const char *name, u64 i)
{
	u64 data[NR_CALLS];

	__vm_get_stat(dp->vm, name, data, ARRAY_SIZE(data));
	return data[i];
}

static void forward_all(call_fn call)
{
	__u64 a[5];
	int i;

	for (i = 0; i < ARRAY_SIZE(forwarded); i++) {
		fill_args(a, i);
		GUEST_ASSERT_EQ(call(forwarded[i], a[0], a[1], a[2], a[3], a[4]),
				answer(forwarded[i], a));
	}
	for (i = 0; i < ARRAY_SIZE(dead); i++)
		GUEST_ASSERT_EQ(call(dead[i], 0, 0, 0, 0, 0), -ENOSYS);
}

static void guest_calls(int cpu)
{
	forward_all(dp_hypercall);
	forward_all(call_by_syscall);

	/* Once it is the guest's own, it is no hypercall: nobody set LSTAR. */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	forward_all(dp_hypercall);
}

TEST(instructions)
{
	struct dp_vm dp;
	int i;

	dp_vm_create(&dp, guest_calls, 1);
	dp_enable_xen(&dp, 0);
	dp_vm_start(&dp);
	TEST_ASSERT_EQ(serve(dp.vcpus[0]), 3 * ARRAY_SIZE(forwarded));
	for (i = 0; i < ARRAY_SIZE(dead); i++)
		TEST_ASSERT_EQ(stat_of(&dp, "dp_calls_refused", dead[i]), 3);
	TEST_ASSERT_EQ(stat_of(&dp, "dp_call_errors", ENOSYS),
		       3 * ARRAY_SIZE(dead));
	dp_vm_free(&dp);
}

/* Without a VMM that wants them, there is nobody to forward to. */
static void guest_alone(int cpu)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(forwarded); i++) {
		GUEST_ASSERT_EQ(dp_hypercall(forwarded[i], 0, 0, 0, 0, 0),
				-ENOSYS);
		GUEST_ASSERT_EQ(call_by_syscall(forwarded[i], 0, 0, 0, 0, 0),
				-ENOSYS);
	}
}

TEST(nobody)
{
	dp_test(guest_alone, 1);
}

/* Errors of the VMM are the guest's to see, and counted as KVM's own. */
static void guest_error(int cpu)
{
	GUEST_ASSERT_EQ(dp_hypercall(XEN_CONSOLE_IO, 0, 0, 0, 0, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_hypercall(~0ULL, 0, 0, 0, 0, 0), -EOPNOTSUPP);
}

TEST(errors)
{
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;

	vcpu = begin_call(&dp, guest_error);
	vcpu->run->xen.u.hcall.result = -EINVAL;
	expect_call(vcpu);
	vcpu->run->xen.u.hcall.result = -EOPNOTSUPP;
	/* A hostile VMM: only statistics follow the number. */
	vcpu->run->xen.u.hcall.input = 1ULL << 40;
	TEST_ASSERT_EQ(serve(vcpu), 0);

	TEST_ASSERT_EQ(stat_of(&dp, "dp_calls_refused", XEN_CONSOLE_IO), 1);
	TEST_ASSERT_EQ(stat_of(&dp, "dp_calls_refused", NR_CALLS - 1), 1);
	TEST_ASSERT_EQ(stat_of(&dp, "dp_call_errors", EINVAL), 1);
	TEST_ASSERT_EQ(stat_of(&dp, "dp_call_errors", NR_ERRORS - 1), 1);
	dp_vm_free(&dp);
}

/*
 * In a multicall, each entry as if it were alone: those of the VMM cut the
 * list, and the guest executes it again from there.
 */
static void expect_entry(const struct kvm_dp_multicall_entry *entry)
{
	int i;

	if (entry->op == KVM_DP_HC_UPDATE_VA_MAPPING) {
		GUEST_ASSERT_EQ(entry->result, 0);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(dead); i++) {
		if (entry->op != dead[i])
			continue;
		GUEST_ASSERT_EQ(entry->result, -ENOSYS);
		return;
	}
	GUEST_ASSERT_EQ(entry->result, answer(entry->op, entry->args));
}

#define LIST	40

static void guest_multicall(int cpu)
{
	static struct kvm_dp_multicall_entry list[LIST];
	u64 gfn = dp_alloc();
	call_fn calls[] = { dp_hypercall, call_by_syscall };
	int i, k;

	dp_link(DP_VA);
	for (k = 0; k < ARRAY_SIZE(calls); k++) {
		for (i = 0; i < LIST; i++) {
			list[i].result = -1;
			fill_args(list[i].args, i);
			list[i].op = i % 3 ? forwarded[i % ARRAY_SIZE(forwarded)] :
					     dead[i % ARRAY_SIZE(dead)];
			if (i % 4)
				continue;
			list[i].op = KVM_DP_HC_UPDATE_VA_MAPPING;
			list[i].args[0] = DP_VA + i * PAGE_SIZE;
			list[i].args[1] = dp_maddr(gfn) | DP_LEAF;
			list[i].args[2] = 0;
		}
		/* The last is the VMM's. */
		list[LIST - 1].op = XEN_CONSOLE_IO;

		GUEST_ASSERT_EQ(calls[k](KVM_DP_HC_MULTICALL, (u64)list, LIST,
					 0, 0, 0), 0);
		for (i = 0; i < LIST; i++)
			expect_entry(&list[i]);
		for (i = 0; i < LIST; i += 4) {
			dp_assert_writable(DP_VA + i * PAGE_SIZE);
			dp_unmap(DP_VA + i * PAGE_SIZE);
		}
	}
	dp_unlink(DP_VA);
}

TEST(multicall)
{
	struct dp_vm dp;
	int i, n = 0;

	for (i = 0; i < LIST; i++)
		n += i % 4 && (i % 3 || i == LIST - 1);

	dp_vm_create(&dp, guest_multicall, 1);
	dp_enable_xen(&dp, 0);
	dp_vm_start(&dp);
	TEST_ASSERT_EQ(serve(dp.vcpus[0]), 2 * n);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

/*
 * A VMM that takes the list away while it answers an entry of it: the call
 * fails when it goes on, as if the guest had done it.
 */
static struct kvm_dp_multicall_entry *vanishing;

static void guest_vanishing(int cpu)
{
	struct kvm_dp_multicall_entry *list = (void *)DP_VA;
	u64 gfn = dp_alloc();

	dp_link(DP_VA);
	dp_map(DP_VA, gfn, DP_LEAF);
	list[0].op = XEN_CONSOLE_IO;
	list[1].op = XEN_CONSOLE_IO;
	vanishing = list;
	GUEST_ASSERT_EQ(dp_multicall(list, 2), -EFAULT);
	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
}

TEST(vanishing_list)
{
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	struct dp_vm dp;

	vcpu = begin_call(&dp, guest_vanishing);
	/* The list's register is the VMM's to change. */
	vcpu_regs_get(vcpu, &regs);
	TEST_ASSERT_EQ(regs.rdi, (u64)dp_read_global(&dp, vanishing));
	TEST_ASSERT_EQ(regs.rsi, 2);
	regs.rdi = DP_VA + PAGE_SIZE;
	vcpu_regs_set(vcpu, &regs);
	TEST_ASSERT_EQ(serve(vcpu), 0);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

/* A VMM that moved the vCPU elsewhere has dealt with the call. */
static void guest_moved(int cpu)
{
	GUEST_ASSERT_EQ(dp_hypercall(XEN_CONSOLE_IO, 0, 0, 0, 0, 0), 4711);
}

TEST(moved)
{
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	struct dp_vm dp;

	vcpu = begin_call(&dp, guest_moved);
	vcpu->run->xen.u.hcall.result = 42;
	vcpu_regs_get(vcpu, &regs);
	regs.rax = 4711;
	regs.rip += 3;
	vcpu_regs_set(vcpu, &regs);
	TEST_ASSERT_EQ(serve(vcpu), 0);
	dp_vm_free(&dp);
}

/*
 * Block, and be woken by the timer's event, all within KVM.
 */
static u32 ticks;
static u64 block_in_multicall;

/* The first vCPU's struct vcpu_info, and the bits of ports behind all of them. */
struct shared_info {
	u8 pending;
	u8 mask;
	u64 selector;
	u8 rest[64 * 32 - 16];
	u64 ports[64];
	u64 masks[64];
};

static void on_upcall(struct ex_regs *regs)
{
	struct shared_info *info = (void *)dp_ptr(SHARED_INFO_GFN);

	__atomic_exchange_n(&info->pending, 0, __ATOMIC_SEQ_CST);
	__atomic_exchange_n(&info->selector, 0, __ATOMIC_SEQ_CST);
	GUEST_ASSERT_EQ(__atomic_exchange_n(&info->ports[0], 0,
					    __ATOMIC_SEQ_CST),
			BIT_ULL(TIMER_PORT));
	ticks++;
}

static long block(void)
{
	struct kvm_dp_multicall_entry entry = {
		.op = XEN_SCHED_OP,
		/* Commands have 32 bits, whatever else is in the register. */
		.args[0] = XEN_SCHEDOP_BLOCK | BIT_ULL(32),
	};

	if (!block_in_multicall)
		return dp_hypercall(XEN_SCHED_OP, XEN_SCHEDOP_BLOCK, 0, 0, 0, 0);

	GUEST_ASSERT_EQ(dp_multicall(&entry, 1), 0);
	return entry.result;
}

static void guest_block(int cpu)
{
	struct shared_info *info = (void *)dp_ptr(SHARED_INFO_GFN);
	const struct pvclock_vcpu_time_info *time = (void *)info + 32;
	int i;

	for (i = 0; i < TICKS; i++) {
		/* Long ago every second time: then it is pending already. */
		GUEST_ASSERT_EQ(dp_hypercall(XEN_SET_TIMER_OP, i % 2 ? 1 :
					     time->system_time +
					     (i + 1) * TICK_NS, 0, 0, 0, 0), 0);
		while (READ_ONCE(ticks) <= i)
			GUEST_ASSERT_EQ(block(), 0);
		asm volatile("cli");
	}
}

static void test_block(bool multicall)
{
	struct kvm_xen_hvm_attr shared_info = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = SHARED_INFO_GFN,
	};
	struct kvm_xen_hvm_attr long_mode = {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = 1,
	};
	struct kvm_xen_hvm_attr vector = {
		.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR,
		.u.vector = UPCALL_VECTOR,
	};
	struct kvm_xen_vcpu_attr info = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = SHARED_INFO_GFN << PAGE_SHIFT,
	};
	struct kvm_xen_vcpu_attr timer = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER,
		.u.timer.port = TIMER_PORT,
		.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};
	struct dp_vm dp;
	u64 exits;

	dp_vm_create(&dp, guest_block, 1);
	vm_install_exception_handler(dp.vm, UPCALL_VECTOR, on_upcall);
	dp_enable_xen(&dp, KVM_XEN_HVM_CONFIG_EVTCHN_SEND);
	dp_write_global(&dp, block_in_multicall, multicall);
	dp_vm_start(&dp);
	vm_ioctl(dp.vm, KVM_XEN_HVM_SET_ATTR, &long_mode);
	vm_ioctl(dp.vm, KVM_XEN_HVM_SET_ATTR, &shared_info);
	vm_ioctl(dp.vm, KVM_XEN_HVM_SET_ATTR, &vector);
	vcpu_ioctl(dp.vcpus[0], KVM_XEN_VCPU_SET_ATTR, &info);
	vcpu_ioctl(dp.vcpus[0], KVM_XEN_VCPU_SET_ATTR, &timer);

	TEST_ASSERT_EQ(serve(dp.vcpus[0]), 0);
	TEST_ASSERT_EQ(dp_read_global(&dp, ticks), TICKS);
	exits = dp_vcpu_stat(dp.vcpus[0], "halt_exits");
	TEST_ASSERT(exits >= TICKS, "Blocked %lu times only", exits);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

TEST(block_alone)
{
	test_block(false);
}

TEST(block_from_multicall)
{
	test_block(true);
}

int main(int argc, char *argv[])
{
	dp_require();
	return test_harness_run(argc, argv);
}
