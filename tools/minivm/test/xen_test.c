// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xenstore, grants, disks, events, the console and virtio devices against a
 * guest, and gdb's protocol against a debugger, that are played here,
 * well-behaved and hostile, without KVM.  This file is what they believe to be
 * a machine.
 * Each case runs in a process of its own.  TAP.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../direct.h"
#include "../xen/event.h"
#include "xen_test.h"

/* The machine that the parts believe in. */
uint8_t mem[PAGES][4096] __attribute__((aligned(4096)));
bool is_table[PAGES];
int holds[PAGES], nr_holds;
int notified[NR_TEST_PORTS], kvm_routes;
int warnings;
struct vm vm;
struct xen xen = { .vm = &vm, .lock = PTHREAD_MUTEX_INITIALIZER };
struct vcpu vcpu = { .vm = &vm };

void xen_lock(struct xen *xen)
{
	pthread_mutex_lock(&xen->lock);
}

void xen_unlock(struct xen *xen)
{
	pthread_mutex_unlock(&xen->lock);
}

void warn(int err, const char *remedy, const char *fmt, ...)
{
	__atomic_add_fetch(&warnings, 1, __ATOMIC_SEQ_CST);
}

void xen_complain(struct xen *xen, const char *remedy, const char *fmt, ...)
{
	warn(0, remedy, "%s", fmt);
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
	uint64_t i;

	errno = EBUSY;
	check(npages && gfn + npages <= PAGES);
	for (i = 0; i < npages; i++)
		if (is_table[gfn + i])
			return NULL;
	holds[gfn]++;
	nr_holds++;
	*hold = gfn;
	return mem[gfn];
}

void guest_release(int hold)
{
	if (hold < 0)
		return;
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

bool guest_read(struct vm *vm, uint64_t gpa, void *to, size_t size)
{
	return guest_read_va(&vcpu, VA_BASE + gpa, to, size);
}

bool guest_write(struct vm *vm, uint64_t gpa, const void *from, size_t size)
{
	return gpa < sizeof(mem) && !is_table[gpa / 4096] &&
	       guest_write_va(&vcpu, VA_BASE + gpa, from, size);
}

/* KVM, as far as it is there. */
int __wrap_ioctl(int fd, unsigned long nr, void *arg)
{
	const struct kvm_irq_routing_xen_evtchn *event = arg;
	const struct kvm_xen_hvm_attr *attr = arg;

	if (nr == KVM_XEN_HVM_EVTCHN_SEND && event->port < NR_TEST_PORTS)
		__atomic_add_fetch(&notified[event->port], 1, __ATOMIC_SEQ_CST);
	if (nr == KVM_XEN_HVM_SET_ATTR &&
	    attr->type == KVM_XEN_ATTR_TYPE_EVTCHN)
		kvm_routes++;
	return gdb_ioctl(fd, nr, arg);
}

/* A file system that pins the pages of its caller: a guest's cannot be. */
static bool is_guests(const void *buf)
{
	errno = EFAULT;
	return (const uint8_t *)buf >= mem[0] &&
	       (const uint8_t *)buf < mem[PAGES];
}

ssize_t __real_pread(int fd, void *buf, size_t size, off_t pos);
ssize_t __real_pwrite(int fd, const void *buf, size_t size, off_t pos);

/* A slow disk: as long as a test has the gate. */
pthread_mutex_t disk_gate = PTHREAD_MUTEX_INITIALIZER;
int at_gate;

ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t pos)
{
	__atomic_add_fetch(&at_gate, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&disk_gate);
	pthread_mutex_unlock(&disk_gate);
	return is_guests(buf) ? -1 : __real_pread(fd, buf, size, pos);
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t pos)
{
	return is_guests(buf) ? -1 : __real_pwrite(fd, buf, size, pos);
}

int vcpu_direct_start(struct vcpu *vcpu, uint64_t root_gfn, uint64_t rip,
		      uint64_t rsp, uint64_t rsi, uint64_t rdi)
{
	return 0;
}

bool guest_translate(struct vcpu *vcpu, uint64_t va, uint64_t *gpa)
{
	*gpa = va - VA_BASE;
	return at_va(va, 1);
}

void boot_timer(const char *what)
{
}

void send_event(uint32_t port)
{
	struct port *p = &xen.ports[port];

	xen_lock(&xen);
	if (p->fn)
		p->fn(p->arg);
	xen_unlock(&xen);
}

bool has_fn(uint32_t port)
{
	return xen.ports[port].fn;
}

/* Ports that the guest left unbound for the tool. */
static void start_ports(void)
{
	uint32_t i;

	event_init(&xen);
	for (i = 1; i < NR_TEST_PORTS / 2; i++)
		check(event_alloc(&xen) == i);
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
		start_ports();
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
	test_events();
	test_ends();
	test_virtio_queues();
	test_virtio_disks();
	test_virtio_nets();
	test_gdb();
	printf("1..%d\n", count);
	return failed;
}
