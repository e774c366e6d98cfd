/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that does what a script says, for tests of when a vCPU is raised.
 *
 * Each vCPU has a script for its main program, one for each of a few interrupt
 * vectors and one for NMIs.  At a point the guest stays until the host has
 * seen, by preempting it, with which priority it runs.  So no test depends on
 * how fast a machine is.
 */
#ifndef SELFTEST_KVM_PV_SCHED_SCRIPT_H
#define SELFTEST_KVM_PV_SCHED_SCRIPT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "apic.h"
#include "kvm_util.h"
#include "pv_sched.h"
#include "sched_load.h"
#include "sched_trace.h"

/* A and B are of one class, C of a higher one; N never boosts. */
#define SCRIPT_VECTOR_A		0x51
#define SCRIPT_VECTOR_B		0x52
#define SCRIPT_VECTOR_C		0x61
#define SCRIPT_VECTOR_N		0x71

/* Boosts in scripts go to this priority; it is what traces show. */
#define SCRIPT_P_MAX		40
#define SCRIPT_BOOST		SCHED_TRACE_FIFO(SCRIPT_P_MAX)
#define SCRIPT_OWN		SCHED_TRACE_OTHER

#define SCRIPT_MAX_VCPUS	4
#define SCRIPT_LEN		16
#define SCRIPT_POINTS		16
#define SCRIPT_TIMEOUT_MS	6000

/* Guest memory that is not there until the host fills it in. */
#define SCRIPT_HOLE_GPA		0x40000000ULL
#define SCRIPT_HOLE_SLOT	5

enum script_op {
	SCRIPT_END,
	SCRIPT_FIRST,		/* in later handlers, skip the next one */
	SCRIPT_POINT,		/* the priority that the host has to see */
	SCRIPT_READY,		/* all set up, the event may come */
	SCRIPT_DONE,		/* flags */
	SCRIPT_SET,		/* see SCRIPT_PARAMS */
	SCRIPT_EOI,
	SCRIPT_PIC_EOI,
	SCRIPT_CLEAR,		/* the byte at that address */
	SCRIPT_ICR,		/* low word of the ICR, destination above */
	SCRIPT_CLI,
	SCRIPT_STI,
	SCRIPT_TPR,
	SCRIPT_WAIT,		/* for that many interrupts, spinning */
	SCRIPT_HLT,		/* the same, halted */
	SCRIPT_TOUCH,		/* block in the host on the missing page */
	SCRIPT_EXIT,		/* to user space, until let in again */
	SCRIPT_ARM,		/* enum script_timer */
	SCRIPT_DISARM,
};

enum script_timer {
	SCRIPT_TSC_DEADLINE,
	SCRIPT_ONESHOT,
	SCRIPT_PERIODIC,
	SCRIPT_PIC,		/* no timer, but what one needs */
	SCRIPT_PIT,
};

#define OP(op, arg)	(SCRIPT_##op | (uint64_t)(arg) << 8)

/* Of the calling vCPU. */
#define SCRIPT_PARAMS(policy, priority, flags)				\
	((policy) | (uint64_t)(uint8_t)(priority) << 8 | (uint64_t)(flags) << 16)
#define SCRIPT_SELF(vector)						\
	(APIC_DEST_SELF | APIC_INT_ASSERT | APIC_DM_FIXED | (vector))
#define SCRIPT_SELF_NMI		(APIC_INT_ASSERT | APIC_DM_NMI)
#define SCRIPT_IPI(vcpu, mode)						\
	(APIC_INT_ASSERT | (mode) | (uint64_t)(vcpu) << 32)

struct script_point {
	uint64_t begin;
	uint64_t end;
	uint64_t prio;
};

/* What a vCPU runs, and what became of it; shared with the host. */
struct script_state {
	struct script_state *self;

	uint64_t main[SCRIPT_LEN];
	uint64_t a[SCRIPT_LEN];
	uint64_t b[SCRIPT_LEN];
	uint64_t c[SCRIPT_LEN];
	uint64_t n[SCRIPT_LEN];
	uint64_t nmi[SCRIPT_LEN];

	uint64_t delay_ns;
	uint64_t vector;

	uint64_t ready;
	uint64_t event;		/* when the timer is to expire, in TSC ticks */
	uint64_t entries;
	uint64_t entry;		/* of the first handler */
	uint64_t done;		/* just before the first call */
	uint64_t doubled;	/* false deliveries of the emulator, see .c */
	int64_t error;		/* of a hypercall */

	uint64_t point;
	uint64_t passed;
	struct script_point points[SCRIPT_POINTS];
} __aligned(4096);

enum script_irqchip {
	SCRIPT_IRQCHIP_KERNEL,
	SCRIPT_IRQCHIP_SPLIT,
	SCRIPT_IRQCHIP_NONE,
};

/* A vCPU with its thread. */
struct script_vcpu {
	struct kvm_vcpu *vcpu;
	struct script_state *st;
	int policy;
	int priority;

	pthread_t thread;
	pid_t tid;
	sem_t go;
	bool idle;
	bool quit;
	bool in_user;
	bool let_in;
};

struct script_vm {
	struct kvm_vm *vm;
	struct sched_trace *trace;
	unsigned int nr;
	struct script_vcpu vcpus[SCRIPT_MAX_VCPUS];
	void *hole;
	int uffd;
};

/* Bounds with budgets that the watcher's samples never empty. */
struct kvm_pv_sched script_bounds(void);

/*
 * A VM, its vCPUs' threads with SCHED_OTHER or what the caller sets before
 * script_vm_start(), which also has the trace watch them.
 */
void script_vm_create(struct script_vm *s, enum script_irqchip irqchip,
		      unsigned int nr, struct kvm_pv_sched *cfg);
void script_vm_start(struct script_vm *s, struct sched_trace *t);
void script_vm_destroy(struct script_vm *s);

/* Make the missing page missing again, and let whoever waits have it. */
void script_hole_dig(struct script_vm *s);
void script_hole_fill(struct script_vm *s);

#define SCRIPT(array, ...)						\
	script_load(array, (const uint64_t []){ __VA_ARGS__ },		\
		    sizeof((const uint64_t []){ __VA_ARGS__ }))
void script_load(uint64_t *to, const uint64_t *ops, size_t size);
void script_clear(struct script_vcpu *v);

void script_go(struct script_vcpu *v);
static inline bool script_idle(struct script_vcpu *v)
{
	return __atomic_load_n(&v->idle, __ATOMIC_ACQUIRE);
}

/* Sample the guest's present point, if it is at one, and let it go on. */
void script_step(struct script_vcpu *v);
/* Until the main script has ended, or false after the time limit. */
bool script_drive(struct script_vcpu *v);

/* Check the points against the trace; print what is wrong. */
bool script_check(struct script_vcpu *v, const struct sched_trace *t,
		  unsigned int points);
/* Does the thread get its own attributes back, soon? */
bool script_restored(struct script_vcpu *v);

static inline uint64_t script_ns_to_tsc(uint64_t ns)
{
	return ns * guest_tsc_khz / 1000000;
}

static inline uint64_t script_tsc_to_us(uint64_t tsc)
{
	return tsc * 1000 / guest_tsc_khz;
}

#endif /* SELFTEST_KVM_PV_SCHED_SCRIPT_H */
