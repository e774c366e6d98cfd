/* SPDX-License-Identifier: GPL-2.0-only */
/* Entry of a test guest that speaks Xen's ABI, its notes, its second vCPU. */
#include "../boot.h"

	.macro	note type:req, value:vararg
	.pushsection .note.xen, "a", @note
	.balign	4
	.long	4, 2f - 1f, \type
	.asciz	"Xen"
1:	\value
2:	.balign	4
	.popsection
	.endm

	note	1, .quad _start
	note	2, .quad hypercall_page
	note	3, .quad 0
	note	5, .asciz "xen-3.0"
	note	6, .asciz "minivm-test"
	note	8, .asciz "generic"
	note	10, .asciz "!supervisor_mode_kernel|writable_page_tables"

	.text
	.globl	_start
_start:
	movq	%rsi, %rdi
	call	xen_main
	outb	%al, $MINIVM_PORT_EXIT
1:	hlt
	jmp	1b

	/* One stub an exception: vector on the stack, error code made equal. */
	.globl	exception_stubs
exception_stubs:
	vector = 0
	.rept	32
	.balign	16
	.if !((1 << vector) & 0x60227d00)
	pushq	$0
	.endif
	pushq	$vector
	jmp	exception_common
	vector = vector + 1
	.endr

exception_common:
	movq	%rsp, %rdi
	andq	$-16, %rsp
	movq	%cr2, %rsi
	call	exception_report

	.balign	4096
	.globl	hypercall_page
hypercall_page:
	.space	4096, 0xcc

	.section .note.GNU-stack, "", @progbits
