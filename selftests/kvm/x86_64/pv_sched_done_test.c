// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: when a boost ends, and when it must not.
 *
 * A vCPU sends interrupts and NMIs to itself and says in different orders that
 * it handled them.  What its thread runs with is seen in sched_switch.
 */
#include <signal.h>

#include "kselftest.h"
#include "pv_sched_script.h"
#include "test_util.h"

#define BOOST	OP(POINT, SCRIPT_BOOST)
#define OWN	OP(POINT, SCRIPT_OWN)
#define FIFO(n)	OP(POINT, SCHED_TRACE_FIFO(n))
#define EOI	OP(EOI, 0)
#define DONE	OP(DONE, KVM_PV_SCHED_IRQ)
#define SELF(x)	OP(ICR, SCRIPT_SELF(SCRIPT_VECTOR_##x))
#define NMI	OP(ICR, SCRIPT_SELF_NMI)
#define FIRST	OP(FIRST, 0)
#define IRQS(n)	OP(WAIT, n)

/* A guest's FIFO 50 and 1, mapped to p_max 40. */
#define MAPPED_50	(50 * SCRIPT_P_MAX / 99)

struct done_case {
	const char *name;
	unsigned int points;
	u64 main[SCRIPT_LEN];
	u64 a[SCRIPT_LEN];
	u64 b[SCRIPT_LEN];
	u64 c[SCRIPT_LEN];
	u64 n[SCRIPT_LEN];
	u64 nmi[SCRIPT_LEN];
};

static const struct done_case done_cases[] = {
	{
		"done after EOI", 4,
		.main = { OWN, SELF(A), IRQS(1), OWN },
		.a = { EOI, BOOST, DONE, OWN },
	}, {
		"done before EOI", 3,
		.main = { SELF(A), IRQS(1), OWN },
		.a = { BOOST, DONE, OWN, EOI },
	}, {
		"done after the handler", 3,
		.main = { SELF(A), IRQS(1), BOOST, DONE, OWN },
		.a = { EOI, BOOST },
	}, {
		"done without a boost", 2,
		.main = { DONE, OP(DONE, KVM_PV_SCHED_NMI), OWN, DONE, OWN },
	}, {
		"second vector of the same class, done before EOI", 3,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { BOOST, SELF(B), DONE, EOI },
		.b = { EOI, BOOST, DONE },
	}, {
		"second vector of the same class, done after EOI", 4,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { SELF(B), EOI, BOOST, DONE, BOOST },
		.b = { EOI, BOOST, DONE },
	}, {
		"second vector of a higher class, done before EOI", 4,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { SELF(C), BOOST, DONE, BOOST, EOI },
		.c = { EOI, BOOST, DONE },
	}, {
		"done under a high TPR", 4,
		.main = { OP(TPR, 0xf0), SELF(A), DONE, OWN, OP(TPR, 0),
			  IRQS(1), OWN },
		.a = { EOI, BOOST, DONE, OWN },
	}, {
		"nested interrupts, one done", 4,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { SELF(C), OP(STI, 0), OP(CLI, 0), BOOST, EOI, DONE, OWN },
		.c = { EOI, BOOST },
	}, {
		"nested interrupts, done in the inner one ends it", 3,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { SELF(C), OP(STI, 0), OP(CLI, 0), OWN, EOI },
		.c = { EOI, BOOST, DONE },
	}, {
		"NMI inside of an interrupt", 4,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { EOI, NMI, BOOST, DONE, OWN },
		.nmi = { BOOST, OP(DONE, KVM_PV_SCHED_NMI) },
	}, {
		"done for interrupts inside of an NMI", 4,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { EOI, NMI, OWN },
		.nmi = { BOOST, DONE, BOOST, OP(DONE, KVM_PV_SCHED_NMI) },
	}, {
		"done for NMIs alone keeps an interrupt's boost", 2,
		.main = { SELF(A), IRQS(1), OWN },
		.a = { EOI, OP(DONE, KVM_PV_SCHED_NMI), BOOST, DONE },
	}, {
		"done for both in one call", 3,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { EOI, NMI, BOOST,
		       OP(DONE, KVM_PV_SCHED_IRQ | KVM_PV_SCHED_NMI), OWN },
	}, {
		"NMI", 2,
		.main = { NMI, IRQS(1), OP(DONE, KVM_PV_SCHED_NMI), OWN },
		.nmi = { BOOST },
	}, {
		"a second NMI pending", 4,
		.main = { NMI, IRQS(2), OP(DONE, KVM_PV_SCHED_NMI), OWN },
		.nmi = { FIRST, NMI, BOOST, FIRST, OP(DONE, KVM_PV_SCHED_NMI),
			 FIRST, BOOST },
	}, {
		"a vector that does not boost", 3,
		.main = { SELF(N), IRQS(1), OWN },
		.n = { OWN, EOI, DONE, OWN },
	}, {
		"a vector that does not boost keeps a boost", 4,
		.main = { SELF(A), IRQS(2), OWN },
		.a = { EOI, SELF(N), OP(STI, 0), OP(CLI, 0), BOOST, DONE, OWN },
		.n = { BOOST, EOI },
	}, {
		"parameters without flags keep the boost", 4,
		.main = { SELF(A), IRQS(1), FIFO(MAPPED_50),
			  OP(SET, SCRIPT_PARAMS(SCHED_OTHER, 0, 0)), OWN },
		.a = { EOI, OP(SET, SCRIPT_PARAMS(SCHED_FIFO, 50, 0)), BOOST,
		       DONE, FIFO(MAPPED_50) },
	}, {
		"parameters and done in one call", 4,
		.main = { SELF(A), IRQS(1), FIFO(1),
			  OP(SET, SCRIPT_PARAMS(SCHED_OTHER, 0,
						KVM_PV_SCHED_IRQ)), OWN },
		.a = { EOI, BOOST,
		       OP(SET, SCRIPT_PARAMS(SCHED_FIFO, 1, KVM_PV_SCHED_IRQ)),
		       FIFO(1) },
	}, {
		"parameters and done in one call, a vector pending", 5,
		.main = { SELF(A), IRQS(2), FIFO(MAPPED_50),
			  OP(SET, SCRIPT_PARAMS(SCHED_OTHER, 0, 0)), OWN },
		.a = { EOI, SELF(B), BOOST,
		       OP(SET, SCRIPT_PARAMS(SCHED_FIFO, 50, KVM_PV_SCHED_IRQ)),
		       BOOST },
		.b = { EOI, BOOST, DONE },
	},
};

static bool try_case(struct script_vcpu *v, struct sched_trace *t,
		     const struct done_case *c)
{
	bool ended, ok;

	script_clear(v);
	memcpy(v->st->main, c->main, sizeof(c->main));
	memcpy(v->st->a, c->a, sizeof(c->a));
	memcpy(v->st->b, c->b, sizeof(c->b));
	memcpy(v->st->c, c->c, sizeof(c->c));
	memcpy(v->st->n, c->n, sizeof(c->n));
	memcpy(v->st->nmi, c->nmi, sizeof(c->nmi));

	sched_trace_start(t);
	script_go(v);
	ended = script_drive(v);
	sched_trace_stop(t);

	ok = ended && script_check(v, t, c->points);
	if (!script_restored(v)) {
		ksft_print_msg("the thread does not get back what it owned\n");
		ok = false;
	}
	if (!ok)
		sched_trace_dump(t, 60);
	/* Nothing can be tried with a vCPU that hangs. */
	TEST_ASSERT(ended, "%s: the guest hangs", c->name);
	return ok;
}

/* Until the machine does not stand still during a try. */
#define TRY(v, call)							\
({									\
	bool __ok;							\
	int __i;							\
									\
	for (__i = 0; __i < SCRIPT_TRIES; __i++) {			\
		__ok = (call);						\
		if (__ok || !script_stalled(v))				\
			break;						\
	}								\
	__ok;								\
})

/* A vCPU that halts handles nothing, even if it did not say so. */
static bool try_hlt(struct script_vm *s, struct sched_trace *t)
{
	struct script_vcpu *v = &s->vcpus[0];
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = SCRIPT_VECTOR_N,
	};
	bool ok;

	script_clear(v);
	SCRIPT(v->st->main, SELF(A), IRQS(1), BOOST, OP(READY, 0), OP(HLT, 2),
	       OWN);
	SCRIPT(v->st->a, EOI);
	SCRIPT(v->st->n, EOI);

	sched_trace_start(t);
	script_go(v);
	ok = SCHED_LOAD_POLL((script_step(v), READ_ONCE(v->st->ready) &&
			      sched_load_state(v->tid) == 'S'),
			     SCRIPT_TIMEOUT_MS);
	ok &= __vm_ioctl(s->vm, KVM_SIGNAL_MSI, &msi) > 0;
	ok &= script_drive(v);
	sched_trace_stop(t);

	ok = ok && script_check(v, t, 2) && script_restored(v);
	if (!ok)
		sched_trace_dump(t, 60);
	return ok;
}

/*
 * An exit to user space does not end a boost: the thread keeps it for a moment
 * only, and gets it back when it runs the vCPU again.
 */
static bool try_exit(struct script_vm *s, struct sched_trace *t, bool done)
{
	struct script_vcpu *v = &s->vcpus[0];
	bool ok;

	script_clear(v);
	SCRIPT(v->st->main, SELF(A), IRQS(1), OWN);
	if (done)
		SCRIPT(v->st->a, EOI, BOOST, DONE, OP(READY, 0), OP(EXIT, 0),
		       OWN);
	else
		SCRIPT(v->st->a, EOI, BOOST, OP(READY, 0), OP(EXIT, 0), BOOST,
		       DONE);

	sched_trace_start(t);
	script_go(v);
	ok = SCHED_LOAD_POLL((script_step(v),
			      __atomic_load_n(&v->in_user, __ATOMIC_ACQUIRE)),
			     SCRIPT_TIMEOUT_MS);
	ok = ok && script_restored(v);
	__atomic_store_n(&v->let_in, true, __ATOMIC_RELEASE);
	ok &= script_drive(v);
	sched_trace_stop(t);

	ok = ok && script_check(v, t, 3) && script_restored(v);
	if (!ok)
		sched_trace_dump(t, 60);
	return ok;
}

static void kick(int sig)
{
}

/* INIT makes a guest start over: no boost, no parameters. */
static bool try_init(struct sched_trace *t, struct kvm_pv_sched *cfg,
		     bool *stalled)
{
	struct kvm_pv_sched_state state = { .reasons = ~0 };
	struct script_vcpu *bsp, *ap;
	struct script_vm s;
	bool ok;

	script_vm_create(&s, SCRIPT_IRQCHIP_KERNEL, 2, cfg);
	bsp = &s.vcpus[0];
	ap = &s.vcpus[1];
	/* A boosted AP does not stand in its way. */
	bsp->policy = SCHED_FIFO;
	bsp->priority = SCRIPT_P_MAX + 5;
	script_vm_start(&s, t);

	SCRIPT(bsp->st->main, OP(ICR, SCRIPT_IPI(1, APIC_DM_INIT)));
	SCRIPT(ap->st->main, OP(SET, SCRIPT_PARAMS(SCHED_FIFO, 50, 0)),
	       SELF(A), IRQS(1));
	SCRIPT(ap->st->a, EOI, BOOST, BOOST);

	sched_trace_start(t);
	script_go(ap);
	/* INIT comes at the second point, which never ends. */
	ok = SCHED_LOAD_POLL(READ_ONCE(ap->st->point) == 2 ||
			     (script_step(ap), false), SCRIPT_TIMEOUT_MS);
	sched_load_yield();
	ap->st->points[1].end = rdtsc();
	script_go(bsp);
	ok &= SCHED_LOAD_POLL(script_idle(bsp) &&
			      sched_load_state(ap->tid) == 'S',
			      SCRIPT_TIMEOUT_MS);
	sched_trace_stop(t);
	ok = ok && script_check(ap, t, 2);

	signal(SIGUSR1, kick);
	pthread_kill(ap->thread, SIGUSR1);
	ok &= SCHED_LOAD_POLL(script_idle(ap), SCRIPT_TIMEOUT_MS);
	if (ok)
		vcpu_device_attr_get(ap->vcpu, KVM_VCPU_PV_SCHED_CTRL,
				     KVM_VCPU_PV_SCHED_STATE, &state);
	if (state.reasons || state.flags || state.policy || state.priority) {
		ksft_print_msg("reasons %x, flags %x, policy %u, priority %d\n",
			       state.reasons, state.flags, state.policy,
			       state.priority);
		ok = false;
	}
	ok = ok && script_restored(ap);
	if (!ok)
		sched_trace_dump(t, 60);
	*stalled = script_stalled(ap);
	script_vm_destroy(&s);
	return ok;
}

static bool test_init(struct sched_trace *t, struct kvm_pv_sched *cfg)
{
	bool ok, stalled;
	int i;

	for (i = 0; i < SCRIPT_TRIES; i++) {
		ok = try_init(t, cfg, &stalled);
		if (ok || !stalled)
			break;
	}
	return ok;
}

int main(int argc, char *argv[])
{
	struct kvm_pv_sched cfg = script_bounds();
	struct sched_trace *t;
	struct script_vm s;
	struct script_vcpu *v = &s.vcpus[0];
	unsigned int i;

	pv_sched_require();
	sched_load_watcher();
	sched_load_cap("100000");
	t = sched_trace_open();

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(done_cases) + 4);

	script_vm_create(&s, SCRIPT_IRQCHIP_KERNEL, 1, &cfg);
	script_vm_start(&s, t);
	for (i = 0; i < ARRAY_SIZE(done_cases); i++)
		ksft_test_result(TRY(v, try_case(v, t, &done_cases[i])), "%s\n",
				 done_cases[i].name);
	ksft_test_result(TRY(v, try_hlt(&s, t)), "HLT ends a boost\n");
	ksft_test_result(TRY(v, try_exit(&s, t, false)),
			 "a boost survives an exit to user space\n");
	ksft_test_result(TRY(v, try_exit(&s, t, true)),
			 "done before an exit to user space\n");
	script_vm_destroy(&s);
	ksft_test_result(test_init(t, &cfg),
			 "INIT ends a boost and drops parameters\n");
	sched_trace_close(t);

	ksft_finished();
}
