// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the interface of the VMM, how a VM starts, and which trees of
 * page tables it refuses to start with.
 */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK	0x5a5a5a5a5a5a5a5aULL

static void guest_nothing(int cpu)
{
}

/* The root that the host built is the one that the hardware walks. */
static void guest_good(int cpu)
{
	u64 gfn;

	GUEST_ASSERT_EQ(get_cr3(), dp_maddr(dp_boot.root_gfn));
	GUEST_ASSERT_EQ(get_cr0() & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE),
			X86_CR0_PG | X86_CR0_WP | X86_CR0_PE);
	GUEST_ASSERT_EQ(rdmsr(MSR_EFER) & (EFER_LMA | EFER_NX | EFER_SCE),
			EFER_LMA | EFER_NX);

	/* Entries hold machine frame numbers now, and tables are read-only. */
	GUEST_ASSERT_EQ(PTE_GET_PFN(dp_get(dp_walk(dp_root(), DP_LINEAR, 1))),
			dp_p2m[0]);
	dp_assert_read_only((u64)dp_ptr(dp_boot.root_gfn));
	dp_assert_read_only((u64)dp_entry_ptr(dp_walk(dp_root(), 0x400000, 1)));

	gfn = dp_alloc();
	GUEST_ASSERT(dp_p2m[gfn] != gfn);
	dp_free(gfn);
}

TEST(capability)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct dp_vm dp;

	TEST_ASSERT(kvm_check_cap(KVM_CAP_VM_TYPES) &
		    BIT(KVM_X86_DIRECT_PAGING_VM), "The VM type is not listed");
	dp_vm_create(&dp, guest_nothing, 0);
	TEST_ASSERT(vm_check_cap(dp.vm, KVM_CAP_X86_DIRECT_PAGING) > 0,
		    "The VM does not have what /dev/kvm has");
	dp_audit(&dp);
	dp_vm_free(&dp);
	kvm_vm_free(vm);
}

/* Other VMs have none of it. */
TEST(other_vm)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_vcpu *vcpu = __vm_vcpu_add(vm, 0);
	struct kvm_x86_dp_start_vcpu start_vcpu = {};
	struct kvm_x86_dp_audit audit = {};
	struct kvm_x86_dp_start start = {};
	struct kvm_x86_dp_read read = {};
	struct kvm_x86_dp_hold hold = {};
	struct kvm_x86_dp_p2m p2m = {};

	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_START, &start), ENOTTY);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_P2M, &p2m), ENOTTY);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_HOLD, &hold), ENOTTY);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_READ, &read), ENOTTY);
	DP_EXPECT(__vm_ioctl(vm, KVM_X86_DP_AUDIT, &audit), ENOTTY);
	/* What all of x86 says to ioctls of vCPUs that it does not know. */
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_X86_DP_START_VCPU, &start_vcpu),
		  EINVAL);
	kvm_vm_free(vm);
}

/* Words of an argument that must be zero, one after the other. */
static void expect_reserved(struct dp_vm *dp, unsigned long request, void *arg,
			    __u64 *words, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		words[i] = 1;
		DP_EXPECT(ioctl(dp->vm->fd, request, arg), EINVAL);
		words[i] = 1ULL << 63;
		DP_EXPECT(ioctl(dp->vm->fd, request, arg), EINVAL);
		words[i] = 0;
	}
}

TEST(start_arguments)
{
	struct kvm_x86_dp_start start = {};
	struct dp_vm dp;

	dp_vm_create(&dp, guest_nothing, 1);
	start.root_gfn = dp.root_gfn;
	expect_reserved(&dp, KVM_X86_DP_START, &start, &start.flags,
			7);
	DP_EXPECT(ioctl(dp.vm->fd, KVM_X86_DP_START, NULL), EFAULT);
	DP_EXPECT(__dp_vm_start(&dp, dp_boot.slot0_pages), EINVAL);
	DP_EXPECT(__dp_vm_start(&dp, DP_MAX_GFN), EINVAL);
	DP_EXPECT(__dp_vm_start(&dp, 1ULL << 40), EINVAL);
	DP_EXPECT(__dp_vm_start(&dp, ~0ULL), EINVAL);

	DP_EXPECT(__dp_vm_start(&dp, dp.root_gfn), 0);
	DP_EXPECT(__dp_vm_start(&dp, dp.root_gfn), EEXIST);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

TEST(p2m_arguments)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = DP_POOL_GFN,
		.npages = 8,
		.gpa = (DP_MAX_GFN - 1) << PAGE_SHIFT,
	};
	u64 *list, *all;
	struct dp_vm dp;
	int i;

	dp_vm_create(&dp, guest_nothing, 1);
	expect_reserved(&dp, KVM_X86_DP_P2M, &p2m, &p2m.flags,
			5);
	DP_EXPECT(ioctl(dp.vm->fd, KVM_X86_DP_P2M, NULL), EFAULT);

	/* Nothing written so far; then what the library got. */
	list = dp_gfn_hva(&dp, DP_MAX_GFN - 1);
	all = dp_gfn_hva(&dp, DP_POOL_GFN);
	for (i = 0; i < 9; i++)
		TEST_ASSERT(!list[i], "A refused call wrote entry %d", i);
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), 0);
	TEST_ASSERT(!memcmp(list, all + DP_POOL_GFN, 8 * sizeof(u64)),
		    "Two lists for the same frames");
	TEST_ASSERT(!list[8], "More was written than asked for");

	p2m.gpa += 4;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EINVAL);
	p2m.gpa -= 4;
	p2m.gfn = dp_boot.slot0_pages;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EINVAL);
	p2m.gfn = DP_MAX_GFN - 7;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EINVAL);
	p2m.gfn = ~0ULL - 3;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EINVAL);
	p2m.gfn = DP_POOL_GFN;
	p2m.npages = ~0ULL;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EINVAL);
	p2m.npages = 8;
	p2m.gpa = DP_MAX_GFN << PAGE_SHIFT;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EFAULT);

	/* A table is nothing to write a list to. */
	dp_vm_start(&dp);
	p2m.gpa = dp.root_gfn << PAGE_SHIFT;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_P2M, &p2m), EFAULT);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

TEST(audit_arguments)
{
	struct kvm_x86_dp_audit audit = {};
	struct dp_vm dp;

	dp_vm_create(&dp, guest_nothing, 1);
	expect_reserved(&dp, KVM_X86_DP_AUDIT, &audit, &audit.flags, 1);
	expect_reserved(&dp, KVM_X86_DP_AUDIT, &audit, audit.reserved, 5);
	DP_EXPECT(ioctl(dp.vm->fd, KVM_X86_DP_AUDIT, NULL), EFAULT);

	audit = dp_audit(&dp);
	TEST_ASSERT(!audit.tables[3] && !audit.roots, "Roots before the start");
	dp_vm_start(&dp);
	audit = dp_audit(&dp);
	TEST_ASSERT(audit.tables[3] == 1, "%llu level-4 tables",
		    audit.tables[3]);
	TEST_ASSERT(audit.roots == 1, "%llu roots", audit.roots);
	TEST_ASSERT(audit.tables[0] && audit.tables[1] && audit.tables[2] &&
		    audit.writable && audit.readable,
		    "A running VM has tables and leaves");
	dp_vm_free(&dp);
}

TEST(read_tables)
{
	struct kvm_x86_dp_read read = {};
	u64 buffer[512] = {}, *image;
	struct dp_vm dp;
	int i;

	dp_vm_create(&dp, guest_nothing, 1);
	dp_vm_start(&dp);

	read.gpa = dp.root_gfn << PAGE_SHIFT;
	read.size = sizeof(buffer);
	read.buffer = (u64)buffer;
	expect_reserved(&dp, KVM_X86_DP_READ, &read, &read.flags,
			5);
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_READ, &read), 0);

	/* The same entries, but for what the host writes into some slots. */
	image = dp.image + (dp.root_gfn << PAGE_SHIFT);
	for (i = 0; i < 512; i++) {
		if (i < KVM_DP_M2P_SLOT ||
		    i >= KVM_DP_M2P_SLOT + KVM_DP_HOST_SLOTS)
			TEST_ASSERT(!(image[i] & DP_P) == !(buffer[i] & DP_P),
				    "Entry %d is another one", i);
	}

	read.buffer = 0;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_READ, &read), EFAULT);
	read.buffer = (u64)buffer;
	read.gpa = (DP_MAX_GFN << PAGE_SHIFT) - 8;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_READ, &read), EINVAL);
	read.gpa = ~0ULL - 8;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_READ, &read), EINVAL);
	dp_vm_free(&dp);
}

static void expect_start_vcpu(struct kvm_vcpu *vcpu,
			      struct kvm_x86_dp_start_vcpu *args, int error)
{
	DP_EXPECT(__vcpu_ioctl(vcpu, KVM_X86_DP_START_VCPU, args), error);
}

TEST(vcpu_arguments)
{
	struct kvm_x86_dp_start_vcpu good, args;
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;
	int i;

	dp_vm_create(&dp, guest_good, 1);
	vcpu = dp_vcpu_create(&dp, 0);
	good = dp_vcpu_args(&dp, 0);

	/* There is no root, and then no vCPU that has one. */
	expect_start_vcpu(vcpu, &good, EINVAL);
	DP_EXPECT(__dp_vm_start(&dp, dp.root_gfn), 0);
	DP_EXPECT(__vcpu_run(vcpu), EINVAL);

	args = good;
	args.flags = 1;
	expect_start_vcpu(vcpu, &args, EINVAL);
	args = good;
	for (i = 0; i < ARRAY_SIZE(args.reserved); i++) {
		args.reserved[i] = 1;
		expect_start_vcpu(vcpu, &args, EINVAL);
		args.reserved[i] = 0;
	}

	args = good;
	args.rip = 1ULL << 47;
	expect_start_vcpu(vcpu, &args, EINVAL);

	/* A table of another level, data, no frame at all. */
	args = good;
	args.root_gfn = PTE_GET_PFN(((u64 *)(dp.image + (dp.root_gfn <<
							 PAGE_SHIFT)))[0]);
	expect_start_vcpu(vcpu, &args, EINVAL);
	args.root_gfn = DP_MAX_GFN - 1;
	expect_start_vcpu(vcpu, &args, EINVAL);
	args.root_gfn = DP_MAX_GFN;
	expect_start_vcpu(vcpu, &args, EINVAL);
	args.root_gfn = ~0ULL;
	expect_start_vcpu(vcpu, &args, EINVAL);
	DP_EXPECT(ioctl(vcpu->fd, KVM_X86_DP_START_VCPU, NULL), EFAULT);

	/* None of this did harm. */
	DP_EXPECT(__vcpu_run(vcpu), EINVAL);
	dp_vcpu_start(&dp, 0);
	dp_vm_end(&dp);
}

/* Ways to spoil an entry of the tree, which is that of @va at a level. */
struct bad_tree {
	const char *name;
	u64 va;
	int level;
	u64 clear;
	u64 set;
	int error;
};

#define ADDR	PHYSICAL_PAGE_MASK

static const struct bad_tree bad_trees[] = {
	{ "PCD in a leaf", DP_LINEAR, 1, 0, DP_PCD, EINVAL },
	{ "PWT in a leaf", DP_LINEAR, 1, 0, DP_PWT, EINVAL },
	{ "PAT in a leaf", DP_LINEAR, 1, 0, BIT_ULL(7), EINVAL },
	{ "key in a leaf", DP_LINEAR, 1, 0, BIT_ULL(59), EINVAL },
	{ "PCD in level 2", DP_LINEAR, 2, 0, DP_PCD, EINVAL },
	{ "PCD in level 3", DP_LINEAR, 3, 0, DP_PCD, EINVAL },
	{ "PCD in level 4", DP_LINEAR, 4, 0, DP_PCD, EINVAL },
	{ "PS in level 4", DP_LINEAR, 4, 0, DP_PS, EINVAL },
	{ "crooked large leaf", DP_LINEAR, 2, 0, DP_PS | 0x2000, EINVAL },
	/* Two that no memory is behind, and one that is not contiguous. */
	{ "crooked leaf of 1 GiB", DP_LINEAR, 3, 0, DP_PS, EINVAL },
	{ "foreign leaf of 1 GiB", DP_LINEAR, 3, ADDR, DP_PS | BIT_ULL(30),
	  EPERM },
	{ "leaf of 1 GiB", DP_LINEAR, 3, ADDR, DP_PS, EINVAL },
	{ "read-only leaf of 1 GiB", DP_LINEAR, 3, ADDR | DP_RW,
	  DP_PS | DP_NX, EINVAL },
	{ "large leaf at level 4", DP_LINEAR, 4, ADDR, DP_PS, EINVAL },
	{ "foreign frame", DP_LINEAR, 1, ADDR, DP_MAX_GFN << PAGE_SHIFT,
	  EPERM },
	{ "wild frame", DP_LINEAR, 1, ADDR, ADDR, EPERM },
	{ "foreign table", DP_LINEAR, 2, ADDR, DP_MAX_GFN << PAGE_SHIFT,
	  EPERM },
};

static struct kvm_x86_dp_audit weak_audit(struct dp_vm *dp)
{
	struct kvm_x86_dp_audit audit = {};

	vm_ioctl(dp->vm, KVM_X86_DP_AUDIT, &audit);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	return audit;
}

/* Nothing is a table afterwards, and nothing runs. */
static void expect_refused(struct dp_vm *dp, int error, const char *name)
{
	int r = __dp_vm_start(dp, dp->root_gfn);
	struct kvm_x86_dp_audit audit;

	TEST_ASSERT(r < 0 && errno == error, "%s: %d, errno %d, not %d", name,
		    r, errno, error);
	audit = weak_audit(dp);
	TEST_ASSERT(!audit.tables[3], "%s: there is a root", name);
	dp_vm_free(dp);
}

TEST(bad_entries)
{
	const struct bad_tree *bad;
	struct dp_vm dp;
	u64 *entry;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad_trees); i++) {
		bad = &bad_trees[i];
		dp_vm_create(&dp, guest_nothing, 1);
		entry = dp_boot_entry(&dp, bad->va, bad->level);
		*entry = (*entry & ~bad->clear) | bad->set;
		expect_refused(&dp, bad->error, bad->name);
	}
}

/* A VMM that takes its entries from the P2M list: the kernel converts once. */
TEST(machine_numbers)
{
	struct dp_vm dp;
	const u64 *p2m;
	u64 *entry;
	u64 gfn;

	dp_vm_create(&dp, guest_nothing, 1);
	p2m = dp_gfn_hva(&dp, DP_POOL_GFN);
	for (gfn = DP_POOL_GFN; gfn < DP_MAX_GFN; gfn++) {
		if (p2m[gfn] >= DP_MAX_GFN)
			break;
	}
	TEST_ASSERT(gfn < DP_MAX_GFN, "No frame number is above all of the VM");

	entry = dp_boot_entry(&dp, DP_LINEAR, 1);
	*entry = (*entry & ~ADDR) | p2m[gfn] << PAGE_SHIFT;
	expect_refused(&dp, EPERM, "machine frame number");
}

/* A table that is mapped writable, in the last entry that is looked at. */
TEST(writable_table)
{
	struct dp_vm dp;
	u64 gpa;

	dp_vm_create(&dp, guest_nothing, 1);
	*dp_boot_entry(&dp, DP_LINEAR + (dp.root_gfn << PAGE_SHIFT), 1) |=
		DP_RW;
	expect_refused(&dp, EBUSY, "writable root");

	dp_vm_create(&dp, guest_nothing, 1);
	gpa = PTE_GET_PA(*dp_boot_entry(&dp, DP_LINEAR, 2));
	*dp_boot_entry(&dp, DP_LINEAR + gpa, 1) |= DP_RW;
	expect_refused(&dp, EBUSY, "writable level-1 table");
}

TEST(loops)
{
	u64 *root, entry;
	struct dp_vm dp;

	dp_vm_create(&dp, guest_nothing, 1);
	root = dp_gfn_hva(&dp, dp.root_gfn);
	root[5] = dp.root_gfn << PAGE_SHIFT | DP_LEAF;
	expect_refused(&dp, EBUSY, "root in itself");

	dp_vm_create(&dp, guest_nothing, 1);
	*dp_boot_entry(&dp, DP_LINEAR, 3) = dp.root_gfn << PAGE_SHIFT | DP_LEAF;
	expect_refused(&dp, EBUSY, "root below level 3");

	dp_vm_create(&dp, guest_nothing, 1);
	entry = *dp_boot_entry(&dp, DP_LINEAR, 3);
	*dp_boot_entry(&dp, DP_LINEAR, 2) = entry;
	expect_refused(&dp, EBUSY, "level 2 in itself");
}

/* What is in the host's slots of a root is neither looked at nor used. */
TEST(host_slots)
{
	u64 *root, buffer[512];
	struct kvm_x86_dp_read read = { .size = sizeof(buffer) };
	int i, link = dp_index(DP_LINEAR, 4);
	struct dp_vm dp;

	dp_vm_create(&dp, guest_good, 1);
	root = dp_gfn_hva(&dp, dp.root_gfn);
	/* Nonsense, and what would be a link anywhere else. */
	for (i = 0; i < KVM_DP_HOST_SLOTS; i++)
		root[KVM_DP_M2P_SLOT + i] = i & 1 ? root[link] : MARK | DP_P;
	dp_vm_start(&dp);
	dp_run_until(dp.vcpus[0], 0);

	read.gpa = dp.root_gfn << PAGE_SHIFT;
	read.buffer = (u64)buffer;
	DP_EXPECT(__vm_ioctl(dp.vm, KVM_X86_DP_READ, &read), 0);
	for (i = 1; i < KVM_DP_HOST_SLOTS; i++)
		TEST_ASSERT(!buffer[KVM_DP_M2P_SLOT + i], "Slot %d has %#lx",
			    KVM_DP_M2P_SLOT + i, buffer[KVM_DP_M2P_SLOT + i]);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

DP_TEST(good_tree)
{
	guest_good(cpu);
}

/* The window that the host adds says the opposite of the P2M list. */
DP_TEST(m2p)
{
	u64 gfn, error;

	for (gfn = 0; gfn < dp_boot.slot0_pages; gfn++)
		GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), gfn);
	for (gfn = DP_POOL_GFN; gfn < DP_MAX_GFN; gfn++)
		GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), gfn);

	gfn = (u64)&dp_m2p[dp_p2m[DP_POOL_GFN]];
	GUEST_ASSERT_EQ(dp_store_ec(gfn, 0, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, PFERR_PRESENT_MASK | PFERR_WRITE_MASK);
	GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[DP_POOL_GFN]]), DP_POOL_GFN);
}

static u64 seen_cpus;

DP_SMP_TEST(second_vcpu, 2)
{
	guest_good(cpu);
	__atomic_or_fetch(&seen_cpus, 1 << cpu, __ATOMIC_SEQ_CST);
	while (READ_ONCE(seen_cpus) != 3)
		cpu_relax();
}

/* Slots of memory that nothing can be validated in. */
TEST(bad_slots)
{
	size_t size = 16 * PAGE_SIZE;
	const u64 gfn = 0x4000;
	struct dp_vm dp;
	void *p, *anon;
	int fd;

	dp_vm_create(&dp, guest_nothing, 1);
	anon = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(anon != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, 0, gfn, 16, anon, -1, 0),
		  EINVAL);

	/* Memory that the VMM cannot map. */
	fd = __vm_create_guest_memfd(dp.vm, size, 0);
	if (fd >= 0) {
		DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
					gfn, 16, anon, fd, 0), EINVAL);
		close(fd);
	}

	fd = vm_create_guest_memfd(dp.vm, size, DP_GMEM_FLAGS);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD |
				KVM_MEM_READONLY, gfn, 16, p, fd, 0), EINVAL);
	DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD |
				KVM_MEM_LOG_DIRTY_PAGES, gfn, 16, p, fd, 0),
		  EINVAL);
	DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD, gfn, 17,
				p, fd, 0), EINVAL);
	DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD, gfn, 16,
				p, fd, 0), 0);
	DP_EXPECT(__dp_set_slot(&dp, DP_FREE_SLOT, 0, gfn, 0, NULL, -1, 0), 0);
	dp_audit(&dp);

	close(fd);
	munmap(p, size);
	munmap(anon, size);
	dp_vm_free(&dp);
}

TEST(bad_memory)
{
	size_t size = 16 * PAGE_SIZE;
	struct kvm_vm *vm = vm_create_barebones();
	struct dp_vm dp;
	int fd;

	dp_vm_create(&dp, guest_nothing, 1);
	DP_EXPECT(__vm_create_guest_memfd(dp.vm, size, DP_GMEM_FLAGS | BIT(2)),
		  EINVAL);
	DP_EXPECT(__vm_create_guest_memfd(dp.vm, size,
					  DP_GMEM_FLAGS | 1ULL << 63), EINVAL);
	/* Tables without a way to fill them make no sense. */
	DP_EXPECT(__vm_create_guest_memfd(dp.vm, size,
					  GUEST_MEMFD_FLAG_PAGE_TABLES),
		  EINVAL);
	DP_EXPECT(__vm_create_guest_memfd(vm, size, DP_GMEM_FLAGS), EINVAL);

	/* Private mappings are copied on write: the guest would not see it. */
	fd = vm_create_guest_memfd(dp.vm, size, DP_GMEM_FLAGS);
	TEST_ASSERT(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			 0) == MAP_FAILED, "A private mapping is refused");
	TEST_ASSERT(errno == EINVAL, "%s", strerror(errno));
	close(fd);
	dp_vm_free(&dp);
	kvm_vm_free(vm);
}

/*
 * Signals, so many that none of these calls gets far between two of them.
 */
static int alarms;

static void on_alarm(int sig)
{
	WRITE_ONCE(alarms, alarms + 1);
}

static void arm(u64 ns)
{
	struct itimerspec its = {
		.it_value.tv_nsec = ns,
		.it_interval.tv_nsec = ns,
	};
	struct sigevent sev = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1,
	};
	struct sigaction sa = { .sa_handler = on_alarm };
	static timer_t timer;
	static bool made;

	if (!made) {
		sigaction(SIGUSR1, &sa, NULL);
		TEST_ASSERT(!timer_create(CLOCK_MONOTONIC, &sev, &timer),
			    "timer_create: %s", strerror(errno));
		made = true;
	}
	timer_settime(timer, 0, &its, NULL);
}

#define FIRST_NS	100000
#define MAX_CALLS	10000

/* Goes on from where it was, so that even a storm does not keep it off. */
TEST(start_and_signals)
{
	struct kvm_x86_dp_audit audit;
	struct dp_vm dp;
	int r, n = 0;

	dp_vm_create(&dp, guest_good, 1);
	arm(FIRST_NS);
	while ((r = __dp_vm_start(&dp, dp.root_gfn)) && n++ < MAX_CALLS) {
		TEST_ASSERT(errno == EINTR, "START: %s", strerror(errno));
		audit = weak_audit(&dp);
		TEST_ASSERT(audit.partial && !audit.tables[3] && !audit.roots,
			    "%llu partial tables", audit.partial);
	}
	arm(0);
	TEST_ASSERT(!r, "No end after %d calls", n);
	TEST_ASSERT(n, "START was never interrupted");
	DP_EXPECT(__dp_vm_start(&dp, dp.root_gfn), EEXIST);
	audit = dp_audit(&dp);
	TEST_ASSERT_EQ(audit.tables[3], 1);

	dp_vcpu_create(&dp, 0);
	dp_vcpu_start(&dp, 0);
	dp_vm_end(&dp);
}

/* Begin anew after each signal: these end when signals are rare enough. */
static void expect_interrupts(struct dp_vm *dp, unsigned long request,
			      void *arg, const char *name)
{
	int r, n = 0;
	u64 ns;

	for (ns = FIRST_NS; ns < NSEC_PER_SEC; ns += ns / 2) {
		arm(ns);
		r = ioctl(dp->vm->fd, request, arg);
		arm(0);
		if (!r)
			break;
		TEST_ASSERT(errno == EINTR, "%s: %s", name, strerror(errno));
		n++;
	}
	TEST_ASSERT(!r, "%s: no end", name);
	TEST_ASSERT(n, "%s was never interrupted", name);
}

TEST(p2m_and_signals)
{
	const u64 npages = DP_POOL_PAGES, size = npages * sizeof(u64);
	struct kvm_x86_dp_p2m p2m = {
		.gfn = DP_POOL_GFN,
		.npages = npages,
		.gpa = (DP_MAX_GFN << PAGE_SHIFT) - size,
	};
	struct kvm_x86_dp_audit audit = {};
	struct dp_vm dp;
	u64 *list, *all;

	dp_vm_create(&dp, guest_nothing, 1);
	list = addr_gpa2hva(dp.vm, p2m.gpa);
	all = dp_gfn_hva(&dp, DP_POOL_GFN);
	expect_interrupts(&dp, KVM_X86_DP_P2M, &p2m, "P2M");
	TEST_ASSERT(!memcmp(list, all + DP_POOL_GFN, size), "The list differs");

	/* The auditor, for one, is stopped by fatal signals only. */
	WRITE_ONCE(alarms, 0);
	arm(FIRST_NS);
	while (READ_ONCE(alarms) < 10)
		vm_ioctl(dp.vm, KVM_X86_DP_AUDIT, &audit);
	arm(0);
	dp_vm_free(&dp);
}

TEST(read_and_signals)
{
	const u64 size = 1024 * PAGE_SIZE;
	struct kvm_x86_dp_read read = {
		.gpa = DP_POOL_GFN << PAGE_SHIFT,
		.size = size,
	};
	struct dp_vm dp;
	void *buffer;

	dp_vm_create(&dp, guest_nothing, 1);
	memset(dp_gfn_hva(&dp, DP_POOL_GFN + 1023), 0x5a, PAGE_SIZE);
	buffer = calloc(1, size);
	TEST_ASSERT(buffer, "Insufficient memory");
	read.buffer = (u64)buffer;
	expect_interrupts(&dp, KVM_X86_DP_READ, &read, "READ");
	TEST_ASSERT(!memcmp(buffer, dp_gfn_hva(&dp, DP_POOL_GFN), size),
		    "What was read differs");
	free(buffer);
	dp_vm_free(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
