/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of xenstore, grants and disks share. */
#ifndef MINIVM_XEN_TEST_H
#define MINIVM_XEN_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "../xen/xen.h"
#include "../xen/store.h"

#define PAGES		64
#define MFN_BASE	0x1000
#define VA_BASE		0x100000
#define STORE_PORT	1
#define DISK_PORT	5
#define NR_TEST_PORTS	32
#define TABLE_GFN	60
#define STORE_GFN	59
#define RING_GFN	10
#define DATA_GFN	11

/* xen_test.c: the machine. */
extern uint8_t mem[PAGES][4096];
extern bool is_table[PAGES];
extern int holds[PAGES], nr_holds;
extern int notified[NR_TEST_PORTS], kvm_routes;
extern int warnings;
extern struct vm vm;
extern struct xen xen;
extern struct vcpu vcpu;

extern pthread_mutex_t disk_gate;
extern int at_gate;		/* reads of a disk so far */

void send_event(uint32_t port);
/* Whether the other end is the tool. */
bool has_fn(uint32_t port);
void run(const char *name, void (*fn)(void));

/* Checks: a case ends with the first that does not hold. */
#define check(x) do { if (!(x)) {					\
	printf("# %s:%d: %s\n", __FILE__, __LINE__, #x);		\
	fflush(stdout);							\
	_exit(1);							\
} } while (0)

/* xen_test_store.c: the guest's end of xenstore. */
extern struct store_msg answer;

void start_store(void);
void post(uint32_t type, const void *body, size_t len);
bool get_answer(void);
bool ask(uint32_t type, uint32_t tx, const void *body, size_t len);
bool answered(uint32_t type, const void *body, size_t len);

#define ASK(type, body) check(ask(type, 0, body, sizeof(body) - 1))
#define SAYS(type, body, text) do {					\
	ASK(type, body);						\
	check(answered(type, text, sizeof(text) - 1));			\
} while (0)
#define REFUSES(type, body, name) do {					\
	ASK(type, body);						\
	check(answered(XS_ERROR, name, sizeof(name)));			\
} while (0)
#define EVENT(text) do {						\
	check(get_answer());						\
	check(answered(XS_WATCH_EVENT, text, sizeof(text)));		\
} while (0)

/* xen_test_grant.c: the guest's end of grants. */
extern grant_entry_v1_t *table;

void grant_frame(uint32_t ref, uint64_t gfn, uint16_t flags);

void test_store(void);
void test_grants(void);
void test_disks(void);
void test_events(void);
void test_ends(void);
void test_virtio_queues(void);
void test_virtio_disks(void);
void test_virtio_nets(void);
void test_gdb(void);

/* xen_test_gdb.c: KVM, for vCPUs that it has. */
int gdb_ioctl(int fd, unsigned long nr, void *arg);

#endif
