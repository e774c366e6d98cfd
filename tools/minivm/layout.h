/* SPDX-License-Identifier: GPL-2.0-only */
/* What lies where in the guest's low 64 KiB. */
#ifndef MINIVM_LAYOUT_H
#define MINIVM_LAYOUT_H

#define LOW_GDT		0x1000
#define LOW_TSS		0x1800	/* never used, but VMX wants one */
#define LOW_PML4	0x2000
#define LOW_PDPT	0x3000
#define LOW_PD		0x4000	/* four pages */
#define LOW_BOOT	0x8000
#define LOW_ARGS	0x9000
#define LOW_ARGS_SIZE	0x1000

#define SEL_CODE	0x10
#define SEL_DATA	0x18
#define SEL_TSS		0x20

#endif
