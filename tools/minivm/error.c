// SPDX-License-Identifier: GPL-2.0-only
/* Errors: one line that says what failed, why, and what to do about it. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "minivm.h"

struct line {
	char text[5120];	/* a path is the longest that there is in it */
	size_t used;
};

static void vadd(struct line *line, const char *fmt, va_list ap)
{
	/* Its end is for the newline. */
	size_t room = sizeof(line->text) - 1 - line->used;
	int n = vsnprintf(line->text + line->used, room, fmt, ap);

	if (n > 0)
		line->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void __attribute__((format(printf, 2, 3)))
add(struct line *line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(line, fmt, ap);
	va_end(ap);
}

/* In one piece, as several threads may speak. */
static void report(int err, const char *remedy, const char *fmt, va_list ap)
{
	struct line line = { .used = 0 };

	fflush(stdout);
	add(&line, "minivm: ");
	vadd(&line, fmt, ap);
	if (err)
		add(&line, ": %s (errno %d)", strerror(err), err);
	if (remedy)
		add(&line, "; %s", remedy);
	line.text[line.used++] = '\n';
	write_all(STDERR_FILENO, line.text, line.used,
		  end_is_near() ? LAST_WORDS_MS : -1);
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

	end_begin(code);
	va_start(ap, fmt);
	report(err, remedy, fmt, ap);
	va_end(ap);
	end_finish();
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
