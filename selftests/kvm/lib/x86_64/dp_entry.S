/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where vCPUs with direct paging begin: RDI is what to run, and RSI the vCPU.
 */

/* The library's GDT. */
#define CODE_SELECTOR	0x8
#define DATA_SELECTOR	0x10

#define CR0_MP		(1 << 1)
#define CR0_EM		(1 << 2)
#define CR0_TS		(1 << 3)
#define CR0_NE		(1 << 5)
#define CR0_WP		(1 << 16)
#define CR4_OSFXSR	(1 << 9)
#define CR4_OSXMMEXCPT	(1 << 10)

.text
.globl dp_guest_entry
dp_guest_entry:
	/* The compiler uses SSE wherever it likes. */
	mov	%cr4, %rax
	or	$(CR4_OSFXSR | CR4_OSXMMEXCPT), %rax
	mov	%rax, %cr4
	mov	%cr0, %rax
	and	$~(CR0_EM | CR0_TS), %rax
	or	$(CR0_MP | CR0_NE | CR0_WP), %rax
	mov	%rax, %cr0

	/* struct dp_boot begins with what these two load. */
	lgdt	dp_boot(%rip)
	lidt	dp_boot + 10(%rip)
	mov	$DATA_SELECTOR, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	pushq	$CODE_SELECTOR
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:
	call	dp_guest_main
	ud2

.section .note.GNU-stack, "", %progbits
