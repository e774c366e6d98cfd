// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console: a ring of bytes each way, on standard input and output.  The
 * guest can write all of that page at any time, so indices are taken once and
 * bounded.  Ctrl-A x ends the VM, Ctrl-A a is Ctrl-A.
 */
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/io/console.h>

#include "image.h"
#include "xen.h"

#define ESCAPE		1	/* Ctrl-A */
#define RETRY_MS	50

#define load(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, val)	__atomic_store_n(p, val, __ATOMIC_RELEASE)

struct console {
	struct xen *xen;
	struct xencons_interface *ring;
	uint32_t port;
	uint32_t out_cons, in_prod;	/* ours: what is shared may lie */
	bool warned;
	bool unmasked;		/* the guest's reader does not mask its index */
	bool by_call;		/* it reads by hypercall instead */
	bool told;		/* there is output */
	bool writing;		/* a thread is about it */
	bool escape;
	bool tty;
	char pending[1024];	/* typed, and not in the ring yet */
	size_t nr_pending;
};

static struct termios cooked;
static bool raw;

/* Of signal handlers too. */
void console_restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
	raw = false;
}

static void die(int sig)
{
	console_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Output stays as it is: messages of the tool go to the same terminal. */
static void make_raw(void)
{
	static const int deadly[] = { SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
				      SIGSEGV };
	struct termios t;
	size_t i;

	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
	    tcgetattr(STDIN_FILENO, &cooked))
		return;
	t = cooked;
	t.c_lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
	t.c_iflag &= ~(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	atexit(console_restore);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		signal(deadly[i], die);
	raw = true;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static void complain(struct console *c, const char *what)
{
	if (!c->warned)
		warn(0, "its console may lose text", "the guest's %s index is wrong",
		     what);
	c->warned = true;
}

/*
 * A reader that does not mask its index, as GRUB's, runs out of the ring after
 * 1024 characters: take it back to the start when it has read all, best while
 * it is in a hypercall.
 */
static void rewind_input(struct console *c)
{
	struct xencons_interface *r = c->ring;

	if (!c->unmasked || c->in_prod < sizeof(r->in) / 2 ||
	    load(&r->in_cons) != c->in_prod)
		return;
	c->in_prod = 0;
	store(&r->in_prod, 0);
	store(&r->in_cons, 0);
}

/* How many bytes may be added; in_cons is the guest's. */
static uint32_t input_room(struct console *c)
{
	uint32_t used = c->in_prod - load(&c->ring->in_cons);

	if (used > sizeof(c->ring->in)) {
		complain(c, "in_cons");
		return 0;
	}
	if (c->unmasked)
		return sizeof(c->ring->in) - c->in_prod;
	return sizeof(c->ring->in) - used;
}

static void fill_input(struct console *c)
{
	struct xencons_interface *r = c->ring;
	uint32_t n = input_room(c), i;

	if (n > c->nr_pending)
		n = c->nr_pending;
	if (!n)
		return;
	for (i = 0; i < n; i++)
		r->in[MASK_XENCONS_IDX(c->in_prod + i, r->in)] = c->pending[i];
	c->in_prod += n;
	store(&r->in_prod, c->in_prod);
	c->nr_pending -= n;
	memmove(c->pending, c->pending + n, c->nr_pending);
	event_notify(c->xen, c->port);
}

/* Moves out_cons, so the guest has room again. */
static size_t take_output(struct console *c, uint8_t *text)
{
	struct xencons_interface *r = c->ring;
	uint32_t prod = load(&r->out_prod), n = prod - c->out_cons, i;

	if (n > sizeof(r->out)) {
		complain(c, "out_prod");
		c->out_cons = prod;
		n = 0;
	}
	for (i = 0; i < n; i++)
		text[i] = r->out[MASK_XENCONS_IDX(c->out_cons + i, r->out)];
	c->out_cons += n;
	store(&r->out_cons, c->out_cons);
	return n;
}

/*
 * One thread at a time writes, without the lock: standard output may be a pipe
 * that nobody reads.
 */
void console_drain(struct xen *xen)
{
	uint8_t text[sizeof(((struct xencons_interface *)0)->out)];
	struct console *c = xen->console;
	size_t n;

	xen_lock(xen);
	c->told = false;
	while (!c->writing && (n = take_output(c, text))) {
		/* Who waits for room to write is told that there is some. */
		event_notify(xen, c->port);
		c->writing = true;
		xen_unlock(xen);
		dev_console_write(text, n);
		dev_console_flush();
		xen_lock(xen);
		c->writing = false;
	}
	xen_unlock(xen);
}

bool console_is_told(struct xen *xen)
{
	return xen->console->told;
}

static void on_send(void *arg)
{
	struct console *c = arg;

	c->told = true;
	rewind_input(c);
	if (!c->by_call)
		fill_input(c);
}

/* What is left when commands to the tool are taken out. */
static size_t take_commands(struct console *c, char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (!c->escape && text[i] == ESCAPE) {
			c->escape = true;
			continue;
		}
		/* Whoever waits to write does not keep this from ending. */
		if (c->escape && (text[i] | 0x20) == 'x')
			exit(EX_OK_);
		/* The byte that is kept for an a is the one that it names. */
		text[n++] = c->escape && text[i] == 'a' ? ESCAPE : text[i];
		c->escape = false;
	}
	return n;
}

/* Nobody is made to wait for a terminal: what has no room is lost. */
static void take_input(struct console *c, const char *text, size_t len)
{
	size_t room = sizeof(c->pending) - c->nr_pending;

	if (len > room)
		len = room;
	memcpy(c->pending + c->nr_pending, text, len);
	c->nr_pending += len;
	if (c->by_call)
		event_virq(c->xen, VIRQ_CONSOLE);
	else
		fill_input(c);
}

/* False: there will be no more. */
static bool read_input(struct console *c)
{
	char text[sizeof(c->pending)];
	ssize_t n;

	n = read(STDIN_FILENO, text,
		 c->tty ? sizeof(text) : sizeof(text) - c->nr_pending);
	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	n = take_commands(c, text, n);
	xen_lock(c->xen);
	take_input(c, text, n);
	xen_unlock(c->xen);
	return true;
}

/* Not all guests tell that they took something, GRUB does if it echoes that. */
static void retry_input(struct console *c)
{
	xen_lock(c->xen);
	if (!c->by_call) {
		if (!input_room(c))
			rewind_input(c);
		fill_input(c);
	}
	xen_unlock(c->xen);
}

static void *input_thread(void *arg)
{
	struct pollfd in = { .events = POLLIN };
	struct console *c = arg;
	bool open = true, full;

	pthread_setname_np(pthread_self(), "minivm/console");
	while (open || c->nr_pending) {
		full = !c->tty && c->nr_pending == sizeof(c->pending);
		in.fd = open && !full ? STDIN_FILENO : -1;
		in.revents = 0;
		poll(&in, 1, c->nr_pending ? RETRY_MS : -1);
		if (in.revents)
			open = read_input(c);
		else
			retry_input(c);
	}
	return NULL;
}

static long call_write(struct vcpu *vcpu, uint32_t count, uint64_t va)
{
	uint8_t text[512];
	size_t n;

	for (; count; count -= n, va += n) {
		n = count < sizeof(text) ? count : sizeof(text);
		if (!guest_read_va(vcpu, va, text, n))
			return -EFAULT;
		dev_console_write(text, n);
	}
	dev_console_flush();
	return 0;
}

/* From now on, what is typed is not put into the ring. */
static long call_read(struct vcpu *vcpu, uint32_t count, uint64_t va)
{
	struct console *c = vcpu->vm->xen->console;
	char text[sizeof(c->pending)];
	size_t n;

	xen_lock(c->xen);
	c->by_call = true;
	n = count < c->nr_pending ? count : c->nr_pending;
	memcpy(text, c->pending, n);
	c->nr_pending -= n;
	memmove(c->pending, c->pending + n, c->nr_pending);
	xen_unlock(c->xen);
	return guest_write_va(vcpu, va, text, n) ? (long)n : -EFAULT;
}

long console_op(struct vcpu *vcpu, uint32_t cmd, uint32_t count, uint64_t va)
{
	switch (cmd) {
	case CONSOLEIO_write:
		return count > 65536 ? -E2BIG : call_write(vcpu, count, va);
	case CONSOLEIO_read:
		return call_read(vcpu, count, va);
	default:
		return -ENOSYS;
	}
}

void console_init(struct xen *xen, void *ring, uint32_t port)
{
	struct console *c = calloc(1, sizeof(*c));
	pthread_t thread;
	int err;

	if (!c)
		fail(EX_OS, ENOMEM, NULL, "no console");
	c->xen = xen;
	c->ring = ring;
	c->port = port;
	c->unmasked = xen->start->notes.grub;
	c->tty = isatty(STDIN_FILENO);
	xen->console = c;
	event_bind(xen, port, on_send, c);
	make_raw();
	err = pthread_create(&thread, NULL, input_thread, c);
	if (err)
		fail(EX_OS, err, NULL, "cannot start the console");
}
