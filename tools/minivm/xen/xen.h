/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Xen's ABI for guests in ring 0 with direct paging, as far as the tool has a
 * part in it: start of day, hypercalls that KVM forwards, and what dom0 would
 * do, a console, xenstore, grants and disks.
 *
 * Domain 0 is the tool.  The guest is domain 1.
 */
#ifndef MINIVM_XEN_H
#define MINIVM_XEN_H

#include <pthread.h>

#include "guest.h"
#include "minivm.h"

#define XEN_DOM_TOOL	0
#define XEN_DOM_GUEST	1

#define XEN_GRANT_FRAMES 4

/* What the tool claims to be, and where Xen has its hypercall page's MSR. */
#define XEN_VERSION	(4 << 16 | 17)
#define XEN_MSR		0x40000000

struct xen_start;

struct xen {
	struct vm *vm;
	pthread_mutex_t lock;
	const struct xen_start *start;	/* where what lies, xen/loader.c */
	struct shared_info *shared;	/* held */
	uint64_t callback;		/* HVM_PARAM_CALLBACK_IRQ */
	struct xen_vcpu *vcpus;
	struct port *ports;
	struct console *console;
	bool trace;
	bool powered_off;	/* no vCPU is up: look after the lock */
	char complaint[256];	/* that the console's thread makes */
	const char *remedy;
};

/*
 * xen/xen.c: hypercalls and event_fn run under one lock, and event_*() but for
 * event_notify() wants it held.  Nobody waits for a reader of standard output
 * or standard error, nor for a disk, under it: complaints are kept until then.
 */
struct xen *xen_create(struct vm *vm, struct xen_start *start);
void xen_setup(struct xen *xen);
void xen_start_vcpu(struct xen *xen);
void xen_lock(struct xen *xen);
void xen_unlock(struct xen *xen);
/* Under the lock.  One is kept: each is made once in the life of a VM. */
void xen_complain(struct xen *xen, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* xen/cpuid.c: leaves after the nr that there are; the new number of them. */
#define XEN_CPUID_LEAVES 8
struct kvm_cpuid_entry2;
unsigned int xen_cpuid(struct kvm_cpuid_entry2 *e, unsigned int nr);

/* xen/hypercall.c: a call that KVM forwards; the result, or -errno. */
long xen_hypercall(struct vcpu *vcpu, uint64_t nr, const uint64_t *args);

/* xen/refusals.c: at the end, calls that failed, whoever answered them. */
void refusals_init(struct vm *vm);

/* xen/version.c: what there is, and what is set by number. */
long xen_version(struct vcpu *vcpu, uint32_t cmd, uint64_t arg);
long hvm_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg);

/* xen/vcpu.c: vCPUs that the guest starts and stops. */
long vcpu_op(struct vcpu *vcpu, uint32_t cmd, uint32_t id, uint64_t arg);
void xen_vcpu_init(struct xen *xen);
/* Not under the lock: returns when the vCPU may run. */
void xen_vcpu_wait(struct vcpu *vcpu);
/* Whether the guest wants it to run. */
bool xen_vcpu_is_up(struct vcpu *vcpu);
/* An ioctl of a vCPU that may be running in another thread; -errno. */
int xen_vcpu_ioctl(struct vcpu *caller, struct vcpu *vcpu, unsigned long nr,
		   void *arg);

/* xen/event.c: event channels; *_op are hypercalls, arg is a linear address. */
typedef void (*event_fn)(void *arg);

void event_init(struct xen *xen);
long event_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg);
/* A port of the guest that waits for event_bind().  0: there are no more. */
uint32_t event_alloc(struct xen *xen);
/*
 * The other end of a port that the guest left unbound for us: fn on its send;
 * -errno.
 */
int event_bind(struct xen *xen, uint32_t port, event_fn fn, void *arg);
/* Unless it is not arg's any more. */
void event_unbind(struct xen *xen, uint32_t port, void *arg);
/* Which vCPU the guest wants to have its events; of a port that is bound. */
uint32_t event_vcpu(struct xen *xen, uint32_t port);
void event_notify(struct xen *xen, uint32_t port);
/* A virtual interrupt, if the guest bound it. */
void event_virq(struct xen *xen, uint32_t virq);

/* xen/console.c: the ring, on stdin and stdout. */
void console_init(struct xen *xen, void *ring, uint32_t port);
/* There is output, or a complaint; under the lock. */
void console_wake(struct xen *xen);
/* Not under the lock, as standard output may have to be waited for. */
long console_op(struct vcpu *vcpu, uint32_t cmd, uint32_t count, uint64_t va);

/*
 * xen/store.c: a tree of names with values, over the ring.  Paths are absolute;
 * the guest's relative ones are below /local/domain/1.  All of this, store_fn
 * too, runs under the lock.
 */
typedef void (*store_fn)(void *arg);

/* The port is the guest's, left unbound for the tool, which binds it here. */
void store_init(struct xen *xen, void *ring, uint32_t port);
void store_set(struct xen *xen, const char *path, const char *value);
/* NULL if there is none; valid until the next change. */
const char *store_get(struct xen *xen, const char *path);
/* Called after the guest wrote or removed path or something below it. */
void store_watch(struct xen *xen, const char *path, store_fn fn, void *arg);

/* xen/grant.c: frames that the guest lends; under the lock. */
long grant_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg, uint32_t count);
/* Frames that are held and zeroed; the first is guest frame gfn. */
void grant_init(struct xen *xen, void *table, uint64_t gfn,
		unsigned int frames);
struct grant {
	void *page;
	int hold;
	uint32_t ref;
	bool write;
};

/* -errno: a bad reference, not the guest's frame, a table, no right to write. */
int grant_map(struct xen *xen, uint32_t ref, bool write, struct grant *grant);
void grant_unmap(struct xen *xen, struct grant *grant);

/*
 * xen/blk.c: disks, each a file with a thread that takes the lock by itself.
 * After store_init() and grant_init(); under the lock or before any vCPU.
 */
void blk_init(struct xen *xen, unsigned int index, const char *disk);

#endif
