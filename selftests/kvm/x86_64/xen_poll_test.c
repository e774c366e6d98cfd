// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen_poll_test
 *
 * A vCPU that polls for an event channel must not keep user space from changing
 * memslots, however long it waits.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define SHINFO_GPA	0xc0000000ULL
#define SHINFO_SLOT	10
#define OTHER_GPA	0xd0000000ULL
#define OTHER_SLOT	11

#define XEN_SCHED_OP	29
#define SCHEDOP_POLL	3
#define PORT		15
#define SLOT_CHANGES	50
#define PATIENCE_S	20

struct sched_poll {
	u32 *ports;
	u32 nr_ports;
	u64 timeout;
};

static struct kvm_vm *vm;
static atomic_bool changed;

static void guest_code(void)
{
	u32 port = PORT;
	struct sched_poll poll = { .ports = &port, .nr_ports = 1 };

	GUEST_SYNC(1);
	/* The result of an interrupted one is the same. */
	GUEST_ASSERT_EQ(__xen_hypercall(XEN_SCHED_OP, SCHEDOP_POLL, &poll), 0);
	GUEST_DONE();
}

static void send_event(void)
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = PORT,
		.vcpu = 0,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	vm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &event);
}

/* The vCPU's file does not answer while it runs, but this one does. */
static int stats_fd;
static struct kvm_stats_header header;
static struct kvm_stats_desc blocking;

static void open_stats(struct kvm_vcpu *vcpu)
{
	struct kvm_stats_desc *all, *desc;
	int i;

	stats_fd = vcpu_get_stats_fd(vcpu);
	read_stats_header(stats_fd, &header);
	all = read_stats_descriptors(stats_fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(all, i, &header);
		if (!strcmp(desc->name, "blocking"))
			blocking = *desc;
	}
	TEST_ASSERT(blocking.size, "No statistic says whether a vCPU waits");
	free(all);
}

static bool is_blocking(void)
{
	u64 value;

	read_stat_data(stats_fd, &header, &blocking, &value, 1);
	return value;
}

static void *run_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	vcpu_run(vcpu);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_DONE:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		TEST_FAIL("Unexpected exit %u", vcpu->run->exit_reason);
	}
	return NULL;
}

/* Ends the poll: a change of slots that waits for it cannot be interrupted. */
static void *lose_patience(void *arg)
{
	int i;

	for (i = 0; i < PATIENCE_S * 100 && !changed; i++)
		usleep(10000);
	send_event();
	return NULL;
}

static void setup_xen(struct kvm_vcpu *vcpu)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL |
			 KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = 0x40000200,
	};
	struct kvm_xen_hvm_attr long_mode = {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = 1,
	};
	struct kvm_xen_hvm_attr shared_info = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = SHINFO_GPA >> PAGE_SHIFT,
	};
	struct kvm_xen_vcpu_attr info = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = SHINFO_GPA,
	};

	vm_ioctl(vm, KVM_XEN_HVM_CONFIG, &config);
	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &long_mode);
	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &shared_info);
	vcpu_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &info);
}

int main(int argc, char *argv[])
{
	pthread_t poller, watch;
	struct kvm_vcpu *vcpu;
	struct ucall uc;
	int i;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_XEN_HVM) &
		     KVM_XEN_HVM_CONFIG_EVTCHN_SEND);

	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SHINFO_GPA,
				    SHINFO_SLOT, 1, 0);
	setup_xen(vcpu);
	open_stats(vcpu);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);

	pthread_create(&poller, NULL, run_vcpu, vcpu);
	while (!is_blocking())
		usleep(1000);
	pthread_create(&watch, NULL, lose_patience, NULL);
	for (i = 0; i < SLOT_CHANGES; i++) {
		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, OTHER_GPA,
					    OTHER_SLOT, 1, 0);
		vm_mem_region_delete(vm, OTHER_SLOT);
	}
	TEST_ASSERT(is_blocking(),
		    "Memslots changed only when the vCPU did not wait any more");
	changed = true;
	pthread_join(watch, NULL);
	pthread_join(poller, NULL);
	kvm_vm_free(vm);
	return 0;
}
