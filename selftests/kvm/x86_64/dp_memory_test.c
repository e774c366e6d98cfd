// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what a guest can ask about its memory, what that memory costs
 * the host and on whose account, long calls that signals cut short, and several
 * VMs at a time.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK		0x1122334455667788ULL

/*
 * memory_op, by Xen's numbers
 */

#define OP_INCREASE		0
#define OP_DECREASE		1
#define OP_CURRENT		3
#define OP_MAXIMUM		4
#define OP_POPULATE		6
#define OP_MEMORY_MAP		9
#define OP_MACHPHYS_MAPPING	12
#define OP_EXTENT(n)		((u64)(n) << 6)

#define E820_RAM		1

struct e820_entry {
	u64 addr;
	u64 size;
	u32 type;
} __packed;

struct memory_map {
	u32 nr_entries;
	u32 pad;
	u64 buffer;
};

struct machphys_mapping {
	u64 v_start;
	u64 v_end;
	u64 max_mfn;
};

static long memory_op(u64 cmd, const void *arg)
{
	return dp_hypercall(KVM_DP_HC_MEMORY_OP, cmd, (u64)arg, 0, 0, 0);
}

DP_TEST(reservation)
{
	const u64 ops[] = { OP_CURRENT, OP_MAXIMUM };
	long pages = dp_boot.slot0_pages + DP_POOL_PAGES;
	u16 self = KVM_DP_DOMID_SELF, first = 0, none = self + 1;
	int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		GUEST_ASSERT_EQ(memory_op(ops[i], &self), pages);
		GUEST_ASSERT_EQ(memory_op(ops[i], &first), -ESRCH);
		GUEST_ASSERT_EQ(memory_op(ops[i], &none), -EPERM);
		GUEST_ASSERT_EQ(memory_op(ops[i], NULL), -EFAULT);
		GUEST_ASSERT_EQ(memory_op(ops[i], (void *)DP_VA), -EFAULT);
	}
}

DP_TEST(fixed_memory)
{
	const u64 ops[] = { OP_INCREASE, OP_DECREASE, OP_POPULATE };
	int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		GUEST_ASSERT_EQ(memory_op(ops[i], NULL), 0);
		GUEST_ASSERT_EQ(memory_op(ops[i] | OP_EXTENT(3), NULL), 3);
	}
	GUEST_ASSERT_EQ(memory_op(2, NULL), -ENOSYS);
	GUEST_ASSERT_EQ(memory_op(63, NULL), -ENOSYS);
}

DP_TEST(memory_map)
{
	struct e820_entry entries[4] = {};
	struct memory_map map = {
		.nr_entries = ARRAY_SIZE(entries),
		.buffer = (u64)entries,
	};

	GUEST_ASSERT_EQ(memory_op(OP_MEMORY_MAP, &map), 0);
	GUEST_ASSERT_EQ(map.nr_entries, 2);
	GUEST_ASSERT_EQ(entries[0].addr, 0);
	GUEST_ASSERT_EQ(entries[0].size, dp_boot.slot0_pages << PAGE_SHIFT);
	GUEST_ASSERT_EQ(entries[0].type, E820_RAM);
	GUEST_ASSERT_EQ(entries[1].addr, DP_POOL_GFN << PAGE_SHIFT);
	GUEST_ASSERT_EQ(entries[1].size, DP_POOL_PAGES << PAGE_SHIFT);
	GUEST_ASSERT_EQ(entries[1].type, E820_RAM);
	GUEST_ASSERT_EQ(entries[2].type, 0);

	/* No more than there is room for. */
	memset(entries, 0, sizeof(entries));
	map.nr_entries = 1;
	GUEST_ASSERT_EQ(memory_op(OP_MEMORY_MAP, &map), 0);
	GUEST_ASSERT_EQ(map.nr_entries, 1);
	GUEST_ASSERT_EQ(entries[0].type, E820_RAM);
	GUEST_ASSERT_EQ(entries[1].type, 0);
	map.nr_entries = 0;
	GUEST_ASSERT_EQ(memory_op(OP_MEMORY_MAP, &map), 0);
	GUEST_ASSERT_EQ(map.nr_entries, 0);

	map.nr_entries = ARRAY_SIZE(entries);
	map.buffer = DP_VA;
	GUEST_ASSERT_EQ(memory_op(OP_MEMORY_MAP, &map), -EFAULT);
	GUEST_ASSERT_EQ(memory_op(OP_MEMORY_MAP, (void *)DP_VA), -EFAULT);
}

DP_TEST(machphys_mapping)
{
	struct machphys_mapping mapping = {};
	u64 gfn = dp_alloc();

	GUEST_ASSERT_EQ(memory_op(OP_MACHPHYS_MAPPING, &mapping), 0);
	GUEST_ASSERT_EQ(mapping.v_start, KVM_DP_M2P_BASE);
	GUEST_ASSERT_EQ(mapping.v_end, KVM_DP_M2P_BASE + DP_L4_SIZE);
	GUEST_ASSERT_EQ(mapping.max_mfn, DP_L4_SIZE / sizeof(u64) - 1);
	GUEST_ASSERT_EQ(dp_m2p[dp_p2m[gfn]], gfn);

	/* Not into a page table, nor where the guest cannot write. */
	dp_seal(gfn);
	GUEST_ASSERT_EQ(memory_op(OP_MACHPHYS_MAPPING, dp_ptr(gfn)), -EFAULT);
	GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
	GUEST_ASSERT_EQ(memory_op(OP_MACHPHYS_MAPPING, dp_ptr(gfn)), -EFAULT);
	GUEST_ASSERT_EQ(dp_ptr(gfn)[0], 0);
	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
	dp_unseal(gfn);
	dp_free(gfn);
}

/*
 * What memory costs
 */

#define EXTRA_GFN	0x100000ULL
#define EXTRA_SIZE	(128ULL << 20)
#define EXTRA_PAGES	(EXTRA_SIZE / PAGE_SIZE)
#define MAX_FRAME_COST	32

#define CGROUP		"/sys/fs/cgroup"
#define OWN_CGROUP	CGROUP "/dp_memory_test"

/* Of what is charged in batches, and of what a slot of any VM costs. */
#define SLACK		BIT_ULL(20)

struct extra {
	u64 npages;
	int gmem;
	void *hva;
};

static void extra_add(struct dp_vm *dp, struct extra *x, u64 npages, u64 flags)
{
	x->npages = npages;
	x->gmem = vm_create_guest_memfd(dp->vm, npages * PAGE_SIZE, flags);
	x->hva = mmap(NULL, npages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED, x->gmem, 0);
	TEST_ASSERT(x->hva != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	DP_EXPECT(__dp_set_slot(dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
				EXTRA_GFN, npages, x->hva, x->gmem, 0), 0);
}

static void extra_delete(struct dp_vm *dp, struct extra *x)
{
	DP_EXPECT(__dp_set_slot(dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0, NULL, -1,
				0), 0);
	munmap(x->hva, x->npages * PAGE_SIZE);
	close(x->gmem);
}

static void guest_idle(int cpu)
{
	GUEST_SYNC(1);
}

/* Tables and pages of the window for these frames, but for its root. */
static u64 window_pages(struct dp_vm *dp)
{
	u64 gfn, mfn, n = 0, seen[DP_MAX_GFN];
	unsigned int shift, i, nr;

	for (shift = 9; shift <= 27; shift += 9) {
		nr = 0;
		for (gfn = 0; gfn < DP_MAX_GFN; gfn++) {
			if (gfn >= dp_boot.slot0_pages && gfn < DP_POOL_GFN)
				continue;
			mfn = dp_host_mfn(dp, gfn) >> shift;
			for (i = nr; i && seen[i - 1] != mfn; i--)
				;
			if (!i)
				seen[nr++] = mfn;
		}
		n += nr;
	}
	return n;
}

TEST(statistics)
{
	u64 frames, window, npages, other_frames, other_window;
	struct extra x;
	struct dp_vm dp;
	u64 cost;

	dp_vm_create(&dp, guest_idle, 1);
	npages = dp_boot.slot0_pages + DP_POOL_PAGES;
	frames = vm_get_stat(dp.vm, "dp_frame_bytes");
	window = vm_get_stat(dp.vm, "dp_m2p_bytes");
	TEST_ASSERT(frames >= 24 * npages && frames <= MAX_FRAME_COST * npages,
		    "%lu bytes for %lu frames", frames, npages);
	TEST_ASSERT_EQ(window, (window_pages(&dp) + 1) * PAGE_SIZE);

	extra_add(&dp, &x, EXTRA_PAGES, DP_GMEM_FLAGS);
	cost = vm_get_stat(dp.vm, "dp_frame_bytes") - frames;
	TEST_ASSERT(cost >= 24 * EXTRA_PAGES &&
		    cost <= MAX_FRAME_COST * EXTRA_PAGES,
		    "%lu bytes for %llu frames", cost, EXTRA_PAGES);
	cost = vm_get_stat(dp.vm, "dp_m2p_bytes") - window;
	TEST_ASSERT(cost >= 8 * EXTRA_PAGES / 2 && cost <= EXTRA_SIZE / 8,
		    "%lu bytes of the window for %llu frames", cost,
		    EXTRA_PAGES);

	extra_delete(&dp, &x);
	other_frames = vm_get_stat(dp.vm, "dp_frame_bytes");
	other_window = vm_get_stat(dp.vm, "dp_m2p_bytes");
	TEST_ASSERT_EQ(other_frames, frames);
	TEST_ASSERT_EQ(other_window, window);
	dp_vm_free(&dp);
}

static bool write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (!f)
		return false;
	ok = fputs(text, f) >= 0;
	return !fclose(f) && ok;
}

static bool cgroup_create(void)
{
	if (access(CGROUP "/cgroup.controllers", F_OK))
		mount("cgroup2", CGROUP, "cgroup2", 0, NULL);
	if (!write_file(CGROUP "/cgroup.subtree_control", "+memory"))
		return false;
	return !mkdir(OWN_CGROUP, 0755) || errno == EEXIST;
}

struct usage {
	u64 current;
	u64 file;
	u64 unevictable;
	u64 kernel;
};

static u64 stat_field(const char *name)
{
	char line[128], field[64];
	u64 value = 0, v;
	FILE *f = fopen(OWN_CGROUP "/memory.stat", "r");

	TEST_ASSERT(f, "memory.stat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lu", field, &v) == 2 &&
		    !strcmp(field, name))
			value = v;
	}
	fclose(f);
	return value;
}

/* The figures are up to date after two seconds at most. */
static struct usage usage(void)
{
	struct usage u = {};
	FILE *f;

	sleep(3);
	f = fopen(OWN_CGROUP "/memory.current", "r");
	TEST_ASSERT(f && fscanf(f, "%lu", &u.current) == 1, "memory.current");
	fclose(f);
	u.file = stat_field("file");
	u.unevictable = stat_field("unevictable");
	u.kernel = stat_field("kernel");
	return u;
}

static void expect_about(const char *what, u64 before, u64 after, u64 want)
{
	s64 off = after - before - want;

	TEST_ASSERT(off >= -(s64)SLACK / 2 && off <= (s64)SLACK,
		    "%s: %lu before, %lu after, %lu expected in between", what,
		    before, after, want);
}

static void charge(struct dp_vm *dp, u64 flags)
{
	struct usage before, during, after;
	struct extra x;
	u64 cost;

	before = usage();
	cost = -vm_get_stat(dp->vm, "dp_frame_bytes") -
	       vm_get_stat(dp->vm, "dp_m2p_bytes");
	extra_add(dp, &x, EXTRA_PAGES, flags);
	cost += vm_get_stat(dp->vm, "dp_frame_bytes") +
		vm_get_stat(dp->vm, "dp_m2p_bytes");
	TEST_ASSERT(cost > SLACK, "The cost of %lu shows nothing", cost);

	during = usage();
	expect_about("file", before.file, during.file, EXTRA_SIZE);
	expect_about("unevictable", before.unevictable, during.unevictable,
		     EXTRA_SIZE);
	expect_about("kernel", before.kernel, during.kernel, cost);
	expect_about("memory.current", before.current, during.current,
		     EXTRA_SIZE + cost);

	extra_delete(dp, &x);
	after = usage();
	expect_about("file, afterwards", before.file, after.file, 0);
	expect_about("kernel, afterwards", before.kernel, after.kernel, 0);
	expect_about("memory.current, afterwards", before.current,
		     after.current, 0);
}

static void charge_all(void)
{
	struct dp_vm dp;

	TEST_ASSERT(write_file(OWN_CGROUP "/cgroup.procs", "0"),
		    "Cannot enter the cgroup");
	dp_vm_create(&dp, guest_idle, 1);
	charge(&dp, DP_GMEM_FLAGS);
	charge(&dp, DP_GMEM_FLAGS & ~GUEST_MEMFD_FLAG_PAGE_TABLES);
	dp_vm_free(&dp);
}

TEST(cgroup)
{
	int status;
	pid_t pid;

	if (!cgroup_create())
		SKIP(return, "No memory cgroup");

	pid = fork();
	TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("fork", pid));
	if (!pid) {
		charge_all();
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid: %d", errno);
	TEST_ASSERT(!status, "The child's status is %#x", status);
	TEST_ASSERT(!rmdir(OWN_CGROUP), "rmdir: %s", strerror(errno));
}

static u64 rss(void)
{
	u64 size, resident;
	FILE *f = fopen("/proc/self/statm", "r");

	TEST_ASSERT(f && fscanf(f, "%lu %lu", &size, &resident) == 2, "statm");
	fclose(f);
	return resident * PAGE_SIZE;
}

#define RESIDENT_SIZE	(32ULL << 20)

/* What the OOM killer takes a VMM for. */
static u64 rss_of_touched(struct dp_vm *dp, u64 flags)
{
	const u64 npages = RESIDENT_SIZE / PAGE_SIZE;
	struct extra x;
	u64 before, after, i;

	extra_add(dp, &x, npages, flags);
	before = rss();
	for (i = 0; i < npages; i++)
		WRITE_ONCE(*(u64 *)(x.hva + i * PAGE_SIZE), i);
	after = rss();
	extra_delete(dp, &x);
	return after - before;
}

TEST(resident)
{
	u64 size = RESIDENT_SIZE, data, tables;
	struct dp_vm dp;

	dp_vm_create(&dp, guest_idle, 1);
	data = rss_of_touched(&dp,
			      DP_GMEM_FLAGS & ~GUEST_MEMFD_FLAG_PAGE_TABLES);
	tables = rss_of_touched(&dp, DP_GMEM_FLAGS);
	TEST_ASSERT(data >= size - SLACK && data <= size + SLACK,
		    "%lu bytes of data are %lu resident", size, data);
	TEST_ASSERT(tables <= SLACK, "Table-able memory is resident, %lu",
		    tables);
	dp_vm_free(&dp);
}

/*
 * Signals cut calls short
 */

#define BATCH		4096
#define BAD_ENTRY	3001
#define STORM_ROUNDS	40

static u32 nr_alarms;

static void on_alarm(int sig)
{
	WRITE_ONCE(nr_alarms, nr_alarms + 1);
}

static u64 storm_entry(const u64 *gfns, unsigned int round, unsigned int i)
{
	u64 flags = (i + round) & 1 ? DP_LEAF : DP_P;

	return dp_maddr(gfns[(i + round) % 3]) | flags | DP_NX;
}

/* Entry 0 is last written by the last request of all that hit it. */
static void expect_entries(u64 table, const u64 *gfns, unsigned int round,
			   unsigned int done)
{
	unsigned int i, n;
	u64 want;

	for (i = 0; i < 512; i++) {
		n = done - 1 - (done - 1 - i) % 512;
		want = storm_entry(gfns, round, n);
		GUEST_ASSERT_EQ(dp_get(dp_slot(table, i)), want);
	}
}

static void guest_storm(int cpu)
{
	const unsigned int pages = BATCH * 16 / PAGE_SIZE;
	u64 gfns[3] = { dp_alloc(), dp_alloc(), dp_alloc() };
	struct kvm_dp_mmu_update *reqs;
	u64 first, table;
	unsigned int i, round;
	u32 done;
	long r;

	table = dp_gfn(dp_link(DP_VA) >> PAGE_SHIFT);
	first = dp_alloc();
	for (i = 1; i < pages; i++)
		GUEST_ASSERT_EQ(dp_alloc(), first + i);
	reqs = (void *)dp_ptr(first);

	GUEST_SYNC(1);
	for (round = 0; round < STORM_ROUNDS; round++) {
		for (i = 0; i < BATCH; i++) {
			reqs[i].ptr = dp_slot(table, i % 512);
			reqs[i].val = storm_entry(gfns, round, i);
		}
		done = ~0;
		r = dp_mmu_update(reqs, BATCH, &done);
		GUEST_ASSERT_EQ(r, 0);
		GUEST_ASSERT_EQ(done, BATCH);
		expect_entries(table, gfns, round, BATCH);

		/* What comes before the bad one is done, and no more. */
		for (i = 0; i < BATCH; i++)
			reqs[i].val = storm_entry(gfns, round + 1, i);
		reqs[BAD_ENTRY].val |= DP_PCD;
		done = ~0;
		r = dp_mmu_update(reqs, BATCH, &done);
		GUEST_ASSERT_EQ(r, -EINVAL);
		GUEST_ASSERT_EQ(done, BAD_ENTRY);
		expect_entries(table, gfns, round + 1, BAD_ENTRY);
	}
	GUEST_SYNC(2);
	dp_unlink(DP_VA);
}

TEST(storm)
{
	const struct itimerval on = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerval off = {};
	struct sigaction sa = { .sa_handler = on_alarm };
	struct dp_vm dp;
	u64 cut;

	dp_vm_begin(&dp, guest_storm);

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &on, NULL);
	dp_run_until(dp.vcpus[0], 2);
	setitimer(ITIMER_REAL, &off, NULL);

	cut = vm_get_stat(dp.vm, "dp_continuations");
	printf("# %u signals, %lu continuations\n", READ_ONCE(nr_alarms), cut);
	TEST_ASSERT(READ_ONCE(nr_alarms), "There was no storm");
	TEST_ASSERT(cut >= STORM_ROUNDS * 2 * (BAD_ENTRY / 512),
		    "Only %lu continuations", cut);
	dp_audit(&dp);
	dp_vm_end(&dp);
}

/* More tables than one execution begins, which user space may map in between. */
#define STORM_TABLES	32

static u64 storm_tables[STORM_TABLES];

static void guest_tables(int cpu)
{
	unsigned int i, round;
	u64 parent = dp_alloc();

	for (i = 0; i < STORM_TABLES; i++) {
		storm_tables[i] = dp_alloc();
		dp_ptr(parent)[i] = dp_maddr(storm_tables[i]) | DP_LEAF;
		dp_seal(storm_tables[i]);
	}
	dp_seal(parent);

	for (round = 0; round < STORM_ROUNDS; round++) {
		GUEST_SYNC(1);
		GUEST_ASSERT_EQ(dp_pin(2, parent), 0);
		GUEST_ASSERT_EQ(dp_unpin(parent), 0);
	}
}

/* An audit whenever a signal comes between two executions of a call. */
static bool run_audited(struct dp_vm *dp, unsigned int *audits)
{
	struct kvm_x86_dp_audit audit = {};
	struct ucall uc;

	while (__vcpu_run(dp->vcpus[0])) {
		TEST_ASSERT_EQ(errno, EINTR);
		vm_ioctl(dp->vm, KVM_X86_DP_AUDIT, &audit);
		TEST_ASSERT(!audit.errors, "%llu errors, first: %.128s",
			    audit.errors, audit.first);
		*audits += audit.partial > 0;
	}
	switch (get_ucall(dp->vcpus[0], &uc)) {
	case UCALL_SYNC:
		return true;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		return false;
	}
}

TEST(storm_of_tables)
{
	const struct itimerval on = { { 0, 500 }, { 0, 500 } };
	const struct itimerval off = {};
	struct sigaction sa = { .sa_handler = on_alarm };
	unsigned int i, rounds = 0, audits = 0;
	struct dp_vm dp;
	u64 gfn;

	dp_vm_create(&dp, guest_tables, 1);
	dp_vm_start(&dp);

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &on, NULL);
	while (run_audited(&dp, &audits)) {
		rounds++;
		/* Some, so that each execution ends somewhere else. */
		for (i = 0; i < STORM_TABLES; i++) {
			if ((i + rounds) % 3 == 0)
				continue;
			gfn = dp_read_global(&dp, storm_tables[i]);
			READ_ONCE(*(u64 *)dp_gfn_hva(&dp, gfn));
		}
	}
	setitimer(ITIMER_REAL, &off, NULL);

	printf("# %u audits found a table half-way\n", audits);
	TEST_ASSERT_EQ(rounds, STORM_ROUNDS);
	TEST_ASSERT(audits, "no signal came between two executions");
	dp_audit(&dp);
	dp_vm_free(&dp);
}

/*
 * VMs beside each other
 */

#define BESIDE_ROUNDS	200
#define ORDINARY_PAGES	64
#define ORDINARY_GVA	0xc0000000ULL

static void guest_beside(int cpu)
{
	struct dp_tree tree;
	u64 gfn = dp_alloc();
	int i;

	for (i = 0; i < BESIDE_ROUNDS; i++) {
		dp_tree_up(&tree, DP_VA);
		GUEST_ASSERT_EQ(dp_baseptr(tree.gfn[4]), 0);
		WRITE_ONCE(*(u64 *)DP_VA, MARK + i);
		GUEST_ASSERT_EQ(*dp_ptr(tree.gfn[0]), MARK + i);
		GUEST_ASSERT_EQ(dp_baseptr(dp_boot.root_gfn), 0);
		dp_tree_down(&tree);

		dp_link(DP_VA);
		dp_map(DP_VA, gfn, DP_LEAF);
		dp_assert_writable(DP_VA);
		dp_unmap(DP_VA);
		dp_unlink(DP_VA);
	}
}

static void guest_ordinary(void)
{
	u64 round, i, *p;

	for (round = 0; round < BESIDE_ROUNDS; round++) {
		for (i = 0; i < ORDINARY_PAGES; i++) {
			p = (u64 *)(ORDINARY_GVA + i * PAGE_SIZE);
			GUEST_ASSERT_EQ(READ_ONCE(*p), round ? round + i : 0);
			WRITE_ONCE(*p, round + 1 + i);
		}
		dp_set_cr3(get_cr3());
		GUEST_SYNC(round);
	}
	GUEST_DONE();
}

static void *run_vcpu(void *vcpu)
{
	struct ucall uc;

	while (dp_run(vcpu, &uc) != UCALL_DONE)
		;
	return NULL;
}

TEST(beside_others)
{
	struct kvm_vcpu *vcpus[3];
	struct dp_vm dp[2];
	struct kvm_vm *vm;
	pthread_t threads[3];
	u64 gva;
	int i, r;

	for (i = 0; i < 2; i++) {
		dp_vm_create(&dp[i], guest_beside, 1);
		dp_vm_start(&dp[i]);
		vcpus[i] = dp[i].vcpus[0];
	}
	vm = vm_create_with_one_vcpu(&vcpus[2], guest_ordinary);
	gva = __vm_vaddr_alloc(vm, ORDINARY_PAGES * PAGE_SIZE, ORDINARY_GVA,
			       MEM_REGION_TEST_DATA);
	TEST_ASSERT_EQ(gva, ORDINARY_GVA);

	for (i = 0; i < 3; i++) {
		r = pthread_create(&threads[i], NULL, run_vcpu, vcpus[i]);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);

	/* Nor has the ordinary one anything of theirs. */
	TEST_ASSERT_EQ(vm_get_stat(vm, "dp_promotions"), 0);
	TEST_ASSERT_EQ(vm_get_stat(vm, "dp_frame_bytes"), 0);
	TEST_ASSERT_EQ(vm_get_stat(vm, "dp_m2p_bytes"), 0);
	kvm_vm_free(vm);
	for (i = 0; i < 2; i++) {
		dp_audit(&dp[i]);
		dp_vm_free(&dp[i]);
	}
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
