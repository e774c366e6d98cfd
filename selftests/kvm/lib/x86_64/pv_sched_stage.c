// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stage for an interrupt, see pv_sched_stage.h.
 */
#include "kselftest.h"
#include "pv_sched_stage.h"
#include "test_util.h"

#define STAGE_DELAY_NS		4000000
#define STAGE_MAX_DELAY_NS	1000000000
/* How early a timer may be by rounding. */
#define STAGE_ROUNDING_NS	2000
/* How early a timer may raise a thread, as the VMM allows it. */
#define STAGE_EARLY_NS		100000
/*
 * For how long the middle one may run on after the event: much longer than it
 * takes to raise a thread in an emulated machine, unless that stands still.
 */
#define STAGE_LATE_US		20000
/* In which a thread that sleeps is raised, or never. */
#define STAGE_RAISE_MS		500
/* What is raised in user space has a millisecond to enter KVM_RUN. */
#define STAGE_USER_TRIES	48
#define STAGE_USER_MS		100
/* Nobody samples during that millisecond. */
#define STAGE_USER_LONG_NS	5000000

const char * const stage_names[STAGE_STATES] = {
	"running", "preempted", "halted", "blocked", "in user space",
	"in user space, by itself",
};

/* Is the middle one there, so that the thread has to be raised to run? */
static bool stage_contended(enum stage_state state)
{
	return state != STAGE_RUNNING && state != STAGE_SELF;
}

void stage_create(struct stage *st)
{
	memset(st, 0, sizeof(*st));
	sched_load_watcher();
	sched_load_cap("100000");
	st->trace = sched_trace_open();
	sched_load_create(&st->middle, SCHED_FIFO, STAGE_P_MIDDLE);
	sched_trace_watch(st->trace, st->middle.tid);
	st->fd = -1;
}

void stage_destroy(struct stage *st)
{
	sched_load_destroy(&st->middle);
	sched_trace_close(st->trace);
}

static void stage_script(struct stage *st, enum stage_state state)
{
	struct script_state *guest = stage_vcpu(st)->st;
	const struct stage_path *path = st->path;
	u64 *handler = path->nmi ? guest->nmi : guest->a;
	u64 *op = guest->main;
	unsigned int i;

	if (path->arm)
		*op++ = path->arm;
	if (state == STAGE_USER || state == STAGE_SELF)
		*op++ = OP(STI, 0);
	*op++ = OP(READY, 0);
	if (state == STAGE_BLOCKED)
		*op++ = OP(TOUCH, 0);
	if (state == STAGE_USER || state == STAGE_SELF)
		*op++ = OP(EXIT, 0);
	*op++ = state == STAGE_HALTED ? OP(HLT, 1) : OP(WAIT, 1);
	*op++ = OP(POINT, SCRIPT_OWN);

	for (i = 0; i < ARRAY_SIZE(path->ack) && path->ack[i]; i++)
		*handler++ = path->ack[i];
	/* On a slow machine a periodic timer expires once more. */
	*handler++ = OP(FIRST, 0);
	*handler++ = OP(POINT, SCRIPT_BOOST);
	*handler++ = OP(DONE, path->nmi ? KVM_PV_SCHED_NMI : KVM_PV_SCHED_IRQ);

	guest->delay_ns = st->delay_ns;
	guest->vector = path->vector;
}

static bool stage_is_set(struct stage *st, enum stage_state state)
{
	struct script_vcpu *v = stage_vcpu(st);
	char s;

	/* A timer that came too early. */
	if (READ_ONCE(v->st->entries))
		return true;
	if (!READ_ONCE(v->st->ready))
		return false;
	if (state == STAGE_USER || state == STAGE_SELF)
		return __atomic_load_n(&v->in_user, __ATOMIC_ACQUIRE);
	if (state != STAGE_HALTED && state != STAGE_BLOCKED)
		return true;

	s = sched_load_state(v->tid);
	return s == 'S' || s == 'D';
}

/* Whatever became of the event, let the guest come to its end. */
static bool stage_finish(struct stage *st, enum stage_state state)
{
	struct script_vcpu *v = stage_vcpu(st);

	sched_load_stop(&st->middle);
	st->middle_stopped = rdtsc();
	if (state == STAGE_BLOCKED)
		script_hole_fill(&st->vm);
	return script_drive(v);
}

/* After done, the middle one gets the CPU back; else the guest just ends. */
static bool stage_handled(struct stage *st, bool contended, u64 *count)
{
	struct script_vcpu *v = stage_vcpu(st);

	script_step(v);
	if (!contended)
		return script_idle(v);
	if (!READ_ONCE(v->st->done)) {
		*count = sched_load_count(&st->middle);
		return false;
	}
	return sched_load_count(&st->middle) != *count;
}

static bool stage_is_raised(struct script_vcpu *v)
{
	return pv_sched_getattr(v->tid).sched_priority == SCRIPT_P_MAX;
}

static void stage_fire_self(void *arg)
{
	struct stage *st = arg;

	st->event = rdtsc();
	st->path->fire(st);
}

static void stage_fire(struct stage *st, enum stage_state state)
{
	struct script_vcpu *v = stage_vcpu(st);

	if (state == STAGE_SELF) {
		v->call = stage_fire_self;
		v->call_arg = st;
		__atomic_store_n(&v->let_in, true, __ATOMIC_RELEASE);
		return;
	}
	v->call = NULL;

	/* It is preempted: it goes on when the event has it raised. */
	if (state == STAGE_USER)
		__atomic_store_n(&v->let_in, true, __ATOMIC_RELEASE);

	if (!st->path->timer) {
		st->event = rdtsc();
		st->path->fire(st);
	}
	if (state == STAGE_USER) {
		while (rdtsc() < st->event)
			sched_load_yield();
		sched_load_sleep(STAGE_USER_LONG_NS);
	}
	if (state != STAGE_BLOCKED)
		return;

	/* The event raises it asleep; then the page comes. */
	while (rdtsc() < st->event)
		sched_load_yield();
	SCHED_LOAD_POLL(stage_is_raised(v), STAGE_RAISE_MS);
	st->filled = rdtsc();
	script_hole_fill(&st->vm);
}

static bool stage_seen_at(const struct sched_trace_event *e, const char *what)
{
	if (e && e->next_prio == SCRIPT_BOOST)
		return true;

	ksft_print_msg("%s: prio %d instead of %d\n", what,
		       e ? e->next_prio : -1, SCRIPT_BOOST);
	return false;
}

/* A vCPU that halts sleeps raised; any other one waits for an event. */
static bool stage_check_before(struct stage *st, enum stage_state state)
{
	u64 early = script_ns_to_tsc(STAGE_EARLY_NS);
	struct script_vcpu *v = stage_vcpu(st);
	struct sched_trace_prios seen;

	seen = sched_trace_prios(st->trace, v->tid, v->st->ready,
				 st->event - early);
	if (state == STAGE_HALTED || seen.highest >= SCRIPT_OWN ||
	    !seen.samples)
		return true;

	ksft_print_msg("before the event: prio %d instead of %d\n",
		       seen.highest, SCRIPT_OWN);
	return false;
}

static bool stage_check_middle(struct stage *st)
{
	struct script_state *guest = stage_vcpu(st)->st;
	u64 before, during;

	before = script_tsc_to_us(sched_trace_ran(st->trace, st->middle.tid,
						  max(st->event, st->filled),
						  guest->entry,
						  SCHED_TRACE_ANY));
	during = script_tsc_to_us(sched_trace_ran(st->trace, st->middle.tid,
						  guest->entry, guest->done,
						  SCHED_TRACE_ANY));
	if (before <= STAGE_LATE_US && !during)
		return true;

	ksft_print_msg("the middle one ran %lu us after the event, %lu us in the handler\n",
		       before, during);
	st->late = !during;
	return false;
}

/* The event of a thread that had to be raised to get the CPU. */
static bool stage_check_contended(struct stage *st, enum stage_state state)
{
	struct script_vcpu *v = stage_vcpu(st);
	struct sched_trace_prios seen;
	bool ok;

	ok = stage_seen_at(sched_trace_in(st->trace, v->tid, st->event, ~0ULL),
			   "first switch after the event");
	if (state == STAGE_HALTED || state == STAGE_BLOCKED)
		ok &= stage_seen_at(sched_trace_waking(st->trace, v->tid,
						       v->st->ready, ~0ULL),
				    "wake-up");

	ok &= stage_check_middle(st);
	seen = sched_trace_prios(st->trace, v->tid, v->st->entry, v->st->done);
	if (seen.lowest > SCRIPT_BOOST) {
		ksft_print_msg("in the handler: prio %d instead of %d\n",
			       seen.lowest, SCRIPT_BOOST);
		ok = false;
	}

	seen = sched_trace_prios(st->trace, v->tid, v->st->done,
				 st->middle_stopped);
	if (!seen.samples || seen.lowest != SCRIPT_OWN) {
		ksft_print_msg("after done: prio %d instead of %d\n",
			       seen.lowest, SCRIPT_OWN);
		ok = false;
	}
	return ok;
}

static bool stage_check(struct stage *st, enum stage_state state)
{
	struct script_vcpu *v = stage_vcpu(st);
	u64 early = script_ns_to_tsc(STAGE_ROUNDING_NS);
	bool ok;

	ok = script_check(v, st->trace, 2);
	ok &= stage_check_before(st, state);
	if (ok && stage_contended(state))
		ok = stage_check_contended(st, state);
	if (v->st->entry + early < st->event) {
		ksft_print_msg("the interrupt came %lu us early\n",
			       script_tsc_to_us(st->event - v->st->entry));
		ok = false;
	}
	if (!script_restored(v)) {
		ksft_print_msg("the thread does not get back what it owned\n");
		ok = false;
	}
	return ok;
}

static enum stage_result stage_try(struct stage *st, enum stage_state state)
{
	struct script_vcpu *v = stage_vcpu(st);
	bool contended = stage_contended(state);
	enum stage_result result = STAGE_PASS;
	u64 count = 0;
	bool ok, ended;

	script_clear(v);
	stage_script(st, state);
	if (state == STAGE_BLOCKED)
		script_hole_dig(&st->vm);

	sched_trace_start(st->trace);
	st->event = 0;
	st->filled = 0;
	st->late = false;
	if (st->path->program)
		st->path->program(st);
	script_go(v);
	ok = SCHED_LOAD_POLL(stage_is_set(st, state), SCRIPT_TIMEOUT_MS);
	if (!ok)
		ksft_print_msg("the guest does not get ready\n");
	if (contended)
		sched_load_start(&st->middle);
	if (v->st->event)
		st->event = v->st->event;
	if (contended && st->path->timer &&
	    (READ_ONCE(v->st->entries) || rdtsc() >= st->event))
		result = STAGE_TOO_EARLY;

	stage_fire(st, state);
	if (!SCHED_LOAD_POLL(READ_ONCE(v->st->entries),
			     state == STAGE_USER ? STAGE_USER_MS :
						   SCRIPT_TIMEOUT_MS / 2)) {
		if (ok && state == STAGE_USER)
			result = STAGE_TOO_LATE;
		ok = false;
	}
	ok = ok && SCHED_LOAD_POLL(stage_handled(st, contended, &count),
				   SCRIPT_TIMEOUT_MS / 2);

	ended = stage_finish(st, state);
	sched_trace_stop(st->trace);
	if (!ended)
		sched_trace_dump(st->trace, 24);
	TEST_ASSERT(ended, "%s, %s: the guest hangs after %lu interrupts, %lu points",
		    st->path->name, stage_names[state], v->st->entries,
		    v->st->point);
	if (result != STAGE_PASS)
		return result;
	if (!ok)
		ksft_print_msg("the guest did not handle it in time\n");
	if (stage_check(st, state) && ok)
		return STAGE_PASS;
	return st->late || script_stalled(v) ? STAGE_STALLED : STAGE_FAIL;
}

enum stage_result stage_case(struct stage *st, enum stage_state state)
{
	enum stage_result result;
	int tries = 0, stalls = 0;

	if (state == STAGE_BLOCKED && st->vm.uffd < 0)
		return STAGE_SKIP;

	do {
		result = stage_try(st, state);
		if (result == STAGE_TOO_EARLY)
			st->delay_ns *= 2;
		if (result == STAGE_TOO_LATE)
			tries++;
		if (result == STAGE_STALLED)
			stalls++;
	} while ((result == STAGE_STALLED && stalls < SCRIPT_TRIES) ||
		 (result == STAGE_TOO_EARLY && st->delay_ns <= STAGE_MAX_DELAY_NS) ||
		 (result == STAGE_TOO_LATE && tries < STAGE_USER_TRIES));

	if (tries)
		ksft_print_msg("did not enter KVM_RUN in time, %d of %d times\n",
			       tries, STAGE_USER_TRIES);
	if (result == STAGE_TOO_EARLY)
		ksft_print_msg("the machine is too slow for %lu ms\n",
			       st->delay_ns / 1000000);
	if (result != STAGE_PASS)
		sched_trace_dump(st->trace, 24);
	ksft_print_msg("handled %ld us after the event\n",
		       (long)script_tsc_to_us(stage_vcpu(st)->st->entry -
					      st->event));
	return result;
}

bool stage_begin(struct stage *st, const struct stage_path *path)
{
	struct kvm_pv_sched cfg = script_bounds();

	st->path = path;
	st->delay_ns = STAGE_DELAY_NS;
	script_vm_create(&st->vm, path->irqchip, 2, &cfg);
	st->vm.vcpus[1].policy = SCHED_FIFO;
	st->vm.vcpus[1].priority = STAGE_P_SENDER;
	if (path->prepare && !path->prepare(st))
		return false;
	script_vm_start(&st->vm, st->trace);
	return true;
}

void stage_end(struct stage *st)
{
	script_vm_destroy(&st->vm);
	if (st->fd >= 0)
		close(st->fd);
	st->fd = -1;
}

void stage_send(struct stage *st, u64 op)
{
	struct script_vcpu *v = &st->vm.vcpus[1];

	memset(v->st->main, 0, sizeof(v->st->main));
	v->st->main[0] = op;
	script_go(v);
	TEST_ASSERT(SCHED_LOAD_POLL(script_idle(v), SCRIPT_TIMEOUT_MS),
		    "The sender of an IPI does not come to an end");
}
