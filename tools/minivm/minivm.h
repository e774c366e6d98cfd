/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by all parts of the tool: exit codes, errors, one noun a section. */
#ifndef MINIVM_H
#define MINIVM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <linux/kvm.h>
#include <linux/kvm_pv_sched.h>

#define MINIVM_VERSION	"0.1"
#define MINIVM_MAX_CPUS	16

#ifndef KVM_FEATURE_PV_SCHED
#define KVM_FEATURE_PV_SCHED	30
#endif

/* Headers may be older than the kernel. */
#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};

#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/*
 * Exit codes.  The guest's own lie below 64, those of the tool are the ones
 * of sysexits.h, so that a script can tell them apart.
 */
enum {
	EX_OK_ = 0,
	EX_MISSING = 1,		/* check: something that is needed is missing */
	EX_GUEST_MAX = 63,	/* largest exit status of a guest */
	EX_USAGE_ = 64,		/* command line */
	EX_IMAGE = 65,		/* the image is not one that can run */
	EX_NOINPUT_ = 66,	/* no such file, no such VM, no such vCPU */
	EX_NOKVM = 69,		/* KVM or a capability of it is missing */
	EX_CRASH = 70,		/* the guest did what ends a VM */
	EX_OS = 71,		/* the kernel refused something */
	EX_INUSE = 73,		/* a VM of that name runs */
	EX_NORIGHT = 77,	/* no permission */
};

/* error.c: what failed, why (errno, or 0 if it is none), what to do. */
void warn(int err, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fail(int code, int err, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), noreturn));
int exit_code_of(int err);

/*
 * end.c: nothing else calls exit().  The first who begins the end has it, all
 * others stop for ever; what the guest still had to say is said, for as long
 * as somebody reads that.
 */
void end(int code) __attribute__((noreturn));
void end_begin(int code);
void end_finish(void) __attribute__((noreturn));
bool end_is_near(void);
/* From now on the end comes in bounded time, whoever blocks what. */
void end_bounded(void);
/*
 * What shall not be left behind, whichever way it ends: also called by signal
 * handlers, and more than once.
 */
void end_undo(void (*fn)(void));
void end_undo_all(void);
/* In the order in which they are given; four at most. */
void end_last_words(void (*fn)(void *arg), void *arg);
#define LAST_WORDS_MS	1000

/* write.c: a timeout below 0 is none. */
bool write_all(int fd, const void *data, size_t len, int timeout_ms);

/* parse.c: numbers with bounds; a message names the bounds. */
bool parse_long(const char *s, long *val);
bool parse_u64(const char *s, uint64_t *val);
/* Decimal digits only. */
bool parse_u32(const char *s, uint32_t max, uint32_t *val);
long parse_range(const char *what, const char *s, long min, long max);
uint64_t parse_size(const char *what, const char *s, uint64_t min,
		    uint64_t max);
uint64_t parse_duration(const char *what, const char *s);

/* policy.c: scheduling attributes of a thread. */
struct policy {
	int policy;
	int prio;		/* FIFO and RR: 1..99 */
	int nice;		/* OTHER and BATCH: -20..19 */
};

void policy_parse(const char *s, struct policy *p);
int policy_number(const char *name);
const char *policy_name(int policy);
int policy_set(pid_t tid, const struct policy *p);
int policy_get(pid_t tid, struct policy *p);
const char *policy_remedy(const struct policy *p, int err);
bool policy_is_below(const struct policy *p, const struct policy *than);
/* As far below as need be; nothing is below idle. */
struct policy policy_below(const struct policy *p);

/*
 * thread.c: threads, and how those that do I/O are scheduled: as the user chose
 * or below the vCPUs (NULL: not chosen, as this process).
 */
void start_thread(const char *name, void *(*fn)(void *arg), void *arg);
void name_thread(const char *name);
void io_policy_init(const struct policy *chosen, const struct policy *vcpus);
void io_policy_apply(const char *what);
void pi_mutex_init(pthread_mutex_t *lock);

/* json.c: output in one pass, commas by itself. */
struct json {
	FILE *f;
	bool comma;
};

void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_str(struct json *j, const char *key, const char *val);
void json_num(struct json *j, const char *key, long long val);
void json_bool(struct json *j, const char *key, bool val);
bool json_find_num(const char *text, const char *key, long long *val);
bool json_find_str(const char *text, const char *key, char *buf, size_t size);

/* runtime.c: the file that tells other commands of a running VM. */
struct runtime {
	char name[64];
	char image[256];
	pid_t pid;
	long long start;	/* of the process, so that a pid is not reused */
	uint64_t mem;
	unsigned int cpus;
	unsigned int p_max;	/* 0: no paravirtualized scheduling */
	pid_t tids[MINIVM_MAX_CPUS];
};

void runtime_check_name(const char *name);
void runtime_create(const struct runtime *r);
bool runtime_read(const char *name, struct runtime *r);
void runtime_each(void (*fn)(const struct runtime *r, void *arg), void *arg);

/* pv_sched.c: the bounds of paravirtualized scheduling. */
void pv_sched_defaults(struct kvm_pv_sched *pv);
void pv_sched_parse(const char *s, struct kvm_pv_sched *pv);
void pv_sched_describe(const struct kvm_pv_sched *pv);
void pv_sched_enable(int vm_fd, struct kvm_pv_sched *pv);

/* vm.c and vcpu.c: a VM, its memory, its vCPUs. */
struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	pid_t tid;
	int host_cpu;		/* -1: anywhere */
	struct kvm_run *run;
};

struct extent;
struct gdb;
struct virtio;
struct xen;

struct vm {
	const char *device;	/* /dev/kvm, or what a test says */
	int kvm;
	int fd;
	uint8_t *mem;
	uint64_t mem_size;
	unsigned int cpus;
	bool pv;
	struct kvm_pv_sched pv_sched;
	bool set_policy;
	struct policy policy;
	uint64_t entry;
	struct vcpu vcpus[MINIVM_MAX_CPUS];
	struct virtio *virtio;	/* NULL: no devices */
	/* For Linux only. */
	bool pc;
	bool protected_mode;	/* from the first instruction on, not 64-bit */
	/* Direct paging only. */
	bool direct;
	bool xen_abi;
	uint64_t root_gfn;
	struct extent *extents;
	struct extent *by_mfn;	/* the same, sorted by that */
	unsigned int nr_extents;
	struct xen *xen;	/* NULL but with xen_abi */
	struct gdb *gdb;	/* NULL but with --gdb */
};

int kvm_open(const char *device);
void vm_memory(struct vm *vm);
void vm_create(struct vm *vm);
void vm_prefault(struct vm *vm);
/* Page tables that map 4 GiB one to one, and the GDT. */
void vm_low_tables(struct vm *vm);
void vm_boot_info(struct vm *vm, char *const *args, int nr_args);
void join_args(char *text, size_t size, char *const *args, int nr_args);
void vcpu_create(struct vcpu *vcpu);
/* The segments and the GDT of layout.h, ring 0. */
void vcpu_set_segments(struct kvm_sregs *s);
/* These, and the page tables there. */
void vcpu_set_long_mode(struct kvm_sregs *s);
void vcpu_run(struct vcpu *vcpu) __attribute__((noreturn));

/* boot_timer.c: milestones, for --boot-timer. */
void boot_timer_start(void);
void boot_timer_show(void);
void boot_timer(const char *what);

/* dev_console.c, dev_exit.c: the two devices. */
void dev_console_write(const uint8_t *data, size_t len);
void dev_console_flush(void);
/* Does not wait for a reader. */
void dev_console_last_words(const uint8_t *data, size_t len);
void dev_exit_write(uint32_t val) __attribute__((noreturn));

/* cmd_*.c: one command each; the value is the exit code. */
int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sched(int argc, char **argv);

/* vm_make.c: all of a VM from an image, up to its first instruction. */
enum vm_mode { MODE_AUTO, MODE_DIRECT, MODE_NESTED };

#define MINIVM_MAX_DISKS	16
#define MINIVM_MAX_NETS		8

struct vm_options {
	enum vm_mode mode;
	const char *disks[MINIVM_MAX_DISKS];	/* FILE or FILE:ro */
	unsigned int nr_disks;
	const char *nets[MINIVM_MAX_NETS];
	unsigned int nr_nets;
	const char *initrd;
	bool trace;		/* hypercalls */
	bool set_io_policy;
};

void vm_make(struct vm *vm, const struct vm_options *options, const char *path,
	     char **args, int nr_args);

/* reset.c: the guest resets its machine; the first thread does it. */
#define RESET_SIGNAL	SIGUSR2

void reset_prepare(int argc, char **argv);
void reset_ask(void) __attribute__((noreturn));
void reset_now(void) __attribute__((noreturn));

/* main.c */
void help(FILE *f, const char *command);

#endif
