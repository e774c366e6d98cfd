// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs with direct paging, as the host sees them.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "dp.h"

#define BUGS		"/sys/devices/system/cpu/vulnerabilities"
#define AUDIT_FILE	"/sys/module/kvm/parameters/direct_paging_audit"

/* For root, off by default; if that fails, the ioctl says so. */
/* Also looks for stale translations, at each use of a frame. */
void dp_turn_auditor(bool on)
{
	int fd = open(AUDIT_FILE, O_WRONLY);

	if (fd < 0)
		return;
	TEST_ASSERT(write(fd, on ? "Y" : "N", 1) == 1,
		    "The auditor cannot be turned on or off");
	close(fd);
}

void dp_require(void)
{
	__TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_DIRECT_PAGING),
		       "KVM has no direct paging, or it is not enabled");
	dp_turn_auditor(true);
}

/* Host addresses in an ordinary VM, before anything is sealed. */
static u64 *layout_entry(struct kvm_vm *vm, u64 va, int level)
{
	return __vm_get_page_table_entry(vm, va, &level);
}

static void protect_table(struct kvm_vm *vm, u64 gpa, int level)
{
	u64 *table = addr_gpa2hva(vm, gpa);
	int i;

	*layout_entry(vm, DP_LINEAR + gpa, PG_LEVEL_4K) &= ~DP_RW;

	for (i = 0; level > 1 && i < 512; i++) {
		if (table[i] & DP_P)
			protect_table(vm, PTE_GET_PA(table[i]), level - 1);
	}
}

/* An ordinary VM, but for what its memory holds. */
static void layout(struct dp_vm *dp)
{
	struct kvm_vm *vm;
	int i;

	/* The number of pages in other slots leaves room for tables. */
	vm = __vm_create(VM_SHAPE_DEFAULT, dp->nr_vcpus ?: 1, 1 << 16);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS,
				    DP_POOL_GFN << PAGE_SHIFT, DP_POOL_SLOT,
				    DP_POOL_PAGES, 0);
	dp_boot.slot0_pages = memslot2region(vm, 0)->region.memory_size >>
			      PAGE_SHIFT;
	TEST_ASSERT(dp_boot.slot0_pages <= DP_POOL_GFN, "The program is huge");

	for (i = 0; i < dp->nr_vcpus; i++)
		dp->stacks[i] = __vm_vaddr_alloc(vm, DP_STACK_PAGES * PAGE_SIZE,
						 DEFAULT_GUEST_STACK_VADDR_MIN,
						 MEM_REGION_DATA) +
				DP_STACK_PAGES * PAGE_SIZE;

	virt_map(vm, DP_LINEAR, 0, dp_boot.slot0_pages);
	virt_map(vm, DP_LINEAR + (DP_POOL_GFN << PAGE_SHIFT),
		 DP_POOL_GFN << PAGE_SHIFT, DP_POOL_PAGES);
	if (!dp_boot.ordinary)
		protect_table(vm, vm->pgd, 4);

	dp->root_gfn = vm->pgd >> PAGE_SHIFT;
	dp->vm = vm;
}

bool dp_host_has_bug(const char *name)
{
	char path[128], buf[64] = {};
	FILE *f;

	snprintf(path, sizeof(path), BUGS "/%s", name);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(buf, sizeof(buf), f))
		buf[0] = 0;
	fclose(f);
	return buf[0] && strncmp(buf, "Not affected", 12);
}

static void fill_boot(struct dp_vm *dp)
{
	struct kvm_vm *vm = dp->vm;

	dp_boot.gdt.size = getpagesize() - 1;
	dp_boot.gdt.address = vm->arch.gdt;
	dp_boot.idt.size = 256 * sizeof(struct idt_entry) - 1;
	dp_boot.idt.address = vm->arch.idt;
	dp_boot.root_gfn = dp->root_gfn;
	dp_boot.nr_vcpus = dp->nr_vcpus;
	dp_boot.l1tf = dp_host_has_bug("l1tf");
	sync_global_to_guest(vm, dp_boot);
}

static void copy_image(struct dp_vm *dp)
{
	size_t size = dp_boot.slot0_pages << PAGE_SHIFT;

	dp->image = malloc(size);
	TEST_ASSERT(dp->image, "Insufficient memory");
	memcpy(dp->image, addr_gpa2hva(dp->vm, 0), size);
}

/* The same content at the same address, but of guest_memfd. */
static void move_region(struct dp_vm *dp, u32 slot, const void *content)
{
	struct userspace_mem_region *region = memslot2region(dp->vm, slot);
	u64 gpa = region->region.guest_phys_addr;
	size_t size = region->region.memory_size;
	void *p;

	p = mmap(region->host_mem, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, dp->gmem, gpa);
	TEST_ASSERT(p == region->host_mem, __KVM_SYSCALL_ERROR("mmap", -1));
	if (content)
		memcpy(p, content, size);

	region->region.flags = KVM_MEM_GUEST_MEMFD;
	region->region.guest_memfd = dp->gmem;
	region->region.guest_memfd_offset = gpa;
	vm_ioctl(dp->vm, KVM_SET_USER_MEMORY_REGION2, &region->region);
}

static void write_p2m(struct dp_vm *dp, u64 gfn, u64 npages)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = gfn,
		.npages = npages,
		.gpa = (DP_POOL_GFN << PAGE_SHIFT) + gfn * sizeof(u64),
	};

	vm_ioctl(dp->vm, KVM_X86_DP_P2M, &p2m);
}

void dp_vm_create(struct dp_vm *dp, dp_guest_fn guest, int nr_vcpus)
{
	struct kvm_vm *vm;

	TEST_ASSERT(nr_vcpus <= DP_MAX_VCPUS, "Too many vCPUs");
	memset(dp, 0, sizeof(*dp));
	dp->guest = guest;
	dp->nr_vcpus = nr_vcpus;
	layout(dp);
	fill_boot(dp);
	copy_image(dp);

	vm = dp->vm;
	close(vm->fd);
	vm->type = KVM_X86_DIRECT_PAGING_VM;
	vm->fd = __kvm_ioctl(vm->kvm_fd, KVM_CREATE_VM, (void *)vm->type);
	TEST_ASSERT(vm->fd >= 0, KVM_IOCTL_ERROR(KVM_CREATE_VM, vm->fd));
	vm_create_irqchip(vm);

	dp->gmem = vm_create_guest_memfd(vm, DP_MAX_GFN << PAGE_SHIFT,
					 DP_GMEM_FLAGS);
	move_region(dp, 0, dp->image);
	move_region(dp, DP_POOL_SLOT, NULL);

	write_p2m(dp, 0, dp_boot.slot0_pages);
	write_p2m(dp, DP_POOL_GFN, DP_POOL_PAGES);
}

int __dp_vm_start(struct dp_vm *dp, u64 root_gfn)
{
	struct kvm_x86_dp_start start = { .root_gfn = root_gfn };

	return __vm_ioctl(dp->vm, KVM_X86_DP_START, &start);
}

void dp_ordinary_create(struct dp_vm *dp, dp_guest_fn guest)
{
	struct kvm_regs regs;
	u64 *p2m, gfn;

	memset(dp, 0, sizeof(*dp));
	dp->guest = guest;
	dp->nr_vcpus = 1;
	dp_boot.ordinary = true;
	layout(dp);
	fill_boot(dp);

	p2m = dp_gfn_hva(dp, DP_POOL_GFN);
	for (gfn = 0; gfn < DP_MAX_GFN; gfn++)
		p2m[gfn] = gfn;

	dp->vcpus[0] = vm_vcpu_add(dp->vm, 0, dp_guest_entry);
	vcpu_regs_get(dp->vcpus[0], &regs);
	regs.rsp = dp->stacks[0];
	regs.rdi = (u64)guest;
	regs.rsi = 0;
	vcpu_regs_set(dp->vcpus[0], &regs);
}

void dp_ordinary_free(struct dp_vm *dp)
{
	kvm_vm_free(dp->vm);
}

struct kvm_vcpu *dp_vcpu_create(struct dp_vm *dp, int cpu)
{
	struct kvm_vcpu *vcpu = __vm_vcpu_add(dp->vm, cpu);

	vcpu_init_cpuid(vcpu, kvm_get_supported_cpuid());
	dp->vcpus[cpu] = vcpu;
	return vcpu;
}

struct kvm_x86_dp_start_vcpu dp_vcpu_args(struct dp_vm *dp, int cpu)
{
	return (struct kvm_x86_dp_start_vcpu) {
		.root_gfn = dp->root_gfn,
		.rip = (u64)dp_guest_entry,
		.rsp = dp->stacks[cpu],
		.rdi = (u64)dp->guest,
		.rsi = cpu,
	};
}

void dp_vcpu_start(struct dp_vm *dp, int cpu)
{
	struct kvm_x86_dp_start_vcpu args = dp_vcpu_args(dp, cpu);

	vcpu_ioctl(dp->vcpus[cpu], KVM_X86_DP_START_VCPU, &args);
}

void dp_vm_start(struct dp_vm *dp)
{
	int r, i;

	r = __dp_vm_start(dp, dp->root_gfn);
	TEST_ASSERT(!r, KVM_IOCTL_ERROR(KVM_X86_DP_START, r));

	for (i = 0; i < dp->nr_vcpus; i++) {
		dp_vcpu_create(dp, i);
		dp_vcpu_start(dp, i);
	}
}

/*
 * Not kvm_vm_free(): it deletes one slot after the other, which a VM refuses
 * as long as its tables refer to them.
 */
void dp_vm_free(struct dp_vm *dp)
{
	struct userspace_mem_region *region;
	u32 slot;

	kvm_vm_release(dp->vm);
	for (slot = 0; slot <= DP_POOL_SLOT; slot++) {
		region = memslot2region(dp->vm, slot);
		munmap(region->mmap_start, region->mmap_size);
	}
	free(dp->image);
	close(dp->gmem);
}

void dp_enable_xen(struct dp_vm *dp, u32 flags)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | flags,
		/* Xen is on if there is one. */
		.msr = 0x40000200,
	};

	vm_ioctl(dp->vm, KVM_XEN_HVM_CONFIG, &config);
}

static void fail_exit(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	TEST_FAIL("vCPU %u left with exit reason %u (%s), suberror %u, RIP %#llx",
		  vcpu->id, run->exit_reason, exit_reason_str(run->exit_reason),
		  run->exit_reason == KVM_EXIT_INTERNAL_ERROR ?
		  run->internal.suberror : 0, regs.rip);
}

u64 dp_run(struct kvm_vcpu *vcpu, struct ucall *uc)
{
	for (;;) {
		vcpu_run(vcpu);
		switch (get_ucall(vcpu, uc)) {
		case UCALL_SYNC:
		case UCALL_DONE:
			return uc->cmd;
		case UCALL_PRINTF:
			REPORT_GUEST_PRINTF(*uc);
			break;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(*uc);
			break;
		default:
			fail_exit(vcpu);
		}
	}
}

void dp_run_until(struct kvm_vcpu *vcpu, u64 stage)
{
	struct ucall uc;
	u64 cmd = dp_run(vcpu, &uc);

	if (!stage) {
		TEST_ASSERT(cmd == UCALL_DONE, "Stage %lu, not the end",
			    uc.args[1]);
		return;
	}
	TEST_ASSERT(cmd == UCALL_SYNC, "The end, not stage %lu", stage);
	TEST_ASSERT(uc.args[1] == stage, "Stage %lu, not %lu", uc.args[1],
		    stage);
}

static void *vcpu_thread(void *vcpu)
{
	struct ucall uc;

	while (dp_run(vcpu, &uc) != UCALL_DONE)
		;
	return NULL;
}

void dp_run_all(struct dp_vm *dp)
{
	pthread_t threads[DP_MAX_VCPUS];
	int i, r;

	for (i = 0; i < dp->nr_vcpus; i++) {
		r = pthread_create(&threads[i], NULL, vcpu_thread,
				   dp->vcpus[i]);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < dp->nr_vcpus; i++)
		pthread_join(threads[i], NULL);
}

struct kvm_x86_dp_audit dp_audit(struct dp_vm *dp)
{
	struct kvm_x86_dp_audit audit = {};

	vm_ioctl(dp->vm, KVM_X86_DP_AUDIT, &audit);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	TEST_ASSERT(!audit.np_enabled, "Nested paging was on");
	TEST_ASSERT(!audit.partial, "%llu tables are partial", audit.partial);
	return audit;
}

struct kvm_vcpu *dp_vm_begin(struct dp_vm *dp, dp_guest_fn guest)
{
	dp_vm_create(dp, guest, 1);
	dp_vm_start(dp);
	dp_run_until(dp->vcpus[0], 1);
	return dp->vcpus[0];
}

void dp_vm_end(struct dp_vm *dp)
{
	dp_run_until(dp->vcpus[0], 0);
	dp_audit(dp);
	dp_vm_free(dp);
}

void dp_test(dp_guest_fn guest, int nr_vcpus)
{
	struct dp_vm dp;

	dp_vm_create(&dp, guest, nr_vcpus);
	dp_vm_start(&dp);
	dp_audit(&dp);
	dp_run_all(&dp);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

void *dp_gfn_hva(struct dp_vm *dp, u64 gfn)
{
	return addr_gpa2hva(dp->vm, gfn << PAGE_SHIFT);
}

void *dp_gva_hva(struct dp_vm *dp, vm_vaddr_t gva)
{
	u64 entry = dp->root_gfn << PAGE_SHIFT;
	int level;
	u64 *table;

	for (level = 4; level; level--) {
		table = dp->image + PTE_GET_PA(entry);
		entry = table[dp_index(gva, level)];
		TEST_ASSERT(entry & DP_P, "%#lx is not mapped", gva);
	}
	return dp_gfn_hva(dp, PTE_GET_PFN(entry)) + (gva & (PAGE_SIZE - 1));
}

u64 *dp_boot_entry(struct dp_vm *dp, u64 va, int level)
{
	return layout_entry(dp->vm, va, level);
}

u64 dp_vcpu_stat(struct kvm_vcpu *vcpu, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *all, *desc;
	bool found = false;
	u64 value = 0;
	unsigned int i;
	int fd;

	fd = __vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL);
	TEST_ASSERT(fd >= 0, KVM_IOCTL_ERROR(KVM_GET_STATS_FD, fd));
	read_stats_header(fd, &header);
	all = read_stats_descriptors(fd, &header);
	for (i = 0; !found && i < header.num_desc; i++) {
		desc = get_stats_descriptor(all, i, &header);
		found = !strcmp(desc->name, name);
		if (found)
			read_stat_data(fd, &header, desc, &value, 1);
	}
	TEST_ASSERT(found, "There is no statistic %s", name);
	free(all);
	close(fd);
	return value;
}

int __dp_set_slot(struct dp_vm *dp, u32 slot, u32 flags, u64 gfn, u64 npages,
		  void *hva, int gmem, u64 offset)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gfn << PAGE_SHIFT,
		.memory_size = npages << PAGE_SHIFT,
		.userspace_addr = (u64)hva,
		.guest_memfd = gmem,
		.guest_memfd_offset = offset,
	};

	return __vm_ioctl(dp->vm, KVM_SET_USER_MEMORY_REGION2, &region);
}
