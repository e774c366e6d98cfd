// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: a thread gets back all that it owns, in each
 * way in which a loan ends.
 */
#include <dirent.h>
#include <linux/sysinfo.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"

#include "pv_sched_vcpu.h"
#include "test_util.h"

#define P_MAX		50

/* What a process that is killed has to give back. */
#define BALLAST		(128UL << 20)

static void set_slack(pid_t tid, u64 slack)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", tid);
	f = fopen(path, "w");
	TEST_ASSERT(f && fprintf(f, "%lu", slack) > 0 && !fclose(f),
		    "Cannot set the timer slack of %d", tid);
}

/* Have the guest boosted as if an interrupt had come. */
static void set_boost(struct kvm_vcpu *vcpu, u32 policy, int priority)
{
	struct kvm_pv_sched_state state = {
		.flags = KVM_PV_SCHED_STATE_SET,
		.policy = policy,
		.priority = priority,
		.reasons = KVM_PV_SCHED_IRQ,
	};

	kvm_device_attr_set(vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);
}

FIXTURE(own) {
	struct pv_sched_one one;
};

FIXTURE_VARIANT(own) {
	struct sched_attr attr;
	u64 slack;
};

FIXTURE_VARIANT_ADD(own, normal) {
	.attr = { .sched_policy = SCHED_NORMAL },
};

FIXTURE_VARIANT_ADD(own, nice) {
	.attr = { .sched_nice = -7, .sched_runtime = 5000000 },
};

FIXTURE_VARIANT_ADD(own, slack) {
	.attr = { .sched_nice = 3 },
	.slack = 123456,
};

FIXTURE_VARIANT_ADD(own, reset_on_fork) {
	.attr = { .sched_flags = SCHED_FLAG_RESET_ON_FORK },
};

FIXTURE_VARIANT_ADD(own, batch) {
	.attr = { .sched_policy = SCHED_BATCH, .sched_nice = 7 },
};

FIXTURE_VARIANT_ADD(own, idle) {
	.attr = { .sched_policy = SCHED_IDLE },
	.slack = 777777,
};

FIXTURE_VARIANT_ADD(own, fifo) {
	.attr = { .sched_policy = SCHED_FIFO, .sched_priority = 10 },
};

FIXTURE_VARIANT_ADD(own, rr) {
	.attr = {
		.sched_policy = SCHED_RR,
		.sched_priority = 5,
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
	},
};

FIXTURE_SETUP(own)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	pv_sched_become_watcher();
	pv_sched_thread_create(&self->one.thread);
	self->one.vm = pv_sched_vm_create(&cfg);
	self->one.vcpu = pv_sched_vcpu_add(self->one.vm, 0);

	pv_sched_setattr(self->one.thread.tid, variant->attr);
	if (variant->slack)
		set_slack(self->one.thread.tid, variant->slack);
	self->one.own = pv_sched_own_read(self->one.thread.tid);
	TEST_ASSERT(!variant->slack || self->one.own.slack == variant->slack,
		    "The timer slack was not set");
	TEST_ASSERT(!variant->attr.sched_runtime ||
		    self->one.own.slice == variant->attr.sched_runtime,
		    "The slice was not set");
}

FIXTURE_TEARDOWN(own)
{
	pv_sched_thread_join(&self->one.thread);
	kvm_vm_free(self->one.vm);
}

static void raise_guest(struct kvm_vcpu *vcpu, struct pv_sched_thread *t,
			const struct pv_sched_own *own)
{
	pv_sched_ask(vcpu, SCHED_FIFO, 99);
	pv_sched_expect(t->tid, own, SCHED_FIFO, P_MAX);
}

/* Each change passes attributes on that the next one does not set. */
static void ask_for_much(struct kvm_vcpu *vcpu)
{
	pv_sched_ask(vcpu, SCHED_NORMAL, 10);
	pv_sched_ask(vcpu, SCHED_FIFO, 50);
	pv_sched_ask(vcpu, SCHED_IDLE, 0);
	pv_sched_ask(vcpu, SCHED_BATCH, 19);
	pv_sched_ask(vcpu, SCHED_RR, 1);
	pv_sched_ask(vcpu, SCHED_NORMAL, 15);
	pv_sched_ask(vcpu, SCHED_FIFO, 99);
}

TEST_F(own, comes_back)
{
	struct pv_sched_thread *t = &self->one.thread;
	struct pv_sched_thread other;

	if (pv_sched_is_rt(self->one.own.policy))
		set_boost(self->one.vcpu, SCHED_FIFO, 99);
	else
		set_boost(self->one.vcpu, self->one.own.policy, self->one.own.nice);
	pv_sched_thread_run(t, self->one.vcpu);
	pv_sched_expect(t->tid, &self->one.own, SCHED_FIFO, P_MAX);
	if (!pv_sched_is_rt(self->one.own.policy)) {
		pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_IRQ,
			      0, 0, 0);
		pv_sched_own_assert(t->tid, &self->one.own, "after a boost");
	}

	raise_guest(self->one.vcpu, t, &self->one.own);
	pv_sched_thread_exit(t);
	pv_sched_own_wait(t->tid, &self->one.own, "in user space");

	pv_sched_thread_run(t, self->one.vcpu);
	ask_for_much(self->one.vcpu);
	pv_sched_thread_kick(t);
	pv_sched_thread_create(&other);
	pv_sched_thread_run(&other, self->one.vcpu);
	pv_sched_ask(self->one.vcpu, SCHED_FIFO, 98);
	pv_sched_own_assert(t->tid, &self->one.own, "after another one came");
	pv_sched_thread_join(&other);

	pv_sched_thread_run(t, self->one.vcpu);
	ask_for_much(self->one.vcpu);
	pv_sched_expect(t->tid, &self->one.own, SCHED_FIFO, P_MAX);
	pv_sched_disable(self->one.vm);
	pv_sched_own_assert(t->tid, &self->one.own, "after the end");
	pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_IRQ, 0, 0,
		      0);
	pv_sched_own_assert(t->tid, &self->one.own, "after an event of the guest");
}

struct pair {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[2];
	struct pv_sched_thread thread[2];
	struct pv_sched_own own[2];
};

FIXTURE(threads) {
	struct pair pair;
};

/* The two differ in what they own, and own different things. */
FIXTURE_SETUP(threads)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	int i;

	pv_sched_become_watcher();
	self->pair.vm = pv_sched_vm_create(&cfg);
	for (i = 0; i < 2; i++) {
		self->pair.vcpu[i] = pv_sched_vcpu_add(self->pair.vm, i);
		pv_sched_thread_create(&self->pair.thread[i]);
		pv_sched_setattr(self->pair.thread[i].tid, (struct sched_attr) {
			.sched_policy = i ? SCHED_BATCH : SCHED_NORMAL,
			.sched_nice = i ? 5 : -5,
		});
		self->pair.own[i] = pv_sched_own_read(self->pair.thread[i].tid);
	}
}

FIXTURE_TEARDOWN(threads)
{
	pv_sched_thread_join(&self->pair.thread[0]);
	pv_sched_thread_join(&self->pair.thread[1]);
	if (self->pair.vm)
		kvm_vm_free(self->pair.vm);
}

/* Run a vCPU, which has asked before, for as long as it takes to see it. */
static void run_for_a_moment(struct pair *self, int thread, int vcpu,
			     u32 p_guest)
{
	struct pv_sched_thread *t = &self->thread[thread];

	pv_sched_thread_run(t, self->vcpu[vcpu]);
	pv_sched_call(self->vcpu[vcpu], pv_sched_guest_done, KVM_PV_SCHED_IRQ,
		      0, 0, 0);
	if (p_guest)
		pv_sched_expect(t->tid, &self->own[thread], SCHED_FIFO,
				pv_sched_map(p_guest, P_MAX));
	else
		pv_sched_own_assert(t->tid, &self->own[thread],
				    "with a vCPU that asks for nothing");
	pv_sched_thread_kick(t);
}

static void ask_once(struct pair *self, int i, u32 p_guest)
{
	pv_sched_thread_run(&self->thread[i], self->vcpu[i]);
	pv_sched_ask(self->vcpu[i], SCHED_FIFO, p_guest);
	pv_sched_thread_kick(&self->thread[i]);
}

TEST_F(threads, swap_vcpus)
{
	int i;

	ask_once(&self->pair, 0, 30);
	ask_once(&self->pair, 1, 80);
	for (i = 0; i < 3; i++) {
		run_for_a_moment(&self->pair, 0, 0, 30);
		run_for_a_moment(&self->pair, 1, 1, 80);
		run_for_a_moment(&self->pair, 0, 1, 80);
		run_for_a_moment(&self->pair, 1, 0, 30);
	}
	pv_sched_own_wait(self->pair.thread[0].tid, &self->pair.own[0], "after swaps");
	pv_sched_own_wait(self->pair.thread[1].tid, &self->pair.own[1], "after swaps");
}

/* The loan of one must not pass for what the thread owns with the other. */
TEST_F(threads, one_runs_two_vcpus)
{
	int i;

	ask_once(&self->pair, 0, 99);
	for (i = 0; i < 3; i++) {
		run_for_a_moment(&self->pair, 0, 0, 99);
		run_for_a_moment(&self->pair, 0, 1, 0);
	}
	ask_once(&self->pair, 1, 10);
	for (i = 0; i < 3; i++) {
		run_for_a_moment(&self->pair, 0, 1, 10);
		run_for_a_moment(&self->pair, 0, 0, 99);
	}
	pv_sched_own_wait(self->pair.thread[0].tid, &self->pair.own[0], "after both");
	pv_sched_own_wait(self->pair.thread[1].tid, &self->pair.own[1], "after one");
}

/* A vCPU outlives threads, and a thread vCPUs. */
TEST_F(threads, come_and_go)
{
	struct pv_sched_thread t;
	int i;

	ask_once(&self->pair, 0, 99);
	for (i = 0; i < 3; i++) {
		pv_sched_thread_create(&t);
		pv_sched_thread_run(&t, self->pair.vcpu[0]);
		pv_sched_call(self->pair.vcpu[0], pv_sched_guest_done,
			      KVM_PV_SCHED_IRQ, 0, 0, 0);
		pv_sched_thread_join(&t);
	}
	run_for_a_moment(&self->pair, 0, 0, 99);

	pv_sched_thread_run(&self->pair.thread[0], self->pair.vcpu[0]);
	pv_sched_call(self->pair.vcpu[0], pv_sched_guest_done, KVM_PV_SCHED_IRQ, 0,
		      0, 0);
	pv_sched_thread_kick(&self->pair.thread[0]);
	kvm_vm_free(self->pair.vm);
	self->pair.vm = NULL;
	pv_sched_own_assert(self->pair.thread[0].tid, &self->pair.own[0],
			    "after its vCPU was closed");
}

/* VMs differ in what they may lend. */
TEST_F(threads, one_runs_two_vms)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX / 2);
	struct pv_sched_thread *t = &self->pair.thread[0];
	struct kvm_vm *vm = pv_sched_vm_create(&cfg);
	struct kvm_vcpu *vcpu = pv_sched_vcpu_add(vm, 0);
	int i;

	ask_once(&self->pair, 0, 99);
	for (i = 0; i < 3; i++) {
		run_for_a_moment(&self->pair, 0, 0, 99);
		pv_sched_thread_run(t, vcpu);
		pv_sched_ask(vcpu, SCHED_FIFO, 98 + i % 2);
		pv_sched_expect(t->tid, &self->pair.own[0], SCHED_FIFO,
				pv_sched_map(98 + i % 2, P_MAX / 2));
		pv_sched_thread_kick(t);
	}
	kvm_vm_free(vm);
	pv_sched_own_assert(t->tid, &self->pair.own[0], "after a VM's end");
	run_for_a_moment(&self->pair, 0, 0, 99);
}

/* To look at a vCPU is not to run it. */
TEST_F(threads, other_ioctls)
{
	struct pv_sched_thread *t = &self->pair.thread[0];
	struct pv_sched_own watcher = pv_sched_own_read(0);
	struct kvm_sregs sregs;
	int i;

	ask_once(&self->pair, 0, 99);
	for (i = 0; i < 10; i++) {
		run_for_a_moment(&self->pair, 0, 0, 99);
		vcpu_sregs_get(self->pair.vcpu[0], &sregs);
		set_boost(self->pair.vcpu[0], SCHED_FIFO, 99);
		vcpu_sregs_set(self->pair.vcpu[0], &sregs);
		pv_sched_own_assert(0, &watcher, "after an ioctl");
		pv_sched_own_wait(t->tid, &self->pair.own[0],
				  "after an ioctl of another one");
	}
}

struct victim {
	bool ready;
};

/* A VMM with one thread, in the middle of a boost, and maybe with memory. */
static void be_victim(struct victim *v, unsigned long size)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct kvm_vcpu *vcpu;
	struct sysinfo info;
	struct kvm_vm *vm;
	char *p;

	syscall(SYS_sysinfo, &info);
	if (size && info.freeram * info.mem_unit < size + size / 4)
		size = info.freeram * info.mem_unit / 2;

	if (size) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
		/* Small pages, or giving them back takes no time. */
		madvise(p, size, MADV_NOHUGEPAGE);
		madvise(p, size, MADV_POPULATE_WRITE);
	}

	vm = pv_sched_vm_create(&cfg);
	vcpu = pv_sched_vcpu_add(vm, 0);
	set_boost(vcpu, SCHED_RR, 99);
	WRITE_ONCE(v->ready, true);
	for (;;)
		__vcpu_run(vcpu);
}

static bool has_exited(pid_t pid)
{
	siginfo_t info = {};

	waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid == pid;
}

static pid_t start_victim(unsigned long size)
{
	struct victim *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_victim(v, size);
		_exit(1);
	}

	pv_sched_wait_for(READ_ONCE(v->ready) || has_exited(pid),
			  "The victim is not ready");
	pv_sched_wait_for(pv_sched_getattr(pid).sched_priority == P_MAX,
			  "The victim is not boosted");
	return pid;
}

/* The highest priority of a thread of that name, in the whole system. */
static u32 highest_priority(const char *name)
{
	struct dirent *entry;
	struct sched_attr attr;
	u32 highest = 0;
	char path[64], comm[32];
	DIR *proc;
	FILE *f;

	proc = opendir("/proc");
	TEST_ASSERT(proc, "Cannot read /proc");
	while ((entry = readdir(proc))) {
		if (!atoi(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm",
			 atoi(entry->d_name));
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, name, strlen(name)) &&
		    !__pv_sched_getattr(atoi(entry->d_name), &attr) &&
		    attr.sched_priority > highest)
			highest = attr.sched_priority;
		fclose(f);
	}
	closedir(proc);
	return highest;
}

TEST(killed_while_boosted)
{
	u64 killed, now, raised = 0, total;
	unsigned long samples = 0;
	struct sched_attr attr;
	int status;
	pid_t pid;

	pv_sched_become_watcher();
	pid = start_victim(BALLAST);
	TEST_ASSERT(highest_priority("kvm-pvsched/") == P_MAX + 1,
		    "There is no booster for the victim");
	kill(pid, SIGKILL);
	killed = pv_sched_now();

	do {
		attr = pv_sched_getattr(pid);
		now = pv_sched_now() - killed;
		if (attr.sched_policy == SCHED_NORMAL)
			samples++;
		else
			raised = now;
		pv_sched_pause(50000);
	} while (!has_exited(pid) && now < PV_SCHED_DEADLINE_NS);

	total = pv_sched_now() - killed;
	pr_info("# Raised for %lu us of the %lu us it took to die\n",
		raised / 1000, total / 1000);
	TEST_ASSERT(samples, "The victim was never seen to die");
	TEST_ASSERT(raised < total / 2, "The victim dies while it is raised");
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status),
		    "The victim ended with status %#x", status);
	pv_sched_wait_for(highest_priority("kvm-pvsched/") <= 1,
			  "The boosters wait for nobody at a high priority");
}

TEST(stopped_while_boosted)
{
	struct pv_sched_own own = { .policy = SCHED_NORMAL };
	int status, i;
	pid_t pid;

	pv_sched_become_watcher();
	pid = start_victim(0);
	for (i = 0; i < 3; i++) {
		kill(pid, SIGSTOP);
		TEST_ASSERT(waitpid(pid, &status, WUNTRACED) == pid &&
			    WIFSTOPPED(status), "The victim did not stop");
		pv_sched_wait_for(pv_sched_getattr(pid).sched_policy ==
				  SCHED_NORMAL, "It is raised for good");
		kill(pid, SIGCONT);
		pv_sched_expect(pid, &own, SCHED_FIFO, P_MAX);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(int argc, char *argv[])
{
	pv_sched_require();

	return test_harness_run(argc, argv);
}
