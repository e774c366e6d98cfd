// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: who may lend, how much, and that nobody
 * keeps what was lent.
 */
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"

#include "pv_sched_vcpu.h"
#include "test_util.h"

#define P_MAX		50

#define NOBODY		65534

#define ATTACK_ROUNDS	40

FIXTURE(rights) {
	struct pv_sched_one one;
};

FIXTURE_SETUP(rights)
{
	pv_sched_become_watcher();
}

FIXTURE_TEARDOWN(rights)
{
	if (self->one.thread.tid)
		pv_sched_thread_join(&self->one.thread);
	if (self->one.vm)
		kvm_vm_free(self->one.vm);
}

static void set_limit(int resource, rlim_t soft)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = soft;
	if (limit.rlim_max < soft)
		limit.rlim_max = soft;
	TEST_ASSERT(!setrlimit(resource, &limit),
		    __KVM_SYSCALL_ERROR("setrlimit", -1));
}

/*
 * Give up the right to all priorities, for this thread and those that it
 * creates; it remains at the priority that it has.
 */
static void drop_cap_sys_nice(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int r;

	r = syscall(SYS_capget, &header, data);
	TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("capget", r));
	data[0].effective &= ~BIT(CAP_SYS_NICE);
	data[0].permitted &= ~BIT(CAP_SYS_NICE);
	data[0].inheritable &= ~BIT(CAP_SYS_NICE);
	r = syscall(SYS_capset, &header, data);
	TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("capset", r));
}

static int try_enable(struct kvm_pv_sched *cfg)
{
	struct kvm_vm *vm = vm_create_barebones();
	int r = __pv_sched_enable(vm, cfg) ? errno : 0;

	kvm_vm_free(vm);
	return r;
}

static void start(struct pv_sched_one *self, struct kvm_pv_sched *cfg)
{
	self->vm = pv_sched_vm_create(cfg);
	self->vcpu = pv_sched_vcpu_add(self->vm, 0);
}

static void start_thread(struct pv_sched_one *self)
{
	pv_sched_thread_create(&self->thread);
	self->own = pv_sched_own_read(self->thread.tid);
	pv_sched_thread_run(&self->thread, self->vcpu);
}

static void expect_enable(struct kvm_pv_sched *cfg, int error,
			  const char *what, long value)
{
	int e = try_enable(cfg);

	TEST_ASSERT(e == error, "%s %ld: got %d (%s), not %d (%s)", what, value,
		    e, strerror(e), error, strerror(error));
}

TEST_F(rights, limit_of_priority)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	static const struct {
		rlim_t limit;
		u32 p_max;
		int error;
	} cases[] = {
		{ 0, 1, EPERM },
		{ 1, 1, 0 },
		{ 1, 2, EPERM },
		{ P_MAX - 1, P_MAX, EPERM },
		{ P_MAX, P_MAX, 0 },
		{ P_MAX + 1, P_MAX, 0 },
		{ 97, 98, EPERM },
		{ 98, 98, 0 },
		{ RLIM_INFINITY, 98, 0 },
		{ RLIM_INFINITY, 99, EINVAL },
	};
	int i;

	cfg.nice_min = 0;
	set_limit(RLIMIT_RTPRIO, 0);
	cfg.p_max = 98;
	expect_enable(&cfg, 0, "With CAP_SYS_NICE, p_max", cfg.p_max);

	drop_cap_sys_nice();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cfg.p_max = cases[i].p_max;
		set_limit(RLIMIT_RTPRIO, cases[i].limit);
		expect_enable(&cfg, cases[i].error, "p_max", cfg.p_max);
	}
}

TEST_F(rights, limit_of_nice)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	/* The limit is 20 - nice. */
	static const struct {
		rlim_t limit;
		int nice_min;
		int error;
	} cases[] = {
		{ 0, 19, 0 },
		{ 0, 0, 0 },
		{ 0, -1, EPERM },
		{ 20, -1, EPERM },
		{ 21, -1, 0 },
		{ 21, -2, EPERM },
		{ 39, -20, EPERM },
		{ 40, -20, 0 },
	};
	int i;

	set_limit(RLIMIT_RTPRIO, P_MAX);
	drop_cap_sys_nice();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cfg.nice_min = cases[i].nice_min;
		set_limit(RLIMIT_NICE, cases[i].limit);
		expect_enable(&cfg, cases[i].error, "nice_min", cfg.nice_min);
	}
}

/* A limit on real time kills, which no guest may bring about. */
TEST_F(rights, limit_of_time)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	static const struct {
		rlim_t us;
		int error;
	} cases[] = {
		{ PV_SCHED_RT_BUDGET_NS / 2000, EPERM },
		{ PV_SCHED_RT_BUDGET_NS / 1000, EPERM },
		{ PV_SCHED_RT_BUDGET_NS / 1000 * 10, 0 },
		{ RLIM_INFINITY, 0 },
	};
	int i, dropped;

	cfg.nice_min = 0;
	cfg.rt_budget_ns = PV_SCHED_RT_BUDGET_NS;
	cfg.rt_period_ns = PV_SCHED_RT_PERIOD_NS;
	set_limit(RLIMIT_RTPRIO, P_MAX);
	/* The kernel raises the limit of a thread that reaches it. */
	pv_sched_setattr(0, (struct sched_attr) { .sched_policy = SCHED_NORMAL });

	for (dropped = 0; dropped <= 1; dropped++) {
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			set_limit(RLIMIT_RTTIME, cases[i].us);
			expect_enable(&cfg, cases[i].error, "RLIMIT_RTTIME",
				      cases[i].us);
		}
		drop_cap_sys_nice();
	}
}

/* Let a guest be boosted from now on. */
static void boost(struct pv_sched_one *self)
{
	struct kvm_pv_sched_state state = { .reasons = KVM_PV_SCHED_IRQ };

	pv_sched_thread_kick(&self->thread);
	kvm_device_attr_set(self->vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);
	pv_sched_thread_run(&self->thread, self->vcpu);
}

static void ask_and_expect(struct pv_sched_one *self, u32 priority,
			   u32 p)
{
	pv_sched_ask(self->vcpu, SCHED_FIFO, priority);
	if (p)
		pv_sched_expect(self->thread.tid, &self->own, SCHED_FIFO, p);
	else
		pv_sched_own_assert(self->thread.tid, &self->own,
				    "without a right");
	pv_sched_ask(self->vcpu, SCHED_NORMAL, 0);
	pv_sched_own_assert(self->thread.tid, &self->own, "lowered");
}

/* A right that comes from a limit is the limit of the moment. */
TEST_F(rights, limit_changes)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	cfg.nice_min = 0;
	set_limit(RLIMIT_RTPRIO, P_MAX);
	drop_cap_sys_nice();
	start(&self->one, &cfg);
	start_thread(&self->one);

	ask_and_expect(&self->one, 99, P_MAX);
	set_limit(RLIMIT_RTPRIO, 20);
	ask_and_expect(&self->one, 99, 20);
	ask_and_expect(&self->one, 41, 20);
	ask_and_expect(&self->one, 38, 19);
	set_limit(RLIMIT_RTPRIO, 0);
	ask_and_expect(&self->one, 99, 0);
	ask_and_expect(&self->one, 1, 0);
	set_limit(RLIMIT_RTPRIO, P_MAX - 1);
	ask_and_expect(&self->one, 99, P_MAX - 1);

	boost(&self->one);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_FIFO, P_MAX - 1);
	set_limit(RLIMIT_RTPRIO, 1);
	boost(&self->one);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_FIFO, 1);
	set_limit(RLIMIT_RTPRIO, 98);
	boost(&self->one);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_FIFO, P_MAX);
}

TEST_F(rights, time_limit_changes)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	start(&self->one, &cfg);
	start_thread(&self->one);
	signal(SIGXCPU, SIG_IGN);

	ask_and_expect(&self->one, 99, P_MAX);
	set_limit(RLIMIT_RTTIME, PV_SCHED_RT_BUDGET_NS / 1000);
	ask_and_expect(&self->one, 99, 0);
	boost(&self->one);
	pv_sched_ask(self->one.vcpu, SCHED_FIFO, 99);
	pv_sched_own_assert(self->one.thread.tid, &self->one.own, "with RLIMIT_RTTIME");
	pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_IRQ, 0, 0,
		      0);
	set_limit(RLIMIT_RTTIME, RLIM_INFINITY);
	ask_and_expect(&self->one, 99, P_MAX);
}

/* Of a process that shares its parent's thread-local storage: no libc. */
static long bare_syscall(long nr, long a, long b, long c)
{
	long r;

	asm volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) :
		     "rcx", "r11", "memory");
	return r;
}

static int run_in_other_process(void *fd)
{
	bare_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
	for (;;)
		bare_syscall(SYS_ioctl, (long)fd, KVM_RUN, 0);
	return 0;
}

/* Have a process that shares memory, but not more, run the vCPU. */
static pid_t clone_runner(struct pv_sched_one *self)
{
	static char stack[64 * 1024] __aligned(64);
	pid_t pid;

	pid = clone(run_in_other_process, stack + sizeof(stack),
		    CLONE_VM | CLONE_FILES | SIGCHLD,
		    (void *)(long)self->vcpu->fd);
	TEST_ASSERT(pid > 0, __KVM_SYSCALL_ERROR("clone", pid));
	return pid;
}

static void expect_in_process(struct pv_sched_one *self, pid_t pid, u32 p)
{
	self->own = pv_sched_own_read(pid);
	pv_sched_ask(self->vcpu, SCHED_FIFO, 99);
	if (p)
		pv_sched_expect(pid, &self->own, SCHED_FIFO, p);
	else
		pv_sched_own_assert(pid, &self->own, "without a right");
	pv_sched_ask(self->vcpu, SCHED_NORMAL, 0);
	pv_sched_own_assert(pid, &self->own, "in another process");
}

/* Who enabled has the right; another process needs its own. */
TEST_F(rights, other_process)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct rlimit limit = { 20, 20 };
	pid_t pid;

	set_limit(RLIMIT_RTPRIO, 0);
	start(&self->one, &cfg);
	pid = clone_runner(&self->one);
	expect_in_process(&self->one, pid, P_MAX);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	drop_cap_sys_nice();
	pid = clone_runner(&self->one);
	expect_in_process(&self->one, pid, 0);
	TEST_ASSERT(!prlimit(pid, RLIMIT_RTPRIO, &limit, NULL),
		    __KVM_SYSCALL_ERROR("prlimit", -1));
	expect_in_process(&self->one, pid, 20);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct attack {
	pid_t victim;
	bool stop;
	unsigned long succeeded;
	unsigned long failed;
};

/*
 * Set what is set already, and less, with and without the flag that a loan
 * carries.  The kernel asks for no right to do so while more is lent.
 */
static void attack(struct attack *a)
{
	static const struct sched_attr attrs[] = {
		{ .sched_policy = SCHED_FIFO, .sched_priority = P_MAX },
		{ .sched_policy = SCHED_FIFO, .sched_priority = P_MAX - 1 },
		{ .sched_policy = SCHED_FIFO, .sched_priority = 1 },
		{ .sched_policy = SCHED_RR, .sched_priority = P_MAX },
	};
	struct sched_attr attr;
	int i;

	pv_sched_wait_for(READ_ONCE(a->victim), "There is no victim");
	for (i = 0; !READ_ONCE(a->stop); i++) {
		attr = attrs[i / 2 % ARRAY_SIZE(attrs)];
		attr.sched_flags = i % 2 ? 0 : SCHED_FLAG_RESET_ON_FORK;
		if (__pv_sched_setattr(a->victim, &attr))
			a->failed++;
		else
			a->succeeded++;
		pv_sched_pause(50000);
	}
}

static void be_nobody(void)
{
	/* Of this thread only, for which libc has no function. */
	TEST_ASSERT(!syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY),
		    __KVM_SYSCALL_ERROR("setresuid", -1));
}

/* Above the guest, or on a single CPU there is no attack. */
static void be_above(void)
{
	pv_sched_setattr(0, (struct sched_attr) {
		.sched_policy = SCHED_FIFO,
		.sched_priority = 98,
	});
}

static pid_t attack_process(struct attack *a)
{
	pid_t pid = fork();

	if (pid)
		return pid;

	be_above();
	be_nobody();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	attack(a);
	_exit(0);
}

static void *attack_thread(void *arg)
{
	be_above();
	drop_cap_sys_nice();
	attack(arg);
	return NULL;
}

/* A call that was allowed before may do its work when nothing is lent. */
static void be_attacked(struct pv_sched_one *self, struct attack *a)
{
	int i;

	WRITE_ONCE(a->victim, self->thread.tid);
	for (i = 0; i < ATTACK_ROUNDS; i++) {
		pv_sched_ask(self->vcpu, SCHED_FIFO, 99 - i % 2 * 40);
		pv_sched_pause(50000);
		if (i % 4 == 3) {
			pv_sched_thread_kick(&self->thread);
			pv_sched_own_wait(self->thread.tid, &self->own,
					  "attacked, in user space");
			pv_sched_thread_run(&self->thread, self->vcpu);
			boost(self);
			pv_sched_pause(50000);
			pv_sched_call(self->vcpu, pv_sched_guest_done,
				      KVM_PV_SCHED_IRQ, 0, 0, 0);
		}
		pv_sched_ask(self->vcpu, SCHED_NORMAL, 0);
		pv_sched_own_wait(self->thread.tid, &self->own, "attacked");
	}

	pv_sched_ask(self->vcpu, SCHED_FIFO, 99);
	pv_sched_disable(self->vm);
	pv_sched_own_wait(self->thread.tid, &self->own,
			  "attacked, and disabled");
	pv_sched_thread_kick(&self->thread);
	WRITE_ONCE(a->stop, true);
}

/* VMMs drop their rights after they have set up a VM. */
static struct attack *attack_begin(struct pv_sched_one *self)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct attack *a;

	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(a != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	set_limit(RLIMIT_RTPRIO, 0);
	start(self, &cfg);
	return a;
}

static void attack_end(struct pv_sched_one *self, struct attack *a)
{
	pv_sched_own_wait(self->thread.tid, &self->own, "after the attack");
	TEST_ASSERT(a->succeeded && a->failed,
		    "%lu attempts succeeded, %lu failed: no test", a->succeeded,
		    a->failed);
}

TEST_F(rights, attack_by_same_user)
{
	struct attack *a = attack_begin(&self->one);
	pid_t pid = attack_process(a);
	int status;

	be_nobody();
	start_thread(&self->one);
	be_attacked(&self->one, a);
	waitpid(pid, &status, 0);
	TEST_ASSERT(!status, "The attacker ended with status %#x", status);
	attack_end(&self->one, a);
	/* To free it takes /dev/kvm, which nobody may open. */
	self->one.vm = NULL;
}

TEST_F(rights, attack_by_vmm)
{
	struct attack *a = attack_begin(&self->one);
	pthread_t pthread;

	pthread_create(&pthread, NULL, attack_thread, a);
	drop_cap_sys_nice();
	start_thread(&self->one);
	be_attacked(&self->one, a);
	pthread_join(pthread, NULL);
	attack_end(&self->one, a);
}

int main(int argc, char *argv[])
{
	pv_sched_require();

	return test_harness_run(argc, argv);
}
