// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xenstore, grants and disks against a guest that is played here, well-behaved
 * and hostile, without KVM.  This file is what they believe to be a machine.
 * Each case runs in a process of its own.  TAP.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xen_test.h"

/* The machine that the parts believe in. */
uint8_t mem[PAGES][4096] __attribute__((aligned(4096)));
bool is_table[PAGES];
int holds[PAGES], nr_holds;
struct test_port ports[NR_PORTS];
int warnings;
struct vm vm;
struct xen xen = { .vm = &vm };
struct vcpu vcpu = { .vm = &vm };
static pthread_mutex_t xen_mutex = PTHREAD_MUTEX_INITIALIZER;

void xen_lock(struct xen *xen)
{
	pthread_mutex_lock(&xen_mutex);
}

void xen_unlock(struct xen *xen)
{
	pthread_mutex_unlock(&xen_mutex);
}

void warn(int err, const char *remedy, const char *fmt, ...)
{
	__atomic_add_fetch(&warnings, 1, __ATOMIC_SEQ_CST);
}

void fail(int code, int err, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	_exit(code);
}

int exit_code_of(int err)
{
	return EX_OS;
}

uint64_t guest_mfn(struct vm *vm, uint64_t gfn)
{
	return gfn + MFN_BASE;
}

bool guest_gfn(struct vm *vm, uint64_t mfn, uint64_t *gfn)
{
	*gfn = mfn - MFN_BASE;
	return mfn >= MFN_BASE && *gfn < PAGES;
}

void *guest_hold(struct vm *vm, uint64_t gfn, uint64_t npages, int *hold)
{
	errno = EBUSY;
	if (is_table[gfn])
		return NULL;
	holds[gfn]++;
	nr_holds++;
	*hold = gfn;
	return mem[gfn];
}

void guest_release(int hold)
{
	holds[hold]--;
	nr_holds--;
}

static void *at_va(uint64_t va, size_t size)
{
	if (va < VA_BASE || va - VA_BASE > sizeof(mem) - size)
		return NULL;
	return (uint8_t *)mem + (va - VA_BASE);
}

bool guest_read_va(struct vcpu *vcpu, uint64_t va, void *to, size_t size)
{
	void *from = at_va(va, size);

	if (from)
		memcpy(to, from, size);
	return from;
}

bool guest_write_va(struct vcpu *vcpu, uint64_t va, const void *from,
		    size_t size)
{
	void *to = at_va(va, size);

	if (to)
		memcpy(to, from, size);
	return to;
}

int event_bind(struct xen *xen, uint32_t port, event_fn fn, void *arg)
{
	if (port >= NR_PORTS)
		return -EINVAL;
	ports[port].fn = fn;
	ports[port].arg = arg;
	return 0;
}

void event_unbind(struct xen *xen, uint32_t port)
{
	ports[port].fn = NULL;
}

void event_notify(struct xen *xen, uint32_t port)
{
	__atomic_add_fetch(&ports[port].notified, 1, __ATOMIC_SEQ_CST);
}

void send_event(uint32_t port)
{
	xen_lock(&xen);
	if (ports[port].fn)
		ports[port].fn(ports[port].arg);
	xen_unlock(&xen);
}

static int count;
static bool failed;

void run(const char *name, void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(60);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status) {
		printf("# status 0x%x\n", status);
		failed = true;
	}
	printf("%sok %d %s\n", status ? "not " : "", ++count, name);
}

int main(void)
{
	test_store();
	test_grants();
	test_disks();
	printf("1..%d\n", count);
	return failed;
}
