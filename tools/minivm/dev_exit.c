// SPDX-License-Identifier: GPL-2.0-only
/* The exit port: what the guest writes is the exit status of the tool. */
#include <stdlib.h>

#include "minivm.h"

void dev_exit_write(uint32_t val)
{
	dev_console_flush();
	if (val > EX_GUEST_MAX) {
		warn(0, NULL, "the guest ended with %u, shown as %d", val,
		     EX_GUEST_MAX);
		val = EX_GUEST_MAX;
	}
	exit(val);
}
