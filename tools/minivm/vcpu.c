// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU: CPUID, 64-bit mode from the first instruction, and its exits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "boot.h"
#include "direct.h"
#include "gdb/gdb.h"
#include "layout.h"
#include "pc/pc.h"
#include "virtio/virtio.h"
#include "xen/xen.h"

#define MAX_CPUID	256

#define CPUID_1_ECX_X2APIC		(1U << 21)
#define CPUID_1_ECX_TSC_DEADLINE	(1U << 24)
#define CPUID_1_ECX_HYPERVISOR		(1U << 31)
#define KVM_LEAF_FEATURES		0x40000001

#define MSR_APIC_BASE		0x1b
#define APIC_BASE_START		(0xfee00000 | 1 << 11)
#define APIC_BASE_BSP		(1 << 8)
#define APIC_BASE_X2APIC	(1 << 10)

static void fix_cpuid_entry(struct vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	struct vm *vm = vcpu->vm;

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0x00ffffff) | vcpu->id << 24;
		e->ecx |= CPUID_1_ECX_X2APIC;
		if (ioctl(vm->kvm, KVM_CHECK_EXTENSION,
			  KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= CPUID_1_ECX_TSC_DEADLINE;
		/* Linux looks for KVM only then. */
		if (vm->pc)
			e->ecx |= CPUID_1_ECX_HYPERVISOR;
		break;
	case 0xb:
	case 0x1f:
		e->edx = vcpu->id;
		break;
	case KVM_LEAF_FEATURES:
		/* The bit says "enabled for this VM", not "known to KVM". */
		e->eax &= ~(1U << KVM_FEATURE_PV_SCHED);
		if (vm->pv)
			e->eax |= 1U << KVM_FEATURE_PV_SCHED;
		break;
	}
}

static void set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;

	cpuid = calloc(1, sizeof(*cpuid) +
		       (MAX_CPUID + XEN_CPUID_LEAVES) *
		       sizeof(cpuid->entries[0]));
	if (!cpuid)
		fail(EX_OS, ENOMEM, NULL, "cannot read KVM's CPUID");
	cpuid->nent = MAX_CPUID;
	if (ioctl(vcpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid))
		fail(EX_OS, errno, NULL, "cannot read KVM's CPUID");
	for (i = 0; i < cpuid->nent; i++)
		fix_cpuid_entry(vcpu, &cpuid->entries[i]);
	if (vcpu->vm->xen_abi)
		cpuid->nent = xen_cpuid(cpuid->entries, cpuid->nent);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		fail(EX_OS, errno, NULL, "vCPU %u: cannot set CPUID", vcpu->id);
	free(cpuid);
}

void vcpu_set_segments(struct kvm_sregs *s)
{
	struct kvm_segment seg = {
		.limit = 0xffffffff, .selector = SEL_CODE, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};

	s->cs = seg;
	seg.selector = SEL_DATA;
	seg.type = 3;
	seg.l = 0;
	seg.db = 1;
	s->ds = s->es = s->fs = s->gs = s->ss = seg;
	s->tr = (struct kvm_segment) {
		.base = LOW_TSS, .limit = 0x67, .selector = SEL_TSS,
		.type = 11, .present = 1,
	};
	s->ldt = (struct kvm_segment) { .unusable = 1 };
	s->gdt.base = LOW_GDT;
	s->gdt.limit = SEL_TSS + 15;
	s->idt.base = 0;
	s->idt.limit = 0;
}

void vcpu_set_long_mode(struct kvm_sregs *s)
{
	vcpu_set_segments(s);
	s->cr0 = 0x80010033;	/* PG WP NE ET MP PE */
	s->cr3 = LOW_PML4;
	s->cr4 = 0x620;		/* PAE, SSE */
	s->efer = 0xd00;	/* NX LMA LME */
}

static void set_registers(struct vcpu *vcpu)
{
	struct kvm_mp_state running = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = {
		.rip = vcpu->vm->entry, .rflags = 2,
		.rdi = LOW_BOOT, .rsi = vcpu->id,
	};
	struct kvm_sregs s;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		fail(EX_OS, errno, NULL, "vCPU %u: cannot read its registers",
		     vcpu->id);
	vcpu_set_long_mode(&s);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &running))
		fail(EX_OS, errno, NULL, "vCPU %u: cannot set its registers",
		     vcpu->id);
}

/* There is no MMIO with direct paging, where the older mode is. */
static void set_x2apic(struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = {
			.index = MSR_APIC_BASE,
			.data = APIC_BASE_START | APIC_BASE_X2APIC |
				(vcpu->id ? 0 : APIC_BASE_BSP),
		},
	};

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		fail(EX_OS, 0, NULL, "vCPU %u: KVM refuses x2APIC mode",
		     vcpu->id);
}

void vcpu_create(struct vcpu *vcpu)
{
	int size;

	vcpu->fd = ioctl(vcpu->vm->fd, KVM_CREATE_VCPU, vcpu->id);
	if (vcpu->fd < 0)
		fail(EX_OS, errno, NULL, "cannot create vCPU %u", vcpu->id);
	size = ioctl(vcpu->vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size <= 0)
		fail(EX_OS, errno, NULL, "vCPU %u: no shared page", vcpu->id);
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		fail(EX_OS, errno, NULL, "vCPU %u: no shared page", vcpu->id);
	set_cpuid(vcpu);
	if (vcpu->vm->direct)
		set_x2apic(vcpu);
	else if (!vcpu->vm->pc)
		set_registers(vcpu);
}

static void __attribute__((noreturn)) crash(struct vcpu *vcpu, const char *what,
					    unsigned long long detail)
{
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	fail(EX_CRASH, 0, NULL, "vCPU %u: %s (0x%llx) at rip 0x%llx, rsp 0x%llx",
	     vcpu->id, what, detail, (unsigned long long)regs.rip,
	     (unsigned long long)regs.rsp);
}

static bool virtio_takes(struct vcpu *vcpu, bool in, uint8_t *data)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	for (i = 0; i < run->io.count; i++)
		if (!virtio_io(vcpu->vm, run->io.port, in,
			       data + i * run->io.size, run->io.size))
			return false;
	return true;
}

static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	size_t len = (size_t)run->io.size * run->io.count;
	bool in = run->io.direction == KVM_EXIT_IO_IN;
	unsigned int i;

	if (virtio_takes(vcpu, in, data))
		return;
	for (i = 0; vcpu->vm->pc && i < run->io.count; i++)
		pc_io(run->io.port, in, data + i * run->io.size, run->io.size);
	if (in) {
		if (!vcpu->vm->pc)
			memset(data, 0xff, len);
		return;
	}
	switch (run->io.port) {
	case MINIVM_PORT_CONSOLE:
		dev_console_write(data, len);
		break;
	case MINIVM_PORT_EXIT:
		dev_exit_write(*data);
	default:
		/* As on a bus: nobody listens. */
		break;
	}
}

static void handle_xen(struct vcpu *vcpu)
{
	struct kvm_xen_exit *x = &vcpu->run->xen;

	if (x->type != KVM_EXIT_XEN_HCALL || !vcpu->vm->xen)
		crash(vcpu, "unexpected exit of KVM's Xen", x->type);
	if (!x->u.hcall.longmode)
		x->u.hcall.result = -ENOSYS;
	else if (x->u.hcall.cpl)
		x->u.hcall.result = -EPERM;
	else
		x->u.hcall.result = xen_hypercall(vcpu, x->u.hcall.input,
						  (uint64_t *)x->u.hcall.params);
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_XEN:
		handle_xen(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_MMIO:
		if (vcpu->vm->pc) {
			/* Linux looks for this and that, as on a bus. */
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
			break;
		}
		crash(vcpu, "access to an address where there is no memory",
		      run->mmio.phys_addr);
	case KVM_EXIT_SHUTDOWN:
		crash(vcpu, "triple fault", 0);
	case KVM_EXIT_FAIL_ENTRY:
		crash(vcpu, "the CPU refused to enter the guest",
		      run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		crash(vcpu, "KVM could not emulate an instruction",
		      run->internal.suberror);
	default:
		crash(vcpu, "unexpected exit of KVM", run->exit_reason);
	}
}

static void handle_return(struct vcpu *vcpu, int ret)
{
	if (!ret)
		handle_exit(vcpu);
	else if (errno != EINTR && errno != EAGAIN)
		fail(exit_code_of(errno), errno, NULL, "vCPU %u: KVM_RUN",
		     vcpu->id);
	else if (vcpu->vm->pc && errno == EINTR)
		halt_report(vcpu);
}

/* Apart, so that an exit without a debugger costs nothing. */
static void __attribute__((noreturn)) run_debugged(struct vcpu *vcpu)
{
	int ret;

	for (;;) {
		if (vcpu->vm->xen)
			xen_vcpu_wait(vcpu);
		if (!gdb_may_run(vcpu))
			continue;
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
		if (!gdb_has_run(vcpu, ret))
			handle_return(vcpu, ret);
	}
}

void vcpu_run(struct vcpu *vcpu)
{
	if (vcpu->vm->gdb)
		run_debugged(vcpu);
	for (;;) {
		if (vcpu->vm->xen)
			xen_vcpu_wait(vcpu);
		handle_return(vcpu, ioctl(vcpu->fd, KVM_RUN, 0));
	}
}
