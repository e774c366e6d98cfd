// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drive a guest from the host's side, and watch the thread that runs it.
 */
#include <signal.h>
#include <time.h>

#include "pv_sched_vcpu.h"
#include "ucall_common.h"

/* How the host tells a guest what to do; there is one for each vCPU. */
struct pv_sched_mailbox {
	u64 asked;
	u64 answered;
	pv_sched_guest_fn fn;
	u64 args[4];
	s64 ret;
};

static struct pv_sched_mailbox mailboxes[PV_SCHED_MAX_VCPUS];

u64 pv_sched_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return timespec_to_ns(ts);
}

/* Let others have the CPU. */
void pv_sched_pause(u64 ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
}

struct pv_sched_wait pv_sched_wait_begin(void)
{
	return (struct pv_sched_wait) {
		.end = pv_sched_now() + PV_SCHED_DEADLINE_NS,
		.pause = 20000,
	};
}

/*
 * Pause between two looks at a condition.  To look costs time as well, much in
 * an emulated machine, and what is waited for needs the CPU.
 */
bool pv_sched_wait_more(struct pv_sched_wait *w)
{
	if (pv_sched_now() >= w->end)
		return false;

	pv_sched_pause(w->pause);
	if (w->pause < 2000000)
		w->pause *= 2;
	return true;
}

/* Budgets as large as they may be: these tests are of other things. */
struct kvm_pv_sched pv_sched_wide(u32 p_max)
{
	struct kvm_pv_sched cfg = pv_sched_defaults(p_max);

	cfg.nice_min = -20;
	cfg.boost_period_ns = PV_SCHED_MAX_PERIOD_NS;
	cfg.boost_budget_ns = PV_SCHED_MAX_PERIOD_NS / 100 * 95;
	cfg.rt_period_ns = PV_SCHED_MAX_PERIOD_NS;
	cfg.rt_budget_ns = PV_SCHED_MAX_PERIOD_NS / 100 * 95;
	return cfg;
}

struct kvm_vm *pv_sched_vm_create(struct kvm_pv_sched *cfg)
{
	struct kvm_vm *vm = vm_create(PV_SCHED_MAX_VCPUS);

	pv_sched_enable(vm, cfg);
	return vm;
}

struct kvm_vcpu *pv_sched_vcpu_add(struct kvm_vm *vm, u32 id)
{
	struct kvm_vcpu *vcpu = vm_vcpu_add(vm, id, pv_sched_guest);

	vcpu_set_cpuid_feature(vcpu, X86_FEATURE_KVM_PV_SCHED);
	vcpu_args_set(vcpu, 1, (u64)id);
	return vcpu;
}

/*
 * Guest: do what the host asks for, one thing after the other.  Do not use
 * PAUSE, as a raised vCPU that spins hands its boost to a sibling.  CLI, which
 * changes nothing here, has Bochs look for interrupts of the host.
 */
void pv_sched_guest(u64 id)
{
	struct pv_sched_mailbox *box = &mailboxes[id];
	u64 n;

	for (n = 1; ; n++) {
		while (__atomic_load_n(&box->asked, __ATOMIC_ACQUIRE) != n)
			asm volatile("cli");

		box->ret = box->fn(box->args[0], box->args[1], box->args[2],
				   box->args[3]);
		__atomic_store_n(&box->answered, n, __ATOMIC_RELEASE);
	}
}

s64 pv_sched_guest_set(u64 id, u64 policy, u64 priority,
		       u64 flags)
{
	return pv_sched_set(id, policy, priority, flags);
}

s64 pv_sched_guest_done(u64 flags, u64 a1, u64 a2,
			u64 a3)
{
	return pv_sched_done(flags);
}

s64 pv_sched_guest_exit(u64 a0, u64 a1, u64 a2, u64 a3)
{
	GUEST_SYNC(a0);
	return 0;
}

static struct pv_sched_mailbox *mailbox_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (vm_vaddr_t)&mailboxes[vcpu->id]);
}

/* Have the guest call @fn, and do not wait for it. */
void pv_sched_call_start(struct kvm_vcpu *vcpu, pv_sched_guest_fn fn,
			 u64 a0, u64 a1, u64 a2, u64 a3)
{
	struct pv_sched_mailbox *box = mailbox_of(vcpu);

	box->fn = fn;
	box->args[0] = a0;
	box->args[1] = a1;
	box->args[2] = a2;
	box->args[3] = a3;
	__atomic_store_n(&box->asked, box->asked + 1, __ATOMIC_RELEASE);
}

s64 pv_sched_call_wait(struct kvm_vcpu *vcpu)
{
	struct pv_sched_mailbox *box = mailbox_of(vcpu);

	pv_sched_wait_for(__atomic_load_n(&box->answered, __ATOMIC_ACQUIRE) ==
			  box->asked, "The guest does not answer");
	return box->ret;
}

s64 pv_sched_call(struct kvm_vcpu *vcpu, pv_sched_guest_fn fn, u64 a0,
		  u64 a1, u64 a2, u64 a3)
{
	pv_sched_call_start(vcpu, fn, a0, a1, a2, a3);
	return pv_sched_call_wait(vcpu);
}

/* Have the guest ask for its own vCPU. */
s64 __pv_sched_ask(struct kvm_vcpu *vcpu, u32 policy, int priority)
{
	return pv_sched_call(vcpu, pv_sched_guest_set, vcpu->id, policy,
			     (s64)priority, 0);
}

void pv_sched_ask(struct kvm_vcpu *vcpu, u32 policy, int priority)
{
	s64 r = __pv_sched_ask(vcpu, policy, priority);

	TEST_ASSERT(!r, "Guest was refused policy %u, priority %d: %ld", policy,
		    priority, r);
}

static void thread_signal(int sig)
{
}

static void *thread_main(void *arg)
{
	struct pv_sched_thread *t = arg;
	struct ucall uc;
	int r;

	t->tid = syscall(SYS_gettid);
	sem_post(&t->parked);

	for (;;) {
		while (sem_wait(&t->command) && errno == EINTR)
			;
		if (!t->vcpu)
			return NULL;

		r = __vcpu_run(t->vcpu);
		t->error = r ? errno : 0;
		if (t->after_run)
			t->after_run(t);

		TEST_ASSERT(!r || t->error == EINTR,
			    "KVM_RUN of thread %d failed: %s", t->tid,
			    strerror(t->error));
		if (!r && get_ucall(t->vcpu, &uc) == UCALL_ABORT)
			REPORT_GUEST_ASSERT(uc);
		sem_post(&t->parked);
	}
}

static void thread_wait_parked(struct pv_sched_thread *t)
{
	struct timespec end;
	int r;

	clock_gettime(CLOCK_REALTIME, &end);
	end = timespec_add_ns(end, PV_SCHED_DEADLINE_NS);
	do {
		r = sem_timedwait(&t->parked, &end);
	} while (r && errno == EINTR);
	TEST_ASSERT(!r, "Thread %d does not return from KVM_RUN", t->tid);
}

void pv_sched_thread_create(struct pv_sched_thread *t)
{
	struct sigaction sa = { .sa_handler = thread_signal };
	int r;

	memset(t, 0, sizeof(*t));
	sigaction(SIGUSR1, &sa, NULL);
	sem_init(&t->command, 0, 0);
	sem_init(&t->parked, 0, 0);
	r = pthread_create(&t->pthread, NULL, thread_main, t);
	TEST_ASSERT(!r, "pthread_create failed: %s", strerror(r));
	thread_wait_parked(t);
}

/* Have the thread enter KVM_RUN, and do not wait for its return. */
void pv_sched_thread_run(struct pv_sched_thread *t, struct kvm_vcpu *vcpu)
{
	TEST_ASSERT(!t->running, "Thread %d is running", t->tid);
	t->vcpu = vcpu;
	t->running = true;
	sem_post(&t->command);
}

/* Wait until the guest has made the thread return from KVM_RUN. */
void pv_sched_thread_wait(struct pv_sched_thread *t)
{
	thread_wait_parked(t);
	t->running = false;
}

/* Make the thread return from KVM_RUN. */
void pv_sched_thread_kick(struct pv_sched_thread *t)
{
	struct kvm_run *run = t->vcpu->run;

	WRITE_ONCE(run->immediate_exit, 1);
	pthread_kill(t->pthread, SIGUSR1);
	pv_sched_thread_wait(t);
	WRITE_ONCE(run->immediate_exit, 0);
	TEST_ASSERT(t->error == EINTR, "KVM_RUN: %s, exit reason %u (%s)",
		    strerror(t->error), run->exit_reason,
		    exit_reason_str(run->exit_reason));
}

/* Have the guest make the thread return from KVM_RUN. */
void pv_sched_thread_exit(struct pv_sched_thread *t)
{
	pv_sched_call_start(t->vcpu, pv_sched_guest_exit, 0, 0, 0, 0);
	pv_sched_thread_wait(t);
	TEST_ASSERT(!t->error, "KVM_RUN: %s", strerror(t->error));
}

void pv_sched_thread_join(struct pv_sched_thread *t)
{
	if (t->running)
		pv_sched_thread_kick(t);
	t->vcpu = NULL;
	sem_post(&t->command);
	pthread_join(t->pthread, NULL);
}

static u64 timer_slack(pid_t tid)
{
	unsigned long long slack = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", tid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &slack) != 1)
		/* Only privileged tests may look, and only they compare. */
		slack = 0;
	if (f)
		fclose(f);
	return slack;
}

struct pv_sched_own pv_sched_own_read(pid_t tid)
{
	struct sched_attr attr = pv_sched_getattr(tid);
	struct pv_sched_own own = {
		.policy = attr.sched_policy,
		.priority = attr.sched_priority,
		.nice = getpriority(PRIO_PROCESS, tid),
		.reset_on_fork = attr.sched_flags & SCHED_FLAG_RESET_ON_FORK,
		.slice = attr.sched_runtime,
		.slack = timer_slack(tid),
	};

	return own;
}

bool pv_sched_own_equal(const struct pv_sched_own *a,
			const struct pv_sched_own *b)
{
	return a->policy == b->policy && a->priority == b->priority &&
	       a->nice == b->nice && a->reset_on_fork == b->reset_on_fork &&
	       a->slice == b->slice && a->slack == b->slack;
}

static void own_print(const struct pv_sched_own *o, char *text, size_t size)
{
	snprintf(text, size,
		 "policy %u priority %u nice %d reset %d slice %lu slack %lu",
		 o->policy, o->priority, o->nice, o->reset_on_fork, o->slice,
		 o->slack);
}

static void own_compare(pid_t tid, const struct pv_sched_own *now,
			const struct pv_sched_own *own, const char *when)
{
	char has[128], owns[128];

	own_print(now, has, sizeof(has));
	own_print(own, owns, sizeof(owns));
	TEST_ASSERT(pv_sched_own_equal(now, own),
		    "Thread %d %s:\n  has  %s\n  owns %s", tid, when, has,
		    owns);
}

void pv_sched_own_assert(pid_t tid, const struct pv_sched_own *own,
			 const char *when)
{
	struct pv_sched_own now = pv_sched_own_read(tid);

	own_compare(tid, &now, own, when);
}

/* The same, but it may take the time for which a loan outlasts KVM_RUN. */
void pv_sched_own_wait(pid_t tid, const struct pv_sched_own *own,
		       const char *when)
{
	struct pv_sched_wait w = pv_sched_wait_begin();
	struct pv_sched_own now = pv_sched_own_read(tid);

	while (!pv_sched_own_equal(&now, own) && pv_sched_wait_more(&w))
		now = pv_sched_own_read(tid);
	own_compare(tid, &now, own, when);
}

/*
 * Wait until the thread has what is expected.  A budget may have run empty, if
 * the host of an emulated machine took its time; then the thread has what it
 * owns, for a while.  It never has anything else.
 */
void pv_sched_expect(pid_t tid, const struct pv_sched_own *own, u32 policy,
		     u32 priority)
{
	struct pv_sched_wait w = pv_sched_wait_begin();
	struct sched_attr now;

	for (;;) {
		now = pv_sched_getattr(tid);
		if (now.sched_policy == policy &&
		    now.sched_priority == priority)
			break;

		TEST_ASSERT(now.sched_policy == own->policy &&
			    now.sched_priority == own->priority &&
			    pv_sched_wait_more(&w),
			    "Thread %d: policy %u priority %u, not %u and %u",
			    tid, now.sched_policy, now.sched_priority, policy,
			    priority);
	}

	TEST_ASSERT(now.sched_flags & SCHED_FLAG_RESET_ON_FORK ||
		    (policy == own->policy && priority == own->priority),
		    "Thread %d: children would inherit what it was lent", tid);
}
