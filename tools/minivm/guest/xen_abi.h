/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the guest that tests Xen's ABI share: TAP, errors. */
#ifndef MINIVM_XEN_ABI_H
#define MINIVM_XEN_ABI_H

#include "xen_lib.h"

#define EPERM_		1
#define ENOENT_		2
#define ESRCH_		3
#define EFAULT_		14
#define EBUSY_		16
#define EEXIST_		17
#define EINVAL_		22
#define ENOSYS_		38

#define XEN_DOM_TOOL	0

void ok(bool good, const char *name);
void is(long got, long want, const char *name);

/* xen_args.c, before a second vCPU has been started. */
void wrong_arguments(void);

#endif
