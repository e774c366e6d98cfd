// SPDX-License-Identifier: GPL-2.0-only
/* Threads: small, as all of a stack is resident where memory is locked. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "minivm.h"

#define STACK_SIZE	(64 << 10)

static struct policy io_policy = { .policy = SCHED_OTHER, .nice = 5 };

void io_policy_init(const struct policy *chosen, const struct policy *vcpus)
{
	struct policy own = { .policy = SCHED_OTHER };

	if (!vcpus) {
		policy_get(0, &own);
		vcpus = &own;
	}
	io_policy = chosen ? *chosen : policy_below(vcpus);
	if (chosen && !policy_is_below(chosen, vcpus))
		warn(0, "choose an --io-sched below that of the vCPUs",
		     "a busy disk or terminal can delay the vCPUs");
}

void io_policy_apply(const char *what)
{
	if (policy_set(0, &io_policy))
		fail(exit_code_of(errno), errno,
		     policy_remedy(&io_policy, errno),
		     "cannot set the thread of %s to %s", what,
		     policy_name(io_policy.policy));
}

void start_thread(const char *name, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, fn, arg);
	if (err)
		fail(EX_OS, err, NULL, "cannot start the thread of %s", name);
	pthread_attr_destroy(&attr);
}

void name_thread(const char *name)
{
	char text[16];

	snprintf(text, sizeof(text), "minivm/%s", name);
	pthread_setname_np(pthread_self(), text);
}

/* Threads of different priorities meet at it. */
void pi_mutex_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}
