/* SPDX-License-Identifier: GPL-2.0-only */
/* Entry of a test guest: a stack for each vCPU, then C; and the exceptions. */
#include "../boot.h"

#define STACK_SHIFT	14
#define MAX_CPUS	16

	.section .text.start, "ax"
	.globl	_start
_start:
	movl	%esi, %eax
	shll	$STACK_SHIFT, %eax
	leaq	stacks + (1 << STACK_SHIFT)(%rax), %rsp
	xorl	%ebp, %ebp
	call	guest_main
	outb	%al, $MINIVM_PORT_EXIT
1:	hlt
	jmp	1b

	/* One stub an exception: vector on the stack, error code made equal. */
	.text
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

	.bss
	.balign	16
stacks:
	.space	MAX_CPUS << STACK_SHIFT

	.section .note.GNU-stack, "", @progbits
