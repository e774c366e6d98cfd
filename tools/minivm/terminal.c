// SPDX-License-Identifier: GPL-2.0-only
/*
 * Standard input as a guest's keyboard: each key at once, if it is a terminal.
 * Ctrl-A x ends the VM, Ctrl-A a is Ctrl-A.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

#define ESCAPE		1	/* Ctrl-A */
#define LOOK_MS		1000	/* whether the terminal is ours by now */

static struct termios cooked;
static bool tty, raw;
static bool continued;		/* whoever had it meanwhile has set it up */
static bool escaped;		/* the last key was Ctrl-A */

/* Of signal handlers too. */
static void terminal_restore(void)
{
	if (raw && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
	raw = false;
}

static void die(int sig)
{
	terminal_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void on_continue(int sig)
{
	continued = true;
}

/* Output stays as it is: messages of the tool go to the same terminal. */
static void make_raw(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t))
		return;
	continued = false;
	/* Or it is what was made here. */
	if (!raw || t.c_lflag & ICANON)
		cooked = t;
	t.c_lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
	t.c_iflag &= ~(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	raw = true;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

/* Whoever reads a terminal that is another job's is stopped, vCPUs and all. */
static bool is_ours(void)
{
	pid_t owner;

	if (!tty)
		return true;
	owner = tcgetpgrp(STDIN_FILENO);
	if (owner >= 0 && owner != getpgrp()) {
		raw = false;
		return false;
	}
	if (owner >= 0 && (!raw || continued))
		make_raw();
	return true;
}

bool terminal_open(void)
{
	static const int deadly[] = { SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
				      SIGSEGV };
	size_t i;

	tty = isatty(STDIN_FILENO);
	if (!tty)
		return false;
	end_undo(terminal_restore);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		signal(deadly[i], die);
	/* It may become another's between a look at it and its use. */
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGCONT, on_continue);
	is_ours();
	return true;
}

bool terminal_wait(bool wanted, int timeout_ms)
{
	struct pollfd in = { .fd = -1, .events = POLLIN };

	if (wanted && is_ours())
		in.fd = STDIN_FILENO;
	if (tty && (timeout_ms < 0 || timeout_ms > LOOK_MS))
		timeout_ms = LOOK_MS;
	return poll(&in, 1, timeout_ms) > 0;
}

/* What is left when commands to the tool are taken out. */
static size_t take_commands(char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (!escaped && text[i] == ESCAPE) {
			escaped = true;
			continue;
		}
		/* Whoever waits to write does not keep this from ending. */
		if (escaped && (text[i] | 0x20) == 'x')
			end(EX_OK_);
		/* The byte that is kept for an a is the one that it names. */
		text[n++] = escaped && text[i] == 'a' ? ESCAPE : text[i];
		escaped = false;
	}
	return n;
}

bool terminal_read(char *text, size_t size, size_t *len)
{
	ssize_t n = read(STDIN_FILENO, text, size);

	*len = n > 0 ? take_commands(text, n) : 0;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN ||
				   (errno == EIO && !is_ours())));
}
