/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A debugger drives the VM, by gdb's remote serial protocol.  It is trusted
 * with the guest, not with the tool.
 *
 * All vCPUs stop when one does.  Each is a thread to the debugger, numbered
 * from 1.
 */
#ifndef MINIVM_GDB_H
#define MINIVM_GDB_H

#include <pthread.h>

#include "minivm.h"

/* packet.c: frames, checksums, numbers.  Data of a packet, either way: */
#define PACKET_MAX	4096

enum packet_event {
	PACKET_NONE,
	PACKET_WHOLE,
	PACKET_BAD,		/* its checksum */
	PACKET_LONG,		/* and what it says is lost */
	PACKET_BREAK,		/* no packet: stop the guest */
	PACKET_AGAIN,		/* no packet: the last one did not arrive */
};

struct packet_in {
	int state;
	bool escaped, too_long;
	uint8_t sum, said;
	size_t len;
	char data[PACKET_MAX + 1];	/* ends with 0 */
};

struct packet_out {
	uint8_t sum;
	bool full;
	size_t len;
	char data[PACKET_MAX + 4];	/* from $ to the checksum */
};

enum packet_event packet_feed(struct packet_in *in, uint8_t byte);
void packet_begin(struct packet_out *out);
void packet_add(struct packet_out *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void packet_add_hex(struct packet_out *out, const void *from, size_t size);
/* As bytes, those that mean something to the frame escaped. */
void packet_add_bytes(struct packet_out *out, const void *from, size_t size);
/* True: all that was added is in it. */
bool packet_end(struct packet_out *out);
/* Hexadecimal, of at most 64 bits; moves on behind it. */
bool packet_number(const char **text, uint64_t *val);
bool packet_hex(const char **text, void *to, size_t size);
/* Moves on behind that character, if it is the next. */
bool packet_is(const char **text, char c);

/* breakpoint.c */
enum gdb_why {
	WHY_NONE,
	WHY_STARTED,		/* the debugger came */
	WHY_ASKED,		/* it said so */
	WHY_STEP,
	WHY_SWBREAK,
	WHY_HWBREAK,
	WHY_WATCH,		/* written */
	WHY_RWATCH,		/* read */
	WHY_AWATCH,		/* either */
};

/* Numbers of the protocol. */
enum breakpoint_type { BREAK_SOFT, BREAK_HARD, WATCH_WRITE, WATCH_READ,
		       WATCH_ACCESS, BREAKPOINT_TYPES };

#define MAX_SOFT	256
#define MAX_HARD	4

struct breakpoints {
	struct soft {
		uint64_t va, gpa;
		uint8_t was;		/* the byte that it replaces */
	} soft[MAX_SOFT];
	unsigned int nr_soft;
	struct hard {
		bool used;
		enum breakpoint_type type;
		uint64_t va, len;
	} hard[MAX_HARD];
};

struct gdb;

/* 0 or -errno; all of it under the lock. */
int breakpoint_insert(struct gdb *gdb, struct vcpu *vcpu,
		      enum breakpoint_type type, uint64_t va, uint64_t len);
int breakpoint_remove(struct gdb *gdb, enum breakpoint_type type, uint64_t va,
		      uint64_t len);
void breakpoint_remove_all(struct gdb *gdb);
bool breakpoint_is_soft(struct gdb *gdb, struct vcpu *vcpu, uint64_t va);
enum gdb_why breakpoint_hit(struct gdb *gdb, uint64_t dr6, uint64_t *va);
void breakpoint_arm(struct gdb *gdb, struct kvm_guest_debug *debug);
/* What was read or is to be written of one page, as without breakpoints. */
void breakpoint_hide(struct gdb *gdb, uint64_t gpa, uint8_t *data, size_t size);
void breakpoint_keep(struct gdb *gdb, uint64_t gpa, uint8_t *data, size_t size);

/*
 * memory.c: by linear address, in the tables of a vCPU.  Nothing of it faults,
 * whatever the guest makes of its memory.  -EFAULT: no memory, or a page table.
 */
bool memory_read_physical(struct vm *vm, uint64_t gpa, void *to, size_t size);
bool memory_write_physical(struct vm *vm, uint64_t gpa, const void *from,
			   size_t size);
/* How much could be read. */
size_t memory_read(struct gdb *gdb, struct vcpu *vcpu, uint64_t va,
		   uint8_t *to, size_t size);
int memory_write(struct gdb *gdb, struct vcpu *vcpu, uint64_t va,
		 const uint8_t *from, size_t size);

/* registers.c: of a vCPU that does not run; 0 or -errno. */
#define REGISTERS_MAX	1024	/* bytes of all of them */
#define REGISTER_MAX	16

size_t registers_size(void);
/* Size of one of them, 0: there is none of that number. */
size_t register_size(uint64_t nr);
int registers_read(struct vcpu *vcpu, uint8_t *to);
int registers_write(struct vcpu *vcpu, const uint8_t *from);
int register_read(struct vcpu *vcpu, uint64_t nr, uint8_t *to);
int register_write(struct vcpu *vcpu, uint64_t nr, const uint8_t *from);
/* Their description, in XML. */
const char *registers_describe(void);

/* threads.c: vCPUs that stop and go on. */
enum gdb_action { ACTION_STAY, ACTION_GO, ACTION_STEP };

struct gdb_stop {
	enum gdb_why why;
	uint64_t va;
};

struct gdb_vcpu {
	enum gdb_action action;
	struct gdb_stop stop;	/* that nobody was told of yet */
	bool inside;		/* of KVM_RUN, or about to be */
	bool unfinished;	/* KVM has to finish an exit */
	bool steps;		/* as KVM knows it */
	bool changed;		/* what KVM knows is not what it should */
};

struct gdb {
	struct vm *vm;
	pthread_mutex_t lock;	/* of all that follows */
	pthread_cond_t go, settled, said;
	pthread_t thread;
	int wake;		/* an eventfd that tells it to look */
	bool running;		/* the debugger waits for a stop */
	bool ending, heard;	/* the tool ends, with that code */
	int code;
	uint32_t control;	/* what KVM_SET_GUEST_DEBUG takes */
	struct gdb_vcpu vcpus[MINIVM_MAX_CPUS];
	struct breakpoints breakpoints;
};

void threads_init(struct gdb *gdb, struct vm *vm);
/* Returns when none runs. */
void threads_stop(struct gdb *gdb);
void threads_go(struct gdb *gdb, const enum gdb_action *actions);
/* The vCPU that one has to tell of; -1: none. */
int threads_stopped(struct gdb *gdb, struct gdb_stop *stop);
/* By a vCPU's own thread, around KVM_RUN.  False: look again whether it may. */
bool gdb_may_run(struct vcpu *vcpu);
/* True: that was all about the debugger.  Keeps errno. */
bool gdb_has_run(struct vcpu *vcpu, int ret);

/* stub.c: commands. */
enum stub_result {
	STUB_REPLY,		/* what is in out */
	STUB_GO,		/* none, the guest runs */
	STUB_DETACH,		/* after the reply */
	STUB_KILL,
};

struct stub {
	struct gdb *gdb;
	struct packet_out out;
	unsigned int general;	/* vCPU of registers and memory */
	int resumed;		/* vCPU of c and s; -1: all */
	bool acks;
	bool says_breaks;	/* the debugger knows of swbreak, hwbreak */
	struct gdb_stop last;
	unsigned int last_vcpu;
};

void stub_init(struct stub *stub, struct gdb *gdb);
/* len bytes, and a 0 after them. */
enum stub_result stub_command(struct stub *stub, const char *data, size_t len);
/* The packet that tells of a stop, or of the end. */
void stub_stopped(struct stub *stub, unsigned int vcpu,
		  const struct gdb_stop *stop);
void stub_ended(struct stub *stub, int code);

/* server.c: who listens where; a bad address ends the tool. */
void gdb_listen(const char *where);
/* Before any vCPU runs. */
void gdb_start(struct vm *vm);
/* Tells the debugger, if that is to be had soon. */
void gdb_end(int code);

#endif
