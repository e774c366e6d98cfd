// SPDX-License-Identifier: GPL-2.0-only
/*
 * The demo guest: a control loop of 1 kHz on each vCPU, and how late it was.
 * Arguments: periods=N, vcpus=1..4, wait=block|hlt, prio=1..99.
 *
 * From "the loop begins" to "the loop is over", KVM does all that it needs.
 */
#include <linux/kvm_pv_sched.h>

#include "histogram.h"
#include "xen_lib.h"

#define PERIOD		1000000UL	/* nanoseconds */
#define IPI_EVERY	100		/* periods */
#define STACK		8192

/* PV scheduling: where KVM says that it is there, and the policy's number. */
#define KVM_LEAF_FEATURES	0x40000001
#define KVM_FEATURE_PV_SCHED	30
#define SCHED_FIFO		1

struct loop {
	uint32_t timer;		/* port */
	uint32_t ping, pong;	/* ports: to this vCPU, and back to vCPU 0 */
	uint64_t sent_at;
	unsigned int sent;	/* pings; pongs are what vCPU 0 counted */
	volatile unsigned int ready, done;
	unsigned int early, missed;
	int64_t speed, integral;
	struct histogram late, trip;
};

static struct loop loops[XEN_CPUS];
static struct vcpu_guest_context context;
static char stacks[XEN_CPUS][STACK] PAGE;
static unsigned int vcpus = 1, periods = 1000, prio = 80;
static bool by_hlt, pv_sched;

static void check(long r, const char *what)
{
	if (r >= 0)
		return;
	put_to(NULL);
	put_str("loop: cannot ");
	put_str(what);
	put_str(", error ");
	put_dec(-r);
	put_char('\n');
	guest_exit(1);
}

/* Between the look and the sleep no interrupt comes: both turn them on. */
static void wait_for(volatile unsigned int *count, unsigned int old)
{
	for (irq_off(); *count == old; irq_off()) {
		if (by_hlt)
			asm volatile("sti; hlt" : : : "memory");
		else
			sched_op(SCHEDOP_block, NULL);
	}
	irq_on();
}

/* In the upcall: answer at once, and see on vCPU 0 how long that took. */
static void on_event(struct xen_cpu *cpu, unsigned int port)
{
	struct loop *l = &loops[cpu->id];

	if (cpu->id && port == l->ping)
		event_send(l->pong);
	if (cpu->id)
		return;
	for (l = loops + 1; l < loops + vcpus; l++)
		if (port == l->pong)
			histogram_add(&l->trip, xen_now() - l->sent_at);
}

static void ping(void)
{
	struct loop *l;

	for (l = loops + 1; l < loops + vcpus; l++) {
		if (l->sent != xen_cpus[0].count[l->pong])
			continue;
		l->sent++;
		l->sent_at = xen_now();
		check(event_send(l->ping), "send an IPI");
	}
}

/* What a loop is for: a motor with friction is held at 1000 turns a minute. */
static void control(struct loop *l)
{
	int64_t error = 1000 * 1024 - l->speed, torque;

	l->integral += error;
	torque = error * 4 + l->integral / 8;
	l->speed += (torque - l->speed) / 64;
}

/* The task runs on the interrupt's boost, which ends when its work is done. */
static void interrupt_done(void)
{
	if (pv_sched)
		kvm_hypercall(KVM_HC_PV_SCHED_DONE, KVM_PV_SCHED_IRQ, 0, 0, 0);
}

static void set_priority(struct xen_cpu *cpu)
{
	if (pv_sched)
		check(kvm_hypercall(KVM_HC_PV_SCHED_SET, cpu->id, SCHED_FIFO,
				    prio, KVM_PV_SCHED_IRQ), "set a priority");
}

/* The next period that is still to come. */
static uint64_t record(struct loop *l, uint64_t due)
{
	int64_t late = xen_now() - due;

	if (late < 0) {
		l->early++;
		late = 0;
	}
	histogram_add(&l->late, late);
	l->missed += late / PERIOD;
	return due + (late / PERIOD + 1) * PERIOD;
}

static void run(struct xen_cpu *cpu)
{
	struct loop *l = &loops[cpu->id];
	unsigned int i, ticks;
	uint64_t due;

	set_priority(cpu);
	/* Not all at the same time. */
	due = xen_now() + PERIOD + cpu->id * PERIOD / vcpus;
	for (i = 0; i < periods; i++) {
		if (!cpu->id && i % IPI_EVERY == 0)
			ping();
		ticks = cpu->count[l->timer];
		check(xen_timer_set(due), "set the timer");
		wait_for(&cpu->count[l->timer], ticks);
		due = record(l, due);
		control(l);
		interrupt_done();
	}
	l->done = 1;
}

/* The first ping is the start; afterwards it goes on answering. */
static void other_main(void)
{
	static unsigned int never;
	static unsigned int next = 1;
	unsigned int id = __atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST);
	struct xen_cpu *cpu = &xen_cpus[id];

	xen_cpu_init(id);
	loops[id].ready = 1;
	wait_for(&cpu->count[loops[id].ping], 0);
	run(cpu);
	wait_for(&never, 0);
}

static uint32_t take(long port, unsigned int cpu, const char *what)
{
	check(port, what);
	event_take(cpu, port);
	return port;
}

/* One after the other, so that each finds its number. */
static void start(unsigned int id)
{
	struct loop *l = &loops[id];

	l->timer = take(event_bind_virq(VIRQ_TIMER, id), id, "bind a timer");
	if (!id)
		return;
	l->ping = take(event_bind_ipi(id), id, "bind an IPI");
	l->pong = take(event_bind_ipi(0), 0, "bind an IPI");
	xen_vcpu_context(&context, other_main, stacks[id] + STACK);
	check(vcpu_op(VCPUOP_initialise, id, &context), "start a vCPU");
	check(vcpu_op(VCPUOP_up, id, NULL), "start a vCPU");
	while (!l->ready)
		sched_op(SCHEDOP_yield, NULL);
}

static bool all_done(void)
{
	struct loop *l;

	for (l = loops; l < loops + vcpus; l++)
		if (!l->done || l->sent != xen_cpus[0].count[l->pong])
			return false;
	return true;
}

/* The others do not tell when they are done: look, each period. */
static void wait_for_all(struct xen_cpu *cpu)
{
	volatile unsigned int *ticks = &cpu->count[loops[0].timer];
	unsigned int old;

	while (!all_done()) {
		old = *ticks;
		check(xen_timer_set(xen_now() + PERIOD), "set the timer");
		wait_for(ticks, old);
	}
}

static void put_count(const char *what, uint64_t count)
{
	put_str(what);
	put_dec(count);
}

static void report(unsigned int id)
{
	struct loop *l = &loops[id];

	put_count("loop: vCPU ", id);
	put_count(": periods ", l->late.count);
	put_count(" missed ", l->missed);
	put_count(" early ", l->early);
	put_count(" speed ", (l->speed + 512) / 1024);
	put_str("\nloop: late, us: ");
	histogram_sums(&l->late);
	histogram_picture(&l->late);
	if (!id)
		return;
	put_count("loop: round trips by IPI ", l->trip.count);
	put_str(", us: ");
	histogram_sums(&l->trip);
}

static unsigned int number(const char *args, const char *key,
			   unsigned int missing, unsigned int max)
{
	const char *val = arg_find(args, key);
	uint64_t n = val ? arg_num(&val) : missing;

	return !n ? 1 : n > max ? max : n;
}

static void read_args(const char *args)
{
	const char *val = arg_find(args, "wait");
	uint32_t r[4];

	by_hlt = val && arg_is(val, "hlt");
	periods = number(args, "periods", periods, 100000000);
	vcpus = number(args, "vcpus", vcpus, XEN_CPUS);
	prio = number(args, "prio", prio, 99);
	cpuid(KVM_LEAF_FEATURES, r);
	pv_sched = r[0] >> KVM_FEATURE_PV_SCHED & 1;
}

int xen_main(struct start_info *info)
{
	static const char begins[] = "loop: the loop begins\n";
	static const char over[] = "loop: the loop is over\n";
	struct sched_shutdown off = { .reason = SHUTDOWN_poweroff };
	unsigned int id;

	check(xen_init(info), "map shared_info");
	read_args((const char *)info->cmd_line);
	xen_on_event = on_event;
	check(xen_set_callback(XEN_UPCALL), "set the callback");
	irq_on();
	for (id = 0; id < vcpus; id++)
		start(id);

	check(console_call(begins, sizeof(begins) - 1), "write");
	run(&xen_cpus[0]);
	wait_for_all(&xen_cpus[0]);
	check(console_call(over, sizeof(over) - 1), "write");

	put_to(console_put);
	put_str("loop: waits by ");
	put_str(by_hlt ? "HLT" : "SCHEDOP_block");
	put_str(pv_sched ? ", says when its interrupt is done\n" :
			   ", without PV scheduling\n");
	for (id = 0; id < vcpus; id++)
		report(id);
	sched_op(SCHEDOP_shutdown, &off);
	return 2;
}
