/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drive a guest from the host's side, and watch the thread that runs it.
 *
 * The guest takes commands from its memory and spins in between, i.e. its
 * thread stays in KVM_RUN while the host looks at it.  The host has to be above
 * whatever the guest is lent, see pv_sched_become_watcher().
 */
#ifndef SELFTEST_KVM_PV_SCHED_VCPU_H
#define SELFTEST_KVM_PV_SCHED_VCPU_H

#include <pthread.h>
#include <semaphore.h>

#include "pv_sched.h"

/* Beyond that, something hangs.  Emulated machines are slow. */
#define PV_SCHED_DEADLINE_NS	(10 * NSEC_PER_SEC)

#define PV_SCHED_MAX_VCPUS	4

typedef s64 (*pv_sched_guest_fn)(u64 a0, u64 a1, u64 a2,
				 u64 a3);

/* A thread of the VMM.  Parked in user space unless told to run a vCPU. */
struct pv_sched_thread {
	pthread_t pthread;
	pid_t tid;
	sem_t command;
	sem_t parked;
	struct kvm_vcpu *vcpu;
	/* Called in the thread, right after KVM_RUN. */
	void (*after_run)(struct pv_sched_thread *t);
	void *data;
	int error;
	bool running;
};

/* All of a thread's own attributes that a loan may disturb. */
struct pv_sched_own {
	u32 policy;
	u32 priority;
	int nice;
	bool reset_on_fork;
	u64 slice;
	u64 slack;
};

/* How a condition is waited for: with pauses that grow, up to a deadline. */
struct pv_sched_wait {
	u64 end;
	u64 pause;
};

/* What most tests have: a VM with one vCPU, and the thread that runs it. */
struct pv_sched_one {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct pv_sched_thread thread;
	struct pv_sched_own own;
};

u64 pv_sched_now(void);
void pv_sched_pause(u64 ns);
struct pv_sched_wait pv_sched_wait_begin(void);
bool pv_sched_wait_more(struct pv_sched_wait *w);

#define pv_sched_wait_for(cond, fmt, ...)				\
do {									\
	struct pv_sched_wait __w = pv_sched_wait_begin();		\
									\
	while (!(cond))							\
		TEST_ASSERT(pv_sched_wait_more(&__w), fmt,		\
			    ##__VA_ARGS__);				\
} while (0)

struct kvm_pv_sched pv_sched_wide(u32 p_max);
struct kvm_vm *pv_sched_vm_create(struct kvm_pv_sched *cfg);
struct kvm_vcpu *pv_sched_vcpu_add(struct kvm_vm *vm, u32 id);

void pv_sched_guest(u64 id);
s64 pv_sched_guest_set(u64 id, u64 policy, u64 priority,
		       u64 flags);
s64 pv_sched_guest_done(u64 flags, u64 a1, u64 a2,
			u64 a3);
s64 pv_sched_guest_exit(u64 a0, u64 a1, u64 a2, u64 a3);

void pv_sched_call_start(struct kvm_vcpu *vcpu, pv_sched_guest_fn fn,
			 u64 a0, u64 a1, u64 a2, u64 a3);
s64 pv_sched_call_wait(struct kvm_vcpu *vcpu);
s64 pv_sched_call(struct kvm_vcpu *vcpu, pv_sched_guest_fn fn, u64 a0,
		  u64 a1, u64 a2, u64 a3);
s64 __pv_sched_ask(struct kvm_vcpu *vcpu, u32 policy, int priority);
void pv_sched_ask(struct kvm_vcpu *vcpu, u32 policy, int priority);

void pv_sched_thread_create(struct pv_sched_thread *t);
void pv_sched_thread_run(struct pv_sched_thread *t, struct kvm_vcpu *vcpu);
void pv_sched_thread_wait(struct pv_sched_thread *t);
void pv_sched_thread_kick(struct pv_sched_thread *t);
void pv_sched_thread_exit(struct pv_sched_thread *t);
void pv_sched_thread_join(struct pv_sched_thread *t);

struct pv_sched_own pv_sched_own_read(pid_t tid);
bool pv_sched_own_equal(const struct pv_sched_own *a,
			const struct pv_sched_own *b);
void pv_sched_own_assert(pid_t tid, const struct pv_sched_own *own,
			 const char *when);
void pv_sched_own_wait(pid_t tid, const struct pv_sched_own *own,
		       const char *when);
void pv_sched_expect(pid_t tid, const struct pv_sched_own *own, u32 policy,
		     u32 priority);

static inline bool pv_sched_is_rt(u32 policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

#endif /* SELFTEST_KVM_PV_SCHED_VCPU_H */
