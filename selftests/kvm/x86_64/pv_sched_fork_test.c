// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what a thread creates while it is raised,
 * itself or in the kernel, does not inherit what was lent.
 */
#include <dirent.h>
#include <linux/stddef.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"

#include "pv_sched_vcpu.h"
#include "test_util.h"

#define P_MAX	50
#define ROUNDS	10

struct io_ring {
	int fd;
	struct io_uring_params params;
	char *sq;
	struct io_uring_sqe *sqes;
};

struct creation {
	/* Returns the id of what was created, which lives until ended. */
	pid_t (*create)(struct creation *c);
	void (*end)(struct creation *c);
	struct sched_attr before;
	struct sched_attr after;
	struct pv_sched_own child;
	pid_t pid;
	int pipe[2];
	pthread_t pthread;
	sem_t sem;
	struct io_ring ring;
};

FIXTURE(creator) {
	struct pv_sched_one one;
	struct creation *c;
};

FIXTURE_VARIANT(creator) {
	struct sched_attr attr;
};

FIXTURE_VARIANT_ADD(creator, normal) {
	.attr = { .sched_policy = SCHED_NORMAL },
};

FIXTURE_VARIANT_ADD(creator, batch) {
	.attr = { .sched_policy = SCHED_BATCH, .sched_nice = 6 },
};

FIXTURE_VARIANT_ADD(creator, idle) {
	.attr = { .sched_policy = SCHED_IDLE },
};

FIXTURE_SETUP(creator)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	pv_sched_become_watcher();
	self->one.vm = pv_sched_vm_create(&cfg);
	self->one.vcpu = pv_sched_vcpu_add(self->one.vm, 0);
	self->c = mmap(NULL, sizeof(*self->c), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(self->c != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
}

FIXTURE_TEARDOWN(creator)
{
	kvm_vm_free(self->one.vm);
}

/* In the vCPU's thread, back in user space but still raised. */
static void create_while_raised(struct pv_sched_thread *t)
{
	struct creation *c = t->data;

	c->before = pv_sched_getattr(0);
	c->pid = c->create(c);
	c->after = pv_sched_getattr(0);
}

/* A child has at most what an ordinary task or its parent has. */
static void check_child(const struct pv_sched_own *own,
			const struct pv_sched_own *child)
{
	int allowed = own->nice > 0 ? own->nice : 0;

	TEST_ASSERT(!pv_sched_is_rt(child->policy) && !child->priority,
		    "The child has policy %u, priority %u", child->policy,
		    child->priority);
	TEST_ASSERT(own->policy != SCHED_IDLE || child->policy == SCHED_IDLE,
		    "The child of an idle thread has policy %u", child->policy);
	TEST_ASSERT(child->nice >= allowed, "The child has nice %d, not %d",
		    child->nice, allowed);
	TEST_ASSERT(!child->reset_on_fork,
		    "The child's children will be reset, too");
}

/* Return true if the thread was raised before, and 2 if after it as well. */
static int one_round(struct pv_sched_one *self, struct creation *c,
		     const struct sched_attr *attr)
{
	pv_sched_thread_create(&self->thread);
	pv_sched_setattr(self->thread.tid, *attr);
	self->own = pv_sched_own_read(self->thread.tid);
	self->thread.data = c;

	pv_sched_thread_run(&self->thread, self->vcpu);
	pv_sched_ask(self->vcpu, SCHED_FIFO, 99);
	pv_sched_expect(self->thread.tid, &self->own, SCHED_FIFO, P_MAX);
	self->thread.after_run = create_while_raised;
	pv_sched_call_start(self->vcpu, pv_sched_guest_exit, 0, 0, 0, 0);
	pv_sched_thread_wait(&self->thread);

	TEST_ASSERT(c->pid > 0, "The thread did not create anything: %s",
		    strerror(errno));
	c->child = pv_sched_own_read(c->pid);
	c->end(c);
	check_child(&self->own, &c->child);

	pv_sched_own_wait(self->thread.tid, &self->own, "after its child");
	pv_sched_thread_join(&self->thread);
	return pv_sched_is_rt(c->before.sched_policy) +
	       pv_sched_is_rt(c->after.sched_policy);
}

/*
 * The loan may end while the child is created.  Threads that own less than
 * their children would be reset to are not raised in user space.
 */
static void all_rounds(struct pv_sched_one *self, struct creation *c,
		       const struct sched_attr *attr)
{
	bool modest = attr->sched_policy == SCHED_IDLE || attr->sched_nice > 0;
	int i, raised = 0;

	for (i = 0; i < ROUNDS && !raised; i++)
		raised = one_round(self, c, attr);

	TEST_ASSERT(modest ? !raised : raised,
		    modest ? "A child would have more than its parent owns" :
			     "The thread was never raised in user space");
}

static pid_t create_process(struct creation *c)
{
	pid_t pid = fork();
	char byte;

	if (pid)
		return pid;

	close(c->pipe[1]);
	if (read(c->pipe[0], &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

static void end_process(struct creation *c)
{
	close(c->pipe[0]);
	close(c->pipe[1]);
	waitpid(c->pid, NULL, 0);
	TEST_ASSERT(!pipe(c->pipe), __KVM_SYSCALL_ERROR("pipe", -1));
}

TEST_F(creator, fork)
{
	self->c->create = create_process;
	self->c->end = end_process;
	TEST_ASSERT(!pipe(self->c->pipe), __KVM_SYSCALL_ERROR("pipe", -1));
	all_rounds(&self->one, self->c, &variant->attr);
}

static void *wait_for_end(void *arg)
{
	struct creation *c = arg;

	WRITE_ONCE(c->pid, syscall(SYS_gettid));
	sem_wait(&c->sem);
	return NULL;
}

/* The new thread may have to wait for the CPU to tell its id. */
static pid_t create_thread(struct creation *c)
{
	WRITE_ONCE(c->pid, 0);
	if (pthread_create(&c->pthread, NULL, wait_for_end, c))
		return -1;
	pv_sched_wait_for(READ_ONCE(c->pid), "The new thread does not run");
	return c->pid;
}

static void end_thread(struct creation *c)
{
	sem_post(&c->sem);
	pthread_join(c->pthread, NULL);
}

TEST_F(creator, clone)
{
	self->c->create = create_thread;
	self->c->end = end_thread;
	sem_init(&self->c->sem, 0, 0);
	all_rounds(&self->one, self->c, &variant->attr);
}

/* The thread of this process with that name, or zero. */
static pid_t thread_by_name(const char *name)
{
	struct dirent *entry;
	char path[300], comm[32];
	pid_t tid = 0;
	DIR *dir;
	FILE *f;

	dir = opendir("/proc/self/task");
	TEST_ASSERT(dir, "Cannot read /proc/self/task");
	while (!tid && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, name, strlen(name)))
			tid = atoi(entry->d_name);
		fclose(f);
	}
	closedir(dir);
	return tid;
}

static void *ring_map(struct io_ring *r, size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, offset);

	TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	return p;
}

static void ring_create(struct io_ring *r)
{
	struct io_uring_params *p = &r->params;

	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, 4, p);
	__TEST_REQUIRE(r->fd >= 0, "io_uring is needed");
	r->sq = ring_map(r, p->sq_off.array + p->sq_entries * sizeof(__u32),
			 IORING_OFF_SQ_RING);
	r->sqes = ring_map(r, p->sq_entries * sizeof(*r->sqes),
			   IORING_OFF_SQES);
}

/* Do nothing, but in a worker, which has its name when it first runs. */
static pid_t create_worker(struct creation *c)
{
	struct io_ring *r = &c->ring;
	__u32 *tail = (__u32 *)(r->sq + r->params.sq_off.tail);
	__u32 *array = (__u32 *)(r->sq + r->params.sq_off.array);
	__u32 index = *tail & (r->params.sq_entries - 1);
	pid_t tid;
	int n;

	memset(&r->sqes[index], 0, sizeof(r->sqes[index]));
	r->sqes[index].opcode = IORING_OP_NOP;
	r->sqes[index].flags = IOSQE_ASYNC;
	array[index] = index;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);

	n = syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0);
	if (n != 1)
		return -1;
	pv_sched_wait_for((tid = thread_by_name("iou-wrk-")),
			  "There is no worker");
	return tid;
}

static void end_worker(struct creation *c)
{
	/* It ends with the thread that it works for. */
}

TEST_F(creator, io_uring)
{
	ring_create(&self->c->ring);
	self->c->create = create_worker;
	self->c->end = end_worker;
	all_rounds(&self->one, self->c, &variant->attr);
	close(self->c->ring.fd);
}

/* KVM_RUN creates a thread when it is first called, boosted or not. */
TEST_F(creator, thread_of_kvm)
{
	struct kvm_pv_sched_state state = {
		.flags = KVM_PV_SCHED_STATE_SET,
		.policy = SCHED_FIFO,
		.priority = 99,
		.reasons = KVM_PV_SCHED_IRQ,
	};
	struct pv_sched_own child;
	pid_t tid;

	pv_sched_thread_create(&self->one.thread);
	pv_sched_setattr(self->one.thread.tid, variant->attr);
	self->one.own = pv_sched_own_read(self->one.thread.tid);
	kvm_device_attr_set(self->one.vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_FIFO, P_MAX);
	pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_IRQ, 0, 0,
		      0);

	tid = thread_by_name("kvm-nx-lpage-re");
	if (tid) {
		child = pv_sched_own_read(tid);
		check_child(&self->one.own, &child);
	}
	pv_sched_thread_join(&self->one.thread);
	if (!tid)
		SKIP(return, "KVM_RUN did not create a thread");
}

/* What becomes of a raised thread that starts another program. */
#define EXEC_RAISED	"raised"
#define EXEC_LOWERED	"lowered"

/* Exit status of the other program. */
#define EXEC_WAS_RAISED	0
#define EXEC_WAS_NOT	1
#define EXEC_KEEPS	2

static void guest_raise_and_exit(void)
{
	for (;;) {
		GUEST_ASSERT(!pv_sched_set(0, SCHED_FIFO, 99, 0));
		GUEST_SYNC(0);
	}
}

static void exec_while_raised(void)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct kvm_vm *vm = pv_sched_vm_create(&cfg);
	struct kvm_vcpu *vcpu = pv_sched_vcpu_add(vm, 0);
	bool raised;

	vcpu_arch_set_entry_point(vcpu, guest_raise_and_exit);
	vcpu_run(vcpu);
	raised = pv_sched_is_rt(pv_sched_getattr(0).sched_policy);
	execl("/proc/self/exe", "pv_sched_fork_test",
	      raised ? EXEC_RAISED : EXEC_LOWERED, NULL);
	_exit(127);
}

/* The other program: it has no VM, and soon not what the VM was lent. */
static int be_executed(const char *how)
{
	struct pv_sched_wait w = pv_sched_wait_begin();

	do {
		if (!pv_sched_is_rt(pv_sched_getattr(0).sched_policy))
			return strcmp(how, EXEC_RAISED) ? EXEC_WAS_NOT :
							  EXEC_WAS_RAISED;
	} while (pv_sched_wait_more(&w));
	return EXEC_KEEPS;
}

TEST(exec)
{
	int i, status;
	pid_t pid;

	/* The loan may end before the program begins. */
	for (i = 0, status = ~0; i < ROUNDS && status; i++) {
		pid = fork();
		if (!pid)
			exec_while_raised();
		waitpid(pid, &status, 0);
		TEST_ASSERT(WIFEXITED(status), "Status %#x", status);
		TEST_ASSERT(WEXITSTATUS(status) != EXEC_KEEPS,
			    "A program keeps what another one was lent");
		TEST_ASSERT(WEXITSTATUS(status) <= EXEC_WAS_NOT,
			    "The program ended with %d", WEXITSTATUS(status));
	}
	TEST_ASSERT(!status, "No program was started by a raised thread");
}

int main(int argc, char *argv[])
{
	if (argc == 2 && (!strcmp(argv[1], EXEC_RAISED) ||
			  !strcmp(argv[1], EXEC_LOWERED)))
		return be_executed(argv[1]);

	pv_sched_require();

	return test_harness_run(argc, argv);
}
