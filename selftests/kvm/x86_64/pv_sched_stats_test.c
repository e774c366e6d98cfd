// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what the binary statistics of a vCPU count.
 */
#include "kselftest.h"
#include "pv_sched_script.h"
#include "test_util.h"

#define MS		1000000ULL
#define P_MIDDLE	20
#define CHANGES		3
#define EVENTS		4

#define EOI	OP(EOI, 0)
#define DONE	OP(DONE, KVM_PV_SCHED_IRQ)
#define READY	OP(READY, 0)
#define BOOST	OP(POINT, SCRIPT_BOOST)
#define SPIN	OP(POINT, 0)
#define SELF_A	OP(ICR, SCRIPT_SELF(SCRIPT_VECTOR_A))
#define SET(policy, prio)	OP(SET, SCRIPT_PARAMS(policy, prio, 0))

enum vcpu_stat {
	PARAMS,
	BOOSTS_IRQ,
	BOOSTS_NMI,
	BOOSTS_LENT,
	BOOSTED_NS,
	RAISED_NS,
	CUTS_BOOST,
	CUTS_RT,
	CUTS_CPU,
	REMOTE_DIRECT,
	REMOTE_THREAD,
	NR_STATS,
};

static const char * const stat_names[NR_STATS] = {
	"pv_sched_params",
	"pv_sched_boosts_irq",
	"pv_sched_boosts_nmi",
	"pv_sched_boosts_lent",
	"pv_sched_boosted_ns",
	"pv_sched_raised_ns",
	"pv_sched_cuts_boost",
	"pv_sched_cuts_rt",
	"pv_sched_cuts_cpu",
	"pv_sched_remote_direct",
	"pv_sched_remote_thread",
};

static struct sched_trace *trace;
static struct sched_load middle;

/* The statistics of a vCPU, and what they were when a case began. */
struct stats {
	struct kvm_stats_header header;
	struct kvm_stats_desc *all;
	int fd;
	u64 before[NR_STATS];
};

static struct kvm_stats_desc *stats_find(struct stats *s, const char *name)
{
	struct kvm_stats_desc *desc;
	unsigned int i;

	for (i = 0; i < s->header.num_desc; i++) {
		desc = get_stats_descriptor(s->all, i, &s->header);
		if (!strcmp(desc->name, name))
			return desc;
	}
	TEST_FAIL("There is no statistic %s", name);
	return NULL;
}

static u64 stats_read(struct stats *s, enum vcpu_stat stat)
{
	u64 value;

	read_stat_data(s->fd, &s->header, stats_find(s, stat_names[stat]),
		       &value, 1);
	return value;
}

/* Since the case began. */
static u64 stats_diff(struct stats *s, enum vcpu_stat stat)
{
	return stats_read(s, stat) - s->before[stat];
}

static void stats_begin(struct stats *s)
{
	enum vcpu_stat stat;

	for (stat = 0; stat < NR_STATS; stat++)
		s->before[stat] = stats_read(s, stat);
}

static void stats_open(struct stats *s, struct script_vcpu *v)
{
	s->fd = __vcpu_ioctl(v->vcpu, KVM_GET_STATS_FD, NULL);
	TEST_ASSERT(s->fd >= 0, KVM_IOCTL_ERROR(KVM_GET_STATS_FD, s->fd));
	read_stats_header(s->fd, &s->header);
	s->all = read_stats_descriptors(s->fd, &s->header);
	stats_begin(s);
}

static void stats_close(struct stats *s)
{
	free(s->all);
	close(s->fd);
}

static void result(bool ok, struct stats *s, const char *name)
{
	enum vcpu_stat stat;

	for (stat = 0; !ok && stat < NR_STATS; stat++)
		ksft_print_msg("%s %lu\n", stat_names[stat],
			       stats_diff(s, stat));
	ksft_test_result(ok, "%s\n", name);
}

static void begin(struct script_vm *s, struct stats *stats,
		  struct kvm_pv_sched *cfg)
{
	script_vm_create(s, SCRIPT_IRQCHIP_KERNEL, 1, cfg);
	script_vm_start(s, trace);
	stats_open(stats, &s->vcpus[0]);
}

static void end(struct script_vm *s, struct stats *stats)
{
	stats_close(stats);
	script_vm_destroy(s);
}

static bool got_ready(struct script_vcpu *v)
{
	return SCHED_LOAD_POLL(READ_ONCE(v->st->ready), SCRIPT_TIMEOUT_MS);
}

static void test_params(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v;
	struct script_vm s;
	struct stats stats;
	bool ok;

	begin(&s, &stats, &cfg);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, SET(SCHED_FIFO, 99), SPIN, SET(SCHED_RR, 1),
	       SET(SCHED_OTHER, 0));
	script_go(v);
	ok = script_drive(v) && script_restored(v);

	ok &= stats_diff(&stats, PARAMS) == CHANGES &&
	      stats_diff(&stats, RAISED_NS) && !stats_diff(&stats, BOOSTED_NS) &&
	      !stats_diff(&stats, BOOSTS_IRQ) && !stats_diff(&stats, CUTS_RT);
	result(ok, &stats, "changes of parameters, and time above the own");
	end(&s, &stats);
}

/* Each is handled before the next one comes, so that each begins a boost. */
static bool send_events(struct script_vm *s, u32 data)
{
	struct script_vcpu *v = &s->vcpus[0];
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = data,
	};
	u64 points;
	bool ok = true;
	int i;

	for (i = 0; i < EVENTS && ok; i++) {
		points = v->st->point;
		ok = __vm_ioctl(s->vm, KVM_SIGNAL_MSI, &msi) > 0;
		ok &= SCHED_LOAD_POLL((script_step(v),
				      READ_ONCE(v->st->passed) > points),
				     SCRIPT_TIMEOUT_MS);
		/* Back behind the middle one: done was said. */
		ok &= script_restored(v);
	}
	return ok;
}

static void test_events(bool nmi)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v;
	struct script_vm s;
	struct stats stats;
	u64 boosted, begun;
	bool ok;

	begin(&s, &stats, &cfg);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, READY, OP(WAIT, EVENTS));
	SCRIPT(v->st->a, EOI, BOOST, DONE);
	SCRIPT(v->st->nmi, BOOST, OP(DONE, KVM_PV_SCHED_NMI));
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&middle);
	begun = sched_load_now_ms();
	ok &= send_events(&s, nmi ? APIC_DM_NMI : SCRIPT_VECTOR_A);
	sched_load_stop(&middle);
	ok &= script_drive(v);

	boosted = stats_diff(&stats, BOOSTED_NS);
	ok &= stats_diff(&stats, nmi ? BOOSTS_NMI : BOOSTS_IRQ) == EVENTS &&
	      !stats_diff(&stats, nmi ? BOOSTS_IRQ : BOOSTS_NMI) &&
	      !stats_diff(&stats, BOOSTS_LENT) && !stats_diff(&stats, PARAMS) &&
	      stats_diff(&stats, REMOTE_DIRECT) +
	      stats_diff(&stats, REMOTE_THREAD) >= EVENTS &&
	      boosted && boosted <= (sched_load_now_ms() - begun + 1) * MS &&
	      stats_diff(&stats, RAISED_NS) == boosted;
	result(ok, &stats, nmi ? "boosts by NMIs" : "boosts by interrupts");
	end(&s, &stats);
}

/* In hard interrupt context only a host CPU's thread can do it. */
static void test_thread(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v;
	struct script_vm s;
	struct stats stats;
	bool ok;

	begin(&s, &stats, &cfg);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, OP(ARM, SCRIPT_TSC_DEADLINE), READY, OP(WAIT, 1));
	SCRIPT(v->st->a, EOI, DONE);
	v->st->delay_ns = 20 * MS;
	v->st->vector = SCRIPT_VECTOR_A;
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&middle);
	ok &= SCHED_LOAD_POLL(READ_ONCE(v->st->done), SCRIPT_TIMEOUT_MS);
	sched_load_stop(&middle);
	ok &= script_drive(v);

	ok &= stats_diff(&stats, BOOSTS_IRQ) == 1 &&
	      stats_diff(&stats, REMOTE_THREAD) >= 1;
	result(ok, &stats, "a timer has a thread raised by a thread");
	end(&s, &stats);
}

/* A guest that spins, boosted or not, until a budget of so many ms is empty. */
static void test_cut(enum vcpu_stat stat, u64 boost, u64 rt, const char *cap,
		     const char *name)
{
	struct kvm_pv_sched cfg = script_bounds();
	enum vcpu_stat other = stat == CUTS_BOOST ? CUTS_RT : CUTS_BOOST;
	struct script_vcpu *v;
	struct script_vm s;
	struct stats stats;
	bool ok;

	cfg.boost_budget_ns = boost * MS;
	cfg.boost_period_ns = 100 * MS;
	cfg.rt_budget_ns = rt * MS;
	cfg.rt_period_ns = 100 * MS;
	sched_load_cap(cap);
	begin(&s, &stats, &cfg);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, SELF_A, OP(STI, 0), READY, SPIN);
	SCRIPT(v->st->a, EOI);
	script_go(v);
	ok = got_ready(v);
	ok &= SCHED_LOAD_POLL(stats_diff(&stats, stat) >= 2,
			      SCRIPT_TIMEOUT_MS);
	ok &= !stats_diff(&stats, other);
	script_release(v);
	ok &= script_drive(v) && script_restored(v);
	sched_load_cap("100000");

	result(ok, &stats, name);
	end(&s, &stats);
}

int main(int argc, char *argv[])
{
	pv_sched_require();
	sched_load_watcher();
	sched_load_cap("100000");
	trace = sched_trace_open();
	sched_load_create(&middle, SCHED_FIFO, P_MIDDLE);

	ksft_print_header();
	ksft_set_plan(7);
	test_params();
	test_events(false);
	test_events(true);
	test_thread();
	test_cut(CUTS_BOOST, 10, 95, "100000", "cuts by the boost budget");
	test_cut(CUTS_RT, 95, 10, "100000", "cuts by the rt budget");
	test_cut(CUTS_CPU, 95, 95, "10000", "cuts by a host CPU's");

	sched_load_destroy(&middle);
	sched_trace_close(trace);
	ksft_finished();
}
