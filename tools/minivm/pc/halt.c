// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux without ACPI cannot turn its machine off: it halts all CPUs, interrupts
 * off.  KVM keeps that to itself.  So look when no vCPU took any time for a
 * second, which costs a guest that does something nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pc.h"

#define KICK_SIGNAL	SIGUSR1
#define NS_PER_SEC	1000000000LL

static clockid_t clocks[MINIVM_MAX_CPUS];
static long long used[MINIVM_MAX_CPUS];
static unsigned int halted;	/* one bit each, since they were asked */

/* It only ends KVM_RUN. */
static void kick(int sig)
{
}

void halt_prepare(struct vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = kick };

	sigaction(KICK_SIGNAL, &action, NULL);
	pthread_getcpuclockid(pthread_self(), &clocks[vcpu->id]);
}

static bool all_idle(struct vm *vm)
{
	bool idle = true;
	struct timespec t;
	unsigned int i;
	long long now;

	for (i = 0; i < vm->cpus; i++) {
		clock_gettime(clocks[i], &t);
		now = t.tv_sec * NS_PER_SEC + t.tv_nsec;
		idle &= now == used[i];
		used[i] = now;
	}
	return idle;
}

static void ask_all(struct vm *vm)
{
	unsigned int i;

	__atomic_store_n(&halted, 0, __ATOMIC_SEQ_CST);
	for (i = 0; i < vm->cpus; i++)
		syscall(SYS_tgkill, getpid(), vm->vcpus[i].tid, KICK_SIGNAL);
}

/* Gives the signal that came. */
int halt_wait(struct vm *vm, const sigset_t *signals)
{
	static const struct timespec second = { .tv_sec = 1 };
	int sig;

	for (;;) {
		sig = sigtimedwait(signals, NULL, &second);
		if (sig > 0)
			return sig;
		if (errno == EAGAIN && all_idle(vm))
			ask_all(vm);
	}
}

/* In its own thread, out of KVM_RUN by a signal. */
void halt_report(struct vcpu *vcpu)
{
	unsigned int all = (1U << vcpu->vm->cpus) - 1;
	struct kvm_mp_state state;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &state))
		return;
	if (state.mp_state != KVM_MP_STATE_UNINITIALIZED &&
	    (state.mp_state != KVM_MP_STATE_HALTED || vcpu->run->if_flag))
		return;
	if (__atomic_or_fetch(&halted, 1U << vcpu->id, __ATOMIC_SEQ_CST) != all)
		return;
	end(EX_OK_);
}
