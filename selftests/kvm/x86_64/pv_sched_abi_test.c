// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: each field of the interface on both sides of
 * its limits, and each error.
 */
#include <sys/mman.h>

#include "kvm_test_harness.h"

#include "pv_sched_vcpu.h"
#include "test_util.h"

#define P_MAX	50

struct field {
	size_t offset;
	u64 value;
};

#define F(_field, _value)	{					\
	.offset = offsetof(struct kvm_pv_sched, _field),		\
	.value = (u64)(_value),					\
}

struct enable_case {
	const char *name;
	struct field fields[2];
	int error;
};

#define C(_field, _value, _error)	{				\
	.name = #_field " = " #_value,					\
	.fields = { F(_field, _value) },				\
	.error = _error,						\
}

#define C2(_f1, _v1, _f2, _v2, _error)	{				\
	.name = #_f1 " = " #_v1 ", " #_f2 " = " #_v2,			\
	.fields = { F(_f1, _v1), F(_f2, _v2) },				\
	.error = _error,						\
}

#define ALL	PV_SCHED_POLICIES
#define MS	1000000ULL

static const struct enable_case enable_cases[] = {
	C(magic, 0, EINVAL),
	C(magic, KVM_PV_SCHED_MAGIC + 1, EINVAL),
	C(magic, KVM_PV_SCHED_MAGIC ^ 1ULL << 63, EINVAL),
	C(flags, 1, EINVAL),
	C(flags, 1U << 31, EINVAL),
	C(p_max, 0, EINVAL),
	C(p_max, 1, 0),
	C(p_max, 98, 0),
	C(p_max, 99, EINVAL),
	C(p_max, ~0U, EINVAL),
	C(policies, 0, EINVAL),
	C(policies, BIT(SCHED_NORMAL), 0),
	C(policies, BIT(SCHED_FIFO), 0),
	C(policies, BIT(SCHED_RR), 0),
	C(policies, BIT(SCHED_BATCH), 0),
	C(policies, BIT(SCHED_IDLE), 0),
	C(policies, ALL | BIT(SCHED_DEADLINE), EINVAL),
	C(policies, BIT(SCHED_DEADLINE), EINVAL),
	C(policies, ALL | BIT(4), EINVAL),
	C(policies, ALL | BIT(7), EINVAL),
	C(policies, ALL | BIT(31), EINVAL),
	C(nice_min, -21, EINVAL),
	C(nice_min, -20, 0),
	C(nice_min, 19, 0),
	C(nice_min, 20, EINVAL),
	C(nice_min, INT32_MIN, EINVAL),
	C(boost_budget_ns, PV_SCHED_MIN_BUDGET_NS - 1, EINVAL),
	C(boost_budget_ns, PV_SCHED_MIN_BUDGET_NS, 0),
	C(boost_budget_ns, 10 * MS / 100 * 95, 0),
	C(boost_budget_ns, 10 * MS / 100 * 95 + 1, EINVAL),
	C(boost_budget_ns, 10 * MS, EINVAL),
	C(boost_budget_ns, ~0ULL, EINVAL),
	C(boost_period_ns, PV_SCHED_MIN_PERIOD_NS - 1, EINVAL),
	C(boost_period_ns, PV_SCHED_MIN_PERIOD_NS, 0),
	C(boost_period_ns, PV_SCHED_MAX_PERIOD_NS, 0),
	C(boost_period_ns, PV_SCHED_MAX_PERIOD_NS + 1, EINVAL),
	C(boost_period_ns, ~0ULL, EINVAL),
	C(rt_budget_ns, PV_SCHED_MIN_BUDGET_NS - 1, EINVAL),
	C(rt_budget_ns, PV_SCHED_MIN_BUDGET_NS, 0),
	C(rt_budget_ns, 95 * MS, 0),
	C(rt_budget_ns, 95 * MS + 1, EINVAL),
	C(rt_budget_ns, 100 * MS, EINVAL),
	C(rt_budget_ns, ~0ULL, EINVAL),
	C(rt_period_ns, 90 * MS, EINVAL),
	C(rt_period_ns, PV_SCHED_MAX_PERIOD_NS, 0),
	C(rt_period_ns, PV_SCHED_MAX_PERIOD_NS + 1, EINVAL),
	C(rt_period_ns, ~0ULL, EINVAL),
	C2(rt_period_ns, MS, rt_budget_ns, MS / 2, 0),
	C2(rt_period_ns, MS - 1, rt_budget_ns, MS / 2, EINVAL),
	C2(boost_period_ns, 1000 * MS, boost_budget_ns, 950 * MS, 0),
	C2(boost_period_ns, 1000 * MS, boost_budget_ns, 950 * MS + 1, EINVAL),
	C(early_ns, 1, 0),
	C(early_ns, PV_SCHED_MAX_EARLY_NS, 0),
	C(early_ns, PV_SCHED_MAX_EARLY_NS + 1, EINVAL),
	C(early_ns, ~0ULL - 1, EINVAL),
	C(early_ns, ~0ULL, 0),
	C(vectors[0], 0, 0),
	C(vectors[3], 0x5a, 0),
	C(reserved[0], 1, EINVAL),
	C(reserved[4], 1ULL << 63, EINVAL),
};

static size_t field_size(size_t offset)
{
	return offset >= offsetof(struct kvm_pv_sched, flags) &&
	       offset < offsetof(struct kvm_pv_sched, boost_budget_ns) ?
	       sizeof(__u32) : sizeof(__u64);
}

static struct kvm_pv_sched case_config(const struct enable_case *c)
{
	struct kvm_pv_sched cfg = pv_sched_defaults(P_MAX);
	const struct field *f;
	int i;

	/* The first one is there, the second one may be. */
	for (i = 0; i < ARRAY_SIZE(c->fields); i++) {
		f = &c->fields[i];
		if (!i || f->offset)
			memcpy((char *)&cfg + f->offset, &f->value,
			       field_size(f->offset));
	}
	return cfg;
}

/* What has to be in force for what was asked for. */
static void fill_defaults(struct kvm_pv_sched *cfg)
{
	cfg->boost_budget_ns = cfg->boost_budget_ns ?: PV_SCHED_BOOST_BUDGET_NS;
	cfg->boost_period_ns = cfg->boost_period_ns ?: PV_SCHED_BOOST_PERIOD_NS;
	cfg->rt_budget_ns = cfg->rt_budget_ns ?: PV_SCHED_RT_BUDGET_NS;
	cfg->rt_period_ns = cfg->rt_period_ns ?: PV_SCHED_RT_PERIOD_NS;
	cfg->early_ns = cfg->early_ns ?: PV_SCHED_EARLY_NS;
}

static void expect_error(int r, int error, const char *what)
{
	int e = r < 0 ? errno : r;

	TEST_ASSERT(e == error, "%s: got %d (%s), not %d (%s)", what, e,
		    strerror(e), error, strerror(error));
}

TEST(enable_fields)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pv_sched cfg, in_force;
	const struct enable_case *c;
	int i;

	for (i = 0; i < ARRAY_SIZE(enable_cases); i++) {
		c = &enable_cases[i];
		cfg = case_config(c);
		expect_error(__pv_sched_enable(vm, &cfg), c->error, c->name);

		memset(&in_force, 0xff, sizeof(in_force));
		expect_error(__pv_sched_op(vm, KVM_PV_SCHED_GET, &in_force),
			     c->error ? ENOENT : 0, c->name);
		if (c->error)
			continue;

		fill_defaults(&cfg);
		TEST_ASSERT(!memcmp(&cfg, &in_force, sizeof(cfg)),
			    "%s: other bounds are in force", c->name);
		kvm_vm_free(vm);
		vm = vm_create_barebones();
	}
	kvm_vm_free(vm);
}

/* Two pages, of which the second one is not there. */
static void *half_mapped(void)
{
	size_t page = getpagesize();
	char *p;

	p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(p != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	munmap(p + page, page);
	return p + page - sizeof(struct kvm_pv_sched) / 2;
}

TEST(operations)
{
	struct kvm_pv_sched cfg = pv_sched_defaults(P_MAX);
	struct kvm_vm *vm = vm_create_barebones();
	void *edge = half_mapped();
	int op;

	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_PV_SCHED) > 0,
		    "The capability of /dev/kvm is not that of a VM");

	memcpy(edge, &cfg, sizeof(cfg) / 2);
	expect_error(__pv_sched_enable(vm, edge), EFAULT, "page's end");
	expect_error(__pv_sched_enable(vm, NULL), EFAULT, "null");
	expect_error(__pv_sched_op(vm, 3, &cfg), EINVAL, "operation 3");
	expect_error(__pv_sched_op(vm, ~0ULL, &cfg), EINVAL, "operation ~0");
	expect_error(__pv_sched_op(vm, 1ULL << 32, &cfg), EINVAL, "high bits");
	expect_error(__pv_sched_op(vm, KVM_PV_SCHED_GET, &cfg), ENOENT, "get");
	expect_error(__pv_sched_op(vm, KVM_PV_SCHED_DISABLE, NULL), ENOENT,
		     "disable");

	/* Whatever is not used has to be zero. */
	for (op = KVM_PV_SCHED_ENABLE; op <= KVM_PV_SCHED_DISABLE; op++) {
		struct kvm_enable_cap cap = {
			.cap = KVM_CAP_PV_SCHED,
			.args = { op, op == KVM_PV_SCHED_DISABLE ?
				      0 : (unsigned long)&cfg },
		};

		cap.flags = 1;
		expect_error(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL,
			     "cap.flags");
		cap.flags = 0;
		cap.args[2] = 1;
		expect_error(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL,
			     "cap.args[2]");
		cap.args[2] = 0;
		cap.args[3] = 1;
		expect_error(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL,
			     "cap.args[3]");
	}

	pv_sched_enable(vm, &cfg);
	expect_error(__pv_sched_enable(vm, &cfg), EEXIST, "enable again");
	expect_error(__pv_sched_op(vm, KVM_PV_SCHED_GET, edge), EFAULT,
		     "get at a page's end");
	expect_error(__pv_sched_op(vm, KVM_PV_SCHED_DISABLE, &cfg), EINVAL,
		     "disable with an argument");
	pv_sched_disable(vm);
	expect_error(__pv_sched_op(vm, KVM_PV_SCHED_GET, &cfg), ENOENT,
		     "get when disabled");
	expect_error(__pv_sched_op(vm, KVM_PV_SCHED_DISABLE, NULL), ENOENT,
		     "disable again");
	kvm_vm_free(vm);

	vm = vm_create_barebones();
	__vm_vcpu_add(vm, 0);
	expect_error(__pv_sched_enable(vm, &cfg), EBUSY, "after a vCPU");
	kvm_vm_free(vm);
}

struct state_case {
	const char *name;
	struct kvm_pv_sched_state state;
	int error;
};

#define S(_error, ...)	{						\
	.name = #__VA_ARGS__,						\
	.state = { __VA_ARGS__ },					\
	.error = _error,						\
}

#define SET	.flags = KVM_PV_SCHED_STATE_SET

/* The policies of the VM that takes them are FIFO and NORMAL. */
static const struct state_case state_cases[] = {
	S(0, SET, .policy = SCHED_FIFO, .priority = 1),
	S(0, SET, .policy = SCHED_FIFO, .priority = 99),
	S(EINVAL, SET, .policy = SCHED_FIFO, .priority = 0),
	S(EINVAL, SET, .policy = SCHED_FIFO, .priority = 100),
	S(0, SET, .policy = SCHED_NORMAL, .priority = -20),
	S(0, SET, .policy = SCHED_NORMAL, .priority = 19),
	S(EINVAL, SET, .policy = SCHED_NORMAL, .priority = -21),
	S(EINVAL, SET, .policy = SCHED_NORMAL, .priority = 20),
	S(EPERM, SET, .policy = SCHED_RR, .priority = 1),
	S(EINVAL, SET, .policy = SCHED_DEADLINE, .priority = 1),
	S(EINVAL, SET, .policy = ~0U, .priority = 1),
	S(EINVAL, .policy = SCHED_FIFO, .priority = 1),
	S(EINVAL, .priority = 1),
	S(EINVAL, .flags = 2),
	S(EINVAL, SET | 1U << 31, .policy = SCHED_FIFO, .priority = 1),
	S(0, .reasons = KVM_PV_SCHED_IRQ | KVM_PV_SCHED_NMI),
	S(EINVAL, .reasons = 1U << 2),
	S(EINVAL, .reasons = 1U << 31),
	S(EINVAL, .reserved = { 1 }),
	S(EINVAL, .reserved = { 0, 1ULL << 63 }),
	S(0, .reasons = 0),
};

static int vcpu_attr(struct kvm_vcpu *vcpu, int request, u64 number,
		     u32 flags, void *state)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_PV_SCHED_CTRL,
		.attr = number,
		.flags = flags,
		.addr = (unsigned long)state,
	};

	return ioctl(vcpu->fd, request, &attr);
}

TEST(vcpu_state)
{
	struct kvm_pv_sched_state seen, last = {};
	struct kvm_pv_sched cfg = pv_sched_defaults(P_MAX);
	struct kvm_vm *vm = vm_create_barebones();
	const int attr = KVM_VCPU_PV_SCHED_STATE;
	const struct state_case *c;
	struct kvm_vcpu *vcpu;
	int i;

	cfg.policies = BIT(SCHED_FIFO) | BIT(SCHED_NORMAL);
	pv_sched_enable(vm, &cfg);
	vcpu = __vm_vcpu_add(vm, 0);

	expect_error(vcpu_attr(vcpu, KVM_HAS_DEVICE_ATTR, attr, 0, NULL), 0,
		     "has state");
	expect_error(vcpu_attr(vcpu, KVM_HAS_DEVICE_ATTR, attr + 1, 0, NULL),
		     ENXIO, "has another attribute");
	expect_error(vcpu_attr(vcpu, KVM_GET_DEVICE_ATTR, attr + 1, 0, &seen),
		     ENXIO, "get another attribute");
	expect_error(vcpu_attr(vcpu, KVM_SET_DEVICE_ATTR, attr + 1, 0, &last),
		     ENXIO, "set another attribute");
	expect_error(vcpu_attr(vcpu, KVM_GET_DEVICE_ATTR, attr, 1, &seen),
		     EINVAL, "flags");
	expect_error(vcpu_attr(vcpu, KVM_GET_DEVICE_ATTR, attr, 0, NULL),
		     EFAULT, "get at null");
	expect_error(vcpu_attr(vcpu, KVM_SET_DEVICE_ATTR, attr, 0, NULL),
		     EFAULT, "set from null");

	for (i = 0; i < ARRAY_SIZE(state_cases); i++) {
		c = &state_cases[i];
		expect_error(vcpu_attr(vcpu, KVM_SET_DEVICE_ATTR, attr, 0,
				       (void *)&c->state), c->error, c->name);
		if (!c->error)
			last = c->state;

		memset(&seen, 0xff, sizeof(seen));
		expect_error(vcpu_attr(vcpu, KVM_GET_DEVICE_ATTR, attr, 0,
				       &seen), 0, c->name);
		TEST_ASSERT(!memcmp(&seen, &last, sizeof(seen)),
			    "%s: the state is another one", c->name);
	}
	kvm_vm_free(vm);

	vm = vm_create_barebones();
	vcpu = __vm_vcpu_add(vm, 0);
	expect_error(vcpu_attr(vcpu, KVM_HAS_DEVICE_ATTR, attr, 0, NULL),
		     ENXIO, "has state without the feature");
	expect_error(vcpu_attr(vcpu, KVM_GET_DEVICE_ATTR, attr, 0, &seen),
		     ENXIO, "get state without the feature");
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	pv_sched_require();

	return test_harness_run(argc, argv);
}
