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

typedef int64_t (*pv_sched_guest_fn)(uint64_t a0, uint64_t a1, uint64_t a2,
				     uint64_t a3);

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
	uint32_t policy;
	uint32_t priority;
	int nice;
	bool reset_on_fork;
	uint64_t slice;
	uint64_t slack;
};

uint64_t pv_sched_now(void);
void pv_sched_nap(void);

#define pv_sched_wait_for(cond, fmt, ...)				\
do {									\
	uint64_t __end = pv_sched_now() + PV_SCHED_DEADLINE_NS;		\
									\
	while (!(cond)) {						\
		TEST_ASSERT(pv_sched_now() < __end, fmt, ##__VA_ARGS__);\
		pv_sched_nap();						\
	}								\
} while (0)

struct kvm_pv_sched pv_sched_wide(uint32_t p_max);
struct kvm_vm *pv_sched_vm_create(struct kvm_pv_sched *cfg);
struct kvm_vcpu *pv_sched_vcpu_add(struct kvm_vm *vm, uint32_t id);

void pv_sched_guest(uint64_t id);
int64_t pv_sched_guest_set(uint64_t id, uint64_t policy, uint64_t priority,
			   uint64_t flags);
int64_t pv_sched_guest_done(uint64_t flags, uint64_t a1, uint64_t a2,
			    uint64_t a3);
int64_t pv_sched_guest_exit(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);

void pv_sched_call_start(struct kvm_vcpu *vcpu, pv_sched_guest_fn fn,
			 uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
int64_t pv_sched_call_wait(struct kvm_vcpu *vcpu);
int64_t pv_sched_call(struct kvm_vcpu *vcpu, pv_sched_guest_fn fn, uint64_t a0,
		      uint64_t a1, uint64_t a2, uint64_t a3);
int64_t __pv_sched_ask(struct kvm_vcpu *vcpu, uint32_t policy, int priority);
void pv_sched_ask(struct kvm_vcpu *vcpu, uint32_t policy, int priority);

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
void pv_sched_expect(pid_t tid, const struct pv_sched_own *own, uint32_t policy,
		     uint32_t priority);

static inline bool pv_sched_is_rt(uint32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

#endif /* SELFTEST_KVM_PV_SCHED_VCPU_H */
