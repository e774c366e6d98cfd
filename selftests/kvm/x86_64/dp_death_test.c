// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: memory that fails.  It ends the VM whose slot it is in, and
 * no other: all that is left to do with that one is to close it.
 *
 * For root only.  Frames are marked, not broken, and stay marked: see keep().
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define OFFLINE_FILE	"/sys/devices/system/memory/hard_offline_page"
#define FLAGS_FILE	"/proc/kpageflags"
#define CGROUP_FILE	"/sys/fs/cgroup/cgroup.procs"
#define KPF_HWPOISON	BIT_ULL(19)
#define KPF_THP		BIT_ULL(22)

#define EXTRA_GFN	0x8000ULL
#define LARGE_PAGES	512
/* A file that is smaller than a folio of 2 MiB has none. */
#define SMALL_PAGES	64
#define DATA_FLAGS	(DP_GMEM_FLAGS & ~GUEST_MEMFD_FLAG_PAGE_TABLES)

/* The frame that fails. */
#define BAD		5
#define MARK		0x7e57ULL

enum use {
	USE_NONE,
	USE_WRITABLE,
	USE_TABLE,
	USE_LINKED,
	USE_ROOT,
	USES,
};

static u64 list_gfn;
static enum use use;

static void use_frame(u64 mfn)
{
	u64 maddr = mfn << PAGE_SHIFT, root = dp_boot.root_gfn;
	int i, kernel = dp_index(DP_LINEAR, 4);

	switch (READ_ONCE(use)) {
	case USE_WRITABLE:
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, maddr | DP_LEAF, 0), 0);
		dp_assert_writable(DP_VA);
		break;
	case USE_TABLE:
		GUEST_ASSERT_EQ(dp_pin_mfn(1, mfn), 0);
		break;
	case USE_LINKED:
		GUEST_ASSERT_EQ(dp_set(dp_slot(root, dp_index(DP_VA, 4) + 1),
				       maddr | DP_LEAF), 0);
		break;
	case USE_ROOT:
		for (i = 0; i <= kernel; i += kernel)
			GUEST_ASSERT_EQ(dp_set(maddr + i * sizeof(u64),
					       dp_ptr(root)[i]), 0);
		GUEST_ASSERT_EQ(dp_pin_mfn(4, mfn), 0);
		GUEST_ASSERT_EQ(dp_mov_cr3(maddr), 0);
		break;
	default:
		break;
	}
}

static void guest_uses(int cpu)
{
	u64 list = dp_alloc();

	WRITE_ONCE(list_gfn, list);
	dp_link(DP_VA);
	GUEST_SYNC(1);
	use_frame(READ_ONCE(dp_ptr(list)[BAD]));
	GUEST_SYNC(2);
	dp_enable_interrupts();
	for (;;)
		cpu_relax();
}

/*
 * Host
 */

struct extra {
	struct dp_vm dp;
	int gmem;
	u64 npages;
	u64 *hva;
	u64 mfns[LARGE_PAGES];
};

static int add_slot(struct extra *x)
{
	return __dp_set_slot(&x->dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
			     EXTRA_GFN, x->npages, x->hva, x->gmem, 0);
}

static int delete_slot(struct extra *x)
{
	return __dp_set_slot(&x->dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0, NULL, -1,
			     0);
}

static void tell_p2m(struct extra *x)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = x->npages,
		.gpa = dp_read_global(&x->dp, list_gfn) << PAGE_SHIFT,
	};

	vm_ioctl(x->dp.vm, KVM_X86_DP_P2M, &p2m);
	memcpy(x->mfns, dp_gfn_hva(&x->dp, p2m.gpa >> PAGE_SHIFT),
	       x->npages * sizeof(u64));
}

/* A VM that runs, and a slot of it that something may happen to. */
static void extra_create(struct extra *x, dp_guest_fn guest, u64 npages,
			 u64 flags)
{
	memset(x, 0, sizeof(*x));
	dp_vm_begin(&x->dp, guest);
	x->npages = npages;
	x->gmem = vm_create_guest_memfd(x->dp.vm, npages * PAGE_SIZE, flags);
	x->hva = mmap(NULL, npages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED, x->gmem, 0);
	TEST_ASSERT(x->hva != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	DP_EXPECT(add_slot(x), 0);
	tell_p2m(x);
}

static void extra_destroy(struct extra *x)
{
	munmap(x->hva, x->npages * PAGE_SIZE);
	close(x->gmem);
	dp_vm_free(&x->dp);
}

static u64 page_flags(u64 mfn)
{
	u64 flags = 0;
	int fd = open(FLAGS_FILE, O_RDONLY);

	TEST_ASSERT(pread(fd, &flags, sizeof(flags), mfn * sizeof(flags)) ==
		    sizeof(flags), FLAGS_FILE ": %s", strerror(errno));
	close(fd);
	return flags;
}

/* Whether the kernel gets the page out of use does not matter here. */
static void poison(u64 mfn)
{
	char text[32];
	int fd, n;

	n = snprintf(text, sizeof(text), "%#lx", mfn << PAGE_SHIFT);
	fd = open(OFFLINE_FILE, O_WRONLY);
	TEST_ASSERT(fd >= 0, OFFLINE_FILE ": %s", strerror(errno));
	if (write(fd, text, n) < 0)
		pr_debug("%#lx: %s\n", mfn, strerror(errno));
	close(fd);
	TEST_ASSERT(page_flags(mfn) & KPF_HWPOISON, "%#lx did not fail", mfn);
}

/*
 * The kernel sets a page that has failed aside as soon as it is freed, but not
 * if it is a part of a large folio: others would get it.  So keep the file,
 * until the machine goes down.
 */
static void keep(struct extra *x)
{
	int procs;
	pid_t pid;

	if (!(page_flags(x->mfns[BAD]) & KPF_THP))
		return;
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	setsid();
	if (fork())
		_exit(0);

	procs = open(CGROUP_FILE, O_WRONLY);
	if (procs >= 0 && write(procs, "0", 1) < 0)
		pr_info(CGROUP_FILE ": %s\n", strerror(errno));
	dup2(x->gmem, 0);
	closefrom(1);
	for (;;)
		pause();
}

static sigjmp_buf on_fault;

static void on_sigbus(int sig)
{
	siglongjmp(on_fault, 1);
}

/* Who has written to the page is told at once. */
static void advise_failure(void *p)
{
	struct sigaction old, sa = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &sa, &old);
	if (!sigsetjmp(on_fault, 1))
		madvise(p, PAGE_SIZE, MADV_HWPOISON);
	sigaction(SIGBUS, &old, NULL);
}

static bool can_read(u64 *p)
{
	struct sigaction old, sa = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &sa, &old);
	if (sigsetjmp(on_fault, 1)) {
		sigaction(SIGBUS, &old, NULL);
		return false;
	}
	READ_ONCE(*p);
	sigaction(SIGBUS, &old, NULL);
	return true;
}

/* All that there is, and some of what all VMs have. */
static void expect_dead_vm(struct extra *x)
{
	struct kvm_x86_dp_start start = { .root_gfn = x->dp.root_gfn };
	struct kvm_x86_dp_p2m p2m = { .npages = 1,
				      .gpa = DP_POOL_GFN << PAGE_SHIFT };
	struct kvm_create_guest_memfd gmem = { .size = PAGE_SIZE,
					       .flags = DP_GMEM_FLAGS };
	struct kvm_x86_dp_hold hold = { .gfn = DP_POOL_GFN, .npages = 1 };
	struct kvm_x86_dp_audit audit = {};
	u64 word;
	struct kvm_x86_dp_read read = { .size = sizeof(word),
					.buffer = (u64)&word };
	struct kvm_vm *vm = x->dp.vm;

	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_START, &start), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_P2M, &p2m), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_HOLD, &hold), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_READ, &read), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_AUDIT, &audit), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_CREATE_GUEST_MEMFD, &gmem), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_CREATE_VCPU, (void *)7), EIO);
	DP_EXPECT(__vm_ioctl(vm, KVM_GET_STATS_FD, NULL), EIO);
	DP_EXPECT(delete_slot(x), EIO);
	DP_EXPECT(__dp_set_slot(&x->dp, DP_FREE_SLOT + 1, KVM_MEM_GUEST_MEMFD,
				2 * EXTRA_GFN, x->npages, x->hva, x->gmem, 0),
		  EIO);
}

static void expect_dead(struct extra *x)
{
	struct kvm_x86_dp_start_vcpu args = dp_vcpu_args(&x->dp, 0);
	struct kvm_vcpu *vcpu = x->dp.vcpus[0];
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	/* The vCPU last: its guest would not come back. */
	expect_dead_vm(x);
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_X86_DP_START_VCPU, &args), EIO);
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_GET_REGS, &regs), EIO);
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs), EIO);
	DP_EXPECT(__vcpu_run(vcpu), EIO);
}

static bool is_large(struct extra *x)
{
	return page_flags(x->mfns[BAD]) & KPF_THP;
}

/* False if there is no large folio where one is wanted. */
static bool fail_in_use(enum use how, u64 npages, u64 flags)
{
	bool large = npages == LARGE_PAGES;
	struct extra x;
	int fd;

	extra_create(&x, guest_uses, npages, flags);
	if (large && !is_large(&x)) {
		extra_destroy(&x);
		return false;
	}
	/* Mapped, unless the guest makes it a table. */
	READ_ONCE(x.hva[BAD * 512]);
	x.hva[(BAD + 1) * 512] = MARK;
	dp_write_global(&x.dp, use, how);
	dp_run_until(x.dp.vcpus[0], 2);
	dp_audit(&x.dp);

	poison(x.mfns[BAD]);
	expect_dead(&x);

	/* No access to what has failed; to what has not, as before. */
	TEST_ASSERT(!can_read(&x.hva[BAD * 512]), "Use %d: it can be read", how);
	fd = open("/dev/zero", O_RDONLY);
	DP_EXPECT(read(fd, &x.hva[BAD * 512], 8), EFAULT);
	close(fd);
	TEST_ASSERT_EQ(x.hva[(BAD + 1) * 512], MARK);
	keep(&x);
	extra_destroy(&x);
	return true;
}

TEST(data)
{
	fail_in_use(USE_NONE, SMALL_PAGES, DP_GMEM_FLAGS);
	fail_in_use(USE_WRITABLE, SMALL_PAGES, DP_GMEM_FLAGS);
}

TEST(tables)
{
	enum use how;

	for (how = USE_TABLE; how < USES; how++)
		fail_in_use(how, SMALL_PAGES, DP_GMEM_FLAGS);
}

TEST(table_in_large_folio)
{
	if (!fail_in_use(USE_LINKED, LARGE_PAGES, DP_GMEM_FLAGS))
		SKIP(return, "No large folios");
}

TEST(data_only)
{
	fail_in_use(USE_NONE, SMALL_PAGES, DATA_FLAGS);
	fail_in_use(USE_WRITABLE, SMALL_PAGES, DATA_FLAGS);
}

/* By the VMM's own mapping, which memory for tables has no pages in. */
TEST(advice)
{
	struct extra x;

	extra_create(&x, guest_uses, SMALL_PAGES, DP_GMEM_FLAGS);
	x.hva[BAD * 512] = MARK;
	DP_EXPECT(madvise(&x.hva[BAD * 512], PAGE_SIZE, MADV_HWPOISON), EFAULT);
	TEST_ASSERT_EQ(x.hva[BAD * 512], MARK);
	dp_audit(&x.dp);
	dp_run_until(x.dp.vcpus[0], 2);
	extra_destroy(&x);

	extra_create(&x, guest_uses, SMALL_PAGES, DATA_FLAGS);
	x.hva[BAD * 512] = MARK;
	advise_failure(&x.hva[BAD * 512]);
	TEST_ASSERT(page_flags(x.mfns[BAD]) & KPF_HWPOISON, "No failure");
	expect_dead(&x);
	extra_destroy(&x);
}

static void *run_vcpu(void *vcpu)
{
	return __vcpu_run(vcpu) < 0 ? (void *)(long)errno : NULL;
}

/* A guest that runs is stopped, and a hold does not keep the VM alive. */
TEST(running)
{
	struct kvm_x86_dp_hold hold = { .gfn = EXTRA_GFN + BAD, .npages = 1 };
	pthread_t thread;
	struct extra x;
	void *error;
	int fd;

	extra_create(&x, guest_uses, SMALL_PAGES, DP_GMEM_FLAGS);
	dp_run_until(x.dp.vcpus[0], 2);
	fd = __vm_ioctl(x.dp.vm, KVM_X86_DP_HOLD, &hold);
	TEST_ASSERT(fd >= 0, KVM_IOCTL_ERROR(KVM_X86_DP_HOLD, fd));

	pthread_create(&thread, NULL, run_vcpu, x.dp.vcpus[0]);
	usleep(100000);
	poison(x.mfns[BAD]);
	pthread_join(thread, &error);
	TEST_ASSERT((long)error == EIO, "KVM_RUN: %s", strerror((long)error));
	expect_dead(&x);
	close(fd);
	extra_destroy(&x);
}

/* What is in no slot ends no VM, and does not get into one. */
static void fail_in_no_slot(struct extra *x)
{
	DP_EXPECT(delete_slot(x), 0);
	poison(x->mfns[BAD]);
	DP_EXPECT(add_slot(x), EHWPOISON);
	dp_audit(&x->dp);

	/* All but that frame can be had. */
	DP_EXPECT(__dp_set_slot(&x->dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
				EXTRA_GFN, BAD, x->hva, x->gmem, 0), 0);
	dp_write_global(&x->dp, use, USE_NONE);
	dp_run_until(x->dp.vcpus[0], 2);
	dp_audit(&x->dp);
}

TEST(slot)
{
	struct extra x, other;

	extra_create(&x, guest_uses, SMALL_PAGES, DP_GMEM_FLAGS);
	extra_create(&other, guest_uses, SMALL_PAGES, DP_GMEM_FLAGS);
	fail_in_no_slot(&x);
	extra_destroy(&x);

	dp_write_global(&other.dp, use, USE_TABLE);
	dp_run_until(other.dp.vcpus[0], 2);
	dp_audit(&other.dp);
	extra_destroy(&other);
}

TEST(slot_of_large_folio)
{
	bool large;
	struct extra x;

	extra_create(&x, guest_uses, LARGE_PAGES, DP_GMEM_FLAGS);
	large = is_large(&x);
	if (large)
		fail_in_no_slot(&x);
	extra_destroy(&x);
	if (!large)
		SKIP(return, "No large folios");
}

TEST(data_only_in_large_folio)
{
	if (!fail_in_use(USE_WRITABLE, LARGE_PAGES, DATA_FLAGS))
		SKIP(return, "No large folios");
}

int main(int argc, char *argv[])
{
	dp_require();
	__TEST_REQUIRE(!access(OFFLINE_FILE, W_OK) && !access(FLAGS_FILE, R_OK),
		       "No memory can be made to fail");

	return test_harness_run(argc, argv);
}
