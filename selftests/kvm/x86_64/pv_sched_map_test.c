// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what a thread gets for what its guest asks,
 * seen by another thread while the one is in KVM_RUN, and how it gets back what
 * it owns.
 */
#include "kvm_test_harness.h"

#include "pv_sched_vcpu.h"
#include "test_util.h"

/* Rounds in which a time is measured; the machine may stand still in some. */
#define ROUNDS	10

FIXTURE(map) {
	struct pv_sched_one one;
};

FIXTURE_SETUP(map)
{
	pv_sched_become_watcher();
	pv_sched_thread_create(&self->one.thread);
}

FIXTURE_TEARDOWN(map)
{
	pv_sched_thread_join(&self->one.thread);
	kvm_vm_free(self->one.vm);
}

static void start(struct pv_sched_one *self, struct kvm_pv_sched *cfg)
{
	self->vm = pv_sched_vm_create(cfg);
	self->vcpu = pv_sched_vcpu_add(self->vm, 0);
	self->own = pv_sched_own_read(self->thread.tid);
	pv_sched_thread_run(&self->thread, self->vcpu);
}

static void set_own(struct pv_sched_one *self, u32 policy, u32 priority,
		    int nice)
{
	pv_sched_setattr(self->thread.tid, (struct sched_attr) {
		.sched_policy = policy,
		.sched_priority = priority,
		.sched_nice = nice,
	});
	self->own = pv_sched_own_read(self->thread.tid);
}

/* Ask for all priorities, each of which is seen before the next one. */
static void map_all(struct pv_sched_one *self, u32 p_max)
{
	u32 p, policy;

	for (p = 1; p <= 99; p++) {
		policy = p % 3 ? SCHED_FIFO : SCHED_RR;
		pv_sched_ask(self->vcpu, policy, p);
		pv_sched_expect(self->thread.tid, &self->own, policy,
				pv_sched_map(p, p_max));
	}
	pv_sched_ask(self->vcpu, SCHED_NORMAL, 0);
	pv_sched_own_assert(self->thread.tid, &self->own, "after all");
}

FIXTURE_VARIANT(map) {
	u32 p_max;
};

FIXTURE_VARIANT_ADD(map, p_max_1) {
	.p_max = 1,
};

FIXTURE_VARIANT_ADD(map, p_max_2) {
	.p_max = 2,
};

FIXTURE_VARIANT_ADD(map, p_max_33) {
	.p_max = 33,
};

FIXTURE_VARIANT_ADD(map, p_max_50) {
	.p_max = 50,
};

FIXTURE_VARIANT_ADD(map, p_max_97) {
	.p_max = 97,
};

FIXTURE_VARIANT_ADD(map, p_max_98) {
	.p_max = 98,
};

TEST_F(map, real_time)
{
	struct kvm_pv_sched cfg = pv_sched_wide(variant->p_max);

	start(&self->one, &cfg);
	map_all(&self->one, variant->p_max);
}

FIXTURE(fair) {
	struct pv_sched_one one;
};

FIXTURE_SETUP(fair)
{
	pv_sched_become_watcher();
	pv_sched_thread_create(&self->one.thread);
}

FIXTURE_TEARDOWN(fair)
{
	pv_sched_thread_join(&self->one.thread);
	kvm_vm_free(self->one.vm);
}

struct fair {
	u32 policy;
	int nice;
};

/*
 * What a fair request gives: never more weight than the thread has by itself,
 * nor less of a nice value than the VM may ask for.
 */
static struct fair fair_formula(const struct pv_sched_own *own, int nice_min,
				const struct fair *request)
{
	struct fair f = *request;

	if (own->policy == SCHED_IDLE)
		f.policy = SCHED_IDLE;
	if (f.nice < nice_min)
		f.nice = nice_min;
	if (f.nice < own->nice)
		f.nice = own->nice;
	return f;
}

static void fair_check(struct pv_sched_one *m, int nice_min,
		       const struct fair *request)
{
	struct fair want = fair_formula(&m->own, nice_min, request);
	struct pv_sched_own now;

	pv_sched_ask(m->vcpu, request->policy, request->nice);
	now = pv_sched_own_read(m->thread.tid);
	TEST_ASSERT(now.policy == want.policy && !now.priority &&
		    (want.policy == SCHED_IDLE || now.nice == want.nice),
		    "Own %u/%d, nice_min %d: asked for %u/%d, got %u/%d not %u/%d",
		    m->own.policy, m->own.nice, nice_min, request->policy,
		    request->nice, now.policy, now.nice, want.policy,
		    want.nice);
	TEST_ASSERT(now.policy == SCHED_IDLE || now.nice >= m->own.nice,
		    "Nice %d is heavier than the thread's own", now.nice);
}

/* All requests, for own values on both sides of them. */
TEST_F(fair, never_heavier)
{
	static const struct fair owns[] = {
		{ SCHED_NORMAL, 0 }, { SCHED_NORMAL, -10 }, { SCHED_BATCH, 7 },
		{ SCHED_NORMAL, 19 }, { SCHED_IDLE, 0 },
	};
	static const struct fair requests[] = {
		{ SCHED_NORMAL, -20 }, { SCHED_NORMAL, -5 }, { SCHED_BATCH, 0 },
		{ SCHED_NORMAL, 7 }, { SCHED_BATCH, 8 }, { SCHED_IDLE, -20 },
		{ SCHED_NORMAL, 19 }, { SCHED_BATCH, -20 },
	};
	static const int nice_mins[] = { -20, 5 };
	struct kvm_pv_sched cfg;
	int i, j, k;

	for (k = 0; k < ARRAY_SIZE(nice_mins); k++) {
		cfg = pv_sched_wide(50);
		cfg.nice_min = nice_mins[k];
		start(&self->one, &cfg);

		for (i = 0; i < ARRAY_SIZE(owns); i++) {
			pv_sched_thread_kick(&self->one.thread);
			set_own(&self->one, owns[i].policy, 0, owns[i].nice);
			pv_sched_thread_run(&self->one.thread, self->one.vcpu);
			for (j = 0; j < ARRAY_SIZE(requests); j++)
				fair_check(&self->one, nice_mins[k],
					   &requests[j]);
			pv_sched_thread_kick(&self->one.thread);
			pv_sched_own_assert(self->one.thread.tid, &self->one.own,
					    "in user space");
			pv_sched_thread_run(&self->one.thread, self->one.vcpu);
		}

		pv_sched_thread_kick(&self->one.thread);
		set_own(&self->one, SCHED_NORMAL, 0, 0);
		if (k + 1 < ARRAY_SIZE(nice_mins))
			kvm_vm_free(self->one.vm);
	}
}

/* Up and down, and each policy after each other one. */
TEST_F(fair, steps)
{
	static const struct {
		u32 policy;
		u32 priority;
	} steps[] = {
		{ SCHED_FIFO, 20 }, { SCHED_FIFO, 70 }, { SCHED_RR, 70 },
		{ SCHED_NORMAL, 0 }, { SCHED_RR, 99 }, { SCHED_FIFO, 1 },
		{ SCHED_BATCH, 0 }, { SCHED_FIFO, 99 }, { SCHED_IDLE, 0 },
		{ SCHED_RR, 1 }, { SCHED_NORMAL, 0 },
	};
	struct kvm_pv_sched cfg = pv_sched_wide(50);
	u32 policy, p;
	int i;

	start(&self->one, &cfg);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		policy = steps[i].policy;
		p = steps[i].priority;
		pv_sched_ask(self->one.vcpu, policy, p);
		pv_sched_expect(self->one.thread.tid, &self->one.own, policy,
				pv_sched_is_rt(policy) ? pv_sched_map(p, 50) :
							 0);
	}
	pv_sched_own_assert(self->one.thread.tid, &self->one.own, "after all");
}

/* A thread may own more than its VM may lend. */
TEST_F(fair, own_above_p_max)
{
	struct kvm_pv_sched cfg = pv_sched_wide(50);
	struct kvm_pv_sched_state boost = { .reasons = KVM_PV_SCHED_IRQ };
	pid_t tid = self->one.thread.tid;

	start(&self->one, &cfg);
	pv_sched_thread_kick(&self->one.thread);
	set_own(&self->one, SCHED_RR, 60, 0);
	kvm_device_attr_set(self->one.vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &boost);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);

	/* A boost does not lower; a request does, as the guest wants it. */
	pv_sched_call(self->one.vcpu, pv_sched_guest_set, 0, SCHED_FIFO, 99, 0);
	pv_sched_own_assert(tid, &self->one.own, "boosted");
	pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_IRQ, 0, 0,
		      0);
	pv_sched_expect(tid, &self->one.own, SCHED_FIFO, 50);
	pv_sched_ask(self->one.vcpu, SCHED_NORMAL, 10);
	pv_sched_expect(tid, &self->one.own, SCHED_NORMAL, 0);

	/* But never where the thread may hold locks of its VMM. */
	pv_sched_thread_exit(&self->one.thread);
	pv_sched_own_assert(tid, &self->one.own, "in user space");
}

struct linger {
	struct pv_sched_own own;
	struct pv_sched_own at_once;
	u64 ns;
};

/* In the vCPU's thread, which keeps the CPU until it is lowered. */
static void measure_linger(struct pv_sched_thread *t)
{
	struct linger *l = t->data;
	u64 begin = pv_sched_now();
	struct sched_attr now;

	l->at_once = pv_sched_own_read(0);
	do {
		now = pv_sched_getattr(0);
		l->ns = pv_sched_now() - begin;
	} while ((now.sched_policy != l->own.policy ||
		  now.sched_priority != l->own.priority) &&
		 l->ns < PV_SCHED_DEADLINE_NS);
}

/* What was lent stays for a moment, as a short exit should cost nothing. */
TEST_F(fair, raised_in_user_space)
{
	u64 best = UINT64_MAX;
	struct kvm_pv_sched cfg = pv_sched_wide(50);
	struct linger l = {};
	int i, raised = 0;

	start(&self->one, &cfg);
	l.own = self->one.own;
	self->one.thread.data = &l;
	self->one.thread.after_run = measure_linger;

	for (i = 0; i < ROUNDS; i++) {
		pv_sched_ask(self->one.vcpu, SCHED_FIFO, 99);
		pv_sched_expect(self->one.thread.tid, &l.own, SCHED_FIFO, 50);
		pv_sched_call_start(self->one.vcpu, pv_sched_guest_exit, 0, 0, 0,
				    0);
		pv_sched_thread_wait(&self->one.thread);
		TEST_ASSERT(l.ns < PV_SCHED_DEADLINE_NS,
			    "The thread keeps what it was lent");
		raised += l.at_once.policy == SCHED_FIFO;
		if (l.ns < best)
			best = l.ns;

		pv_sched_thread_run(&self->one.thread, self->one.vcpu);
		pv_sched_call_wait(self->one.vcpu);
		pv_sched_ask(self->one.vcpu, SCHED_NORMAL, 0);
	}

	TEST_ASSERT(raised, "Each exit to user space costs two changes");
	TEST_ASSERT(best < 2 * PV_SCHED_LINGER_NS,
		    "At best a loan lasts %lu ns in user space", best);
}

/* A guest that wants little must not slow its VMM down. */
TEST_F(fair, lowered_in_user_space)
{
	struct kvm_pv_sched cfg = pv_sched_wide(50);
	struct linger l = {};
	int i;

	start(&self->one, &cfg);
	l.own = self->one.own;
	self->one.thread.data = &l;
	self->one.thread.after_run = measure_linger;

	for (i = 0; i < ROUNDS; i++) {
		pv_sched_ask(self->one.vcpu, i % 2 ? SCHED_IDLE : SCHED_BATCH,
			     10);
		TEST_ASSERT(pv_sched_getattr(self->one.thread.tid).sched_policy !=
			    SCHED_NORMAL, "The thread was not lowered");
		pv_sched_call_start(self->one.vcpu, pv_sched_guest_exit, 0, 0, 0,
				    0);
		pv_sched_thread_wait(&self->one.thread);
		TEST_ASSERT(l.at_once.policy == l.own.policy &&
			    l.at_once.nice == l.own.nice,
			    "In user space a thread has %u/%d, its own is %u/%d",
			    l.at_once.policy, l.at_once.nice, l.own.policy,
			    l.own.nice);

		pv_sched_thread_run(&self->one.thread, self->one.vcpu);
		pv_sched_call_wait(self->one.vcpu);
	}
}

int main(int argc, char *argv[])
{
	pv_sched_require();

	return test_harness_run(argc, argv);
}
