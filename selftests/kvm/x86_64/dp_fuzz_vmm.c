// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the VMM of dp_fuzz_test.  It runs the guest and does what a
 * hostile one would: access what may be a table, map and unmap it, hold it,
 * load other roots, and take memory away.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "dp_fuzz.h"

struct fuzz_vmm vmm;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Other vCPUs go on meanwhile, so tables may be partial. */
void fuzz_check(void)
{
	struct kvm_x86_dp_audit audit = {};
	u64 start = now_ns();

	vm_ioctl(vmm.dp.vm, KVM_X86_DP_AUDIT, &audit);
	__atomic_fetch_add(&vmm.audit_ns, now_ns() - start, __ATOMIC_RELAXED);
	__atomic_fetch_add(&vmm.audits, 1, __ATOMIC_RELAXED);
	TEST_ASSERT(!audit.errors, "%llu invariants are broken, first: %.128s",
		    audit.errors, audit.first);
	TEST_ASSERT(!audit.np_enabled, "Nested paging was on");
}

static u64 pick_game_gfn(struct fuzz_cpu *random)
{
	return READ_ONCE(vmm.shared->gfns[below(random, NR_FRAMES)]);
}

/*
 * Any root that there is, and then the guest's own again, which is pinned for
 * good.  No vCPU cares which it is on.
 */
static void change_root(struct fuzz_cpu *random, struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;
	u64 root = dp_host_mfn(&vmm.dp, vmm.dp.root_gfn);

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr3 = dp_host_mfn(&vmm.dp, pick_game_gfn(random)) << PAGE_SHIFT;
	if (!sregs.cr3)
		return;
	if (chance(random, 10))
		sregs.cr3 = rnd(random);
	if (_vcpu_sregs_set(vcpu, &sregs))
		__atomic_fetch_add(&vmm.roots_refused, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&vmm.roots, 1, __ATOMIC_RELAXED);

	sregs.cr3 = root << PAGE_SHIFT;
	vcpu_sregs_set(vcpu, &sregs);
}

static void *run_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct fuzz_cpu random = { .random = vmm.shared->cpus[vcpu->id].random };
	struct ucall uc;

	while (dp_run(vcpu, &uc) != UCALL_DONE) {
		fuzz_check();
		change_root(&random, vcpu);
	}
	return NULL;
}

/* Accesses of the VMM to what may be a table. */
static __thread sigjmp_buf env;
static __thread bool armed;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *where = context;

	if (READ_ONCE(armed))
		siglongjmp(env, 1);

	dprintf(STDERR_FILENO,
		"# signal %d, code %d, address %p, rip 0x%llx, program at %p\n",
		sig, info->si_code, info->si_addr,
		(unsigned long long)where->uc_mcontext.gregs[REG_RIP],
		on_signal);
	_exit(KSFT_FAIL);
}

static void touch(struct fuzz_cpu *random, u64 *p, bool write)
{
	if (sigsetjmp(env, 1)) {
		WRITE_ONCE(armed, false);
		vmm.signals++;
		return;
	}

	WRITE_ONCE(armed, true);
	if (write) {
		WRITE_ONCE(*p, chance(random, 50) ? 0 : rnd(random) & ~DP_P);
		vmm.writes++;
	} else {
		READ_ONCE(*p);
		vmm.reads++;
	}
	WRITE_ONCE(armed, false);
}

static void vmm_touch(struct fuzz_cpu *random)
{
	u64 *p = dp_gfn_hva(&vmm.dp, pick_game_gfn(random));

	touch(random, p + pick_index(random), chance(random, 50));
}

/* Mappings that come and go, as page tables of the VMM do. */
static void vmm_remap(struct fuzz_cpu *random)
{
	u64 gfn = pick_game_gfn(random);
	u64 *p;

	p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		 vmm.dp.gmem, gfn << PAGE_SHIFT);
	TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	touch(random, p + pick_index(random), chance(random, 50));
	if (chance(random, 50))
		touch(random, p + pick_index(random), false);
	munmap(p, 2 * PAGE_SIZE);
	vmm.remaps++;
}

static void vmm_read(struct fuzz_cpu *random)
{
	static char buffer[3 * PAGE_SIZE];
	struct kvm_x86_dp_read read = {
		.gpa = (pick_game_gfn(random) << PAGE_SHIFT) +
		       below(random, PAGE_SIZE),
		.size = below(random, sizeof(buffer)),
		.buffer = (u64)buffer,
	};

	vm_ioctl(vmm.dp.vm, KVM_X86_DP_READ, &read);
	vmm.peeks++;
}

static void vmm_hold(struct fuzz_cpu *random)
{
	static int fds[4] = { -1, -1, -1, -1 };
	struct kvm_x86_dp_hold hold = {
		.gfn = pick_game_gfn(random),
		.npages = 1 + below(random, 3),
	};
	int *fd = &fds[below(random, ARRAY_SIZE(fds))];

	if (*fd >= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	*fd = __vm_ioctl(vmm.dp.vm, KVM_X86_DP_HOLD, &hold);
	if (*fd >= 0)
		vmm.holds++;
	else
		vmm.holds_refused++;
}

/* New memory, about which the guest learns, or an attempt to take it away. */
static void vmm_slot(void)
{
	static int gmem = -1;
	static bool there;
	struct kvm_x86_dp_p2m p2m = {
		.gfn = EXTRA_GFN,
		.npages = EXTRA_PAGES,
		.gpa = addr_hva2gpa(vmm.dp.vm, vmm.shared->extra),
	};
	int r;

	if (gmem < 0)
		gmem = vm_create_guest_memfd(vmm.dp.vm, EXTRA_PAGES * PAGE_SIZE,
					     DP_GMEM_FLAGS);
	if (there) {
		r = __dp_set_slot(&vmm.dp, DP_FREE_SLOT, 0, EXTRA_GFN, 0, NULL,
				  -1, 0);
		TEST_ASSERT(!r || errno == EBUSY, "delete: errno %d", errno);
		there = r;
		vmm.slots_kept += there;
		if (there)
			return;
		/* The host has it back: others get these frames next. */
		r = fallocate(gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      0, EXTRA_PAGES * PAGE_SIZE);
		TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("fallocate", r));
		return;
	}

	r = __dp_set_slot(&vmm.dp, DP_FREE_SLOT, KVM_MEM_GUEST_MEMFD, EXTRA_GFN,
			  EXTRA_PAGES, NULL, gmem, 0);
	TEST_ASSERT(!r, KVM_IOCTL_ERROR(KVM_SET_USER_MEMORY_REGION2, r));
	there = true;
	vmm.slots++;
	vm_ioctl(vmm.dp.vm, KVM_X86_DP_P2M, &p2m);
}

static u64 done(void)
{
	u64 n = 0;
	int i;

	for (i = 0; i < vmm.dp.nr_vcpus; i++)
		n += READ_ONCE(vmm.shared->cpus[i].done);
	return n;
}

/* Bound to the guest's progress, so that neither starves the other. */
static void *run_vmm(void *unused)
{
	struct fuzz_cpu random = { .random = vmm.seed };
	u64 next = 0;

	while (!READ_ONCE(vmm.shared->ready) && !READ_ONCE(vmm.over))
		usleep(1000);

	while (!READ_ONCE(vmm.over)) {
		if (done() < next) {
			usleep(200);
			continue;
		}
		next = done() + vmm.every;

		switch (below(&random, 8)) {
		case 0:
		case 1:
		case 2:
			vmm_touch(&random);
			break;
		case 3:
			vmm_remap(&random);
			break;
		case 4:
			vmm_read(&random);
			break;
		case 5:
			vmm_hold(&random);
			break;
		case 6:
			vmm_slot();
			break;
		case 7:
			if (vmm.shared->audit_every && chance(&random, 5))
				fuzz_check();
			break;
		}
	}
	return NULL;
}

static void catch_signals(void)
{
	struct sigaction action = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

void fuzz_run_all(void)
{
	pthread_t threads[DP_MAX_VCPUS], thread;
	u64 start = now_ns();
	int i, r;

	if (vmm.every) {
		catch_signals();
		r = pthread_create(&thread, NULL, run_vmm, NULL);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < vmm.dp.nr_vcpus; i++) {
		r = pthread_create(&threads[i], NULL, run_vcpu, vmm.dp.vcpus[i]);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	}
	for (i = 0; i < vmm.dp.nr_vcpus; i++)
		pthread_join(threads[i], NULL);
	WRITE_ONCE(vmm.over, true);
	if (vmm.every)
		pthread_join(thread, NULL);
	vmm.run_ns = now_ns() - start;
}
