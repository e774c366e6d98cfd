// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: memory that comes and goes while the guest runs.  It goes
 * only if nothing refers to it, and nothing does afterwards.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define EXTRA_GFN	0x8000ULL
#define EXTRA_PAGES	512
#define EXTRA_SIZE	(EXTRA_PAGES * PAGE_SIZE)

#define MARK		0x7e57ULL
#define ROUNDS		50

/* Why a slot is in use, one round of the guest for each. */
enum use {
	USE_READ_ONLY,
	USE_WRITABLE,
	USE_TABLE,
	USE_LINKED,
	USE_ROOT,
	USES,
};

static const char * const use_names[USES] = {
	"mapped read-only",
	"mapped writable",
	"a pinned table",
	"a linked table",
	"a root",
};

/* What the host tells the guest of a new slot, in a frame of the pool. */
static u64 list_gfn;

static void use_slot(enum use use, u64 mfn, u64 root)
{
	u64 maddr = mfn << PAGE_SHIFT;

	switch (use) {
	case USE_READ_ONLY:
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, maddr | DP_P, 0), 0);
		GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK);
		break;
	case USE_WRITABLE:
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, maddr | DP_LEAF, 0), 0);
		dp_assert_writable(DP_VA);
		break;
	case USE_TABLE:
		GUEST_ASSERT_EQ(dp_pin_mfn(2, mfn), 0);
		break;
	case USE_LINKED:
		GUEST_ASSERT_EQ(dp_set(dp_slot(root, dp_index(DP_VA, 4) + 1),
				       maddr | DP_LEAF), 0);
		break;
	default:
		GUEST_ASSERT_EQ(dp_pin_mfn(4, mfn), 0);
		GUEST_ASSERT_EQ(dp_mov_cr3(maddr), 0);
		GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn, 0), 0);
	}
}

static void drop_slot(enum use use, u64 mfn, u64 root)
{
	switch (use) {
	case USE_READ_ONLY:
	case USE_WRITABLE:
		/* Without a flush: that is for the host to see to. */
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), 0);
		break;
	case USE_TABLE:
		GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn, 0), 0);
		break;
	case USE_LINKED:
		GUEST_ASSERT_EQ(dp_set(dp_slot(root, dp_index(DP_VA, 4) + 1),
				       0), 0);
		break;
	default:
		GUEST_ASSERT_EQ(dp_mov_cr3(dp_maddr(root)), 0);
	}
}

/* The frame is nobody's, by whatever way. */
static void expect_gone(enum use use, u64 mfn)
{
	u64 maddr = mfn << PAGE_SHIFT;
	int level;

	dp_assert_unmapped(DP_VA);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, maddr | DP_P, 0), -EPERM);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, maddr | DP_LEAF, 0), -EPERM);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_mov_cr3(maddr), GP_VECTOR);
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(dp_pin_mfn(level, mfn), -EINVAL);
}

static void guest_uses(int cpu)
{
	u64 list = dp_alloc(), root = dp_boot.root_gfn, mfn;
	enum use use;

	WRITE_ONCE(list_gfn, list);
	dp_link(DP_VA);
	for (use = 0; use < USES; use++) {
		GUEST_SYNC(1);
		mfn = READ_ONCE(dp_ptr(list)[0]);
		/* Of a new root, the part that the guest needs to run. */
		if (use == USE_ROOT) {
			GUEST_ASSERT_EQ(dp_set(mfn << PAGE_SHIFT,
					       dp_ptr(root)[0]), 0);
			GUEST_ASSERT_EQ(dp_set((mfn << PAGE_SHIFT) +
					       dp_index(DP_LINEAR, 4) *
					       sizeof(u64),
					       dp_ptr(root)[dp_index(DP_LINEAR,
								     4)]), 0);
		}
		use_slot(use, mfn, root);
		GUEST_SYNC(2);
		drop_slot(use, mfn, root);
		GUEST_SYNC(3);
		expect_gone(use, mfn);
	}
	dp_unlink(DP_VA);
}

/*
 * Host
 */

struct extra {
	struct dp_vm dp;
	int gmem;
	u64 *hva;
};

static int punch(int gmem, off_t offset, off_t size)
{
	return fallocate(gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 offset, size);
}

static void extra_open(struct extra *x, u64 flags)
{
	x->gmem = vm_create_guest_memfd(x->dp.vm, EXTRA_SIZE, flags);
	x->hva = mmap(NULL, EXTRA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      x->gmem, 0);
	TEST_ASSERT(x->hva != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
}

static void extra_close(struct extra *x)
{
	munmap(x->hva, EXTRA_SIZE);
	close(x->gmem);
}

static void extra_create(struct extra *x, dp_guest_fn guest)
{
	dp_vm_create(&x->dp, guest, 1);
	dp_vm_start(&x->dp);
	extra_open(x, DP_GMEM_FLAGS);
}

static void extra_destroy(struct extra *x)
{
	dp_audit(&x->dp);
	extra_close(x);
	dp_vm_free(&x->dp);
}

static int add_slot(struct extra *x)
{
	return __dp_set_slot(&x->dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
			     EXTRA_GFN, EXTRA_PAGES, x->hva, x->gmem, 0);
}

static int delete_slot(struct extra *x)
{
	return __dp_set_slot(&x->dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0, NULL, -1,
			     0);
}

/* To the guest, by its frame for that. */
static void tell_p2m(struct extra *x)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = EXTRA_PAGES,
		.gpa = dp_read_global(&x->dp, list_gfn) << PAGE_SHIFT,
	};

	vm_ioctl(x->dp.vm, KVM_X86_DP_P2M, &p2m);
}

static void expect_busy(struct extra *x, const char *name)
{
	int r = delete_slot(x);

	TEST_ASSERT(r < 0 && errno == EBUSY, "%s: delete: %d, errno %d", name,
		    r, errno);
	r = punch(x->gmem, 0, EXTRA_SIZE);
	TEST_ASSERT(r < 0 && errno == EBUSY, "%s: punch: %d, errno %d", name,
		    r, errno);
	r = punch(x->gmem, 0, PAGE_SIZE);
	TEST_ASSERT(r < 0 && errno == EBUSY, "%s: punch: %d, errno %d", name,
		    r, errno);
}

TEST(uses)
{
	struct kvm_vcpu *vcpu;
	struct extra x;
	enum use use;

	extra_create(&x, guest_uses);
	vcpu = x.dp.vcpus[0];
	for (use = 0; use < USES; use++) {
		dp_run_until(vcpu, 1);
		DP_EXPECT(add_slot(&x), 0);
		tell_p2m(&x);
		memset(x.hva, 0, PAGE_SIZE);
		x.hva[0] = use < USE_TABLE ? MARK : 0;

		dp_run_until(vcpu, 2);
		expect_busy(&x, use_names[use]);
		dp_audit(&x.dp);
		dp_run_until(vcpu, 3);
		DP_EXPECT(delete_slot(&x), 0);
		DP_EXPECT(punch(x.gmem, 0, EXTRA_SIZE), 0);
		dp_audit(&x.dp);
	}
	dp_run_until(vcpu, 0);
	extra_destroy(&x);
}

static void guest_idle(int cpu)
{
	GUEST_SYNC(1);
}

/* Without a guest that cares: nothing is left of any of them. */
TEST(add_and_delete)
{
	struct kvm_x86_dp_audit before, after;
	struct extra x;
	int i;

	extra_create(&x, guest_idle);
	dp_run_until(x.dp.vcpus[0], 1);
	before = dp_audit(&x.dp);
	for (i = 0; i < ROUNDS; i++) {
		DP_EXPECT(add_slot(&x), 0);
		x.hva[i] = MARK;
		DP_EXPECT(delete_slot(&x), 0);
		TEST_ASSERT_EQ(x.hva[i], MARK);
	}
	after = dp_audit(&x.dp);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)),
		    "Slots that are gone are still seen");

	/* The file may go first, the slot then keeps the memory. */
	DP_EXPECT(add_slot(&x), 0);
	extra_close(&x);
	dp_audit(&x.dp);
	dp_run_until(x.dp.vcpus[0], 0);
	extra_open(&x, DP_GMEM_FLAGS);
	extra_destroy(&x);
}

TEST(refused_changes)
{
	struct extra x;
	u32 flags = KVM_MEM_GUEST_MEMFD;

	extra_create(&x, guest_idle);
	DP_EXPECT(add_slot(&x), 0);

	/* Moved, resized, watched. */
	DP_EXPECT(__dp_set_slot(&x.dp, DP_FREE_SLOT, flags, EXTRA_GFN + 512,
				EXTRA_PAGES, x.hva, x.gmem, 0), EINVAL);
	DP_EXPECT(__dp_set_slot(&x.dp, DP_FREE_SLOT, flags, EXTRA_GFN,
				EXTRA_PAGES - 1, x.hva, x.gmem, 0), EINVAL);
	DP_EXPECT(__dp_set_slot(&x.dp, DP_FREE_SLOT, flags |
				KVM_MEM_LOG_DIRTY_PAGES, EXTRA_GFN,
				EXTRA_PAGES, x.hva, x.gmem, 0), EINVAL);

	/* The same frames, and the same guest frames, once more. */
	DP_EXPECT(__dp_set_slot(&x.dp, DP_FREE_SLOT + 1, flags,
				EXTRA_GFN + 512, 1, x.hva, x.gmem, 0), EINVAL);
	DP_EXPECT(__dp_set_slot(&x.dp, DP_FREE_SLOT + 1, flags, EXTRA_GFN, 1,
				x.hva, x.gmem, 0), EEXIST);
	dp_audit(&x.dp);
	DP_EXPECT(delete_slot(&x), 0);
	extra_destroy(&x);
}

TEST(limit)
{
	struct extra x;
	int i, r, max;

	extra_create(&x, guest_idle);
	max = KVM_X86_DP_MAX_SLOTS - DP_FREE_SLOT;
	for (i = 0; i <= max; i++) {
		r = __dp_set_slot(&x.dp, DP_FREE_SLOT + i, KVM_MEM_GUEST_MEMFD,
				  EXTRA_GFN + 2 * i, 1, x.hva + i * 512,
				  x.gmem, i * PAGE_SIZE);
		DP_EXPECT(r, i < max ? 0 : ENOSPC);
	}
	dp_audit(&x.dp);
	for (i = 0; i < max; i++)
		DP_EXPECT(__dp_set_slot(&x.dp, DP_FREE_SLOT + i, 0,
					EXTRA_GFN + 2 * i, 0, NULL, -1, 0), 0);
	extra_destroy(&x);
}

/* Memory that was not made for tables: mapped as any, and never a table. */
static void guest_data_only(int cpu)
{
	u64 list = dp_alloc(), mfn;
	int level;

	WRITE_ONCE(list_gfn, list);
	dp_link(DP_VA);
	GUEST_SYNC(1);
	mfn = READ_ONCE(dp_ptr(list)[0]);
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(dp_pin_mfn(level, mfn), -EPERM);
	GUEST_ASSERT_EQ(dp_set(dp_walk(dp_root(), DP_VA, 2) + sizeof(u64),
			       mfn << PAGE_SHIFT | DP_LEAF), -EPERM);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, mfn << PAGE_SHIFT | DP_LEAF, 0), 0);
	GUEST_ASSERT_EQ(dp_store(DP_VA, MARK), 0);
	GUEST_SYNC(2);
	dp_unmap(DP_VA);
	GUEST_SYNC(3);
	dp_assert_unmapped(DP_VA);
}

TEST(data_only)
{
	struct kvm_vcpu *vcpu;
	struct extra x;

	dp_vm_create(&x.dp, guest_data_only, 1);
	dp_vm_start(&x.dp);
	vcpu = x.dp.vcpus[0];
	extra_open(&x, DP_GMEM_FLAGS & ~GUEST_MEMFD_FLAG_PAGE_TABLES);
	dp_run_until(vcpu, 1);
	DP_EXPECT(add_slot(&x), 0);
	tell_p2m(&x);
	dp_run_until(vcpu, 2);
	TEST_ASSERT_EQ(x.hva[0], MARK);
	expect_busy(&x, "mapped writable");
	dp_run_until(vcpu, 3);
	DP_EXPECT(delete_slot(&x), 0);
	dp_run_until(vcpu, 0);
	extra_destroy(&x);
}

/*
 * A tree in the new slot that the VMM fills: frame 0 is its root, 1 and 2 are
 * of level 3 and 2, and all others of level 1, full of read-only leaves.  The
 * guest pins and unpins it until it is gone, and signals cut it short.
 */
static void fill_tree(struct extra *x, const u64 *p2m)
{
	u64 *root = x->hva, *l3 = root + 512, *l2 = l3 + 512, *l1;
	int i, j;

	memset(x->hva, 0, EXTRA_SIZE);
	root[1] = p2m[1] << PAGE_SHIFT | DP_LEAF;
	l3[0] = p2m[2] << PAGE_SHIFT | DP_LEAF;
	for (i = 3; i < EXTRA_PAGES; i++) {
		l2[i] = p2m[i] << PAGE_SHIFT | DP_LEAF;
		l1 = x->hva + i * 512;
		for (j = 0; j < 512; j++)
			l1[j] = p2m[j] << PAGE_SHIFT | DP_P;
	}
}

static void guest_pins(int cpu)
{
	u64 list = dp_alloc(), mfn;
	long r;

	WRITE_ONCE(list_gfn, list);
	GUEST_SYNC(1);
	mfn = READ_ONCE(dp_ptr(list)[0]);
	do {
		r = dp_pin_mfn(4, mfn);
		if (!r)
			r = dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn, 0);
	} while (!r);
	GUEST_ASSERT_EQ(r, -EINVAL);
}

static int alarms;

static void on_alarm(int sig)
{
	WRITE_ONCE(alarms, alarms + 1);
}

/* Again and again, as a signal before KVM_RUN stops nothing; 0: no more. */
static void arm(u64 ns)
{
	struct itimerspec its = {
		.it_value.tv_nsec = ns,
		.it_interval.tv_nsec = ns,
	};
	static timer_t timer;
	static bool made;
	struct sigevent sev = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1,
	};
	struct sigaction sa = { .sa_handler = on_alarm };

	if (!made) {
		sigaction(SIGUSR1, &sa, NULL);
		TEST_ASSERT(!timer_create(CLOCK_MONOTONIC, &sev, &timer),
			    "timer_create: %d", errno);
		made = true;
	}
	timer_settime(timer, 0, &its, NULL);
}

/* True if the guest was stopped in the middle. */
static bool stop_in_pin(struct extra *x, u64 ns)
{
	struct kvm_x86_dp_audit audit = {};
	int r;

	arm(ns);
	r = __vcpu_run(x->dp.vcpus[0]);
	TEST_ASSERT(r < 0 && errno == EINTR, "KVM_RUN: %d, errno %d", r, errno);
	arm(0);
	vm_ioctl(x->dp.vm, KVM_X86_DP_AUDIT, &audit);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	return audit.partial;
}

TEST(partial_tables)
{
	struct kvm_vcpu *vcpu;
	bool partial = false;
	struct extra x;
	u64 list;
	int i;

	extra_create(&x, guest_pins);
	vcpu = x.dp.vcpus[0];
	dp_run_until(vcpu, 1);
	DP_EXPECT(add_slot(&x), 0);
	tell_p2m(&x);
	list = dp_read_global(&x.dp, list_gfn);
	fill_tree(&x, dp_gfn_hva(&x.dp, list));

	/* Begun and not done, or all done: that is in use. */
	for (i = 0; i < 200 && !partial; i++)
		partial = stop_in_pin(&x, 100000 * (1 + i % 40));
	if (!partial)
		pr_info("The guest was never stopped within a pin\n");
	while (delete_slot(&x)) {
		TEST_ASSERT(errno == EBUSY && !partial,
			    "Partial tables keep a slot: errno %d", errno);
		stop_in_pin(&x, 1000000);
	}
	DP_EXPECT(punch(x.gmem, 0, EXTRA_SIZE), 0);
	dp_audit(&x.dp);
	dp_run_until(vcpu, 0);
	extra_destroy(&x);
}

/* Nothing but a fatal signal stops a change of slots. */
TEST(signals)
{
	const u64 ns[] = { 50000, 200000, 1000000 };
	struct extra x;
	int i;

	extra_create(&x, guest_idle);
	dp_run_until(x.dp.vcpus[0], 1);
	for (i = 0; i < 3 * ARRAY_SIZE(ns); i++) {
		WRITE_ONCE(alarms, 0);
		arm(ns[i % ARRAY_SIZE(ns)]);
		do {
			DP_EXPECT(add_slot(&x), 0);
			dp_audit(&x.dp);
			DP_EXPECT(delete_slot(&x), 0);
		} while (READ_ONCE(alarms) < 5);
		arm(0);
		DP_EXPECT(punch(x.gmem, 0, EXTRA_SIZE), 0);
	}
	dp_run_until(x.dp.vcpus[0], 0);
	extra_destroy(&x);
}

/*
 * The M2P window of frames of which no two are in the same 2 MiB: those of one
 * file, with 2 MiB of other files between them.  Nothing else is in the VM, so
 * all that the window costs can be counted.
 */
#define SPREAD_PAGES	224
#define SPREAD_HALF	(SPREAD_PAGES / 2)
#define SPREAD_GPA	(EXTRA_GFN << PAGE_SHIFT)
#define WINDOW_MIN	(512 * 1024 / PAGE_SIZE)

struct spread {
	struct dp_vm dp;
	int gmem;
	int fill[SPREAD_PAGES];
	void *hva;
	u64 mfns[SPREAD_PAGES];
};

static void spread_open(struct spread *s)
{
	const u64 size = 511 * PAGE_SIZE;
	int i;

	s->dp.vm = vm_create_barebones_type(KVM_X86_DIRECT_PAGING_VM);
	s->gmem = vm_create_guest_memfd(s->dp.vm, SPREAD_PAGES * PAGE_SIZE,
					DP_GMEM_FLAGS);
	s->hva = mmap(NULL, SPREAD_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED, s->gmem, 0);
	TEST_ASSERT(s->hva != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	for (i = 0; i < SPREAD_PAGES; i++) {
		DP_EXPECT(fallocate(s->gmem, FALLOC_FL_KEEP_SIZE, i * PAGE_SIZE,
				    PAGE_SIZE), 0);
		s->fill[i] = vm_create_guest_memfd(s->dp.vm, size,
						   DP_GMEM_FLAGS);
		DP_EXPECT(fallocate(s->fill[i], FALLOC_FL_KEEP_SIZE, 0, size),
			  0);
	}
}

static void spread_close(struct spread *s)
{
	int i;

	munmap(s->hva, SPREAD_PAGES * PAGE_SIZE);
	close(s->gmem);
	for (i = 0; i < SPREAD_PAGES; i++)
		close(s->fill[i]);
	kvm_vm_free(s->dp.vm);
}

static int spread_add(struct spread *s, u64 first, u64 npages)
{
	return __dp_set_slot(&s->dp, 0, KVM_MEM_GUEST_MEMFD, EXTRA_GFN, npages,
			     s->hva + first * PAGE_SIZE, s->gmem,
			     first * PAGE_SIZE);
}

static void spread_delete(struct spread *s)
{
	DP_EXPECT(__dp_set_slot(&s->dp, 0, 0, EXTRA_GFN, 0, NULL, -1, 0), 0);
}

/* The frames' numbers, half of them at a time: all may be too many. */
static void spread_read(struct spread *s)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = SPREAD_HALF,
		.gpa = SPREAD_GPA,
	};
	int i;

	for (i = 0; i < SPREAD_PAGES; i += SPREAD_HALF) {
		DP_EXPECT(spread_add(s, i, SPREAD_HALF), 0);
		vm_ioctl(s->dp.vm, KVM_X86_DP_P2M, &p2m);
		memcpy(&s->mfns[i], s->hva + i * PAGE_SIZE,
		       SPREAD_HALF * sizeof(u64));
		spread_delete(s);
	}
}

/* Pages of the window: one for each number without its lowest bits. */
static u64 window_pages(struct spread *s, int n)
{
	u64 pages = 1;
	int i, j, shift;

	for (shift = 9; shift <= 27; shift += 9) {
		for (i = 0; i < n; i++) {
			for (j = 0; j < i; j++) {
				if (s->mfns[i] >> shift == s->mfns[j] >> shift)
					break;
			}
			pages += j == i;
		}
	}
	return pages;
}

TEST(scattered)
{
	u64 pages, empty;
	struct spread s;
	int n, full = 0;

	spread_open(&s);
	empty = vm_get_stat(s.dp.vm, "dp_m2p_bytes");
	TEST_ASSERT_EQ(empty, PAGE_SIZE);
	spread_read(&s);
	for (n = SPREAD_HALF; n <= SPREAD_PAGES; n++) {
		pages = window_pages(&s, n);
		if (pages > WINDOW_MIN + n / 8) {
			DP_EXPECT(spread_add(&s, 0, n), ENOSPC);
			pages = 1;
			full++;
		} else {
			DP_EXPECT(spread_add(&s, 0, n), 0);
			TEST_ASSERT_EQ(vm_get_stat(s.dp.vm, "dp_m2p_bytes"),
				       pages * PAGE_SIZE);
			dp_audit(&s.dp);
			spread_delete(&s);
		}
		TEST_ASSERT_EQ(vm_get_stat(s.dp.vm, "dp_m2p_bytes"), empty);
	}
	/* One that was refused leaves room for one that is not. */
	DP_EXPECT(spread_add(&s, 0, SPREAD_HALF), 0);
	dp_audit(&s.dp);
	spread_delete(&s);
	n = window_pages(&s, SPREAD_PAGES);
	spread_close(&s);
	if (!full)
		SKIP(return, "%d frames are within %d pages of the window",
		     SPREAD_PAGES, n);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
