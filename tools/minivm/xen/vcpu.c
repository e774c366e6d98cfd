// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs that the guest starts, stops, and gives memory to KVM for. */
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/vcpu.h>

#include "direct.h"
#include "xen.h"

#define KICK	SIGUSR1

struct xen_vcpu {
	pthread_cond_t change;
	bool initialised, up;
};

/* Does nothing but end KVM_RUN. */
static void on_kick(int sig)
{
}

/*
 * Out of KVM_RUN, and not in again before the lock is free: xen_vcpu_wait()
 * clears the flag.
 */
static void kick_vcpu(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (vcpu->tid)
		syscall(SYS_tgkill, getpid(), vcpu->tid, KICK);
}

int xen_vcpu_ioctl(struct vcpu *caller, struct vcpu *vcpu, unsigned long nr,
		   void *arg)
{
	if (caller != vcpu)
		kick_vcpu(vcpu);
	return ioctl(vcpu->fd, nr, arg) ? -errno : 0;
}

void xen_vcpu_wait(struct vcpu *vcpu)
{
	struct xen *xen = vcpu->vm->xen;
	struct xen_vcpu *v = &xen->vcpus[vcpu->id];

	if (__atomic_load_n(&v->up, __ATOMIC_ACQUIRE) &&
	    !__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_SEQ_CST))
		return;
	xen_lock(xen);
	while (!v->up)
		pthread_cond_wait(&v->change, &xen->lock);
	vcpu->run->immediate_exit = 0;
	xen_unlock(xen);
}

bool xen_vcpu_is_up(struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->vm->xen->vcpus[vcpu->id].up,
			       __ATOMIC_ACQUIRE);
}

/* It has not run yet, so nothing but its thread waits for it. */
static long op_initialise(struct vcpu *caller, struct vcpu *vcpu,
			  struct xen_vcpu *v, uint64_t arg)
{
	struct vcpu_guest_context ctx;
	struct cpu_user_regs *r = &ctx.user_regs;
	uint64_t root;
	int err;

	if (v->initialised)
		return -EEXIST;
	if (!guest_read_va(caller, arg, &ctx, sizeof(ctx)))
		return -EFAULT;
	if (!guest_gfn(vcpu->vm, xen_cr3_to_pfn(ctx.ctrlreg[3]), &root))
		return -EINVAL;
	err = vcpu_direct_start(vcpu, root, r->rip, r->rsp, r->rsi, r->rdi);
	v->initialised = !err;
	return err;
}

static long op_up(struct xen_vcpu *v)
{
	if (!v->initialised)
		return -EINVAL;
	__atomic_store_n(&v->up, true, __ATOMIC_RELEASE);
	pthread_cond_signal(&v->change);
	return 0;
}

static long op_down(struct vcpu *caller, struct vcpu *vcpu, struct xen_vcpu *v)
{
	unsigned int i, nr_up = 0;

	__atomic_store_n(&v->up, false, __ATOMIC_RELEASE);
	for (i = 0; i < vcpu->vm->cpus; i++)
		nr_up += vcpu->vm->xen->vcpus[i].up;
	/* As under Xen: nobody is left who could do anything. */
	vcpu->vm->xen->powered_off = !nr_up;
	if (caller != vcpu)
		kick_vcpu(vcpu);
	return 0;
}

static long set_address(struct vcpu *caller, struct vcpu *vcpu, uint16_t type,
			uint64_t gpa)
{
	struct kvm_xen_vcpu_attr attr = { .type = type, .u.gpa = gpa };

	return xen_vcpu_ioctl(caller, vcpu, KVM_XEN_VCPU_SET_ATTR, &attr);
}

static long op_vcpu_info(struct vcpu *caller, struct vcpu *vcpu, uint64_t arg)
{
	struct vcpu_register_vcpu_info info;
	uint64_t gfn;

	if (!guest_read_va(caller, arg, &info, sizeof(info)))
		return -EFAULT;
	if (info.offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
	    info.offset % 8 || !guest_gfn(vcpu->vm, info.mfn, &gfn))
		return -EINVAL;
	return set_address(caller, vcpu, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
			   (gfn << PAGE_SHIFT) + info.offset);
}

/* KVM takes one address: what spans two pages must do so in both spaces. */
static long op_area(struct vcpu *caller, struct vcpu *vcpu, uint16_t type,
		    uint64_t arg, size_t size)
{
	uint64_t va, gpa, last;

	if (!guest_read_va(caller, arg, &va, sizeof(va)))
		return -EFAULT;
	if (!va)
		return set_address(caller, vcpu, type, ~0ULL);
	if (!guest_translate(caller, va, &gpa) ||
	    !guest_translate(caller, va + size - 1, &last))
		return -EFAULT;
	if (last - gpa != size - 1)
		return -EINVAL;
	return set_address(caller, vcpu, type, gpa);
}

/* Clocks that are set and stopped are KVM's, if the guest bound the event. */
long vcpu_op(struct vcpu *caller, uint32_t cmd, uint32_t id, uint64_t arg)
{
	struct vm *vm = caller->vm;
	struct xen_vcpu *v;
	struct vcpu *vcpu;

	if (id >= vm->cpus)
		return -ENOENT;
	vcpu = &vm->vcpus[id];
	v = &vm->xen->vcpus[id];
	switch (cmd) {
	case VCPUOP_initialise:
		return op_initialise(caller, vcpu, v, arg);
	case VCPUOP_up:
		return op_up(v);
	case VCPUOP_down:
		return op_down(caller, vcpu, v);
	case VCPUOP_is_up:
		return v->up;
	case VCPUOP_register_vcpu_info:
		return op_vcpu_info(caller, vcpu, arg);
	case VCPUOP_register_runstate_memory_area:
		return op_area(caller, vcpu,
			       KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR, arg,
			       sizeof(struct vcpu_runstate_info));
	case VCPUOP_register_vcpu_time_memory_area:
		return op_area(caller, vcpu,
			       KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, arg,
			       sizeof(struct vcpu_time_info));
	case VCPUOP_stop_periodic_timer:
	case VCPUOP_stop_singleshot_timer:
		return 0;
	default:
		return -ENOSYS;
	}
}

void xen_vcpu_init(struct xen *xen)
{
	struct sigaction sa = { .sa_handler = on_kick };
	unsigned int i;

	xen->vcpus = calloc(xen->vm->cpus, sizeof(*xen->vcpus));
	if (!xen->vcpus)
		fail(EX_OS, ENOMEM, NULL, "cannot set up vCPUs");
	for (i = 0; i < xen->vm->cpus; i++)
		pthread_cond_init(&xen->vcpus[i].change, NULL);
	xen->vcpus[0].initialised = true;
	xen->vcpus[0].up = true;
	sigaction(KICK, &sa, NULL);
}
