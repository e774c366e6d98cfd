// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem_map_test
 *
 * guest_memfd that user space can map, of both kinds: for data only, which is
 * memory like any other, and memory that can become page tables, of which user
 * space has nothing but its mapping.
 *
 * With the argument "poison" the test also makes memory fail.  The host will
 * not use those pages again before it is booted.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/elf.h>
#include <linux/falloc.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#ifndef KVM_X86_DIRECT_PAGING_VM
#define KVM_X86_DIRECT_PAGING_VM	30
#endif

#define DATA	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define TABLES	(DATA | GUEST_MEMFD_FLAG_PAGE_TABLES)

#define RW		(PROT_READ | PROT_WRITE)
#define LARGE		(2ul << 20)
#define SIZE		(2 * LARGE + 4 * PAGE_SIZE)
#define MAX_MAPPINGS	512
#define SLOT_GPA	0x100000000ul

static struct kvm_vm *vm;
static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* The signal that a store there raises, 0 if none. */
static int store(char *at, char what)
{
	int sig = sigsetjmp(fault, 1);

	if (!sig)
		WRITE_ONCE(*at, what);
	return sig;
}

static int create(uint64_t size, uint64_t flags)
{
	return __vm_create_guest_memfd(vm, size, flags);
}

static char *map(int fd, off_t offset, size_t size)
{
	char *p = mmap(NULL, size, RW, MAP_SHARED, fd, offset);

	TEST_ASSERT(p != MAP_FAILED, "mmap() failed, errno %d", errno);
	return p;
}

static void expect_no_mmap(int fd, int prot, int flags, int error)
{
	char *p = mmap(NULL, PAGE_SIZE, prot, flags, fd, 0);

	TEST_ASSERT(p == MAP_FAILED && errno == error,
		    "mmap() flags 0x%x: %p, errno %d, wanted errno %d", flags, p,
		    errno, error);
}

static void test_flags(void)
{
	static const uint64_t bad[] = {
		GUEST_MEMFD_FLAG_MMAP,
		GUEST_MEMFD_FLAG_INIT_SHARED,
		GUEST_MEMFD_FLAG_PAGE_TABLES,
		GUEST_MEMFD_FLAG_PAGE_TABLES | GUEST_MEMFD_FLAG_MMAP,
		GUEST_MEMFD_FLAG_PAGE_TABLES | GUEST_MEMFD_FLAG_INIT_SHARED,
	};
	int fd, i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		TEST_ASSERT(create(SIZE, bad[i]) == -1 && errno == EINVAL,
			    "Flags 0x%lx were taken", bad[i]);
	for (i = 0; i < 64; i++) {
		if (TABLES & BIT_ULL(i))
			continue;
		TEST_ASSERT(create(SIZE, TABLES | BIT_ULL(i)) == -1 &&
			    errno == EINVAL, "Flag %d was taken", i);
	}
	TEST_ASSERT(create(0, DATA) == -1 && errno == EINVAL, "Size 0");
	TEST_ASSERT(create(SIZE + 1, TABLES) == -1 && errno == EINVAL,
		    "Half a page");

	fd = create(SIZE, 0);
	TEST_ASSERT(fd >= 0, "Memory without flags is refused");
	expect_no_mmap(fd, RW, MAP_SHARED, ENODEV);
	expect_no_mmap(fd, RW, MAP_PRIVATE, ENODEV);
	close(fd);
}

/* No other VM may have any flag. */
static void test_ordinary_vm(void)
{
	struct kvm_vm *other = vm_create_barebones();
	int i;

	for (i = 0; i < 64; i++)
		TEST_ASSERT(__vm_create_guest_memfd(other, SIZE, BIT_ULL(i)) == -1 &&
			    errno == EINVAL, "Flag %d was taken", i);
	TEST_ASSERT(__vm_create_guest_memfd(other, SIZE, DATA) == -1, "DATA");
	TEST_ASSERT(__vm_create_guest_memfd(other, SIZE, TABLES) == -1, "TABLES");
	kvm_vm_free(other);
}

/* Zero at first, the same in all mappings, and no further than its end. */
static void test_content(uint64_t flags)
{
	int fd = create(SIZE, flags), i;
	char *p, *q, *beyond;

	TEST_ASSERT(fd >= 0, "Flags 0x%lx are refused, errno %d", flags, errno);
	expect_no_mmap(fd, RW, MAP_PRIVATE, EINVAL);
	expect_no_mmap(fd, PROT_READ, MAP_PRIVATE, EINVAL);

	p = map(fd, 0, SIZE);
	q = map(fd, 0, SIZE);
	beyond = map(fd, SIZE - PAGE_SIZE, 2 * PAGE_SIZE);
	for (i = 0; i < SIZE; i += sizeof(long))
		TEST_ASSERT(!*(long *)(p + i), "Not zero at 0x%x", i);

	for (i = 0; i < SIZE; i += PAGE_SIZE)
		p[i + 1] = i / PAGE_SIZE + 1;
	for (i = 0; i < SIZE; i += PAGE_SIZE)
		TEST_ASSERT(q[i + 1] == (char)(i / PAGE_SIZE + 1),
			    "Page %d differs", (int)(i / PAGE_SIZE));

	TEST_ASSERT_EQ(store(beyond, 1), 0);
	TEST_ASSERT_EQ(store(beyond + PAGE_SIZE, 1), SIGBUS);

	TEST_ASSERT(mremap(q, SIZE, SIZE + LARGE, MREMAP_MAYMOVE) == MAP_FAILED,
		    "A mapping grew");
	TEST_ASSERT(ftruncate(fd, SIZE + PAGE_SIZE) && errno == EINVAL,
		    "The file grew");

	/* The mapping keeps the file. */
	close(fd);
	TEST_ASSERT_EQ(store(p + LARGE, 7), 0);
	TEST_ASSERT_EQ(q[LARGE], 7);
	munmap(p, SIZE);
	munmap(q, SIZE);
	munmap(beyond, 2 * PAGE_SIZE);
}

static void test_protect(uint64_t flags)
{
	int fd = create(SIZE, flags);
	char *p = map(fd, 0, SIZE), *moved;

	TEST_ASSERT_EQ(store(p, 1), 0);
	TEST_ASSERT(!mprotect(p, SIZE, PROT_READ), "mprotect() read-only");
	TEST_ASSERT_EQ(store(p, 2), SIGSEGV);
	TEST_ASSERT_EQ(store(p + PAGE_SIZE, 2), SIGSEGV);
	TEST_ASSERT_EQ(p[0], 1);
	TEST_ASSERT(!mprotect(p, SIZE, PROT_NONE), "mprotect() none");
	TEST_ASSERT_EQ(store(p, 2), SIGSEGV);
	TEST_ASSERT(!mprotect(p, SIZE, RW), "mprotect() writable");
	TEST_ASSERT_EQ(store(p, 3), 0);

	moved = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0));
	TEST_ASSERT(moved != MAP_FAILED, "mremap() failed, errno %d", errno);
	TEST_ASSERT_EQ(moved[0], 3);
	TEST_ASSERT_EQ(store(moved, 4), 0);
	TEST_ASSERT_EQ(store(p, 4), SIGSEGV);

	munmap(moved, SIZE);
	close(fd);
}

/* The signal that kills a child which stores there, 0 if none. */
static int store_in_child(char *at)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		WRITE_ONCE(*at, 5);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "No child");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_fork(uint64_t flags)
{
	bool tables = flags & GUEST_MEMFD_FLAG_PAGE_TABLES;
	int fd = create(SIZE, flags), r;
	char *p = map(fd, 0, SIZE);

	p[0] = 1;
	TEST_ASSERT_EQ(store_in_child(p), tables ? SIGSEGV : 0);
	TEST_ASSERT_EQ(p[0], tables ? 1 : 5);

	r = madvise(p, SIZE, MADV_DOFORK);
	TEST_ASSERT(tables ? r && errno == EINVAL : !r, "MADV_DOFORK: %d", r);
	TEST_ASSERT_EQ(store_in_child(p), tables ? SIGSEGV : 0);

	munmap(p, SIZE);
	close(fd);
}

static int vmsplice_from(char *p)
{
	struct iovec iov = { .iov_base = p, .iov_len = PAGE_SIZE };
	int pipefd[2], r;

	TEST_ASSERT(!pipe(pipefd), "pipe() failed");
	r = vmsplice(pipefd[1], &iov, 1, SPLICE_F_NONBLOCK | SPLICE_F_GIFT);
	close(pipefd[0]);
	close(pipefd[1]);
	return r;
}

static int peek(char *p)
{
	int fd = open("/proc/self/mem", O_RDWR), r;
	char byte;

	TEST_ASSERT(fd >= 0, "No /proc/self/mem");
	r = pread(fd, &byte, 1, (off_t)(unsigned long)p);
	if (r == 1)
		r = pwrite(fd, &byte, 1, (off_t)(unsigned long)p);
	close(fd);
	return r;
}

/* Needs a file system that knows it, in the directory where the test runs. */
static bool direct_io(char *p, int *r)
{
	int fd = open("gmem_map_test.tmp", O_RDWR | O_CREAT | O_DIRECT, 0600);

	if (fd < 0)
		return false;
	*r = pwrite(fd, p, PAGE_SIZE, 0);
	if (*r == PAGE_SIZE)
		*r = pread(fd, p, PAGE_SIZE, 0);
	close(fd);
	unlink("gmem_map_test.tmp");
	return true;
}

/* What copies by the mapping works, what wants the page itself does not. */
static void test_gup(uint64_t flags)
{
	bool tables = flags & GUEST_MEMFD_FLAG_PAGE_TABLES;
	int fd = create(SIZE, flags), pipefd[2], r;
	char *p = map(fd, 0, SIZE);
	static char buffer[PAGE_SIZE];
	struct iovec local = { .iov_base = buffer, .iov_len = PAGE_SIZE };
	struct iovec remote = { .iov_base = p, .iov_len = PAGE_SIZE };
	char *large = p + LARGE + PAGE_SIZE;
	int i;

	for (i = 0; i < 2; i++, remote.iov_base = large) {
		memset(remote.iov_base, 0x5a, PAGE_SIZE);
		r = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
		TEST_ASSERT(r == (tables ? -1 : PAGE_SIZE), "readv %d", r);
		r = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
		TEST_ASSERT(r == (tables ? -1 : PAGE_SIZE), "writev %d", r);
		r = vmsplice_from(remote.iov_base);
		TEST_ASSERT(r == (tables ? -1 : PAGE_SIZE), "vmsplice %d", r);
		r = peek(remote.iov_base);
		TEST_ASSERT(r == (tables ? -1 : 1), "/proc/self/mem %d", r);
	}

	if (direct_io(p, &r))
		pr_info("O_DIRECT: %d\n", r);
	else
		pr_info("No O_DIRECT here\n");

	TEST_ASSERT(!pipe(pipefd), "pipe() failed");
	TEST_ASSERT(write(pipefd[1], p, PAGE_SIZE) == PAGE_SIZE, "write()");
	TEST_ASSERT(read(pipefd[0], large, PAGE_SIZE) == PAGE_SIZE, "read()");
	TEST_ASSERT(!memcmp(p, large, PAGE_SIZE), "write() and read() differ");
	close(pipefd[0]);
	close(pipefd[1]);

	munmap(p, SIZE);
	close(fd);
}

/* Only tables: mappings are limited, however they come about. */
static void test_limit(uint64_t flags)
{
	bool tables = flags & GUEST_MEMFD_FLAG_PAGE_TABLES;
	static char *p[MAX_MAPPINGS];
	int fd = create(SIZE, flags), i;

	for (i = 0; i < MAX_MAPPINGS; i++)
		p[i] = map(fd, 0, 3 * PAGE_SIZE);
	if (!tables) {
		munmap(map(fd, 0, PAGE_SIZE), PAGE_SIZE);
		goto out;
	}

	expect_no_mmap(fd, RW, MAP_SHARED, ENOMEM);
	TEST_ASSERT(mprotect(p[0] + PAGE_SIZE, PAGE_SIZE, PROT_READ) &&
		    errno == ENOMEM, "mprotect() made one more");
	TEST_ASSERT(munmap(p[0] + PAGE_SIZE, PAGE_SIZE) && errno == ENOMEM,
		    "munmap() made one more");
	TEST_ASSERT_EQ(store(p[0], 1), 0);

	munmap(p[--i], 3 * PAGE_SIZE);
	p[i] = map(fd, 0, 3 * PAGE_SIZE);
	expect_no_mmap(fd, RW, MAP_SHARED, ENOMEM);
	munmap(p[--i], 3 * PAGE_SIZE);
	munmap(p[--i], 3 * PAGE_SIZE);
	TEST_ASSERT(!mprotect(p[0] + PAGE_SIZE, PAGE_SIZE, PROT_READ),
		    "mprotect() counts one too many, errno %d", errno);
	expect_no_mmap(fd, RW, MAP_SHARED, ENOMEM);
	p[0] = mremap(p[0], PAGE_SIZE, PAGE_SIZE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, p[i]);
	TEST_ASSERT(p[0] == p[i] || errno == ENOMEM, "mremap() errno %d", errno);
	i = MAX_MAPPINGS;
out:
	close(fd);
	while (i--)
		munmap(p[i], 3 * PAGE_SIZE);
}

static int punch(int fd, off_t offset, off_t size)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset,
			 size);
}

static bool is_page(char *p, char what)
{
	int i;

	for (i = 0; i < PAGE_SIZE; i++) {
		if (p[i] != what)
			return false;
	}
	return true;
}

/* A hole reads as zero, and what is beside it stays. */
static void test_hole(uint64_t flags, off_t offset, off_t size)
{
	int fd = create(SIZE, flags);
	char *p = map(fd, 0, SIZE);
	off_t i;

	TEST_ASSERT(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE),
		    "fallocate() failed, errno %d", errno);
	memset(p, 0x33, SIZE);
	TEST_ASSERT(!punch(fd, offset, size), "PUNCH_HOLE, errno %d", errno);
	for (i = 0; i < SIZE; i += PAGE_SIZE) {
		bool hole = i >= offset && i < offset + size;

		TEST_ASSERT(is_page(p + i, hole ? 0 : 0x33),
			    "Page %ld, hole from %ld to %ld",
			    (long)(i / PAGE_SIZE), (long)(offset / PAGE_SIZE),
			    (long)((offset + size) / PAGE_SIZE));
	}
	munmap(p, SIZE);
	close(fd);
}

static void test_holes(uint64_t flags)
{
	test_hole(flags, 0, SIZE);
	test_hole(flags, 0, PAGE_SIZE);
	test_hole(flags, PAGE_SIZE, 3 * PAGE_SIZE);
	test_hole(flags, LARGE - PAGE_SIZE, 2 * PAGE_SIZE);
	test_hole(flags, PAGE_SIZE, 2 * LARGE);
	test_hole(flags, LARGE, LARGE);
	test_hole(flags, 2 * LARGE + PAGE_SIZE, 2 * PAGE_SIZE);
	test_hole(flags, 2 * LARGE - PAGE_SIZE, 5 * PAGE_SIZE);
}

/* Bound to a slot, memory stays what it is; afterwards it does not. */
static void test_bound(uint64_t flags)
{
	int fd = create(LARGE, flags), r;
	char *p = map(fd, 0, LARGE);

	r = __vm_set_user_memory_region2(vm, 1, KVM_MEM_GUEST_MEMFD, SLOT_GPA,
					 LARGE / 2, p + LARGE / 4, fd, LARGE / 4);
	TEST_ASSERT(!r, "Slot refused, errno %d", errno);
	TEST_ASSERT_EQ(store(p + LARGE / 2, 1), 0);
	TEST_ASSERT(punch(fd, 0, LARGE) && errno == EBUSY, "Hole in a slot");
	TEST_ASSERT(punch(fd, LARGE / 4 * 3 - PAGE_SIZE, PAGE_SIZE) &&
		    errno == EBUSY, "Hole at the end of a slot");
	TEST_ASSERT(!punch(fd, LARGE / 4 * 3, LARGE / 4), "Hole behind");
	TEST_ASSERT(!punch(fd, 0, LARGE / 4), "Hole before");
	TEST_ASSERT_EQ(p[LARGE / 2], 1);

	r = __vm_set_user_memory_region2(vm, 1, KVM_MEM_GUEST_MEMFD, SLOT_GPA,
					 0, p + LARGE / 4, fd, LARGE / 4);
	TEST_ASSERT(!r, "Slot not deleted, errno %d", errno);
	TEST_ASSERT(!punch(fd, 0, LARGE), "Hole after the slot is gone");
	TEST_ASSERT_EQ(p[LARGE / 2], 0);
	munmap(p, LARGE);
	close(fd);
}

static void guest_code(void)
{
	WRITE_ONCE(*(char *)SLOT_GPA, 9);
	GUEST_DONE();
}

/*
 * Another VM may have memory for data only in a slot of its own.  That which
 * can become page tables KVM does not map for it.
 */
static void test_other_vm(uint64_t flags)
{
	bool tables = flags & GUEST_MEMFD_FLAG_PAGE_TABLES;
	int fd = create(SIZE, flags), r;
	char *p = map(fd, 0, SIZE);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *other;

	other = vm_create_with_one_vcpu(&vcpu, guest_code);
	vm_set_user_memory_region(other, 5, 0, SLOT_GPA, SIZE, p);
	virt_map(other, SLOT_GPA, SLOT_GPA, 1);

	p[0] = 1;
	r = _vcpu_run(vcpu);
	if (tables)
		TEST_ASSERT(r == -1 && errno == EFAULT, "KVM_RUN: %d", r);
	else
		TEST_ASSERT(!r, "KVM_RUN: %d, errno %d", r, errno);
	TEST_ASSERT_EQ(p[0], tables ? 1 : 9);

	kvm_vm_free(other);
	munmap(p, SIZE);
	close(fd);
}

/* A pfn cache is allowed, in any page of a folio: Xen's wall clock by HVA. */
static void test_cache(uint64_t flags)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = 0x40000200,
	};
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA,
	};
	int fd, i;
	struct kvm_vm *other;
	char *p;

	if (!(kvm_check_cap(KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA))
		return;

	fd = create(SIZE, flags);
	p = map(fd, 0, SIZE);
	other = vm_create_barebones();
	vm_ioctl(other, KVM_XEN_HVM_CONFIG, &config);
	for (i = 0; i < 3; i++) {
		attr.u.shared_info.hva = (unsigned long)p + i * PAGE_SIZE;
		vm_ioctl(other, KVM_XEN_HVM_SET_ATTR, &attr);
		TEST_ASSERT(!is_page(p + i * PAGE_SIZE, 0), "No clock in page %d",
			    i);
	}
	/* The memory goes before the cache does. */
	munmap(p, SIZE);
	close(fd);
	kvm_vm_free(other);
}

/*
 * The pagemap does not show the frames of page tables to be, so look for the
 * page by its content, in the kernel's map of all memory.
 */
static uint64_t find_frame(int fd, const struct elf64_phdr *segment,
			   uint64_t token)
{
	uint64_t words[2];
	off_t at;

	for (at = 0; at < segment->p_memsz; at += PAGE_SIZE) {
		if (pread(fd, words, sizeof(words), segment->p_offset + at) ==
		    sizeof(words) && words[0] == token && words[1] == ~token)
			return segment->p_paddr + at;
	}
	return 0;
}

static uint64_t physical_address(char *p)
{
	uint64_t token = 0x706f69736f6e0000ul | (getpid() & 0xffff), pa = 0;
	int fd = open("/proc/kcore", O_RDONLY), i;
	struct elf64_phdr segment;
	struct elf64_hdr elf;

	((uint64_t *)p)[0] = token;
	((uint64_t *)p)[1] = ~token;
	TEST_ASSERT(pread(fd, &elf, sizeof(elf), 0) == sizeof(elf), "No kcore");
	for (i = 0; i < elf.e_phnum && !pa; i++) {
		if (pread(fd, &segment, sizeof(segment), elf.e_phoff +
			  i * sizeof(segment)) == sizeof(segment) &&
		    segment.p_type == PT_LOAD && segment.p_paddr != -1ul)
			pa = find_frame(fd, &segment, token);
	}
	close(fd);
	TEST_ASSERT(pa, "The page is nowhere");
	return pa;
}

static void fail_page(char *p)
{
	FILE *f = fopen("/sys/devices/system/memory/hard_offline_page", "w");

	TEST_ASSERT(f, "The kernel cannot make memory fail");
	fprintf(f, "0x%lx", physical_address(p));
	/* The file keeps the page, which the kernel calls a failure: EBUSY. */
	fclose(f);
}

/* All mappings of the page are gone, and only those. */
static void test_poison(uint64_t flags, size_t size)
{
	int fd = create(size, flags);
	char *p = map(fd, 0, size);
	char *q = map(fd, 0, size);

	memset(p, 0x44, size);
	TEST_ASSERT_EQ(q[PAGE_SIZE], 0x44);
	fail_page(p + PAGE_SIZE);
	TEST_ASSERT_EQ(store(p + PAGE_SIZE, 1), SIGBUS);
	TEST_ASSERT_EQ(store(q + PAGE_SIZE, 1), SIGBUS);
	TEST_ASSERT_EQ(store(q, 1), 0);
	TEST_ASSERT(is_page(p + 2 * PAGE_SIZE, 0x44), "The next page changed");
	munmap(p, size);
	munmap(q, size);
	close(fd);
}

/*
 * The kernel gives up on a folio that cannot be split, and leaves its mappings
 * to the machine check.  There are no new ones.
 */
static void test_poison_large(void)
{
	int fd = create(LARGE, TABLES);
	char *p = map(fd, 0, LARGE);
	char *q = map(fd, 0, LARGE);

	memset(p, 0x44, LARGE);
	fail_page(p + PAGE_SIZE);
	TEST_ASSERT_EQ(store(q + PAGE_SIZE, 1), SIGBUS);
	TEST_ASSERT_EQ(store(q + 2 * PAGE_SIZE, 1), 0);
	munmap(p, LARGE);
	munmap(q, LARGE);
	close(fd);
}

static void test_kind(uint64_t flags)
{
	test_content(flags);
	test_protect(flags);
	test_fork(flags);
	test_gup(flags);
	test_limit(flags);
	test_holes(flags);
	test_bound(flags);
	test_other_vm(flags);
	test_cache(flags);
}

int main(int argc, char *argv[])
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = KVM_X86_DIRECT_PAGING_VM,
	};
	struct sigaction action = { .sa_handler = on_fault };
	int kvm_fd = open_kvm_dev_path_or_exit(), fd;

	/* A VM type without a bit in KVM_CAP_VM_TYPES, which has only 32. */
	fd = ioctl(kvm_fd, KVM_CREATE_VM, (void *)KVM_X86_DIRECT_PAGING_VM);
	__TEST_REQUIRE(fd >= 0, "No VMs with direct paging");
	close(fd);
	close(kvm_fd);

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);

	vm = ____vm_create(shape);
	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_GUEST_MEMFD), "No guest_memfd");

	test_flags();
	test_ordinary_vm();
	test_kind(DATA);
	test_kind(TABLES);
	if (argc > 1 && !strcmp(argv[1], "poison")) {
		test_poison(DATA, LARGE);
		test_poison(DATA, 4 * PAGE_SIZE);
		test_poison(TABLES, 4 * PAGE_SIZE);
		test_poison_large();
	}
	kvm_vm_free(vm);
	return 0;
}
