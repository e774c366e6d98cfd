// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: page faults and INVLPG are the guest's own business.  KVM's
 * statistics tell whether it heard of any.
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define FAULTS		20000
#define TOUCHED		512

/* What a host may need besides interrupts: NMIs, and whatever is pending. */
#define OTHER_EXITS	8

enum {
	STAGE_WRITE_FAULTS = 1,
	STAGE_ABSENT_FAULTS,
	STAGE_INVLPG,
	STAGE_TOUCH,
	STAGE_END,
};

static void invlpg_loop(void)
{
	int i;

	for (i = 0; i < FAULTS; i++) {
		dp_invlpg(DP_VA);
		GUEST_ASSERT_EQ(dp_load(DP_VA), 0);
	}
}

/* Accessed and dirty bits are the hardware's to set. */
static void touch(u64 maddr)
{
	u64 i;

	for (i = 1; i < TOUCHED; i++)
		WRITE_ONCE(*(u64 *)(DP_VA + i * PAGE_SIZE), i);
	for (i = 1; i < TOUCHED; i++)
		GUEST_ASSERT_EQ(dp_get(maddr + i * sizeof(u64)) & (DP_A | DP_D),
				DP_A | DP_D);
}

static void guest_faults(int cpu)
{
	u64 gfn = dp_alloc(), maddr = dp_link(DP_VA), i;

	dp_map(DP_VA, gfn, DP_P);
	for (i = 1; i < TOUCHED; i++)
		GUEST_ASSERT_EQ(dp_set(maddr + i * sizeof(u64), dp_maddr(gfn) |
				       DP_LEAF), 0);

	GUEST_SYNC(STAGE_WRITE_FAULTS);
	for (i = 0; i < FAULTS; i++)
		dp_assert_read_only(DP_VA);
	GUEST_SYNC(STAGE_ABSENT_FAULTS);
	for (i = 0; i < FAULTS; i++)
		dp_assert_unmapped(DP_VA + DP_L4_SIZE + i * PAGE_SIZE);
	GUEST_SYNC(STAGE_INVLPG);
	invlpg_loop();
	GUEST_SYNC(STAGE_TOUCH);
	touch(maddr);
	GUEST_SYNC(STAGE_END);
}

struct exits {
	u64 all;
	u64 interrupts;
	u64 io;
	u64 hypercalls;
};

static struct exits read_exits(struct kvm_vcpu *vcpu)
{
	return (struct exits) {
		.all = dp_vcpu_stat(vcpu, "exits"),
		.interrupts = dp_vcpu_stat(vcpu, "irq_exits"),
		.io = dp_vcpu_stat(vcpu, "io_exits"),
		.hypercalls = dp_vcpu_stat(vcpu, "hypercalls"),
	};
}

static void expect_zero(struct kvm_vcpu *vcpu, const char *name)
{
	u64 value = dp_vcpu_stat(vcpu, name);

	TEST_ASSERT(!value, "%s is %lu", name, value);
}

/* From one stage to the next: one I/O exit, and interrupts of the host. */
static void run_stage(struct kvm_vcpu *vcpu, int stage, const char *name)
{
	struct exits before = read_exits(vcpu), after;
	u64 all, interrupts, io;

	dp_run_until(vcpu, stage);
	after = read_exits(vcpu);
	all = after.all - before.all;
	interrupts = after.interrupts - before.interrupts;
	io = after.io - before.io;

	pr_info("%s: %lu exits, %lu of them by interrupts\n", name, all,
		interrupts);
	TEST_ASSERT(io == 1, "%s: %lu I/O exits", name, io);
	TEST_ASSERT(all - interrupts - io <= OTHER_EXITS,
		    "%s: %lu exits are neither I/O nor interrupts", name,
		    all - interrupts - io);
	TEST_ASSERT(after.hypercalls == before.hypercalls,
		    "%s: %lu hypercalls", name,
		    after.hypercalls - before.hypercalls);
}

TEST(no_exits)
{
	struct kvm_vcpu *vcpu;
	struct dp_vm dp;

	dp_vm_create(&dp, guest_faults, 1);
	dp_vm_start(&dp);
	vcpu = dp.vcpus[0];
	dp_run_until(vcpu, STAGE_WRITE_FAULTS);
	TEST_ASSERT(dp_vcpu_stat(vcpu, "hypercalls"),
		    "Hypercalls are not counted, so nothing is proven");

	run_stage(vcpu, STAGE_ABSENT_FAULTS, "faults of writes");
	run_stage(vcpu, STAGE_INVLPG, "faults of absent pages");
	run_stage(vcpu, STAGE_TOUCH, "INVLPG");
	run_stage(vcpu, STAGE_END, "accessed and dirty bits");

	expect_zero(vcpu, "pf_taken");
	expect_zero(vcpu, "pf_fixed");
	expect_zero(vcpu, "pf_emulate");
	expect_zero(vcpu, "pf_guest");
	expect_zero(vcpu, "invlpg");
	expect_zero(vcpu, "mmio_exits");
	dp_vm_end(&dp);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
