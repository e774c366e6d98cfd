/* SPDX-License-Identifier: GPL-2.0-only */
/* terminal.c: standard input, for whatever the guest has as a console. */
#ifndef MINIVM_TERMINAL_H
#define MINIVM_TERMINAL_H

#include "minivm.h"

/* True: somebody types, who is not made to wait. */
bool terminal_open(void);
/* True: terminal_read() will not wait; it is not waited for if not wanted. */
bool terminal_wait(bool wanted, int timeout_ms);
/* False: there will be no more. */
bool terminal_read(char *text, size_t size, size_t *len);

#endif
