// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: a VM that ends gives back all of its memory, in whatever state
 * it ends: tables pinned, partial, loaded, frames held, slots in use.
 *
 *	dp_leak_test [VMs]
 *
 * Free memory is counted in pages, so one page that each VM loses is seen, of
 * the slab too.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "dp.h"

#define NR_WARM		10
#define NR_VMS		60
#define NR_SETTLE	50

#define EXTRA_GFN	(DP_MAX_GFN + 512)
#define EXTRA_PAGES	16

static u64 extra[EXTRA_PAGES];

/*
 * Guest
 */

/* As much as there is, and none of it taken back. */
static void guest_leave(int cpu)
{
	struct dp_tree trees[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(trees); i++)
		dp_tree_up(&trees[i], DP_VA + i * PAGE_SIZE);

	/* A table of another slot, and leaves that map its memory. */
	for (i = 1; i < EXTRA_PAGES; i++)
		dp_set(dp_slot(trees[0].gfn[1], 100 + i),
		       extra[i] << PAGE_SHIFT | DP_P | (i & 1 ? DP_RW : 0));
	GUEST_ASSERT_EQ(dp_pin_mfn(1, extra[0]), 0);

	/* Refused at its end, and so partial for a while. */
	dp_ptr(trees[1].gfn[0])[511] = DP_FOREIGN_MFN << PAGE_SHIFT | DP_P;
	dp_seal(trees[1].gfn[0]);
	GUEST_ASSERT(dp_pin(1, trees[1].gfn[0]));

	dp_set_cr3(dp_maddr(trees[2].gfn[4]));
	/* What only the vCPU still holds. */
	GUEST_ASSERT_EQ(dp_unpin(trees[2].gfn[4]), 0);
	GUEST_SYNC(1);
}

/*
 * Host
 */

static void add_slot(struct dp_vm *dp, int gmem)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = EXTRA_PAGES,
		.gpa = addr_hva2gpa(dp->vm, dp_gva_hva(dp, (vm_vaddr_t)extra)),
	};

	DP_EXPECT(__dp_set_slot(dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD,
				EXTRA_GFN, EXTRA_PAGES, NULL, gmem, 0), 0);
	vm_ioctl(dp->vm, KVM_X86_DP_P2M, &p2m);
}

static void one_vm(int i)
{
	struct kvm_x86_dp_hold hold = { .npages = 8 };
	int gmem, fd;
	struct dp_vm dp;

	dp_vm_create(&dp, guest_leave, 1 + i % 2);
	gmem = vm_create_guest_memfd(dp.vm, EXTRA_PAGES * PAGE_SIZE,
				     DP_GMEM_FLAGS);
	add_slot(&dp, gmem);
	dp_vm_start(&dp);
	dp_run_until(dp.vcpus[0], 1);
	dp_audit(&dp);

	hold.gfn = DP_MAX_GFN - hold.npages;
	fd = __vm_ioctl(dp.vm, KVM_X86_DP_HOLD, &hold);
	TEST_ASSERT(fd >= 0, KVM_IOCTL_ERROR(KVM_X86_DP_HOLD, fd));

	/* What ends first, and what keeps the rest. */
	if (i & 2)
		close(fd);
	close(gmem);
	dp_vm_free(&dp);
	if (!(i & 2))
		close(fd);
}

/* In a process of its own, so that only the kernel can lose anything. */
static void run_vm(int i)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("fork", pid));
	if (!pid) {
		one_vm(i);
		exit(0);
	}
	waitpid(pid, &status, 0);
	TEST_ASSERT(WIFEXITED(status) && !WEXITSTATUS(status),
		    "VM %d ended with status %#x", i, status);
}

/* Adds up what the lines of that name say. */
static long read_pages(const char *file, const char *name)
{
	long value, pages = 0;
	char line[256];
	int n = 0;
	FILE *f;

	f = fopen(file, "r");
	TEST_ASSERT(f, "Cannot read %s", file);
	while (fgets(line, sizeof(line), f)) {
		char *p = line + strspn(line, " ");

		if (!strncmp(p, name, strlen(name)) &&
		    sscanf(p + strlen(name), "%ld", &value) == 1) {
			pages += value;
			n++;
		}
	}
	fclose(f);
	TEST_ASSERT(n, "%s is not in %s", name, file);
	return pages;
}

static void write_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		pr_info("%s cannot be written\n", file);
	close(fd);
}

/* The most that there is, as RCU and workers free what they free later. */
static long free_pages(void)
{
	long pages, most = 0;
	int i;

	for (i = 0; i < NR_SETTLE; i++) {
		write_file("/proc/sys/vm/drop_caches", "3");
		write_file("/proc/sys/vm/stat_refresh", "1");
		/* Each CPU keeps some of what was freed for itself. */
		pages = read_pages("/proc/zoneinfo", "pages free") +
			read_pages("/proc/zoneinfo", "count:");
		if (pages > most)
			most = pages;
		usleep(20000);
	}
	return most;
}

int main(int argc, char *argv[])
{
	int i, n = argc > 1 ? atoi(argv[1]) : NR_VMS;
	long slab, pages;

	dp_require();
	for (i = 0; i < NR_WARM; i++)
		run_vm(i);

	pages = free_pages();
	slab = read_pages("/proc/vmstat", "nr_slab_unreclaimable ");
	for (i = 0; i < n; i++)
		run_vm(i);
	pages -= free_pages();
	slab = read_pages("/proc/vmstat", "nr_slab_unreclaimable ") - slab;

	printf("# %d VMs: %ld pages fewer, %ld pages of slab more\n", n, pages,
	       slab);
	TEST_ASSERT(slab < n, "%d VMs lost %ld pages of slab", n, slab);
	TEST_ASSERT(pages - slab < n / 2, "%d VMs lost %ld pages", n,
		    pages - slab);
	return 0;
}
