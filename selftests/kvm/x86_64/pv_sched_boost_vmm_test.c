// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what a VMM injects or sets as state boosts
 * a vCPU like an interrupt that KVM delivers.  And what must not boost does
 * not: SMIs, vectors that the VMM left out, signals.
 */
#include <signal.h>

#include "kselftest.h"
#include "pv_sched_stage.h"
#include "test_util.h"

/* How long the thread that must not run is watched. */
#define WATCH_MS	60

#define SMRAM_GPA	0x41000000ULL
/* Of the address space that a vCPU has in SMM. */
#define SMRAM_SLOT	(BIT(16) | 7)
#define SMRAM_PAGES	16
#define SMRAM_BEGUN	0x8100
#define SMRAM_GO_ON	0x8101

/* mov byte [cs:8100], 1; l: cli; cmp byte [cs:8101], 0; je l; rsm */
static const u8 smm_code[] = {
	0x2e, 0xc6, 0x06, 0x00, 0x81, 0x01,
	0xfa,
	0x2e, 0x80, 0x3e, 0x01, 0x81, 0x00,
	0x74, 0xf7,
	0x0f, 0xaa,
};

static void fire_interrupt(struct stage *st)
{
	struct kvm_interrupt irq = { .irq = st->path->vector };

	vcpu_ioctl(stage_vcpu(st)->vcpu, KVM_INTERRUPT, &irq);
}

static void fire_lapic(struct stage *st)
{
	struct kvm_vcpu *vcpu = stage_vcpu(st)->vcpu;
	struct kvm_lapic_state lapic;
	u32 vector = st->path->vector;
	u32 *irr;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	irr = (void *)&lapic.regs[APIC_IRR + vector / 32 * 16];
	*irr |= BIT(vector % 32);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

static void fire_events_nmi(struct stage *st)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(stage_vcpu(st)->vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	events.nmi.pending = 1;
	vcpu_events_set(stage_vcpu(st)->vcpu, &events);
}

/* Saved in the middle of its injection. */
static void fire_events_irq(struct stage *st)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(stage_vcpu(st)->vcpu, &events);
	events.interrupt.injected = 1;
	events.interrupt.nr = st->path->vector;
	vcpu_events_set(stage_vcpu(st)->vcpu, &events);
}

static void fire_nmi(struct stage *st)
{
	vcpu_ioctl(stage_vcpu(st)->vcpu, KVM_NMI, NULL);
}

/* These ioctls wait for the end of KVM_RUN. */
static const struct stage_path paths[] = {
	{
		.name = "KVM_INTERRUPT, no controller in the kernel",
		.irqchip = SCRIPT_IRQCHIP_NONE,
		.states = BIT(STAGE_USER) | BIT(STAGE_SELF),
		.vector = SCRIPT_VECTOR_A,
		.fire = fire_interrupt,
	}, {
		.name = "KVM_INTERRUPT, local APIC in the kernel",
		.irqchip = SCRIPT_IRQCHIP_SPLIT,
		.states = BIT(STAGE_USER) | BIT(STAGE_SELF),
		.vector = SCRIPT_VECTOR_A,
		.fire = fire_interrupt,
	}, {
		.name = "KVM_SET_LAPIC",
		.states = BIT(STAGE_USER) | BIT(STAGE_SELF),
		.vector = SCRIPT_VECTOR_A,
		.ack = { OP(EOI, 0) },
		.fire = fire_lapic,
	}, {
		.name = "KVM_SET_VCPU_EVENTS, interrupt",
		.states = BIT(STAGE_USER) | BIT(STAGE_SELF),
		.vector = SCRIPT_VECTOR_A,
		.ack = { OP(EOI, 0) },
		.fire = fire_events_irq,
	}, {
		.name = "KVM_SET_VCPU_EVENTS, NMI",
		.states = BIT(STAGE_USER) | BIT(STAGE_SELF),
		.nmi = true,
		.fire = fire_events_nmi,
	}, {
		.name = "KVM_NMI",
		.states = BIT(STAGE_USER) | BIT(STAGE_SELF),
		.nmi = true,
		.fire = fire_nmi,
	},
};

static bool prepare_smi(struct stage *st)
{
	struct kvm_vcpu *vcpu = stage_vcpu(st)->vcpu;

	if (!kvm_has_cap(KVM_CAP_X86_SMM))
		return false;

	vm_userspace_mem_region_add(st->vm.vm, VM_MEM_SRC_ANONYMOUS, SMRAM_GPA,
				    SMRAM_SLOT, SMRAM_PAGES, 0);
	memcpy(addr_gpa2hva(st->vm.vm, SMRAM_GPA + 0x8000), smm_code,
	       sizeof(smm_code));
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
	return true;
}

/* A path without an event: these tests fire by themselves. */
static const struct stage_path plain = {
	.name = "what must not boost",
};

static const struct stage_path smi = {
	.name = "SMI",
	.prepare = prepare_smi,
};

/* SMIs are the firmware's: the guest sees none, and could not say done. */
static void test_smi(struct stage *st)
{
	struct script_vcpu *v = stage_vcpu(st);
	u8 *smram;
	bool ok;
	int i;

	if (!stage_begin(st, &smi)) {
		ksft_test_result_skip("SMI: not on this host\n");
		stage_end(st);
		return;
	}
	smram = addr_gpa2hva(st->vm.vm, SMRAM_GPA);
	SCRIPT(v->st->main, OP(POINT, SCRIPT_OWN));

	sched_trace_start(st->trace);
	script_go(v);
	ok = SCHED_LOAD_POLL(READ_ONCE(v->st->point) == 1, SCRIPT_TIMEOUT_MS);
	stage_send(st, OP(ICR, SCRIPT_IPI(0, APIC_DM_SMI)));
	ok &= SCHED_LOAD_POLL(READ_ONCE(smram[SMRAM_BEGUN]),
			      SCRIPT_TIMEOUT_MS);
	if (!ok)
		ksft_print_msg("the guest does not get to its SMI handler\n");
	for (i = 0; i < 5; i++)
		sched_load_yield();
	WRITE_ONCE(smram[SMRAM_GO_ON], 1);
	ok &= script_drive(v);
	sched_trace_stop(st->trace);

	ok = ok && script_check(v, st->trace, 1) && script_restored(v);
	if (!ok)
		sched_trace_dump(st->trace, 24);
	ksft_test_result(ok, "SMI does not boost\n");
	stage_end(st);
}

static void fire_unboosted(struct stage *st)
{
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = SCRIPT_VECTOR_N,
	};

	TEST_ASSERT(__vm_ioctl(st->vm.vm, KVM_SIGNAL_MSI, &msi) > 0,
		    "KVM_SIGNAL_MSI");
}

static void kick(int sig)
{
}

static void fire_signal(struct stage *st)
{
	pthread_kill(stage_vcpu(st)->thread, SIGUSR1);
}

/* As long as the middle one wants the CPU, nothing may come of the event. */
static void test_ignored(struct stage *st, const char *name, bool halted,
			 bool sig)
{
	struct script_vcpu *v = stage_vcpu(st);
	bool ok, ended;

	script_clear(v);
	SCRIPT(v->st->main, OP(READY, 0), halted ? OP(HLT, 1) : OP(WAIT, 1),
	       OP(POINT, SCRIPT_OWN));
	SCRIPT(v->st->n, OP(EOI, 0), OP(POINT, SCRIPT_OWN));

	sched_trace_start(st->trace);
	script_go(v);
	ok = SCHED_LOAD_POLL(READ_ONCE(v->st->ready) &&
			     (!halted || sched_load_state(v->tid) == 'S'),
			     SCRIPT_TIMEOUT_MS);
	sched_load_start(&st->middle);
	if (sig)
		fire_signal(st);
	else
		fire_unboosted(st);
	if (SCHED_LOAD_POLL(READ_ONCE(v->st->entries) || script_idle(v),
			    WATCH_MS)) {
		ksft_print_msg("it got the CPU from a thread above it\n");
		ok = false;
	}
	sched_load_stop(&st->middle);

	/* Out of KVM_RUN, and into it again to let the script end. */
	if (sig) {
		ok &= SCHED_LOAD_POLL(script_idle(v), SCRIPT_TIMEOUT_MS);
		script_go(v);
		fire_unboosted(st);
	}
	ended = script_drive(v);
	sched_trace_stop(st->trace);

	ok = ok && ended && script_check(v, st->trace, 2) && script_restored(v);
	if (!ok)
		sched_trace_dump(st->trace, 24);
	ksft_test_result(ok, "%s\n", name);
	TEST_ASSERT(ended, "The guest does not come to an end");
}

int main(int argc, char *argv[])
{
	struct stage st;
	unsigned int i;

	pv_sched_require();
	stage_create(&st);
	signal(SIGUSR1, kick);

	ksft_print_header();
	ksft_set_plan(stage_results(paths, ARRAY_SIZE(paths)) + 4);
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		stage_run(&st, &paths[i]);

	test_smi(&st);
	stage_begin(&st, &plain);
	test_ignored(&st, "vector left out, preempted", false, false);
	test_ignored(&st, "vector left out, halted", true, false);
	test_ignored(&st, "signal, halted", true, true);
	stage_end(&st);
	stage_destroy(&st);

	ksft_finished();
}
