// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was refused, for --trace-hypercalls: KVM answers some calls without the
 * tool, and guests like to ignore that they failed, and die later.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xen/xen.h>

#include "direct.h"
#include "xen.h"

#define MAX_VALUES	64

#define NAME(name)	[__HYPERVISOR_##name] = #name

static const char * const names[MAX_VALUES] = {
	NAME(set_trap_table), NAME(mmu_update), NAME(set_gdt),
	NAME(stack_switch), NAME(set_callbacks), NAME(fpu_taskswitch),
	NAME(platform_op), NAME(set_debugreg), NAME(get_debugreg),
	NAME(update_descriptor), NAME(memory_op), NAME(multicall),
	NAME(update_va_mapping), NAME(set_timer_op), NAME(xen_version),
	NAME(console_io), NAME(grant_table_op), NAME(vm_assist),
	NAME(update_va_mapping_otherdomain), NAME(iret), NAME(vcpu_op),
	NAME(set_segment_base), NAME(mmuext_op), NAME(nmi_op),
	NAME(sched_op), NAME(callback_op), NAME(event_channel_op),
	NAME(physdev_op), NAME(hvm_op), NAME(sysctl), NAME(domctl),
};

/* Where the values of a statistic lie in the file; how many, or 0. */
static unsigned int find(int fd, const struct kvm_stats_header *h,
			 const char *name, uint64_t *offset)
{
	size_t size = sizeof(struct kvm_stats_desc) + h->name_size;
	struct kvm_stats_desc *desc = calloc(1, size + 1);
	unsigned int i, n = 0;

	for (i = 0; desc && i < h->num_desc && !n; i++) {
		if (pread(fd, desc, size, h->desc_offset + i * size) !=
		    (ssize_t)size)
			break;
		if (strcmp(desc->name, name))
			continue;
		*offset = h->data_offset + desc->offset;
		n = desc->size;
	}
	free(desc);
	return n > MAX_VALUES ? MAX_VALUES : n;
}

static unsigned int read_values(int fd, const struct kvm_stats_header *h,
				const char *name, uint64_t *values)
{
	uint64_t offset;
	unsigned int n = find(fd, h, name, &offset);

	if (!n || pread(fd, values, n * sizeof(*values), offset) !=
		  (ssize_t)(n * sizeof(*values)))
		return 0;
	return n;
}

static void show(int fd)
{
	struct kvm_stats_header header;
	uint64_t values[MAX_VALUES];
	unsigned int i, n;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return;
	n = read_values(fd, &header, "dp_calls_refused", values);
	for (i = 0; i < n; i++)
		if (values[i])
			fprintf(stderr, "minivm: hypercall %u%s %s was refused %llu times\n",
				i, i == MAX_VALUES - 1 ? " or above" : "",
				names[i] ? names[i] : "",
				(unsigned long long)values[i]);
	n = read_values(fd, &header, "dp_call_errors", values);
	for (i = 0; i < n; i++)
		if (values[i])
			fprintf(stderr, "minivm: error %u%s (%s) was the answer %llu times\n",
				i, i == MAX_VALUES - 1 ? " or above" : "",
				strerror(i), (unsigned long long)values[i]);
}

static void last_words(void *arg)
{
	struct vm *vm = arg;
	int fd = ioctl(vm->fd, KVM_GET_STATS_FD, NULL);

	if (fd < 0)
		return;
	show(fd);
	close(fd);
}

void refusals_init(struct vm *vm)
{
	end_last_words(last_words, vm);
}
