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
#include <linux/types.h>

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
	SCRIPT_SEND_IPI,	/* by hypercall; like SCRIPT_ICR */
	SCRIPT_CLI,
	SCRIPT_STI,
	SCRIPT_TPR,
	SCRIPT_WAIT,		/* for that many interrupts, spinning */
	SCRIPT_HLT,		/* the same, halted */
	SCRIPT_TOUCH,		/* block in the host on the missing page */
	SCRIPT_EXIT,		/* to user space, until let in again */
	SCRIPT_ARM,		/* enum script_timer */
	SCRIPT_PIC,		/* lines 0 and 1, from that vector on */
	SCRIPT_DISARM,
	SCRIPT_BUSY,		/* for that many nanoseconds */
	SCRIPT_REPEAT,		/* from that operation on, until let go on */
	SCRIPT_FLOOD,		/* that vCPU with parameters, until then */
	SCRIPT_LOCK,		/* the VM's spinlock; 1: yield to its holder */
	SCRIPT_UNLOCK,
};

enum script_timer {
	SCRIPT_TSC_DEADLINE,
	SCRIPT_ONESHOT,
	SCRIPT_PERIODIC,
};

#define OP(op, arg)	(SCRIPT_##op | (u64)(arg) << 8)

/* Of the calling vCPU. */
#define SCRIPT_PARAMS(policy, priority, flags)				\
	((policy) | (u64)(u8)(priority) << 8 | (u64)(flags) << 16)
/* Of another one. */
#define SCRIPT_PARAMS_OF(vcpu, policy, priority)			\
	(SCRIPT_PARAMS(policy, priority, 0) | ((vcpu) + 1ULL) << 32)
#define SCRIPT_SELF(vector)						\
	(APIC_DEST_SELF | APIC_INT_ASSERT | APIC_DM_FIXED | (vector))
#define SCRIPT_SELF_NMI		(APIC_INT_ASSERT | APIC_DM_NMI)
#define SCRIPT_IPI(vcpu, mode)						\
	(APIC_INT_ASSERT | (mode) | (u64)(vcpu) << 32)

struct script_point {
	u64 begin;
	u64 end;
	u64 prio;
};

/* What a vCPU runs, and what became of it; shared with the host. */
struct script_state {
	struct script_state *self;

	u64 main[SCRIPT_LEN];
	u64 a[SCRIPT_LEN];
	u64 b[SCRIPT_LEN];
	u64 c[SCRIPT_LEN];
	u64 n[SCRIPT_LEN];
	u64 nmi[SCRIPT_LEN];

	u64 delay_ns;
	u64 vector;

	u64 ready;
	u64 event;		/* when the timer is to expire, in TSC ticks */
	u64 entries;
	u64 entry;		/* of the first handler */
	u64 done;		/* just before the first call */
	u64 floods;	/* changes of parameters by SCRIPT_FLOOD */
	u64 doubled;	/* false deliveries of the emulator, see .c */
	s64 error;		/* of a hypercall */

	u64 point;
	u64 passed;
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
	/* Own ones of the thread. */
	int policy;
	int priority;

	pthread_t thread;
	pid_t tid;
	sem_t go;
	bool idle;
	bool quit;
	bool in_user;
	bool let_in;
	/* What it does in user space before it is let in. */
	void (*call)(void *arg);
	void *call_arg;
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
	script_load(array, (const u64 []){ __VA_ARGS__ },		\
		    sizeof((const u64 []){ __VA_ARGS__ }))
void script_load(u64 *to, const u64 *ops, size_t size);
/* After a moment in which budgets come back. */
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

/* Let it go on from where it is and will be. */
static inline void script_release(struct script_vcpu *v)
{
	WRITE_ONCE(v->st->passed, SCRIPT_POINTS);
}

/* Check the points against the trace; print what is wrong. */
bool script_check(struct script_vcpu *v, const struct sched_trace *t,
		  unsigned int points);
/*
 * Did the machine stand still for so long that a guest at a point used up what
 * a host CPU gives?  Then try again.
 */
bool script_stalled(struct script_vcpu *v);
#define SCRIPT_TRIES	5
/* Does the thread get its own attributes back, soon? */
bool script_restored(struct script_vcpu *v);

static inline u64 script_ns_to_tsc(u64 ns)
{
	return ns * guest_tsc_khz / 1000000;
}

static inline u64 script_tsc_to_us(u64 tsc)
{
	return tsc * 1000 / guest_tsc_khz;
}

#endif /* SELFTEST_KVM_PV_SCHED_SCRIPT_H */
