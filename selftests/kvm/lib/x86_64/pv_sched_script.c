// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that does what a script says, see pv_sched_script.h.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"
#include "pv_sched_script.h"
#include "test_util.h"

#define SCRIPT_PORT_END		0x2001
#define SCRIPT_PORT_EXIT	0x2002

#define SCRIPT_RFLAGS_IF	BIT(9)
#define APIC_LVT0		0x350

/* How often a point is looked at before the guest may go on. */
#define SCRIPT_SAMPLES		3

static struct script_state script_states[SCRIPT_MAX_VCPUS];

/* -------- The guest -------- */

static void guest_outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %1, %0" : : "d"(port), "a"(value));
}

static struct script_state *guest_state(void)
{
	struct script_state *st;

	asm volatile("mov %%gs:0, %0" : "=r"(st));
	return st;
}

/* Lines 0 and 1 of the PIC are passed on, by way of the local APIC. */
static void guest_set_up_pic(uint8_t base)
{
	guest_outb(0x20, 0x11);
	guest_outb(0x21, base);
	guest_outb(0x21, 0x04);
	guest_outb(0x21, 0x01);
	guest_outb(0x21, 0xfc);
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
}

static void guest_arm_pit(struct script_state *st)
{
	uint32_t ticks = st->delay_ns * 1193182 / 1000000000;

	guest_set_up_pic(st->vector);
	guest_outb(0x43, 0x30);
	guest_outb(0x40, ticks);
	st->event = rdtsc() + script_ns_to_tsc(st->delay_ns);
	guest_outb(0x40, ticks >> 8);
}

static void guest_arm(struct script_state *st, enum script_timer timer)
{
	uint64_t delay = script_ns_to_tsc(st->delay_ns);

	switch (timer) {
	case SCRIPT_TSC_DEADLINE:
		x2apic_write_reg(APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE |
					    st->vector);
		st->event = rdtsc() + delay;
		wrmsr(MSR_IA32_TSC_DEADLINE, st->event);
		break;
	case SCRIPT_ONESHOT:
	case SCRIPT_PERIODIC:
		x2apic_write_reg(APIC_TDCR, 0xb);
		x2apic_write_reg(APIC_LVTT, st->vector |
				 (timer == SCRIPT_PERIODIC ?
				  APIC_LVT_TIMER_PERIODIC :
				  APIC_LVT_TIMER_ONESHOT));
		st->event = rdtsc() + delay;
		x2apic_write_reg(APIC_TMICT, st->delay_ns);
		break;
	case SCRIPT_PIC:
		guest_set_up_pic(st->vector);
		break;
	case SCRIPT_PIT:
		guest_arm_pit(st);
		break;
	}
}

static void guest_point(struct script_state *st, uint64_t prio)
{
	struct script_point *p = &st->points[st->point];

	p->prio = prio;
	p->begin = rdtsc();
	WRITE_ONCE(st->point, st->point + 1);
	while (READ_ONCE(st->passed) < st->point)
		;
	p->end = rdtsc();
}

static void guest_done(struct script_state *st, uint64_t flags)
{
	long r;

	if (!st->done)
		WRITE_ONCE(st->done, rdtsc());
	r = pv_sched_done(flags);
	if (r)
		st->error = r;
}

static void guest_set(struct script_state *st, uint64_t arg)
{
	long r;

	if (arg >> 16 && !st->done)
		WRITE_ONCE(st->done, rdtsc());
	r = pv_sched_set(st - script_states, arg & 0xff,
			 (int8_t)(arg >> 8), arg >> 16);
	if (r)
		st->error = r;
}

static void guest_wait(struct script_state *st, uint64_t entries, bool halt)
{
	asm volatile("cli");
	while (READ_ONCE(st->entries) < entries) {
		if (halt)
			asm volatile("sti; hlt; cli" : : : "memory");
		else
			asm volatile("sti; nop; nop; cli" : : : "memory");
	}
}

static void guest_run(struct script_state *st, const uint64_t *ops)
{
	uint64_t arg;

	for (; *ops; ops++) {
		arg = *ops >> 8;
		switch ((uint8_t)*ops) {
		case SCRIPT_FIRST:
			ops += st->entries != 1;
			break;
		case SCRIPT_POINT:
			guest_point(st, arg);
			break;
		case SCRIPT_READY:
			WRITE_ONCE(st->ready, rdtsc());
			break;
		case SCRIPT_DONE:
			guest_done(st, arg);
			break;
		case SCRIPT_SET:
			guest_set(st, arg);
			break;
		case SCRIPT_EOI:
			x2apic_write_reg(APIC_EOI, 0);
			break;
		case SCRIPT_PIC_EOI:
			guest_outb(0x20, 0x20);
			break;
		case SCRIPT_CLEAR:
			*(volatile uint8_t *)arg = 0;
			break;
		case SCRIPT_ICR:
			x2apic_write_reg(APIC_ICR, arg);
			break;
		case SCRIPT_CLI:
			asm volatile("cli");
			break;
		case SCRIPT_STI:
			asm volatile("sti; nop; nop" : : : "memory");
			break;
		case SCRIPT_TPR:
			x2apic_write_reg(APIC_TASKPRI, arg);
			break;
		case SCRIPT_WAIT:
			guest_wait(st, arg, false);
			break;
		case SCRIPT_HLT:
			guest_wait(st, arg, true);
			break;
		case SCRIPT_TOUCH:
			*(volatile uint64_t *)SCRIPT_HOLE_GPA;
			break;
		case SCRIPT_EXIT:
			outl(SCRIPT_PORT_EXIT, 0);
			break;
		case SCRIPT_ARM:
			guest_arm(st, arg);
			break;
		case SCRIPT_DISARM:
			x2apic_write_reg(APIC_TMICT, 0);
			break;
		default:
			GUEST_FAIL("Unknown operation %lx", *ops);
		}
	}
}

static void guest_enter(struct script_state *st)
{
	if (!st->entries)
		st->entry = rdtsc();
	WRITE_ONCE(st->entries, st->entries + 1);
}

/*
 * QEMU's TCG may deliver an injected interrupt a second time, while the guest
 * handles it.  No CPU delivers a maskable interrupt with IF clear: leave such
 * a one alone, without EOI, and count it.
 */
static void guest_irq(struct ex_regs *regs)
{
	struct script_state *st = guest_state();
	const uint64_t *ops;

	if (!(regs->rflags & SCRIPT_RFLAGS_IF)) {
		st->doubled++;
		return;
	}

	guest_enter(st);
	switch (regs->vector) {
	case SCRIPT_VECTOR_B:
		ops = st->b;
		break;
	case SCRIPT_VECTOR_C:
		ops = st->c;
		break;
	case SCRIPT_VECTOR_N:
		ops = st->n;
		break;
	default:
		ops = st->a;
		break;
	}
	guest_run(st, ops);
}

static void guest_nmi(struct ex_regs *regs)
{
	struct script_state *st = guest_state();

	guest_enter(st);
	guest_run(st, st->nmi);
}

static void guest_code(struct script_state *st, bool lapic)
{
	st->self = st;
	wrmsr(MSR_GS_BASE, (uint64_t)st);
	if (lapic)
		x2apic_enable();

	for (;;) {
		asm volatile("cli");
		outl(SCRIPT_PORT_END, 0);
		guest_run(st, st->main);
	}
}

/* -------- The host -------- */

struct kvm_pv_sched script_bounds(void)
{
	struct kvm_pv_sched cfg = pv_sched_defaults(SCRIPT_P_MAX);

	cfg.boost_budget_ns = 950000000;
	cfg.boost_period_ns = 1000000000;
	cfg.rt_budget_ns = 950000000;
	cfg.rt_period_ns = 1000000000;
	cfg.vectors[SCRIPT_VECTOR_N / 64] &= ~BIT_ULL(SCRIPT_VECTOR_N % 64);
	return cfg;
}

/* The library makes VMs with all of the interrupt controllers. */
static void script_irqchip(struct kvm_vm *vm, enum script_irqchip irqchip)
{
	if (irqchip == SCRIPT_IRQCHIP_KERNEL)
		return;

	kvm_vm_release(vm);
	vm->has_irqchip = false;
	kvm_vm_restart(vm);
	if (irqchip == SCRIPT_IRQCHIP_SPLIT)
		vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
}

static void script_hole_create(struct script_vm *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS,
				    SCRIPT_HOLE_GPA, SCRIPT_HOLE_SLOT, 1, 0);
	virt_pg_map(s->vm, SCRIPT_HOLE_GPA, SCRIPT_HOLE_GPA);
	s->hole = addr_gpa2hva(s->vm, SCRIPT_HOLE_GPA);

	s->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0)
		return;

	reg.range.start = (unsigned long)s->hole;
	reg.range.len = getpagesize();
	if (ioctl(s->uffd, UFFDIO_API, &api) ||
	    ioctl(s->uffd, UFFDIO_REGISTER, &reg)) {
		close(s->uffd);
		s->uffd = -1;
	}
}

void script_hole_dig(struct script_vm *s)
{
	TEST_ASSERT(!madvise(s->hole, getpagesize(), MADV_DONTNEED),
		    "madvise: %s", strerror(errno));
}

void script_hole_fill(struct script_vm *s)
{
	struct uffdio_zeropage zero = {
		.range.start = (unsigned long)s->hole,
		.range.len = getpagesize(),
	};
	int r = ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero);

	TEST_ASSERT(!r || errno == EEXIST, "UFFDIO_ZEROPAGE: %s",
		    strerror(errno));
}

static void script_vcpu_create(struct script_vm *s, unsigned int i, bool lapic)
{
	struct script_vcpu *v = &s->vcpus[i];
	uint64_t zero = 0;

	v->vcpu = vm_vcpu_add(s->vm, i, guest_code);
	if (lapic)
		vcpu_set_cpuid_feature(v->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
	vcpu_args_set(v->vcpu, 2, &script_states[i], (uint64_t)lapic);
	v->st = addr_gva2hva(s->vm, (vm_vaddr_t)&script_states[i]);

	__TEST_REQUIRE(!__vcpu_device_attr_set(v->vcpu, KVM_VCPU_TSC_CTRL,
					       KVM_VCPU_TSC_OFFSET, &zero),
		       "KVM_VCPU_TSC_OFFSET is needed to read the guest's time");
}

void script_vm_create(struct script_vm *s, enum script_irqchip irqchip,
		      unsigned int nr, struct kvm_pv_sched *cfg)
{
	unsigned int i;

	TEST_ASSERT(nr <= SCRIPT_MAX_VCPUS, "Too many vCPUs");
	memset(s, 0, sizeof(*s));
	s->vm = vm_create(nr);
	s->nr = nr;
	script_irqchip(s->vm, irqchip);
	if (cfg)
		pv_sched_enable(s->vm, cfg);
	script_hole_create(s);

	for (i = 0; i < nr; i++)
		script_vcpu_create(s, i, irqchip != SCRIPT_IRQCHIP_NONE);

	for (i = 32; i < 256; i++)
		vm_install_exception_handler(s->vm, i, guest_irq);
	vm_install_exception_handler(s->vm, NMI_VECTOR, guest_nmi);
}

static void script_in_user(struct script_vcpu *v)
{
	__atomic_store_n(&v->in_user, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&v->let_in, __ATOMIC_ACQUIRE))
		;
	__atomic_store_n(&v->in_user, false, __ATOMIC_RELEASE);
	__atomic_store_n(&v->let_in, false, __ATOMIC_RELEASE);
}

/* Run the guest until its main script has ended, or a signal comes. */
static void script_run(struct script_vcpu *v)
{
	struct kvm_run *run = v->vcpu->run;
	struct ucall uc;

	for (;;) {
		if (__vcpu_run(v->vcpu)) {
			TEST_ASSERT(errno == EINTR, "KVM_RUN: %s",
				    strerror(errno));
			return;
		}
		switch (get_ucall(v->vcpu, &uc)) {
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
			break;
		case UCALL_UNHANDLED:
			assert_on_unhandled_exception(v->vcpu);
			break;
		}

		if (run->exit_reason == KVM_EXIT_HLT) {
			script_in_user(v);
			continue;
		}
		TEST_ASSERT_KVM_EXIT_REASON(v->vcpu, KVM_EXIT_IO);
		if (run->io.port == SCRIPT_PORT_END)
			return;
		TEST_ASSERT(run->io.port == SCRIPT_PORT_EXIT,
			    "The guest writes to port 0x%x", run->io.port);
		script_in_user(v);
	}
}

static void *script_thread(void *arg)
{
	struct script_vcpu *v = arg;
	struct sched_attr attr = {
		.sched_policy = v->policy,
		.sched_priority = v->priority,
	};

	pv_sched_setattr(0, attr);
	__atomic_store_n(&v->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);

	/* Up to where it asks for the first script. */
	script_run(v);
	for (;;) {
		__atomic_store_n(&v->idle, true, __ATOMIC_RELEASE);
		while (sem_wait(&v->go))
			;
		if (__atomic_load_n(&v->quit, __ATOMIC_ACQUIRE))
			return NULL;
		script_run(v);
	}
}

void script_vm_start(struct script_vm *s, struct sched_trace *t)
{
	struct script_vcpu *v;
	char name[16];
	int r;

	s->trace = t;
	for (v = s->vcpus; v < s->vcpus + s->nr; v++) {
		sem_init(&v->go, 0, 0);
		r = pthread_create(&v->thread, NULL, script_thread, v);
		TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
		TEST_ASSERT(SCHED_LOAD_POLL(script_idle(v), 30000),
			    "A guest does not start");
		snprintf(name, sizeof(name), "vcpu%d", (int)(v - s->vcpus));
		pthread_setname_np(v->thread, name);
		sched_trace_watch(t, v->tid);
	}
}

void script_vm_destroy(struct script_vm *s)
{
	struct script_vcpu *v;

	for (v = s->vcpus; v < s->vcpus + s->nr; v++) {
		if (!v->tid)
			continue;
		__atomic_store_n(&v->quit, true, __ATOMIC_RELEASE);
		sem_post(&v->go);
		pthread_join(v->thread, NULL);
		sem_destroy(&v->go);
		sched_trace_unwatch(s->trace, v->tid);
	}
	if (s->uffd >= 0)
		close(s->uffd);
	kvm_vm_free(s->vm);
}

void script_load(uint64_t *to, const uint64_t *ops, size_t size)
{
	TEST_ASSERT(size < SCRIPT_LEN * sizeof(*to), "The script is too long");
	memset(to, 0, SCRIPT_LEN * sizeof(*to));
	memcpy(to, ops, size);
}

/* No script, no results. */
void script_clear(struct script_vcpu *v)
{
	TEST_ASSERT(script_idle(v), "The guest still runs a script");
	memset(v->st->main, 0, sizeof(*v->st) -
			       offsetof(struct script_state, main));
}

void script_go(struct script_vcpu *v)
{
	__atomic_store_n(&v->idle, false, __ATOMIC_RELEASE);
	sem_post(&v->go);
}

void script_step(struct script_vcpu *v)
{
	uint64_t point = READ_ONCE(v->st->point);
	int i;

	if (point == READ_ONCE(v->st->passed))
		return;
	for (i = 0; i < SCRIPT_SAMPLES; i++)
		sched_load_yield();
	WRITE_ONCE(v->st->passed, point);
}

bool script_drive(struct script_vcpu *v)
{
	return SCHED_LOAD_POLL((script_step(v), script_idle(v)),
			       SCRIPT_TIMEOUT_MS);
}

bool script_check(struct script_vcpu *v, const struct sched_trace *t,
		  unsigned int points)
{
	struct script_state *st = v->st;
	struct sched_trace_prios seen;
	struct script_point *p;
	bool ok = true;
	unsigned int i;

	if (st->doubled)
		ksft_print_msg("%lu false deliveries by the emulator\n",
			       st->doubled);
	if (st->error) {
		ksft_print_msg("a hypercall returned %ld\n", st->error);
		ok = false;
	}
	if (st->point != points) {
		ksft_print_msg("the guest came to point %lu of %u\n", st->point,
			       points);
		ok = false;
	}

	for (i = 0; i < min(st->point, (uint64_t)points); i++) {
		p = &st->points[i];
		seen = sched_trace_prios(t, v->tid, p->begin, p->end);
		if (seen.samples && seen.highest == p->prio &&
		    seen.lowest == p->prio)
			continue;
		ksft_print_msg("point %u: prio %d to %d instead of %lu (%u samples)\n",
			       i + 1, seen.highest, seen.lowest, p->prio,
			       seen.samples);
		ok = false;
	}
	return ok;
}

bool script_restored(struct script_vcpu *v)
{
	struct sched_attr attr;

	return SCHED_LOAD_POLL((attr = pv_sched_getattr(v->tid),
				attr.sched_policy == v->policy &&
				attr.sched_priority == v->priority), 1000);
}
