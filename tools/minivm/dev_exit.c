// SPDX-License-Identifier: GPL-2.0-only
/* The exit port: what the guest writes is the exit status of the tool. */
#include "minivm.h"

void dev_exit_write(uint32_t val)
{
	end_begin(val > EX_GUEST_MAX ? EX_GUEST_MAX : val);
	if (val > EX_GUEST_MAX)
		warn(0, NULL, "the guest ended with %u, shown as %d", val,
		     EX_GUEST_MAX);
	end_finish();
}
