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
#define SCRIPT_SAMPLES		2

/*
 * A host CPU gives less than 100 ms in each 100.  Leave a gap between scripts,
 * and what is shorter than the rest by far was never cut.
 */
#define SCRIPT_GAP_NS		40000000
#define SCRIPT_STALL_NS		40000000

static struct script_state script_states[SCRIPT_MAX_VCPUS];
static u64 script_lock;

/* -------- The guest -------- */

static void guest_outb(u16 port, u8 value)
{
	asm volatile("outb %1, %0" : : "d"(port), "a"(value));
}

/*
 * To be called where the guest spins.  Bochs looks for the host's interrupts in
 * a guest only after an instruction that writes IF: one that was entered with
 * IF clear, and spins, would never be left.
 */
static void guest_relax(void)
{
	u64 flags;

	/* Below the red zone. */
	asm volatile("lea -128(%%rsp), %%rsp; pushfq; pop %0; lea 128(%%rsp), %%rsp"
		     : "=r"(flags));
	if (!(flags & SCRIPT_RFLAGS_IF))
		asm volatile("cli");
}

static struct script_state *guest_state(void)
{
	struct script_state *st;

	asm volatile("mov %%gs:0, %0" : "=r"(st));
	return st;
}

/* Lines 0 and 1 of the PIC are passed on, by way of the local APIC. */
static void guest_set_up_pic(u8 base)
{
	guest_outb(0x20, 0x11);
	guest_outb(0x21, base);
	guest_outb(0x21, 0x04);
	guest_outb(0x21, 0x01);
	guest_outb(0x21, 0xfc);
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
}

static void guest_arm(struct script_state *st, enum script_timer timer)
{
	u64 delay = script_ns_to_tsc(st->delay_ns);

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
	}
}

static void guest_point(struct script_state *st, u64 prio)
{
	struct script_point *p = &st->points[st->point];

	p->prio = prio;
	p->begin = rdtsc();
	WRITE_ONCE(st->point, st->point + 1);
	while (READ_ONCE(st->passed) < st->point)
		guest_relax();
	p->end = rdtsc();
}

static void guest_done(struct script_state *st, u64 flags)
{
	long r;

	if (!st->done)
		WRITE_ONCE(st->done, rdtsc());
	r = pv_sched_done(flags);
	if (r)
		st->error = r;
}

static void guest_set(struct script_state *st, u64 arg)
{
	u64 target = arg >> 32;
	u32 flags = (u32)arg >> 16;
	long r;

	if (flags && !st->done)
		WRITE_ONCE(st->done, rdtsc());
	r = pv_sched_set(target ? target - 1 : st - script_states, arg & 0xff,
			 (s8)(arg >> 8), flags);
	if (r)
		st->error = r;
}

/* Like a paravirtualized guest's: spin a while, then tell for whom. */
static void guest_lock(struct script_state *st, bool yield)
{
	u64 holder, self = st - script_states + 1;
	int i = 0;

	for (;;) {
		holder = __sync_val_compare_and_swap(&script_lock, 0, self);
		if (!holder)
			return;
		cpu_relax();
		guest_relax();
		if (yield && ++i % 64 == 0)
			kvm_hypercall(KVM_HC_SCHED_YIELD, holder - 1, 0, 0, 0);
	}
}

static void guest_wait(struct script_state *st, u64 entries, bool halt)
{
	asm volatile("cli");
	while (READ_ONCE(st->entries) < entries) {
		if (halt)
			asm volatile("sti; hlt; cli" : : : "memory");
		else
			asm volatile("sti; nop; nop; cli" : : : "memory");
	}
}

static void guest_busy(u64 ns)
{
	u64 end = rdtsc() + script_ns_to_tsc(ns);

	while (rdtsc() < end)
		guest_relax();
}

/* From the lowest to the highest and back, as fast as it goes. */
static void guest_flood(struct script_state *st, u32 target)
{
	long r;

	do {
		r = pv_sched_set(target, SCHED_FIFO, st->floods & 1 ? 99 : 1, 0);
		if (r)
			st->error = r;
		WRITE_ONCE(st->floods, st->floods + 1);
	} while (!READ_ONCE(st->passed));
}

static void guest_run(struct script_state *st, const u64 *begin)
{
	const u64 *ops;
	u64 arg;

	for (ops = begin; *ops; ops++) {
		arg = *ops >> 8;
		switch ((u8)*ops) {
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
			WRITE_ONCE(*(u8 *)arg, 0);
			break;
		case SCRIPT_ICR:
			x2apic_write_reg(APIC_ICR, arg);
			break;
		case SCRIPT_SEND_IPI:
			kvm_hypercall(KVM_HC_SEND_IPI, 1, 0, arg >> 32,
				      (u32)arg);
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
			READ_ONCE(*(u64 *)SCRIPT_HOLE_GPA);
			break;
		case SCRIPT_EXIT:
			outl(SCRIPT_PORT_EXIT, 0);
			break;
		case SCRIPT_ARM:
			guest_arm(st, arg);
			break;
		case SCRIPT_PIC:
			guest_set_up_pic(arg);
			break;
		case SCRIPT_DISARM:
			x2apic_write_reg(APIC_TMICT, 0);
			break;
		case SCRIPT_BUSY:
			guest_busy(arg);
			break;
		case SCRIPT_REPEAT:
			if (!READ_ONCE(st->passed))
				ops = begin + arg - 1;
			break;
		case SCRIPT_FLOOD:
			guest_flood(st, arg);
			break;
		case SCRIPT_LOCK:
			guest_lock(st, arg);
			break;
		case SCRIPT_UNLOCK:
			WRITE_ONCE(script_lock, 0);
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
	const u64 *ops;

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
	wrmsr(MSR_GS_BASE, (u64)st);
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
	u64 zero = 0;

	v->vcpu = vm_vcpu_add(s->vm, i, guest_code);
	if (lapic)
		vcpu_set_cpuid_feature(v->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
	vcpu_args_set(v->vcpu, 2, &script_states[i], (u64)lapic);
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
	if (v->call)
		v->call(v->call_arg);
	__atomic_store_n(&v->in_user, false, __ATOMIC_RELEASE);
	__atomic_store_n(&v->let_in, false, __ATOMIC_RELEASE);
}

/* Run the guest until its main script has ended, or a signal comes. */
static void script_run(struct script_vcpu *v)
{
	struct kvm_run *run;
	struct ucall uc;

	for (;;) {
		run = v->vcpu->run;
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

void script_load(u64 *to, const u64 *ops, size_t size)
{
	TEST_ASSERT(size < SCRIPT_LEN * sizeof(*to), "The script is too long");
	memset(to, 0, SCRIPT_LEN * sizeof(*to));
	memcpy(to, ops, size);
}

/* No script, no results. */
void script_clear(struct script_vcpu *v)
{
	TEST_ASSERT(script_idle(v), "The guest still runs a script");
	sched_load_sleep(SCRIPT_GAP_NS);
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
	u64 point = READ_ONCE(v->st->point);
	int i;

	if (point <= READ_ONCE(v->st->passed))
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

	for (i = 0; i < min_t(u64, st->point, points); i++) {
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

bool script_stalled(struct script_vcpu *v)
{
	struct script_point *p = v->st->points;
	u64 i, ns;

	for (i = 0; i < v->st->point; i++) {
		ns = script_tsc_to_us((p[i].end ?: rdtsc()) - p[i].begin) * 1000;
		if (ns < SCRIPT_STALL_NS)
			continue;
		ksft_print_msg("the machine stood still for %lu ms\n",
			       ns / 1000000);
		return true;
	}
	return false;
}

bool script_restored(struct script_vcpu *v)
{
	struct sched_attr attr;

	return SCHED_LOAD_POLL((attr = pv_sched_getattr(v->tid),
				attr.sched_policy == v->policy &&
				attr.sched_priority == v->priority), 1000);
}
