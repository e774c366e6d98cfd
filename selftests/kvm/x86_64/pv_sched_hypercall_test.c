// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what a guest may ask for, what it is told
 * else, and what becomes of its wishes on migration and on INIT.
 */
#include "kvm_test_harness.h"

#include "apic.h"
#include "pv_sched_vcpu.h"
#include "test_util.h"

#define P_MAX	50

/* Where the guest without paging ends. */
#define DONE_PORT	0x10

/* OUT at any CPL. */
#define EFLAGS_IOPL_3	(3UL << 12)

#define SET	KVM_HC_PV_SCHED_SET
#define DONE	KVM_HC_PV_SCHED_DONE
#define BOTH	(KVM_PV_SCHED_IRQ | KVM_PV_SCHED_NMI)

struct call {
	u64 nr;
	u64 args[4];
	s64 ret;
};

/* The VM allows all but RR; vCPUs are 0 and 1. */
static const struct call calls[] = {
	{ SET, { 0, SCHED_FIFO, 1 }, 0 },
	{ SET, { 0, SCHED_FIFO, 99 }, 0 },
	{ SET, { 0, SCHED_FIFO, 0 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_FIFO, 100 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_FIFO, -1ULL }, -KVM_EINVAL },
	{ SET, { 0, SCHED_FIFO, 1ULL << 32 | 50 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_FIFO, 1ULL << 63 | 50 }, -KVM_EINVAL },

	{ SET, { 0, SCHED_NORMAL, -20ULL }, 0 },
	{ SET, { 0, SCHED_NORMAL, (u32)-20 }, 0 },
	{ SET, { 0, SCHED_NORMAL, 19 }, 0 },
	{ SET, { 0, SCHED_NORMAL, -21ULL }, -KVM_EINVAL },
	{ SET, { 0, SCHED_NORMAL, (u32)-21 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_NORMAL, 20 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_NORMAL, 1ULL << 32 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_BATCH, -20ULL }, 0 },
	{ SET, { 0, SCHED_BATCH, 20 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_IDLE, 19 }, 0 },
	{ SET, { 0, SCHED_IDLE, -21ULL }, -KVM_EINVAL },

	{ SET, { 0, SCHED_RR, 50 }, -KVM_EPERM },
	{ SET, { 0, 4, 0 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_DEADLINE, 0 }, -KVM_EINVAL },
	{ SET, { 0, 7, 0 }, -KVM_EINVAL },
	{ SET, { 0, 64 + SCHED_FIFO, 50 }, -KVM_EINVAL },
	{ SET, { 0, 1ULL << 32 | SCHED_FIFO, 50 }, -KVM_EINVAL },
	{ SET, { 0, -1ULL, 50 }, -KVM_EINVAL },

	{ SET, { 1, SCHED_NORMAL, 0 }, 0 },
	{ SET, { 2, SCHED_NORMAL, 0 }, -KVM_EINVAL },
	{ SET, { 255, SCHED_NORMAL, 0 }, -KVM_EINVAL },
	{ SET, { (u32)-1, SCHED_NORMAL, 0 }, -KVM_EINVAL },
	{ SET, { 1ULL << 32, SCHED_NORMAL, 0 }, -KVM_EINVAL },
	{ SET, { -1ULL, SCHED_NORMAL, 0 }, -KVM_EINVAL },

	{ SET, { 0, SCHED_NORMAL, 0, KVM_PV_SCHED_IRQ }, 0 },
	{ SET, { 0, SCHED_NORMAL, 0, BOTH }, 0 },
	{ SET, { 0, SCHED_NORMAL, 0, 1U << 2 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_NORMAL, 0, 1ULL << 32 }, -KVM_EINVAL },
	{ SET, { 0, SCHED_NORMAL, 0, 1ULL << 63 | BOTH }, -KVM_EINVAL },

	{ DONE, { KVM_PV_SCHED_IRQ }, 0 },
	{ DONE, { KVM_PV_SCHED_NMI }, 0 },
	{ DONE, { BOTH }, 0 },
	{ DONE, { 0 }, -KVM_EINVAL },
	{ DONE, { 1U << 2 }, -KVM_EINVAL },
	{ DONE, { 1ULL << 32 | BOTH }, -KVM_EINVAL },
};

static s64 guest_hypercall(u64 nr, u64 args, u64 unused1,
			   u64 unused2)
{
	u64 *a = (u64 *)args;

	return kvm_hypercall(nr, a[0], a[1], a[2], a[3]);
}

static s64 guest_has_feature(u64 a0, u64 a1, u64 a2,
			     u64 a3)
{
	return this_cpu_has(X86_FEATURE_KVM_PV_SCHED);
}

/* In the guest's own memory, where calls[] is as well. */
static s64 hypercall(struct kvm_vcpu *vcpu, const struct call *c)
{
	return pv_sched_call(vcpu, guest_hypercall, c->nr, (u64)c->args,
			     0, 0);
}

static struct kvm_pv_sched_state get_state(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_sched_state state;

	kvm_device_attr_get(vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);
	return state;
}

FIXTURE(hypercall) {
	struct pv_sched_one one;
};

static void start(struct pv_sched_one *self, struct kvm_pv_sched *cfg)
{
	self->vm = cfg ? pv_sched_vm_create(cfg) :
		   vm_create(PV_SCHED_MAX_VCPUS);
	self->vcpu = pv_sched_vcpu_add(self->vm, 0);
	self->own = pv_sched_own_read(self->thread.tid);
}

FIXTURE_SETUP(hypercall)
{
	pv_sched_become_watcher();
	pv_sched_thread_create(&self->one.thread);
}

FIXTURE_TEARDOWN(hypercall)
{
	pv_sched_thread_join(&self->one.thread);
	kvm_vm_free(self->one.vm);
}

TEST_F(hypercall, values)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct kvm_pv_sched_state before, after;
	const struct call *c;
	s64 r;
	int i;

	cfg.policies &= ~BIT(SCHED_RR);
	start(&self->one, &cfg);
	pv_sched_vcpu_add(self->one.vm, 1);

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		c = &calls[i];

		pv_sched_thread_run(&self->one.thread, self->one.vcpu);
		if (c->ret)
			pv_sched_ask(self->one.vcpu, SCHED_BATCH, 7);
		pv_sched_thread_kick(&self->one.thread);
		before = get_state(self->one.vcpu);

		pv_sched_thread_run(&self->one.thread, self->one.vcpu);
		r = hypercall(self->one.vcpu, c);
		TEST_ASSERT(r == c->ret,
			    "Call %d: %#lx(%#lx, %#lx, %#lx, %#lx) = %ld, not %ld",
			    i, c->nr, c->args[0], c->args[1], c->args[2],
			    c->args[3], r, c->ret);
		pv_sched_thread_kick(&self->one.thread);
		after = get_state(self->one.vcpu);
		TEST_ASSERT(!c->ret || !memcmp(&before, &after, sizeof(after)),
			    "Call %d was refused but changed the state", i);
		TEST_ASSERT(c->ret || c->nr == DONE || c->args[0] ||
			    (after.flags == KVM_PV_SCHED_STATE_SET &&
			     after.policy == c->args[1] &&
			     after.priority == (int)c->args[2]),
			    "Call %d did not change the state", i);
	}
}

static const struct call set_call = { SET, { 0, SCHED_FIFO, 50 }, 0 };
static const struct call done_call = { DONE, { KVM_PV_SCHED_IRQ }, 0 };

static void assert_absent(struct pv_sched_one *self)
{
	s64 r;

	r = hypercall(self->vcpu, &set_call);
	TEST_ASSERT(r == -KVM_ENOSYS, "Without the feature, set is %ld", r);
	r = hypercall(self->vcpu, &done_call);
	TEST_ASSERT(r == -KVM_ENOSYS, "Without the feature, done is %ld", r);
	pv_sched_own_assert(self->thread.tid, &self->own, "after a refusal");
}

/* The VMM that does not enable sets the feature's bit all the same. */
TEST_F(hypercall, off_by_default)
{
	start(&self->one, NULL);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	TEST_ASSERT(!pv_sched_call(self->one.vcpu, guest_has_feature, 0, 0, 0, 0),
		    "A guest sees the feature that is off");
	assert_absent(&self->one);
}

TEST_F(hypercall, feature_bit)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	start(&self->one, &cfg);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	TEST_ASSERT(pv_sched_call(self->one.vcpu, guest_has_feature, 0, 0, 0, 0),
		    "A guest does not see the feature");
	pv_sched_ask(self->one.vcpu, SCHED_FIFO, 50);
	pv_sched_disable(self->one.vm);
	assert_absent(&self->one);
}

TEST_F(hypercall, bit_withheld)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	start(&self->one, &cfg);
	vcpu_clear_cpuid_feature(self->one.vcpu, X86_FEATURE_KVM_PV_SCHED);
	vcpu_enable_cap(self->one.vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	TEST_ASSERT(!pv_sched_call(self->one.vcpu, guest_has_feature, 0, 0, 0, 0),
		    "A guest sees the feature that its VMM withholds");
	assert_absent(&self->one);
}

static void flat_segment(struct kvm_segment *seg, u8 type, int cpl)
{
	memset(seg, 0, sizeof(*seg));
	seg->selector = (type & 8 ? 0x8 : 0x10) | cpl;
	seg->limit = ~0U;
	seg->type = type;
	seg->s = 1;
	seg->db = 1;
	seg->g = 1;
	seg->dpl = cpl;
	seg->present = 1;
}

/*
 * Do a hypercall in protected mode without paging, as page tables of tests
 * have no pages for user mode; OUT, which any CPL may use, tells of its end.
 */
static s32 unpaged_hypercall(struct kvm_vm *vm, int cpl, u32 nr,
			     const u32 *args)
{
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xe6, DONE_PORT };
	struct kvm_vcpu *vcpu = pv_sched_vcpu_add(vm, cpl);
	vm_vaddr_t gva = vm_vaddr_alloc_page(vm);
	u8 *hva = addr_gva2hva(vm, gva);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	memcpy(hva, code, sizeof(code));
	if (host_cpu_is_amd)
		hva[2] = 0xd9;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 = X86_CR0_PE | X86_CR0_NE;
	sregs.cr4 = 0;
	sregs.efer = 0;
	flat_segment(&sregs.cs, 0xb, cpl);
	flat_segment(&sregs.ss, 0x3, cpl);
	sregs.ds = sregs.ss;
	sregs.es = sregs.ss;
	sregs.fs = sregs.ss;
	sregs.gs = sregs.ss;
	vcpu_sregs_set(vcpu, &sregs);

	memset(&regs, 0, sizeof(regs));
	regs.rax = nr;
	regs.rbx = args[0];
	regs.rcx = args[1];
	regs.rdx = args[2];
	regs.rsi = args[3];
	regs.rip = addr_gva2gpa(vm, gva);
	regs.rflags = X86_EFLAGS_FIXED | EFLAGS_IOPL_3;
	vcpu_regs_set(vcpu, &regs);

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT_EQ(vcpu->run->io.port, DONE_PORT);
	vcpu_regs_get(vcpu, &regs);
	return regs.rax;
}

TEST(user_mode)
{
	static const u32 set[4] = { 0, SCHED_IDLE, -20 };
	static const u32 done[4] = { KVM_PV_SCHED_IRQ };
	static const struct {
		int cpl;
		u32 nr;
		const u32 *args;
		s32 ret;
	} cases[] = {
		{ 0, KVM_HC_PV_SCHED_SET, set, 0 },
		{ 0, KVM_HC_PV_SCHED_DONE, done, 0 },
		{ 3, KVM_HC_PV_SCHED_SET, set, -KVM_EPERM },
		{ 3, KVM_HC_PV_SCHED_DONE, done, -KVM_EPERM },
	};
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct kvm_vm *vm;
	s32 r;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		vm = pv_sched_vm_create(&cfg);
		/* Whatever the CPL, there is a vCPU with the number 0. */
		if (cases[i].cpl)
			pv_sched_vcpu_add(vm, 0);
		r = unpaged_hypercall(vm, cases[i].cpl, cases[i].nr,
				      cases[i].args);
		TEST_ASSERT(r == cases[i].ret, "CPL %d, call %#x: %d, not %d",
			    cases[i].cpl, cases[i].nr, r, cases[i].ret);
		kvm_vm_free(vm);
	}
}

/* The state goes to another VM, whose bounds are other ones. */
TEST_F(hypercall, migration)
{
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct kvm_pv_sched_state state;
	struct kvm_x86_state *rest;

	start(&self->one, &cfg);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	pv_sched_ask(self->one.vcpu, SCHED_RR, 42);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_RR,
			pv_sched_map(42, P_MAX));
	pv_sched_thread_exit(&self->one.thread);

	state = get_state(self->one.vcpu);
	TEST_ASSERT_EQ(state.policy, SCHED_RR);
	TEST_ASSERT_EQ(state.priority, 42);
	TEST_ASSERT_EQ(state.reasons, 0);
	rest = vcpu_save_state(self->one.vcpu);

	cfg.p_max = P_MAX / 2;
	kvm_vm_release(self->one.vm);
	kvm_vm_restart(self->one.vm);
	pv_sched_enable(self->one.vm, &cfg);
	self->one.vcpu = vm_vcpu_recreate(self->one.vm, 0);
	vcpu_set_cpuid_feature(self->one.vcpu, X86_FEATURE_KVM_PV_SCHED);
	vcpu_load_state(self->one.vcpu, rest);
	kvm_x86_state_cleanup(rest);
	kvm_device_attr_set(self->one.vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);

	pv_sched_own_wait(self->one.thread.tid, &self->one.own, "after its vCPU went");
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	pv_sched_call_wait(self->one.vcpu);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_RR,
			pv_sched_map(42, P_MAX / 2));
}

/* A boost is recorded in the state, and only the guest ends it. */
TEST_F(hypercall, migrated_boost)
{
	struct kvm_pv_sched_state state = { .reasons = BOTH };
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);

	start(&self->one, &cfg);
	kvm_device_attr_set(self->one.vcpu->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_FIFO, P_MAX);

	pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_IRQ, 0, 0,
		      0);
	pv_sched_expect(self->one.thread.tid, &self->one.own, SCHED_FIFO, P_MAX);
	pv_sched_thread_kick(&self->one.thread);
	state = get_state(self->one.vcpu);
	TEST_ASSERT_EQ(state.reasons, KVM_PV_SCHED_NMI);

	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	pv_sched_call(self->one.vcpu, pv_sched_guest_done, KVM_PV_SCHED_NMI, 0, 0,
		      0);
	pv_sched_own_assert(self->one.thread.tid, &self->one.own, "after done");
}

static s64 guest_init_other(u64 id, u64 a1, u64 a2,
			    u64 a3)
{
	xapic_enable();
	xapic_write_reg(APIC_ICR2, id << 24);
	xapic_write_reg(APIC_ICR, APIC_DEST_PHYSICAL | APIC_DM_INIT |
				  APIC_INT_ASSERT);
	return 0;
}

TEST_F(hypercall, init_drops_all)
{
	struct kvm_pv_sched_state state = {
		.flags = KVM_PV_SCHED_STATE_SET,
		.policy = SCHED_FIFO,
		.priority = 50,
		.reasons = BOTH,
	};
	struct kvm_pv_sched cfg = pv_sched_wide(P_MAX);
	struct kvm_mp_state mp_state;
	struct pv_sched_thread other;
	struct kvm_vcpu *target;

	pv_sched_thread_create(&other);
	start(&self->one, &cfg);
	virt_pg_map(self->one.vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	target = pv_sched_vcpu_add(self->one.vm, 1);
	kvm_device_attr_set(target->fd, KVM_VCPU_PV_SCHED_CTRL,
			    KVM_VCPU_PV_SCHED_STATE, &state);

	/* Of two on one CPU, the one that sends has to be able to. */
	pv_sched_thread_run(&self->one.thread, self->one.vcpu);
	pv_sched_ask(self->one.vcpu, SCHED_RR, 99);
	pv_sched_thread_run(&other, target);
	pv_sched_expect(other.tid, &self->one.own, SCHED_FIFO, P_MAX);
	pv_sched_call(self->one.vcpu, guest_init_other, target->id, 0, 0, 0);

	/* The call below takes the INIT if the thread has not done it yet. */
	pv_sched_thread_kick(&other);
	vcpu_mp_state_get(target, &mp_state);
	TEST_ASSERT_EQ(mp_state.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	pv_sched_own_wait(other.tid, &self->one.own, "after INIT");
	pv_sched_thread_run(&other, target);
	pv_sched_pause(50000);
	pv_sched_own_assert(other.tid, &self->one.own, "waiting for SIPI");
	pv_sched_thread_join(&other);

	state = get_state(target);
	TEST_ASSERT(!state.flags && !state.policy && !state.priority &&
		    !state.reasons, "INIT left reasons %#x, flags %#x",
		    state.reasons, state.flags);
}

int main(int argc, char *argv[])
{
	pv_sched_require();

	return test_harness_run(argc, argv);
}
