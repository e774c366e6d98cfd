// SPDX-License-Identifier: GPL-2.0-only
/* Errors: one line that says what failed, why, and what to do about it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "minivm.h"

static void report(int err, const char *remedy, const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("minivm: ", stderr);
	vfprintf(stderr, fmt, ap);
	if (err)
		fprintf(stderr, ": %s (errno %d)", strerror(err), err);
	if (remedy)
		fprintf(stderr, "; %s", remedy);
	fputc('\n', stderr);
}

void warn(int err, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(err, remedy, fmt, ap);
	va_end(ap);
}

void fail(int code, int err, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	dev_console_flush();
	va_start(ap, fmt);
	report(err, remedy, fmt, ap);
	va_end(ap);
	exit(code);
}

/* The code that tells a script which kind of trouble an errno is. */
int exit_code_of(int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return EX_NORIGHT;
	case ENOENT:
	case ESRCH:
		return EX_NOINPUT_;
	default:
		return EX_OS;
	}
}
