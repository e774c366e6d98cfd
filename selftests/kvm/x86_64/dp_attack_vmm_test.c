// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what a hostile VMM tries, with its own threads and with a
 * guest that helps it.
 *
 * Stores into page tables are in dp_seal_test, registers in dp_root_test, the
 * arguments of ioctls in dp_start_test.  Memory that an ordinary VM maps, too,
 * is in gmem_map_test, and a pfn cache by HVA in xen_hva_race_test.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define KILLS		40
#define ROUNDS		300
#define SPOILED		300
#define FORGED		(DP_FOREIGN_MFN << PAGE_SHIFT | DP_LEAF)

#define EXTRA_GFN	0x8000ULL
#define EXTRA_PAGES	512
#define EXTRA_SIZE	(EXTRA_PAGES * PAGE_SIZE)
#define DELETES		100

#define MAX_HELD	4096
#define GIB		BIT(30)

#define CGROUP		"/sys/fs/cgroup"

static void guest_rest(int cpu)
{
	GUEST_SYNC(1);
	dp_assert_read_only((u64)dp_ptr(dp_boot.root_gfn));
}

/*
 * What would take a vCPU out of its mode of paging, or give it another.
 */
static void refuse_states(struct kvm_vcpu *vcpu)
{
	const u32 states[] = { KVM_MP_STATE_INIT_RECEIVED,
			       KVM_MP_STATE_SIPI_RECEIVED };
	struct kvm_nested_state nested = { .size = sizeof(nested) };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID };
	struct kvm_vcpu_events events;
	struct kvm_mp_state state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		state.mp_state = states[i];
		DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &state), EINVAL);
	}

	vcpu_events_get(vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = 1;
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	events.smi.smm = 0;
	events.smi.pending = 1;
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	events.smi.pending = 0;
	events.smi.latched_init = 1;
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events), EINVAL);

	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap), EINVAL);
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SMI, NULL), EINVAL);
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_NESTED_STATE, &nested), EINVAL);
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_GET_NESTED_STATE, &nested), EINVAL);
}

static void refuse_vm_changes(struct kvm_vm *vm)
{
	const u32 caps[] = { KVM_CAP_X86_SMM, KVM_CAP_HYPERV_SYNIC2,
			     KVM_CAP_HYPERV_DIRECT_TLBFLUSH };
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_enable_cap cap = {};
	u64 addr = 0xfffbc000ULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		cap.cap = caps[i];
		DP_EXPECT(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL);
		TEST_ASSERT(!vm_check_cap(vm, caps[i]), "Capability %u",
			    caps[i]);
	}
	DP_EXPECT(ioctl(vm->fd, KVM_SET_TSS_ADDR, addr), EINVAL);
	DP_EXPECT(__vm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr), EINVAL);
	DP_EXPECT(ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, NULL), EINVAL);
	TEST_ASSERT(__vm_ioctl(vm, KVM_CREATE_DEVICE, &device) < 0,
		    "A device that may not snoop");
}

TEST(refused)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;

	vcpu = dp_vm_begin(&dp, guest_rest);
	refuse_states(vcpu);
	refuse_vm_changes(dp.vm);

	/* Nobody wakes it but the VMM, and it is as it was. */
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &state), 0);
	DP_EXPECT(__vcpu_run(vcpu), EINVAL);
	dp_audit(&dp);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &state), 0);
	dp_vm_end(&dp);
}

/*
 * Memory that was mapped and touched before it was the VM's: the root among
 * it.
 */
static __thread void *env;

static void on_bus_error(int sig)
{
	siglongjmp(*(sigjmp_buf *)env, sig);
}

static bool try_store(u64 *p, u64 val)
{
	sigjmp_buf here;
	bool done;

	env = &here;
	done = !sigsetjmp(here, 1);
	if (done)
		WRITE_ONCE(*p, val);
	return done;
}

static void catch_bus_errors(void)
{
	struct sigaction sa = { .sa_handler = on_bus_error };

	sigaction(SIGBUS, &sa, NULL);
}

TEST(early_mapping)
{
	struct dp_vm dp;
	u64 *root;

	catch_bus_errors();
	dp_vm_create(&dp, guest_rest, 1);
	root = dp_gfn_hva(&dp, dp.root_gfn);
	TEST_ASSERT(try_store(root + 100, 0), "It is memory still");
	dp_vm_start(&dp);
	TEST_ASSERT(!try_store(root + 100, FORGED), "The root can be written");
	dp_audit(&dp);
	dp_run_until(dp.vcpus[0], 1);
	TEST_ASSERT(!try_store(root + 100, FORGED), "The root can be written");
	dp_vm_end(&dp);
}

/*
 * A VMM that dies while KVM, on behalf of its guest, writes to what is a table
 * or was one.
 */
static u64 racing_gfn;

static void guest_results(int cpu)
{
	struct kvm_dp_mmuext_op op = { .cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL };
	u64 gfn = dp_alloc();
	long r;

	WRITE_ONCE(racing_gfn, gfn);
	for (;;) {
		dp_seal(gfn);
		GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
		r = dp_mmuext(&op, 1, (u32 *)dp_ptr(gfn));
		GUEST_ASSERT_EQ(r, -EFAULT);
		GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
		dp_unseal(gfn);
		/* KVM faults on it, as the VMM would. */
		r = dp_mmuext(&op, 1, (u32 *)dp_ptr(gfn));
		GUEST_ASSERT_EQ(r, 0);
		WRITE_ONCE(*dp_ptr(gfn), 0);
	}
}

/* The kernel copies to the frame, for a thread of the VMM. */
static void *reader(void *arg)
{
	struct dp_vm *dp = arg;
	int fd = open("/dev/zero", O_RDONLY);
	u64 gfn;

	for (;;) {
		gfn = dp_read_global(dp, racing_gfn);
		if (gfn && read(fd, dp_gfn_hva(dp, gfn), PAGE_SIZE) < 0)
			continue;
	}
	return NULL;
}

static void run_until_killed(void)
{
	pthread_t thread;
	struct dp_vm dp;

	dp_vm_create(&dp, guest_results, 1);
	dp_vm_start(&dp);
	pthread_create(&thread, NULL, reader, &dp);
	dp_run_until(dp.vcpus[0], 0);
}

static void expect_end(pid_t pid)
{
	int status, ms;

	for (ms = 0; ms < 20000; ms += 10) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			TEST_ASSERT(WIFSIGNALED(status) &&
				    WTERMSIG(status) == SIGKILL,
				    "The VMM ended by itself: %x", status);
			return;
		}
		usleep(10000);
	}
	TEST_FAIL("A VMM that was killed is still there");
}

TEST(killed)
{
	pid_t pid;
	int i;

	for (i = 0; i < KILLS; i++) {
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork: %d", errno);
		if (!pid) {
			run_until_killed();
			_exit(1);
		}
		/* Some before they run, most while they do. */
		usleep(20000 + 17000 * (i % 20));
		kill(pid, SIGKILL);
		expect_end(pid);
	}
}

/*
 * Slots of any size: an error, or an end by the limit of memory, and nothing
 * that the kernel complains of.
 */
static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		pr_info("%s: %s\n", path, strerror(errno));
	close(fd);
}

/* True if what is charged to this process has a limit now. */
static bool limit_memory(void)
{
	char max[16] = {};
	int fd;

	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP "/dp", 0700);
	write_file(CGROUP "/dp/memory.max", "200M");
	write_file(CGROUP "/dp/cgroup.procs", "0");
	fd = open(CGROUP "/dp/memory.max", O_RDONLY);
	if (fd < 0 || read(fd, max, sizeof(max) - 1) < 0)
		return false;
	close(fd);
	return atoll(max) == 200 << 20;
}

static void add_huge_slot(u64 size)
{
	struct dp_vm dp;
	int fd, r;

	dp_vm_create(&dp, guest_rest, 1);
	fd = __vm_create_guest_memfd(dp.vm, size, DP_GMEM_FLAGS);
	if (fd < 0)
		_exit(0);
	r = __dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD, BIT_ULL(24),
			  size >> PAGE_SHIFT, (void *)BIT_ULL(40), fd, 0);
	_exit(r < 0 ? 0 : 1);
}

TEST(huge_slots)
{
	const u64 sizes[] = { 129 * GIB, 342 * GIB, 900 * GIB,
			      (BIT(31) - 1) << PAGE_SHIFT,
			      BIT(31) << PAGE_SHIFT };
	unsigned int i;
	int status;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork: %d", errno);
		if (!pid) {
			/* Without it, the whole machine would go. */
			if (!limit_memory() && sizes[i] < 342 * GIB)
				_exit(2);
			add_huge_slot(sizes[i]);
		}
		TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid");
		if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
			pr_info("%lu GiB not tried without a cgroup\n",
				sizes[i] / GIB);
			continue;
		}
		TEST_ASSERT(WIFSIGNALED(status) || !WEXITSTATUS(status),
			    "%lu GiB is accepted: %x", sizes[i] / GIB, status);
	}
	rmdir(CGROUP "/dp");
}

/* Holds end somewhere, are counted, and outlive the VM's other files. */
static int hold(struct dp_vm *dp, u64 gfn, u64 npages)
{
	struct kvm_x86_dp_hold hold = { .gfn = gfn, .npages = npages };

	return __vm_ioctl(dp->vm, KVM_X86_DP_HOLD, &hold);
}

TEST(holds)
{
	int fds[3], fd;
	struct dp_vm dp;

	dp_vm_create(&dp, guest_rest, 1);
	dp_vm_start(&dp);
	DP_EXPECT(hold(&dp, DP_POOL_GFN, MAX_HELD + 1), ENOSPC);
	DP_EXPECT(hold(&dp, DP_MAX_GFN - 1, 2), EINVAL);
	DP_EXPECT(hold(&dp, ~0ULL, 2), EINVAL);
	DP_EXPECT(hold(&dp, DP_POOL_GFN, ~0ULL), ENOSPC);
	DP_EXPECT(hold(&dp, dp.root_gfn, 1), EBUSY);

	fds[0] = hold(&dp, DP_POOL_GFN, MAX_HELD / 2);
	TEST_ASSERT(fds[0] >= 0, "hold: %d", errno);
	fds[1] = hold(&dp, DP_POOL_GFN, MAX_HELD / 2);
	TEST_ASSERT(fds[1] >= 0, "hold: %d", errno);
	DP_EXPECT(hold(&dp, DP_POOL_GFN, 1), ENOSPC);
	dp_audit(&dp);
	close(fds[0]);
	/* Refused in the middle: what came before is not held. */
	DP_EXPECT(hold(&dp, 0, dp_boot.slot0_pages), EBUSY);
	dp_audit(&dp);
	fd = hold(&dp, DP_POOL_GFN, 1);
	TEST_ASSERT(fd >= 0, "hold: %d", errno);
	dp_run_until(dp.vcpus[0], 1);
	dp_run_until(dp.vcpus[0], 0);
	close(fds[1]);
	dp_vm_free(&dp);
	close(fd);
}

/*
 * Threads of the VMM against a guest that makes tables of the same frames.
 * What is a table does not change, whatever they write; and a pin that
 * succeeds found nothing forged.
 */
static u64 race_gfns[5];
static u64 stop_race;

static bool is_own(u64 gfn, unsigned int level)
{
	u64 entry;
	int i;

	for (i = 0; i < 512; i++) {
		entry = READ_ONCE(dp_ptr(gfn)[i]);
		if (level == 4 && i >= KVM_DP_M2P_SLOT &&
		    i < KVM_DP_M2P_SLOT + KVM_DP_HOST_SLOTS)
			continue;
		if (entry & DP_P && !dp_is_own(PTE_GET_PFN(entry)))
			return false;
	}
	return true;
}

/* The VMM may have cleared a link: what is below it was not pinned. */
static int lowest_level(struct dp_tree *tree)
{
	int level = 4;

	while (level > 1 &&
	       READ_ONCE(dp_ptr(tree->gfn[level])[dp_index(DP_VA, level)]))
		level--;
	return level;
}

static u64 sum_of(struct dp_tree *tree)
{
	int level = lowest_level(tree), i;
	u64 sum = 0;

	for (; level <= 4; level++) {
		for (i = 0; i < 512; i++)
			sum += (READ_ONCE(dp_ptr(tree->gfn[level])[i]) &
				~(DP_A | DP_D)) * (i + 1);
	}
	return sum;
}

/* What the VMM spoiled, by checked stores: the frames are read-only here. */
static void repair(struct dp_tree *tree)
{
	int level;

	for (level = 1; level <= 4; level++) {
		dp_set(dp_slot(tree->gfn[level], SPOILED), 0);
		dp_set(dp_slot(tree->gfn[level], dp_index(DP_VA, level)),
		       dp_maddr(tree->gfn[level - 1]) | DP_LEAF);
	}
}

static void guest_races(int cpu)
{
	struct dp_tree tree;
	unsigned int i, level, pinned = 0;
	u64 sum;
	long r;

	dp_tree_fill(&tree, DP_VA);
	dp_tree_seal(&tree);
	for (level = 0; level <= 4; level++)
		WRITE_ONCE(race_gfns[level], tree.gfn[level]);
	GUEST_SYNC(1);
	for (i = 0; i < ROUNDS; i++) {
		repair(&tree);
		r = dp_pin(4, tree.gfn[4]);
		GUEST_ASSERT(!r || r == -EPERM || r == -EBUSY || r == -EINVAL);
		if (r)
			continue;
		pinned++;
		sum = sum_of(&tree);
		for (level = lowest_level(&tree); level <= 4; level++)
			GUEST_ASSERT(is_own(tree.gfn[level], level));
		dp_set_cr3(dp_maddr(tree.gfn[4]));
		dp_set_cr3(dp_maddr(dp_boot.root_gfn));
		GUEST_ASSERT_EQ(sum_of(&tree), sum);
		GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	}
	GUEST_PRINTF("%u of %u pins\n", pinned, i);
	GUEST_ASSERT(pinned);
	WRITE_ONCE(stop_race, 1);
}

static bool is_over(struct dp_vm *dp)
{
	return dp_read_global(dp, stop_race);
}

/* In a mapping of its own that it makes anew now and then. */
static void *writer(void *arg)
{
	size_t size = DP_MAX_GFN << PAGE_SHIFT;
	struct dp_vm *dp = arg;
	u64 n = 0, gfn, *map;
	unsigned int level, i;

	while (!is_over(dp)) {
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   dp->gmem, 0);
		TEST_ASSERT(map != MAP_FAILED, "mmap: %d", errno);
		for (i = 0; i < 64; i++, n++) {
			level = 1 + n % 4;
			gfn = dp_read_global(dp, race_gfns[level]);
			/* The links as well, which are repaired. */
			try_store(map + gfn * 512 +
				  (n & 4 ? SPOILED : dp_index(DP_VA, level)),
				  n & 8 ? FORGED : 0);
		}
		munmap(map, size);
		usleep(500);
	}
	return NULL;
}

/* Other ways to frames: all may fail, none may harm. */
static void *caller(void *arg)
{
	struct kvm_x86_dp_read read = { .size = PAGE_SIZE };
	struct kvm_x86_dp_p2m p2m = { .gfn = DP_POOL_GFN, .npages = 512 };
	struct dp_vm *dp = arg;
	u64 buffer[512], gfn;
	unsigned int n = 0;
	int fd;

	read.buffer = (u64)buffer;
	while (!is_over(dp)) {
		gfn = dp_read_global(dp, race_gfns[1 + n++ % 4]);
		read.gpa = gfn << PAGE_SHIFT;
		vm_ioctl(dp->vm, KVM_X86_DP_READ, &read);
		fd = hold(dp, gfn, 1);
		TEST_ASSERT(fd >= 0 || errno == EBUSY, "hold: %d", errno);
		if (fd >= 0)
			close(fd);
		p2m.gpa = gfn << PAGE_SHIFT;
		if (n % 8 == 0 && __vm_ioctl(dp->vm, KVM_X86_DP_P2M, &p2m) < 0)
			TEST_ASSERT(errno == EFAULT, "P2M: %d", errno);
		if (n % 4 == 0)
			__dp_vm_start(dp, dp_read_global(dp, race_gfns[4]));
		usleep(500);
	}
	return NULL;
}

static void run_race(struct dp_vm *dp, void *(*attack)(void *arg))
{
	pthread_t threads[2];
	int i;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, attack, dp);
	dp_run_until(dp->vcpus[0], 0);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
}

static void race(void *(*attack)(void *arg))
{
	struct kvm_x86_dp_audit audit = {};
	struct dp_vm dp;

	catch_bus_errors();
	dp_vm_begin(&dp, guest_races);
	run_race(&dp, attack);
	vm_ioctl(dp.vm, KVM_X86_DP_AUDIT, &audit);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	dp_vm_free(&dp);
}

TEST(writers)
{
	race(writer);
}

TEST(callers)
{
	race(caller);
}

/* A slot goes, whenever it can, and comes again with the same frames. */
static u64 slot_mfns[2];

static void guest_slot(int cpu)
{
	u64 mfn, ok[2] = {};
	long r;

	dp_link(DP_VA);
	GUEST_SYNC(1);
	mfn = READ_ONCE(slot_mfns[0]);
	while (!READ_ONCE(stop_race)) {
		r = dp_pin_mfn(1, mfn);
		GUEST_ASSERT(!r || r == -EINVAL);
		if (!r) {
			ok[0]++;
			GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn,
					       0), 0);
		}
		r = dp_update_va(DP_VA, READ_ONCE(slot_mfns[1]) << PAGE_SHIFT | DP_LEAF,
				 KVM_DP_UVMF_INVLPG);
		GUEST_ASSERT(!r || r == -EPERM);
		if (r)
			continue;
		ok[1]++;
		/* As long as it is mapped, it is there. */
		dp_assert_writable(DP_VA);
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), 0);
	}
	GUEST_PRINTF("%lu pins, %lu mappings\n", ok[0], ok[1]);
	dp_invlpg(DP_VA);
	dp_unlink(DP_VA);
}

struct slot_race {
	struct dp_vm dp;
	int gmem;
	void *hva;
};

static int add_slot(struct slot_race *x)
{
	return __dp_set_slot(&x->dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
			     EXTRA_GFN, EXTRA_PAGES, x->hva, x->gmem, 0);
}

static void *deleter(void *arg)
{
	struct slot_race *x = arg;
	unsigned int busy = 0, n = 0;
	int r;

	while (n < DELETES) {
		r = __dp_set_slot(&x->dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0, NULL,
				  -1, 0);
		TEST_ASSERT(!r || errno == EBUSY, "delete: %d", errno);
		if (r) {
			busy++;
			continue;
		}
		DP_EXPECT(add_slot(x), 0);
		n++;
	}
	pr_info("%u times deleted, %u times busy\n", n, busy);
	dp_write_global(&x->dp, stop_race, 1);
	return NULL;
}

TEST(slots)
{
	struct kvm_x86_dp_p2m p2m = { .gfn = EXTRA_GFN, .npages = 2 };
	struct slot_race x;
	pthread_t thread;
	u64 *list;
	int i;

	dp_vm_create(&x.dp, guest_slot, 1);
	dp_vm_start(&x.dp);
	x.gmem = vm_create_guest_memfd(x.dp.vm, EXTRA_SIZE, DP_GMEM_FLAGS);
	x.hva = mmap(NULL, EXTRA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     x.gmem, 0);
	TEST_ASSERT(x.hva != MAP_FAILED, "mmap: %d", errno);
	DP_EXPECT(add_slot(&x), 0);
	dp_run_until(x.dp.vcpus[0], 1);

	/* By way of a frame that nobody uses: the list goes to the VMM. */
	p2m.gpa = (DP_MAX_GFN - 1) << PAGE_SHIFT;
	vm_ioctl(x.dp.vm, KVM_X86_DP_P2M, &p2m);
	list = dp_gfn_hva(&x.dp, DP_MAX_GFN - 1);
	for (i = 0; i < 2; i++)
		dp_write_global(&x.dp, slot_mfns[i], list[i]);

	pthread_create(&thread, NULL, deleter, &x);
	dp_run_until(x.dp.vcpus[0], 0);
	pthread_join(thread, NULL);
	dp_audit(&x.dp);
	munmap(x.hva, EXTRA_SIZE);
	close(x.gmem);
	dp_vm_free(&x.dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
