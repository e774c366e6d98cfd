// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that stop and go on.  Each looks whether it may run before it enters
 * KVM; one that is inside is kicked out by a signal.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../xen/xen.h"
#include "gdb.h"

/* The one that others kick vCPUs by, too: it does nothing but end KVM_RUN. */
#define KICK		SIGUSR1

#define DB_VECTOR	1
#define BP_VECTOR	3
#define DR6_HARD	0x0f

/* Who waits for standard output may not be back for long. */
#define SETTLE_S	1

static void on_kick(int sig)
{
}

static void init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

void threads_init(struct gdb *gdb, struct vm *vm)
{
	struct sigaction sa = { .sa_handler = on_kick };
	int known;

	gdb->vm = vm;
	pi_mutex_init(&gdb->lock);
	init_cond(&gdb->go);
	init_cond(&gdb->settled);
	init_cond(&gdb->said);
	sigaction(KICK, &sa, NULL);
	known = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
	gdb->control = known > 0 ? known & KVM_GUESTDBG_BLOCKIRQ : 0;
}

/* Under the lock, as all that follows but for the two of a vCPU's thread. */
static void stop_all(struct gdb *gdb)
{
	struct vm *vm = gdb->vm;
	unsigned int i;

	for (i = 0; i < vm->cpus; i++) {
		gdb->vcpus[i].action = ACTION_STAY;
		if (!gdb->vcpus[i].inside)
			continue;
		__atomic_store_n(&vm->vcpus[i].run->immediate_exit, 1,
				 __ATOMIC_SEQ_CST);
		syscall(SYS_tgkill, getpid(), vm->vcpus[i].tid, KICK);
	}
}

/* A vCPU that the guest stopped by hypercall does not come back to finish it. */
static bool is_settled(struct gdb *gdb, unsigned int i)
{
	struct vcpu *vcpu = &gdb->vm->vcpus[i];
	struct gdb_vcpu *v = &gdb->vcpus[i];

	return !v->inside &&
	       (!v->unfinished || (gdb->vm->xen && !xen_vcpu_is_up(vcpu)));
}

static bool all_settled(struct gdb *gdb)
{
	unsigned int i;

	for (i = 0; i < gdb->vm->cpus; i++)
		if (!is_settled(gdb, i))
			return false;
	return true;
}

void threads_stop(struct gdb *gdb)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SETTLE_S;
	stop_all(gdb);
	while (!all_settled(gdb) && !err)
		err = pthread_cond_timedwait(&gdb->settled, &gdb->lock, &until);
	gdb->running = false;
}

void threads_go(struct gdb *gdb, const enum gdb_action *actions)
{
	unsigned int i;

	for (i = 0; i < gdb->vm->cpus; i++) {
		gdb->vcpus[i].action = actions[i];
		gdb->vcpus[i].changed = true;
	}
	gdb->running = true;
	pthread_cond_broadcast(&gdb->go);
}

/*
 * The others come to their breakpoint again, if it is still there by then, and
 * a step that somebody else's stop came ahead of is not missed.  What a
 * watchpoint saw does not happen twice, so it is kept.
 */
static void forget_others(struct gdb *gdb, unsigned int told)
{
	enum gdb_why why;
	unsigned int i;

	for (i = 0; i < gdb->vm->cpus; i++) {
		why = gdb->vcpus[i].stop.why;
		if (i == told || why < WHY_WATCH)
			gdb->vcpus[i].stop.why = WHY_NONE;
	}
}

int threads_stopped(struct gdb *gdb, struct gdb_stop *stop)
{
	unsigned int i;

	for (i = 0; i < gdb->vm->cpus; i++) {
		if (gdb->vcpus[i].stop.why == WHY_NONE)
			continue;
		*stop = gdb->vcpus[i].stop;
		forget_others(gdb, i);
		return i;
	}
	return -1;
}

/* Interrupts wait meanwhile, or a step would end in a handler of theirs. */
static uint32_t control_of(struct gdb *gdb, const struct gdb_vcpu *v)
{
	if (!v->steps)
		return 0;
	return KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | gdb->control;
}

/* inject: one of the guest's own. */
static void arm(struct gdb *gdb, struct vcpu *vcpu, uint32_t inject)
{
	struct gdb_vcpu *v = &gdb->vcpus[vcpu->id];
	struct kvm_guest_debug debug = { .control = 0 };

	debug.control = control_of(gdb, v) | inject;
	breakpoint_arm(gdb, &debug);
	if (ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug) && !inject)
		warn(errno, NULL, "vCPU %u: KVM refuses breakpoints", vcpu->id);
}

bool gdb_may_run(struct vcpu *vcpu)
{
	struct gdb *gdb = vcpu->vm->gdb;
	struct gdb_vcpu *v = &gdb->vcpus[vcpu->id];
	bool may = true;

	pthread_mutex_lock(&gdb->lock);
	if (v->action == ACTION_STAY && v->unfinished) {
		/* KVM finishes the last exit, and no more. */
		vcpu->run->immediate_exit = 1;
	} else if (v->action == ACTION_STAY) {
		while (v->action == ACTION_STAY)
			pthread_cond_wait(&gdb->go, &gdb->lock);
		may = false;
	} else {
		/* With Xen's ABI others set it, and xen_vcpu_wait() clears it. */
		if (!vcpu->vm->xen)
			vcpu->run->immediate_exit = 0;
		v->steps = v->action == ACTION_STEP;
		if (v->changed)
			arm(gdb, vcpu, 0);
		v->changed = false;
	}
	v->inside = may;
	pthread_mutex_unlock(&gdb->lock);
	return may;
}

/* Whose trap it was: no reason means the guest's own. */
static struct gdb_stop reason(struct gdb *gdb, struct vcpu *vcpu,
			      const struct kvm_debug_exit_arch *d)
{
	struct gdb_stop stop = { .va = d->pc };

	if (d->exception == BP_VECTOR) {
		if (breakpoint_is_soft(gdb, vcpu, d->pc))
			stop.why = WHY_SWBREAK;
		return stop;
	}
	stop.why = breakpoint_hit(gdb, d->dr6 & DR6_HARD, &stop.va);
	if (stop.why == WHY_NONE && gdb->vcpus[vcpu->id].steps)
		stop.why = WHY_STEP;
	return stop;
}

static void on_debug(struct gdb *gdb, struct vcpu *vcpu)
{
	const struct kvm_debug_exit_arch *d = &vcpu->run->debug.arch;
	struct gdb_vcpu *v = &gdb->vcpus[vcpu->id];
	struct gdb_stop stop = reason(gdb, vcpu, d);
	uint64_t one = 1;

	if (stop.why == WHY_NONE) {
		arm(gdb, vcpu, KVM_GUESTDBG_ENABLE |
		    (d->exception == BP_VECTOR ? KVM_GUESTDBG_INJECT_BP :
		     KVM_GUESTDBG_INJECT_DB));
		v->changed = true;
		return;
	}
	/* Who was told to stop at that time comes back to it, or is kept. */
	if (v->action == ACTION_STAY && stop.why < WHY_WATCH)
		return;
	v->stop = stop;
	stop_all(gdb);
	if (write(gdb->wake, &one, sizeof(one)) < 0)
		warn(errno, NULL, "the debugger is not told of a stop");
}

bool gdb_has_run(struct vcpu *vcpu, int ret)
{
	struct gdb *gdb = vcpu->vm->gdb;
	struct gdb_vcpu *v = &gdb->vcpus[vcpu->id];
	int err = errno;
	bool debug, kick;

	debug = !ret && vcpu->run->exit_reason == KVM_EXIT_DEBUG;
	pthread_mutex_lock(&gdb->lock);
	kick = ret && err == EINTR && v->action == ACTION_STAY;
	v->inside = false;
	v->unfinished = !ret && !debug;
	if (debug)
		on_debug(gdb, vcpu);
	pthread_cond_signal(&gdb->settled);
	pthread_mutex_unlock(&gdb->lock);
	errno = err;
	return debug || kick;
}
