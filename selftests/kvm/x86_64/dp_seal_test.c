// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: nobody but KVM reaches a page table, neither the VMM nor
 * whatever writes guest memory on the guest's behalf.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <asm/kvm_para.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

/* Where in a table tests write: an entry that is not used. */
#define ENTRY		200
/* Not present, without an address, and nothing that is there by chance. */
#define MARK(level)	(0x15ULL << 52 | (u64)(level) << 9)

#define STEPS		200

/*
 * Guest
 */

static u64 gfns[5];

static void save_gfns(struct dp_tree *tree)
{
	int level;

	for (level = 0; level <= 4; level++)
		WRITE_ONCE(gfns[level], tree->gfn[level]);
}

static void guest_seal(int cpu)
{
	struct dp_tree tree;
	int level;

	dp_tree_fill(&tree, DP_VA);
	dp_tree_seal(&tree);
	save_gfns(&tree);
	GUEST_SYNC(1);
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(tree.gfn[level])[ENTRY]),
				MARK(level));

	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	dp_set_cr3(dp_maddr(tree.gfn[4]));
	GUEST_SYNC(2);
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(tree.gfn[level])[ENTRY]),
				MARK(level));
	dp_assert_writable(DP_VA);
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	GUEST_SYNC(3);

	/* The VMM changed what is data again; it can be a table once more. */
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(tree.gfn[level])[ENTRY]), 0);
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	GUEST_SYNC(4);
	dp_tree_down(&tree);
}

/*
 * Host: accesses that may end in a signal
 */

static sigjmp_buf env;

static void on_signal(int sig)
{
	siglongjmp(env, sig);
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

/* 0, or the signal. */
static int try_store(u64 *p, u64 val)
{
	int sig = sigsetjmp(env, 1);

	if (!sig)
		WRITE_ONCE(*p, val);
	return sig;
}

static int try_load(u64 *p)
{
	int sig = sigsetjmp(env, 1);

	if (!sig)
		READ_ONCE(*p);
	return sig;
}

/* A child has no mapping at all, or one that is as good as none. */
static bool child_can_store(u64 *p)
{
	int status;
	pid_t pid;

	pid = fork();
	TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("fork", pid));
	if (!pid)
		_exit(try_store(p, 0) ? 1 : 0);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid: %d", errno);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void expect_syscalls_fail(u64 *p)
{
	u64 buffer = 0;
	struct iovec local = { &buffer, sizeof(buffer) };
	struct iovec remote = { p, sizeof(*p) };
	int fds[2], mem, r;

	r = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
	TEST_ASSERT(r < 0 && errno == EFAULT, "process_vm_writev: %d, %d", r,
		    errno);
	r = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	TEST_ASSERT(r < 0 && errno == EFAULT, "process_vm_readv: %d, %d", r,
		    errno);

	TEST_ASSERT(!pipe(fds), "pipe: %d", errno);
	r = write(fds[1], p, sizeof(*p));
	TEST_ASSERT(r < 0 && errno == EFAULT, "write: %d, %d", r, errno);
	r = write(fds[1], &buffer, sizeof(buffer));
	TEST_ASSERT(r == sizeof(buffer), "write: %d, %d", r, errno);
	r = read(fds[0], p, sizeof(*p));
	TEST_ASSERT(r < 0 && errno == EFAULT, "read: %d, %d", r, errno);
	close(fds[0]);
	close(fds[1]);

	mem = open("/proc/self/mem", O_RDWR);
	TEST_ASSERT(mem >= 0, "/proc/self/mem: %d", errno);
	r = pwrite(mem, &buffer, sizeof(buffer), (off_t)p);
	TEST_ASSERT(r < 0 && errno == EIO, "/proc/self/mem: %d, %d", r, errno);
	close(mem);
}

static u64 *map_gmem(struct dp_vm *dp)
{
	void *p = mmap(NULL, DP_MAX_GFN << PAGE_SHIFT, PROT_READ | PROT_WRITE,
		       MAP_SHARED, dp->gmem, 0);

	TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	return p;
}

static void unmap_gmem(u64 *p)
{
	munmap(p, DP_MAX_GFN << PAGE_SHIFT);
}

static u64 *entry_of(u64 *map, u64 gfn, int index)
{
	return map + gfn * 512 + index;
}

static void expect_sealed(u64 *p)
{
	TEST_ASSERT_EQ(try_load(p), SIGBUS);
	TEST_ASSERT_EQ(try_store(p, 0), SIGBUS);
	TEST_ASSERT_EQ(try_load(p), SIGBUS);
	TEST_ASSERT(!child_can_store(p), "A child can write a page table");
	expect_syscalls_fail(p);
}

static void expect_open(u64 *p)
{
	TEST_ASSERT_EQ(try_load(p), 0);
	TEST_ASSERT_EQ(try_store(p, *p), 0);
}

static u64 read_entry(struct dp_vm *dp, u64 gfn, int index)
{
	u64 val = 0;
	struct kvm_x86_dp_read read = {
		.gpa = (gfn << PAGE_SHIFT) + index * sizeof(u64),
		.size = sizeof(val),
		.buffer = (u64)&val,
	};

	vm_ioctl(dp->vm, KVM_X86_DP_READ, &read);
	return val;
}

TEST(vmm)
{
	u64 *own, *second, *third, gfn[5];
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	int level;

	catch_signals();
	dp_vm_create(&dp, guest_seal, 1);
	dp_vm_start(&dp);
	vcpu = dp.vcpus[0];
	second = map_gmem(&dp);

	/* Data: both mappings show the same, and so does the guest. */
	dp_run_until(vcpu, 1);
	for (level = 0; level <= 4; level++) {
		gfn[level] = dp_read_global(&dp, gfns[level]);
		own = dp_gfn_hva(&dp, gfn[level]);
		if (level)
			own[ENTRY] = MARK(level);
		expect_open(entry_of(second, gfn[level], ENTRY));
		TEST_ASSERT_EQ(*entry_of(second, gfn[level], ENTRY),
			       own[ENTRY]);
	}

	/* Tables: neither these mappings nor a new one. */
	dp_run_until(vcpu, 2);
	third = map_gmem(&dp);
	for (level = 1; level <= 4; level++) {
		own = dp_gfn_hva(&dp, gfn[level]);
		expect_sealed(own + ENTRY);
		expect_sealed(entry_of(second, gfn[level], ENTRY));
		expect_sealed(entry_of(third, gfn[level], 511));
		TEST_ASSERT_EQ(read_entry(&dp, gfn[level], ENTRY),
			       MARK(level));
	}
	expect_sealed(entry_of(second, dp.root_gfn, 0));
	expect_open(entry_of(second, gfn[0], 0));
	expect_open(entry_of(third, gfn[0], 0));
	unmap_gmem(third);
	dp_audit(&dp);

	/* Data again, with all that was in it. */
	dp_run_until(vcpu, 3);
	for (level = 1; level <= 4; level++) {
		expect_open(entry_of(second, gfn[level], ENTRY));
		own = dp_gfn_hva(&dp, gfn[level]);
		TEST_ASSERT_EQ(own[ENTRY], MARK(level));
		own[ENTRY] = 0;
	}
	dp_run_until(vcpu, 4);
	for (level = 1; level <= 4; level++)
		expect_sealed(entry_of(second, gfn[level], ENTRY));
	dp_audit(&dp);
	dp_run_until(vcpu, 0);
	dp_audit(&dp);
	unmap_gmem(second);
	dp_vm_free(&dp);
}

/*
 * What KVM writes by itself, where the guest tells it to.  The address is that
 * of a table, before it is one or after.
 */
static bool is_zero(u64 gfn)
{
	int i;

	for (i = 0; i < 512; i++) {
		if (READ_ONCE(dp_ptr(gfn)[i]))
			return false;
	}
	return true;
}

static void make_table(u64 gfn)
{
	int tries, i;
	long r = -EAGAIN;

	/* KVM may write between the last zero and the pin. */
	for (tries = 0; r && tries < 100; tries++) {
		dp_unseal(gfn);
		for (i = 0; i < 512; i++)
			WRITE_ONCE(dp_ptr(gfn)[i], 0);
		dp_seal(gfn);
		r = dp_pin(1, gfn);
		GUEST_ASSERT(!r || r == -EINVAL || r == -EPERM);
	}
	GUEST_ASSERT_EQ(r, 0);
	GUEST_ASSERT(is_zero(gfn));
}

static void guest_writers(u32 msr, u64 enable, bool before)
{
	u64 gfn = dp_alloc();
	int i;

	if (before) {
		if (wrmsr_safe(msr, gfn << PAGE_SHIFT | enable))
			GUEST_DONE();
		GUEST_SYNC(1);
		GUEST_SYNC(1);
	}
	make_table(gfn);
	/* Refused or accepted: it must not write. */
	if (!before)
		wrmsr_safe(msr, gfn << PAGE_SHIFT | enable);
	for (i = 0; i < STEPS; i++) {
		GUEST_SYNC(1);
		GUEST_ASSERT(is_zero(gfn));
	}

	GUEST_ASSERT_EQ(wrmsr_safe(msr, 0), 0);
	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
	dp_unseal(gfn);
	GUEST_ASSERT(is_zero(gfn));
}

/* It does write where it may. */
static void guest_control(u32 msr, u64 enable)
{
	u64 gfn = dp_alloc();

	if (wrmsr_safe(msr, gfn << PAGE_SHIFT | enable))
		GUEST_DONE();
	GUEST_SYNC(1);
	GUEST_SYNC(1);
	GUEST_ASSERT(!is_zero(gfn) || msr == MSR_KVM_STEAL_TIME);
	GUEST_ASSERT_EQ(wrmsr_safe(msr, 0), 0);
}

static void guest_clock(int cpu)
{
	guest_control(MSR_KVM_SYSTEM_TIME_NEW, 1);
	guest_writers(MSR_KVM_SYSTEM_TIME_NEW, 1, true);
	guest_writers(MSR_KVM_SYSTEM_TIME_NEW, 1, false);
}

static void guest_steal(int cpu)
{
	guest_control(MSR_KVM_STEAL_TIME, KVM_MSR_ENABLED);
	guest_writers(MSR_KVM_STEAL_TIME, KVM_MSR_ENABLED, true);
	guest_writers(MSR_KVM_STEAL_TIME, KVM_MSR_ENABLED, false);
}

/* Between two stages, everything that KVM writes is due. */
static void run_writers(dp_guest_fn guest)
{
	struct kvm_clock_data clock;
	struct kvm_vcpu *vcpu;
	struct ucall uc;
	struct dp_vm dp;

	dp_vm_create(&dp, guest, 1);
	dp_vm_start(&dp);
	vcpu = dp.vcpus[0];
	while (dp_run(vcpu, &uc) == UCALL_SYNC) {
		vm_ioctl(dp.vm, KVM_GET_CLOCK, &clock);
		clock.flags = 0;
		vm_ioctl(dp.vm, KVM_SET_CLOCK, &clock);
		usleep(100);
	}
	dp_audit(&dp);
	dp_vm_free(&dp);
}

TEST(kvmclock)
{
	run_writers(guest_clock);
}

TEST(steal_time)
{
	run_writers(guest_steal);
}

/* Results of hypercalls, which are the guest's memory as well. */
DP_TEST(results_in_a_table)
{
	struct kvm_dp_mmuext_op op = { .cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL };
	struct kvm_dp_multicall_entry *list;
	struct kvm_dp_mmu_update req = {};
	u64 gfn = dp_alloc(), maddr;
	u32 *done;

	/* A call to nowhere, in entries that are not present. */
	maddr = dp_link(DP_VA);
	list = (void *)dp_ptr(gfn);
	list->op = 0x1000ULL << 40;
	dp_seal(gfn);
	GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
	done = (u32 *)(dp_ptr(gfn) + 8);
	GUEST_ASSERT_EQ(*done, 0);

	req.ptr = maddr;
	req.val = dp_maddr(gfn) | DP_P;
	GUEST_ASSERT_EQ(dp_mmu_update(&req, 1, done), -EFAULT);
	GUEST_ASSERT_EQ(dp_get(maddr), 0);
	GUEST_ASSERT_EQ(dp_mmuext(&op, 1, done), -EFAULT);
	GUEST_ASSERT_EQ(*done, 0);
	GUEST_ASSERT_EQ(dp_multicall(list, 1), -EFAULT);
	GUEST_ASSERT_EQ(READ_ONCE(list->result), 0);

	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
	dp_unseal(gfn);
	GUEST_ASSERT_EQ(dp_mmu_update(&req, 0, done), 0);
	dp_unlink(DP_VA);
}

/*
 * What the VMM needs for itself it holds, and then it is no table.
 */
static u64 held_gfn;

static void guest_hold(int cpu)
{
	u64 gfn = dp_alloc();

	dp_seal(gfn);
	WRITE_ONCE(held_gfn, gfn);
	GUEST_SYNC(1);
	GUEST_ASSERT_EQ(dp_pin(1, gfn), -EBUSY);
	GUEST_SYNC(2);
	GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
	GUEST_SYNC(3);
	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
	dp_unseal(gfn);
	dp_free(gfn);
}

TEST(hold)
{
	struct kvm_x86_dp_hold hold = { .npages = 1 };
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	int fd, i;

	vcpu = dp_vm_begin(&dp, guest_hold);
	hold.gfn = dp_read_global(&dp, held_gfn);

	hold.flags = 1;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold), EINVAL);
	hold.flags = 0;
	for (i = 0; i < ARRAY_SIZE(hold.reserved); i++) {
		hold.reserved[i] = 1;
		DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold), EINVAL);
		hold.reserved[i] = 0;
	}
	hold.npages = 0;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold), EINVAL);
	hold.npages = DP_MAX_GFN;
	TEST_ASSERT(__vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold) < 0,
		    "More than all frames are held");
	hold.npages = 1;

	fd = __vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold);
	TEST_ASSERT(fd >= 0, KVM_IOCTL_ERROR(KVM_X86_DP_HOLD, fd));
	dp_audit(&dp);
	dp_run_until(vcpu, 2);
	close(fd);
	dp_run_until(vcpu, 3);
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold), EBUSY);
	dp_vm_end(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
