// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: attributes that somebody else sets while a
 * guest is lent some.  The host wins, unless it only keeps a loan.
 */
#include "kvm_test_harness.h"

#include "pv_sched_vcpu.h"
#include "test_util.h"

#define P_MAX	50

FIXTURE(outside) {
	struct pv_sched_one one;
};

FIXTURE_SETUP(outside)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	pv_sched_become_watcher();
	pv_sched_thread_create(&self->one.thread);
	self->one.own = pv_sched_own_read(self->one.thread.tid);
	self->one.vm = pv_sched_vm_create(&cfg);
	self->one.vcpu = pv_sched_vcpu_add(self->one.vm, 0);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	/* The first KVM_RUN creates a thread, which SCHED_DEADLINE forbids. */
	pv_sched_ask(self->one.vcpu, SCHED_NORMAL, 0);
}

FIXTURE_TEARDOWN(outside)
{
	pv_sched_thread_join(&self->one.thread);
	kvm_vm_free(self->one.vm);
}

static void set_rtprio_limit(rlim_t soft)
{
	struct rlimit limit = { soft, 99 };

	TEST_ASSERT(!setrlimit(RLIMIT_RTPRIO, &limit),
		    __KVM_SYSCALL_ERROR("setrlimit", -1));
}

static void set_outside(struct pv_sched_one *self, u32 policy,
			u32 priority, int nice)
{
	pv_sched_setattr(self->thread.tid, (struct sched_attr) {
		.sched_policy = policy,
		.sched_priority = priority,
		.sched_nice = nice,
	});
}

static void raise_guest(struct pv_sched_one *self)
{
	pv_sched_ask(self->vcpu, SCHED_FIFO, 99);
	pv_sched_expect(self->thread.tid, &self->own, SCHED_FIFO, P_MAX);
}

/* What the thread owns is seen when nothing is lent, in user space. */
static void expect_own(struct pv_sched_one *self, u32 policy,
		       u32 priority, int nice)
{
	struct sched_attr now;
	int now_nice;

	pv_sched_ask(self->vcpu, SCHED_FIFO, 98);
	pv_sched_thread_kick(&self->thread);
	self->own.policy = policy;
	self->own.priority = priority;
	self->own.nice = nice;
	/* Real-time threads have no slack, which is not what is tested. */
	self->own.slack = pv_sched_own_read(self->thread.tid).slack;
	pv_sched_wait_for((now = pv_sched_getattr(self->thread.tid),
			   now.sched_policy == policy &&
			   now.sched_priority == priority),
			  "The thread owns %u/%u, not %u/%u", now.sched_policy,
			  now.sched_priority, policy, priority);
	now_nice = getpriority(PRIO_PROCESS, self->thread.tid);
	TEST_ASSERT(now_nice == nice, "The thread has nice %d, not %d",
		    now_nice, nice);
	TEST_ASSERT(!(now.sched_flags & SCHED_FLAG_RESET_ON_FORK),
		    "The thread's children are reset for good");
}

TEST_F(outside, while_nothing_is_lent)
{
	set_outside(&self->one, SCHED_RR, 10, 0);
	expect_own(&self->one, SCHED_RR, 10, 0);
	set_outside(&self->one, SCHED_BATCH, 0, -3);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	expect_own(&self->one, SCHED_BATCH, 0, -3);
}

TEST_F(outside, to_less_than_own)
{
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_BATCH, 0, 5);
	expect_own(&self->one, SCHED_BATCH, 0, 5);
}

/* It took a right to set that: the loan does not allow it. */
TEST_F(outside, to_more_than_was_lent)
{
	set_rtprio_limit(0);
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_FIFO, P_MAX + 10, 0);
	expect_own(&self->one, SCHED_FIFO, P_MAX + 10, 0);
}

/* That may as well be an unprivileged process which keeps a loan. */
TEST_F(outside, to_part_of_what_was_lent)
{
	set_rtprio_limit(0);
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_FIFO, P_MAX - 1, 0);
	expect_own(&self->one, SCHED_NORMAL, 0, 0);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_FIFO, P_MAX, 0);
	expect_own(&self->one, SCHED_NORMAL, 0, 0);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_RR, 1, 0);
	expect_own(&self->one, SCHED_NORMAL, 0, 0);
}

/* The limit allows anybody to have that much. */
TEST_F(outside, to_what_the_limit_allows)
{
	set_rtprio_limit(30);
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_FIFO, 31, 0);
	expect_own(&self->one, SCHED_NORMAL, 0, 0);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_FIFO, 30, 0);
	expect_own(&self->one, SCHED_FIFO, 30, 0);
}

TEST_F(outside, nice_of_a_raised_thread)
{
	int r;

	raise_guest(&self->one);
	r = setpriority(PRIO_PROCESS, self->one.thread.tid, 7);
	TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("setpriority", r));
	expect_own(&self->one, SCHED_NORMAL, 0, 7);
}

/* Guests ask for a fair policy, too, which must not become a loan's rest. */
TEST_F(outside, nice_of_a_lowered_thread)
{
	int r;

	pv_sched_ask(self->one.vcpu, SCHED_BATCH, 5);
	r = setpriority(PRIO_PROCESS, self->one.thread.tid, 7);
	TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("setpriority", r));
	expect_own(&self->one, SCHED_NORMAL, 0, 7);
}

/* The slice is an attribute as well. */
TEST_F(outside, slice_of_a_raised_thread)
{
	struct sched_attr now;

	raise_guest(&self->one);
	pv_sched_setattr(self->one.thread.tid, (struct sched_attr) {
		.sched_policy = SCHED_NORMAL,
		.sched_nice = 3,
		.sched_runtime = 5000000,
	});
	expect_own(&self->one, SCHED_NORMAL, 0, 3);
	now = pv_sched_getattr(self->one.thread.tid);
	TEST_ASSERT(now.sched_runtime == 5000000,
		    "The slice that was set is gone, it is %llu",
		    now.sched_runtime);
}

/* Whoever sets what is set drops the flag, which the next change restores. */
TEST_F(outside, flag_of_a_raised_thread)
{
	raise_guest(&self->one);
	set_outside(&self->one, SCHED_FIFO, P_MAX, 0);
	raise_guest(&self->one);
	expect_own(&self->one, SCHED_NORMAL, 0, 0);
}

static void set_deadline(struct pv_sched_one *self)
{
	pv_sched_setattr(self->thread.tid, (struct sched_attr) {
		.sched_policy = SCHED_DEADLINE,
		.sched_runtime = 10 * 1000 * 1000,
		.sched_deadline = 100 * 1000 * 1000,
		.sched_period = 100 * 1000 * 1000,
	});
}

static void expect_deadline(struct pv_sched_one *self, const char *when)
{
	struct sched_attr now = pv_sched_getattr(self->thread.tid);

	TEST_ASSERT(now.sched_policy == SCHED_DEADLINE &&
		    now.sched_runtime == 10 * 1000 * 1000,
		    "A deadline thread has policy %u %s", now.sched_policy,
		    when);
}

static void leave_deadline_alone(struct pv_sched_one *self)
{
	set_deadline(self);
	pv_sched_ask(self->vcpu, SCHED_FIFO, 99);
	expect_deadline(self, "raised");
	pv_sched_ask(self->vcpu, SCHED_NORMAL, 10);
	expect_deadline(self, "lowered");
	pv_sched_thread_kick(&self->thread);
	expect_deadline(self, "in user space");

	pv_sched_thread_run(&self->thread, self->vcpu);
	set_outside(self, SCHED_NORMAL, 0, 0);
	raise_guest(self);
	pv_sched_ask(self->vcpu, SCHED_NORMAL, 0);
	pv_sched_own_assert(self->thread.tid, &self->own, "deadline's end");
}

TEST_F(outside, deadline)
{
	leave_deadline_alone(&self->one);
}

TEST_F(outside, deadline_while_raised)
{
	raise_guest(&self->one);
	leave_deadline_alone(&self->one);
}

/* What was lent before and is set again is taken back, also by this way. */
TEST_F(outside, deadline_to_what_was_lent)
{
	raise_guest(&self->one);
	set_deadline(&self->one);
	set_outside(&self->one, SCHED_FIFO, P_MAX, 0);
	pv_sched_ask(self->one.vcpu, SCHED_NORMAL, 0);
	pv_sched_thread_kick(&self->one.thread);
	pv_sched_own_wait(self->one.thread.tid, &self->one.own,
			  "after a deadline");
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
}

TEST_F(outside, deadline_and_disable)
{
	raise_guest(&self->one);
	set_deadline(&self->one);
	pv_sched_disable(self->one.vm);
	expect_deadline(&self->one, "disabled");
	set_outside(&self->one, SCHED_NORMAL, 0, 0);
	pv_sched_own_assert(self->one.thread.tid, &self->one.own, "disabled");
}

int main(int argc, char *argv[])
{
	pv_sched_require();

	return test_harness_run(argc, argv);
}
