// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen's calls with each argument that is wrong, alone and in one multicall.
 */
#include <stdint.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/version.h>

#include "xen_abi.h"

/* No address of the guest's; none at all; and the last, so that all wrap. */
#define NOWHERE		0x123456789000
#define NOT_CANONICAL	0x8000000000000000
#define THE_LAST	0xfffffffffffffffc

#define NO_CMD		99
#define NO_CPU		9
#define NO_PORT		5000
#define NO_DOMAIN	7

struct wrong {
	uint64_t nr, a, b, c;
	long want;
	const char *name;
};

#define AT(x)		((uint64_t)&(x))

#define VERSION(...)	{ __HYPERVISOR_xen_version, __VA_ARGS__ }
#define CONSOLE(...)	{ __HYPERVISOR_console_io, __VA_ARGS__ }
#define GRANT(...)	{ __HYPERVISOR_grant_table_op, __VA_ARGS__ }
#define ASSIST(...)	{ __HYPERVISOR_vm_assist, __VA_ARGS__ }
#define VCPU(...)	{ __HYPERVISOR_vcpu_op, __VA_ARGS__ }
#define SCHED(...)	{ __HYPERVISOR_sched_op, __VA_ARGS__ }
#define EVENT(cmd, ...)	{ __HYPERVISOR_event_channel_op, EVTCHNOP_##cmd, \
			  __VA_ARGS__ }
#define HVM(...)	{ __HYPERVISOR_hvm_op, __VA_ARGS__ }
#define MEMORY(...)	{ __HYPERVISOR_memory_op, __VA_ARGS__ }
#define DEAD(name)	{ __HYPERVISOR_##name, 0, 0, 0, -ENOSYS_, #name }

static xen_feature_info_t submap = { .submap_idx = 77 };

static gnttab_set_version_t version2, version3;
static gnttab_get_version_t version_of = { .dom = NO_DOMAIN };
static gnttab_setup_table_t setup[2] = {
	{ .dom = DOMID_SELF }, { .dom = DOMID_SELF },
};
static gnttab_dump_table_t dump = { .dom = DOMID_SELF };

static struct vcpu_register_vcpu_info info_unaligned = { .offset = 4 };
static struct vcpu_register_vcpu_info info_too_far = { .offset = 4088 };
static struct vcpu_register_vcpu_info info_of_nobody = { .mfn = ~0ULL };
static struct vcpu_register_runstate_memory_area area = { .addr.p = NOWHERE };
static struct vcpu_set_singleshot_timer shot;

static struct sched_shutdown no_reason = { .reason = NO_CMD };
static evtchn_port_t ports[] = { 1, NO_PORT };
static struct sched_poll poll_nowhere = { { (void *)NOWHERE }, 1, 0 };
static struct sched_poll poll_too_many = { { ports }, 129, 0 };
static struct sched_poll poll_no_port = { { ports }, 2, 0 };

static struct evtchn_alloc_unbound of_other = {
	.dom = NO_DOMAIN, .remote_dom = DOMID_SELF,
};
static struct evtchn_alloc_unbound for_nobody = {
	.dom = DOMID_SELF, .remote_dom = NO_DOMAIN,
};
static struct evtchn_bind_interdomain to_nobody = { .remote_dom = NO_DOMAIN };
static struct evtchn_bind_interdomain to_no_port = {
	.remote_dom = DOMID_SELF, .remote_port = NO_PORT,
};
static struct evtchn_bind_interdomain to_port_0 = { .remote_dom = DOMID_SELF };
static struct evtchn_bind_virq no_virq = { .virq = NO_CMD };
static struct evtchn_bind_virq virq_no_cpu = {
	.virq = VIRQ_TIMER, .vcpu = NO_CPU,
};
static struct evtchn_bind_virq virq_global = { .virq = 2, .vcpu = 1 };
static struct evtchn_bind_ipi ipi_no_cpu = { .vcpu = NO_CPU };
static struct evtchn_close port_0, closed = { .port = 40 };
static struct evtchn_close no_port = { .port = NO_PORT };
static struct evtchn_status status_other = { .dom = NO_DOMAIN };
static struct evtchn_status status_no_port = {
	.dom = DOMID_SELF, .port = NO_PORT,
};
static struct evtchn_bind_vcpu vcpu_no_port = { .port = NO_PORT };
static struct evtchn_bind_vcpu vcpu_closed = { .port = 40 };
static struct evtchn_bind_vcpu no_cpu = { .port = 1, .vcpu = NO_CPU };
static struct evtchn_reset reset_other = { .dom = NO_DOMAIN };

static struct xen_hvm_param of_domain = { .domid = NO_DOMAIN };
static struct xen_hvm_param no_param = { .domid = DOMID_SELF, .index = NO_CMD };
static struct xen_hvm_param by_line = {
	.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = 9,
};
static struct xen_hvm_param by_exception = {
	.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
	.value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 14,
};

static domid_t other = NO_DOMAIN;
static struct xen_memory_map map_nowhere = {
	.nr_entries = 1, .buffer.p = (void *)NOWHERE,
};

static const struct wrong wrong[] = {
	VERSION(NO_CMD, 0, 0, -ENOSYS_, "version: no such"),
	VERSION(XENVER_extraversion, NOWHERE, 0, -EFAULT_, "extra version"),
	VERSION(XENVER_compile_info, NOWHERE, 0, -EFAULT_, "compile_info"),
	VERSION(XENVER_capabilities, NOWHERE, 0, -EFAULT_, "capabilities"),
	VERSION(XENVER_capabilities, NOT_CANONICAL, 0, -EFAULT_,
		"capabilities, no address at all"),
	VERSION(XENVER_capabilities, THE_LAST, 0, -EFAULT_,
		"capabilities, beyond all addresses"),
	VERSION(XENVER_changeset, NOWHERE, 0, -EFAULT_, "changeset"),
	VERSION(XENVER_platform_parameters, NOWHERE, 0, -EFAULT_,
		"platform_parameters"),
	VERSION(XENVER_get_features, NOWHERE, 0, -EFAULT_, "get_features"),
	VERSION(XENVER_get_features, AT(submap), 0, -EINVAL_, "submap 77"),
	VERSION(XENVER_guest_handle, NOWHERE, 0, -EFAULT_, "guest_handle"),
	VERSION(XENVER_commandline, NOWHERE, 0, -EFAULT_, "commandline"),

	CONSOLE(NO_CMD, 1, AT(submap), -ENOSYS_, "console_io: no such"),
	CONSOLE(CONSOLEIO_write, 1, NOWHERE, -EFAULT_, "written from"),
	CONSOLE(CONSOLEIO_write, 8, THE_LAST, -EFAULT_,
		"written from beyond all addresses"),
	CONSOLE(CONSOLEIO_write, 65537, AT(submap), -7, "more than a call may"),
	CONSOLE(CONSOLEIO_write, ~0U, AT(submap), -7, "all there can be"),

	GRANT(NO_CMD, AT(setup), 1, -ENOSYS_, "grants: no such"),
	GRANT(~0U, AT(setup), 1, -ENOSYS_, "grants: the last"),
	GRANT(GNTTABOP_setup_table, NOWHERE, 1, -EFAULT_, "setup_table"),
	GRANT(GNTTABOP_setup_table, AT(setup), 2, -EINVAL_, "two tables"),
	GRANT(GNTTABOP_setup_table, AT(setup), ~0U, -EINVAL_, "all tables"),
	GRANT(GNTTABOP_map_grant_ref, NOWHERE, 1, -EFAULT_, "map_grant_ref"),
	GRANT(GNTTABOP_map_grant_ref, AT(setup), 513, -EINVAL_, "513 grants"),
	GRANT(GNTTABOP_unmap_grant_ref, NOWHERE, 1, -EFAULT_, "unmap_grant_ref"),
	GRANT(GNTTABOP_transfer, NOWHERE, 1, -EFAULT_, "transfer"),
	GRANT(GNTTABOP_query_size, NOWHERE, 1, -EFAULT_, "query_size"),
	GRANT(GNTTABOP_set_version, AT(version2), 1, -ENOSYS_, "version 2"),
	GRANT(GNTTABOP_set_version, AT(version3), 1, -EINVAL_, "version 3"),
	GRANT(GNTTABOP_get_version, AT(version_of), 1, -ESRCH_,
	      "another domain's version"),
	GRANT(GNTTABOP_dump_table, AT(dump), 1, -EPERM_, "dump_table"),

	ASSIST(VMASST_CMD_enable, NO_CMD, 0, -EINVAL_, "vm_assist: no such"),
	ASSIST(2, VMASST_TYPE_runstate_update_flag, 0, -EINVAL_,
	       "vm_assist: neither enable nor disable"),

	VCPU(NO_CMD, 0, 0, -ENOSYS_, "vcpu_op: no such"),
	VCPU(VCPUOP_is_up, NO_CPU, 0, -ENOENT_, "no such vCPU"),
	VCPU(VCPUOP_is_up, ~0U, 0, -ENOENT_, "vCPU -1"),
	VCPU(VCPUOP_initialise, 0, AT(submap), -EEXIST_, "this vCPU again"),
	VCPU(VCPUOP_initialise, 1, NOWHERE, -EFAULT_, "initialise"),
	VCPU(VCPUOP_register_vcpu_info, 0, NOWHERE, -EFAULT_, "vcpu_info"),
	VCPU(VCPUOP_register_vcpu_info, 0, AT(info_unaligned), -EINVAL_,
	     "vcpu_info, not aligned"),
	VCPU(VCPUOP_register_vcpu_info, 0, AT(info_too_far), -EINVAL_,
	     "vcpu_info, across pages"),
	VCPU(VCPUOP_register_vcpu_info, 0, AT(info_of_nobody), -EINVAL_,
	     "vcpu_info, no frame of its own"),
	VCPU(VCPUOP_register_runstate_memory_area, 0, NOWHERE, -EFAULT_,
	     "runstate"),
	VCPU(VCPUOP_register_runstate_memory_area, 0, AT(area), -EFAULT_,
	     "runstate, to"),
	VCPU(VCPUOP_register_vcpu_time_memory_area, 0, AT(area), -EFAULT_,
	     "time, to"),
	VCPU(VCPUOP_set_singleshot_timer, 0, NOWHERE, -EFAULT_, "timer"),
	VCPU(VCPUOP_set_singleshot_timer, 1, AT(shot), -EINVAL_,
	     "another vCPU's timer"),
	VCPU(VCPUOP_stop_singleshot_timer, 1, 0, -EINVAL_,
	     "stop another vCPU's timer"),

	SCHED(NO_CMD, 0, 0, -ENOSYS_, "sched_op: no such"),
	SCHED(SCHEDOP_shutdown, NOWHERE, 0, -EFAULT_, "shutdown"),
	SCHED(SCHEDOP_shutdown, AT(no_reason), 0, -EINVAL_,
	      "shutdown without a reason"),
	SCHED(SCHEDOP_poll, NOWHERE, 0, -EFAULT_, "poll"),
	SCHED(SCHEDOP_poll, AT(poll_nowhere), 0, -EFAULT_, "poll, ports"),
	SCHED(SCHEDOP_poll, AT(poll_too_many), 0, -EINVAL_, "poll 129 ports"),
	SCHED(SCHEDOP_poll, AT(poll_no_port), 0, -EINVAL_, "poll port 5000"),

	{ __HYPERVISOR_event_channel_op, NO_CMD, 0, 0, -ENOSYS_,
	  "events: no such" },
	EVENT(alloc_unbound, NOWHERE, 0, -EFAULT_, "alloc_unbound"),
	EVENT(alloc_unbound, AT(of_other), 0, -EPERM_, "another domain's port"),
	EVENT(alloc_unbound, AT(for_nobody), 0, -ESRCH_, "a port for nobody"),
	EVENT(bind_interdomain, NOWHERE, 0, -EFAULT_, "bind_interdomain"),
	EVENT(bind_interdomain, AT(to_nobody), 0, -EINVAL_, "bind to nobody"),
	EVENT(bind_interdomain, AT(to_no_port), 0, -EINVAL_, "to port 5000"),
	EVENT(bind_interdomain, AT(to_port_0), 0, -EINVAL_, "to port 0"),
	EVENT(bind_virq, NOWHERE, 0, -EFAULT_, "bind_virq"),
	EVENT(bind_virq, AT(no_virq), 0, -EINVAL_, "VIRQ 99"),
	EVENT(bind_virq, AT(virq_no_cpu), 0, -ENOENT_, "VIRQ of vCPU 9"),
	EVENT(bind_virq, AT(virq_global), 0, -EINVAL_,
	      "VIRQ of all vCPUs for one"),
	EVENT(bind_ipi, NOWHERE, 0, -EFAULT_, "bind_ipi"),
	EVENT(bind_ipi, AT(ipi_no_cpu), 0, -ENOENT_, "IPI to vCPU 9"),
	EVENT(close, NOWHERE, 0, -EFAULT_, "close"),
	EVENT(close, AT(port_0), 0, -EINVAL_, "close port 0"),
	EVENT(close, AT(closed), 0, -EINVAL_, "close what is closed"),
	EVENT(close, AT(no_port), 0, -EINVAL_, "close port 5000"),
	EVENT(send, NOWHERE, 0, -EFAULT_, "send"),
	EVENT(send, AT(port_0), 0, -EINVAL_, "send to port 0"),
	EVENT(send, AT(closed), 0, -EINVAL_, "send to what is closed"),
	EVENT(send, AT(no_port), 0, -EINVAL_, "send to port 5000"),
	EVENT(status, NOWHERE, 0, -EFAULT_, "status"),
	EVENT(status, AT(status_other), 0, -EPERM_, "another domain's status"),
	EVENT(status, AT(status_no_port), 0, -EINVAL_, "status of port 5000"),
	EVENT(bind_vcpu, NOWHERE, 0, -EFAULT_, "bind_vcpu"),
	EVENT(bind_vcpu, AT(vcpu_no_port), 0, -EINVAL_, "bind port 5000"),
	EVENT(bind_vcpu, AT(vcpu_closed), 0, -EINVAL_, "bind what is closed"),
	EVENT(bind_vcpu, AT(no_cpu), 0, -ENOENT_, "bind to vCPU 9"),
	EVENT(unmask, NOWHERE, 0, -EFAULT_, "unmask"),
	EVENT(unmask, AT(no_port), 0, -EINVAL_, "unmask port 5000"),
	EVENT(reset, NOWHERE, 0, -EFAULT_, "reset"),
	EVENT(reset, AT(reset_other), 0, -EPERM_, "reset another domain"),

	HVM(NO_CMD, 0, 0, -ENOSYS_, "hvm_op: no such"),
	HVM(HVMOP_set_param, NOWHERE, 0, -EFAULT_, "set_param"),
	HVM(HVMOP_get_param, NOWHERE, 0, -EFAULT_, "get_param"),
	HVM(HVMOP_set_param, AT(of_domain), 0, -ESRCH_, "another's parameter"),
	HVM(HVMOP_set_param, AT(no_param), 0, -EINVAL_, "set parameter 99"),
	HVM(HVMOP_get_param, AT(no_param), 0, -EINVAL_, "get parameter 99"),
	HVM(HVMOP_set_param, AT(by_line), 0, -EINVAL_, "callback by a line"),
	HVM(HVMOP_set_param, AT(by_exception), 0, -EINVAL_,
	    "callback by an exception"),

	MEMORY(63, 0, 0, -ENOSYS_, "memory_op: no such"),
	MEMORY(XENMEM_maximum_reservation, NOWHERE, 0, -EFAULT_,
	       "maximum_reservation"),
	MEMORY(XENMEM_maximum_reservation, AT(other), 0, -ESRCH_,
	       "another domain's reservation"),
	MEMORY(XENMEM_memory_map, NOWHERE, 0, -EFAULT_, "memory_map"),
	MEMORY(XENMEM_memory_map, AT(map_nowhere), 0, -EFAULT_,
	       "memory_map, to"),
	MEMORY(XENMEM_machphys_mapping, NOWHERE, 0, -EFAULT_,
	       "machphys_mapping"),

	DEAD(set_trap_table), DEAD(set_gdt), DEAD(stack_switch),
	DEAD(set_callbacks), DEAD(fpu_taskswitch), DEAD(platform_op),
	DEAD(set_debugreg), DEAD(get_debugreg), DEAD(update_descriptor),
	DEAD(iret), DEAD(set_segment_base), DEAD(nmi_op), DEAD(callback_op),
	DEAD(sysctl), DEAD(domctl),
	{ 60, 0, 0, 0, -ENOSYS_, "a number that Xen has not" },
};

#define NR_WRONG	(sizeof(wrong) / sizeof(wrong[0]))

static struct multicall_entry list[NR_WRONG];

/* These calls answer with the version that there is, in the same place. */
static void ask_for_versions(void)
{
	version2.version = 2;
	version3.version = 3;
}

static void alone(void)
{
	const struct wrong *w;

	ask_for_versions();
	for (w = wrong; w < wrong + NR_WRONG; w++)
		is(hypercall(w->nr, w->a, w->b, w->c, 0), w->want, w->name);
}

static void in_multicall(void)
{
	unsigned int i;

	ask_for_versions();
	for (i = 0; i < NR_WRONG; i++)
		list[i] = (struct multicall_entry) {
			.op = wrong[i].nr,
			.args = { wrong[i].a, wrong[i].b, wrong[i].c },
		};
	is(hypercall(__HYPERVISOR_multicall, (uint64_t)list, NR_WRONG, 0, 0), 0,
	   "all of these in a multicall");
	for (i = 0; i < NR_WRONG; i++)
		is(list[i].result, wrong[i].want, wrong[i].name);
}

/* These say so in their argument, and the call itself is fine. */
static void by_status(void)
{
	gnttab_setup_table_t table = { .dom = NO_DOMAIN };
	gnttab_query_size_t size = { .dom = NO_DOMAIN };
	gnttab_map_grant_ref_t map = { .dom = NO_DOMAIN };
	gnttab_transfer_t transfer = { .domid = DOMID_SELF };

	grant_op(GNTTABOP_setup_table, &table);
	is(table.status, GNTST_bad_domain, "another domain's table");
	table.dom = DOMID_SELF;
	table.nr_frames = ~0U;
	grant_op(GNTTABOP_setup_table, &table);
	is(table.status, GNTST_general_error, "more frames than there are");
	table.nr_frames = 1;
	table.frame_list.p = (void *)NOWHERE;
	grant_op(GNTTABOP_setup_table, &table);
	is(table.status, GNTST_bad_virt_addr, "a list of frames nowhere");
	grant_op(GNTTABOP_query_size, &size);
	is(size.status, GNTST_bad_domain, "another domain's size");
	grant_op(GNTTABOP_map_grant_ref, &map);
	is(map.status, GNTST_bad_domain, "what another domain grants");
	map.dom = XEN_DOM_TOOL;
	grant_op(GNTTABOP_map_grant_ref, &map);
	is(map.status, GNTST_bad_gntref, "what nobody grants");
	grant_op(GNTTABOP_transfer, &transfer);
	is(transfer.status, GNTST_permission_denied, "a gift");
}

void wrong_arguments(void)
{
	put_str("# wrong arguments\n");
	alone();
	by_status();
	in_multicall();
}
