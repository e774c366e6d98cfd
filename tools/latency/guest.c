// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest whose wake-up latency is measured.  A timer interrupt (local APIC,
 * TSC-deadline mode) makes a task ready that preempts the low-priority one.
 * The time of an event is from its deadline to the task's first instruction.
 *
 * Arguments (NAME=VALUE, times in ns, MIN-MAX is a random range):
 *   seed=N             of the random sequence
 *   for=N              how long events are made
 *   period=MIN-MAX     between deadlines, on a grid that no delay moves
 *   work=N             instructions that the task does
 *   burst=MIN-MAX:N    the low task has so much to do every N events, else HLT
 *   task=PRIO|none     FIFO priority of the task; none: interrupts alone
 *   proto=none|g1|g2|g3|nodone   hypercalls around the task:
 *      none    there are none
 *      g1      SET and DONE before it, SET after it
 *      g2      SET with DONE before it, SET after it
 *      g3      it runs on the interrupt's boost; SET with DONE after it
 *      nodone  SET before and after it, never DONE
 *   low=burst|spin     spin: the low task is FIFO 99 and never ends
 *
 * The emulator delivers some interrupts twice; the second one is known by its
 * saved IF = 0, counted and left alone.  No event is dropped for it.
 */
#include <linux/kvm_pv_sched.h>

#include "../minivm/guest/guest.h"
#include "workload.h"

#define MSR_APIC_BASE		0x1b
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC_EOI		0x80b
#define MSR_X2APIC_SPIV		0x80f
#define MSR_X2APIC_LVTT		0x832
#define LVTT_TSC_DEADLINE	(2 << 17)
#define KVM_LEAF_FEATURES	0x40000001
#define FEATURE_PV_SCHED	(1U << 30)

#define TIMER_VECTOR		0xec
#define MAX_EVENTS		131072

#define SCHED_NORMAL		0
#define SCHED_FIFO		1

enum proto { NONE, G1, G2, G3, NODONE };

static const char * const proto_names[] = { "none", "g1", "g2", "g3", "nodone" };

static struct {
	uint64_t seed, duration, work, burst_every, prio;
	struct range period, burst;
	enum proto proto;
	bool task, spin;
} cfg = { .seed = 1, .duration = 1000000000, .work = 2, .burst_every = 8,
	  .prio = 99, .period = { 1000000, 1000000 },
	  .burst = { 1000000, 1000000 }, .proto = NONE, .task = true };

static uint32_t samples[MAX_EVENTS];
static volatile uint32_t nr_samples;
static uint64_t random_state, deadline, end, tsc_khz;
static volatile uint64_t burst_left;
static volatile bool over;
static bool intel;

uint32_t false_deliveries;
void timer_entry(void);

/*
 * Saved IF = 0 cannot be after a maskable interrupt: that is the emulator's
 * second delivery.  No EOI for it, or another interrupt would lose its own.
 */
asm(".pushsection .text\n"
    ".globl timer_entry\n"
    "timer_entry:\n"
    "	testl	$0x200, 16(%rsp)\n"
    "	jz	1f\n"
    "	push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"
    "	push %r8; push %r9; push %r10; push %r11; push %rbp\n"
    "	mov	%rsp, %rbp\n"
    "	and	$-16, %rsp\n"
    "	cld\n"
    "	call	timer_interrupt\n"
    "	mov	%rbp, %rsp\n"
    "	pop %rbp; pop %r11; pop %r10; pop %r9; pop %r8\n"
    "	pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
    "	iretq\n"
    "1:	incl	false_deliveries(%rip)\n"
    "	iretq\n"
    ".popsection\n");

static long hypercall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		      uint64_t a3)
{
	long ret;

	if (intel)
		asm volatile("vmcall" : "=a"(ret) : "a"(nr), "b"(a0), "c"(a1),
			     "d"(a2), "S"(a3) : "memory");
	else
		asm volatile("vmmcall" : "=a"(ret) : "a"(nr), "b"(a0), "c"(a1),
			     "d"(a2), "S"(a3) : "memory");
	return ret;
}

static void check(long ret, const char *what)
{
	if (!ret)
		return;
	put_str("guest: hypercall ");
	put_str(what);
	put_str(" gives -");
	put_dec(-ret);
	put_char('\n');
	guest_exit(3);
}

static void set_task(uint64_t flags)
{
	check(hypercall(KVM_HC_PV_SCHED_SET, 0, SCHED_FIFO, cfg.prio, flags),
	      "SET of the task");
}

static void set_low(uint64_t flags)
{
	check(hypercall(KVM_HC_PV_SCHED_SET, 0,
			cfg.spin ? SCHED_FIFO : SCHED_NORMAL,
			cfg.spin ? 99 : 0, flags), "SET of the low task");
}

static void before_task(void)
{
	switch (cfg.proto) {
	case G1:
		set_task(0);
		check(hypercall(KVM_HC_PV_SCHED_DONE, KVM_PV_SCHED_IRQ, 0, 0, 0),
		      "DONE");
		break;
	case G2:
		set_task(KVM_PV_SCHED_IRQ);
		break;
	case NODONE:
		set_task(0);
		break;
	case NONE:
	case G3:
		break;
	}
}

static void after_task(void)
{
	if (cfg.proto == G3)
		set_low(KVM_PV_SCHED_IRQ);
	else if (cfg.proto != NONE)
		set_low(0);
}

static void task(uint64_t due)
{
	uint64_t now = rdtsc();

	samples[nr_samples] = now > due ? (now - due) * 1000000 / tsc_khz : 0;
	nr_samples++;
	work(cfg.work);
}

/* The next deadline, whether or not it is past: each has its interrupt. */
static void arm(void)
{
	deadline += random_in(&random_state, &cfg.period) * tsc_khz / 1000000;
	if (deadline >= end || nr_samples >= MAX_EVENTS)
		over = true;
	else
		wrmsr(MSR_TSC_DEADLINE, deadline);
}

void timer_interrupt(void);

void timer_interrupt(void)
{
	uint64_t due = deadline;

	wrmsr(MSR_X2APIC_EOI, 0);
	if (cfg.task) {
		before_task();
		/* From here it is the task: it may be interrupted. */
		asm volatile("sti");
		task(due);
		asm volatile("cli");
	} else {
		nr_samples++;
	}
	if (!cfg.spin && nr_samples % cfg.burst_every == 0)
		burst_left = random_in(&random_state, &cfg.burst);
	arm();
	after_task();
}

/* The low task, and idle where it has nothing to do. */
static void low_task(void)
{
	while (!over) {
		if (cfg.spin) {
			work(1000);
		} else if (burst_left) {
			work(1000);
			burst_left = burst_left > 1000 ? burst_left - 1000 : 0;
		} else {
			asm volatile("cli");
			if (!burst_left && !over)
				asm volatile("sti; hlt");
			asm volatile("sti");
		}
	}
	asm volatile("cli");
}

static void bad_argument(const char *key)
{
	put_str("guest: bad argument ");
	put_str(key);
	put_char('\n');
	guest_exit(2);
}

static void num_arg(const char *args, const char *key, uint64_t *num)
{
	const char *val = arg_find(args, key);

	if (val)
		*num = arg_num(&val);
}

static const char *range_arg(const char *args, const char *key, struct range *r)
{
	const char *val = arg_find(args, key);

	if (!val)
		return NULL;
	r->min = r->max = arg_num(&val);
	if (*val == '-') {
		val++;
		r->max = arg_num(&val);
	}
	if (!r->min || r->max < r->min)
		bad_argument(key);
	return val;
}

static void parse(const char *args)
{
	const char *val;
	unsigned int i;

	num_arg(args, "seed", &cfg.seed);
	num_arg(args, "for", &cfg.duration);
	num_arg(args, "work", &cfg.work);
	range_arg(args, "period", &cfg.period);
	val = range_arg(args, "burst", &cfg.burst);
	if (val && *val == ':') {
		val++;
		cfg.burst_every = arg_num(&val);
		if (!cfg.burst_every)
			bad_argument("burst");
	}
	val = arg_find(args, "task");
	cfg.task = !val || !arg_is(val, "none");
	if (val && cfg.task)
		cfg.prio = arg_num(&val);
	val = arg_find(args, "low");
	cfg.spin = val && arg_is(val, "spin");
	val = arg_find(args, "proto");
	for (i = 0; val && i <= NODONE; i++)
		if (arg_is(val, proto_names[i]))
			break;
	if (val && i > NODONE)
		bad_argument("proto");
	cfg.proto = val ? i : NONE;
}

static void setup(void)
{
	uint32_t r[4];

	cpuid(0, r);
	intel = r[1] == 0x756e6547;		/* "Genu" */
	cpuid(1, r);
	if (!(r[2] & 1 << 21) || !(r[2] & 1 << 24)) {
		put_str("guest: no x2APIC or no TSC-deadline timer\n");
		guest_exit(4);
	}
	cpuid(KVM_LEAF_FEATURES, r);
	if (cfg.proto != NONE && !(r[0] & FEATURE_PV_SCHED)) {
		put_str("guest: no paravirtualized scheduling (--pv-sched)\n");
		guest_exit(5);
	}
	idt_load();
	idt_set(TIMER_VECTOR, timer_entry);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
	wrmsr(MSR_X2APIC_SPIV, 0x1ff);
	wrmsr(MSR_X2APIC_LVTT, LVTT_TSC_DEADLINE | TIMER_VECTOR);
}

static void report(void)
{
	uint32_t i;

	for (i = 0; cfg.task && i < nr_samples; i++) {
		put_str(i % 64 ? " " : i ? "\ns " : "s ");
		put_dec(samples[i]);
	}
	put_str("\nend events ");
	put_dec(nr_samples);
	put_str(" false ");
	put_dec(false_deliveries);
	put_char('\n');
}

int guest_main(struct minivm_boot *boot, unsigned int cpu)
{
	tsc_khz = boot->tsc_khz;
	parse((const char *)boot->args);
	setup();
	if (cfg.proto != NONE)
		set_low(KVM_PV_SCHED_IRQ);
	random_state = first_random(cfg.seed);

	/* Whoever started us counts from this line on. */
	put_str("ready\n");
	deadline = rdtsc() + 2 * tsc_khz;
	end = deadline + cfg.duration / 1000 * tsc_khz / 1000;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	asm volatile("sti");
	low_task();
	report();
	return nr_samples >= MAX_EVENTS ? 6 : 0;
}
