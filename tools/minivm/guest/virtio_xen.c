// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest of Xen's ABI with a virtio network device, whose interrupt is an event
 * channel: answers, or asks count=N times.
 */
#include <linux/virtio_ids.h>

#include "ping.h"
#include "xen_lib.h"

#define count(port)	(xen_cpus[0].count[port])

static struct vdev net;
static uint32_t port;
static unsigned int seen;

static void wait(void)
{
	irq_off();
	if (count(port) == seen)
		asm volatile("sti; hlt; cli");
	seen = count(port);
	irq_on();
}

int xen_main(struct start_info *start)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF, .remote_dom = 0,
	};
	struct sched_shutdown op = { .reason = SHUTDOWN_poweroff };

	if (xen_init(start) || xen_set_callback(XEN_UPCALL))
		return 2;
	if (event_op(EVTCHNOP_alloc_unbound, &alloc))
		return 3;
	port = alloc.port;
	event_take(0, port);
	irq_on();
	if (!vdev_find(&net, VIRTIO_ID_NET, 0) ||
	    !vdev_start(&net, 0, 2, port))
		return 4;
	if (ping(&net, (const char *)start->cmd_line, wait))
		return 5;
	sched_op(SCHEDOP_shutdown, &op);
	return 6;
}
