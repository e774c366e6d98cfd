// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console: a ring of bytes each way, on standard input and output.  The
 * guest can write all of that page at any time, so indices are taken once and
 * bounded.
 */
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/io/console.h>

#include "image.h"
#include "terminal.h"
#include "xen.h"

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
	bool told;		/* there is output, or a complaint */
	bool writing;		/* the output's thread is about it */
	pthread_cond_t change;	/* of these two */
	bool tty;
	char pending[1024];	/* typed, and not in the ring yet */
	size_t nr_pending;
};

static void blame_guest(struct console *c, const char *what)
{
	if (!c->warned)
		xen_complain(c->xen, "its console may lose text",
			     "the guest's %s index is wrong", what);
	c->warned = true;
}

/*
 * A reader that does not mask its index, as GRUB's, runs out of the ring after
 * 1024 characters: take it back to the start when it has read all.  It may be
 * reading at this moment, so both indices change in one step or not at all.
 */
static void rewind_input(struct console *c)
{
	uint64_t *both = (uint64_t *)&c->ring->in_cons;
	uint64_t old = (uint64_t)c->in_prod << 32 | c->in_prod;

	_Static_assert(!(offsetof(struct xencons_interface, in_cons) % 8) &&
		       offsetof(struct xencons_interface, in_prod) ==
		       offsetof(struct xencons_interface, in_cons) + 4,
		       "the two indices are one aligned word");
	if (!c->unmasked || c->in_prod < sizeof(c->ring->in) / 2)
		return;
	if (__atomic_compare_exchange_n(both, &old, 0, false, __ATOMIC_SEQ_CST,
					__ATOMIC_RELAXED))
		c->in_prod = 0;
}

/* How many bytes may be added; in_cons is the guest's. */
static uint32_t input_room(struct console *c)
{
	uint32_t used = c->in_prod - load(&c->ring->in_cons);

	if (used > sizeof(c->ring->in)) {
		blame_guest(c, "in_cons");
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

/* Nothing, and passed over, if it cannot be. */
static uint32_t count_output(struct console *c)
{
	struct xencons_interface *r = c->ring;
	uint32_t prod = load(&r->out_prod), n = prod - c->out_cons;

	if (n <= sizeof(r->out))
		return n;
	blame_guest(c, "out_prod");
	c->out_cons = prod;
	store(&r->out_cons, prod);
	return 0;
}

/* Moves out_cons, so the guest has room again. */
static size_t take_output(struct console *c, uint8_t *text)
{
	struct xencons_interface *r = c->ring;
	uint32_t n = count_output(c), i;

	for (i = 0; i < n; i++)
		text[i] = r->out[MASK_XENCONS_IDX(c->out_cons + i, r->out)];
	c->out_cons += n;
	store(&r->out_cons, c->out_cons);
	return n;
}

/* Under the lock, which it lets go of: the first that was kept. */
static void say_complaint(struct xen *xen)
{
	char text[sizeof(xen->complaint)];
	const char *remedy = xen->remedy;

	memcpy(text, xen->complaint, sizeof(text));
	xen->complaint[0] = 0;
	xen_unlock(xen);
	warn(0, remedy, "%s", text);
	xen_lock(xen);
}

/* The same, for what the guest wrote. */
static void write_output(struct console *c, const uint8_t *text, size_t n)
{
	/* Who waits for room to write is told that there is some. */
	event_notify(c->xen, c->port);
	c->writing = true;
	xen_unlock(c->xen);
	dev_console_write(text, n);
	dev_console_flush();
	xen_lock(c->xen);
	c->writing = false;
	pthread_cond_broadcast(&c->change);
}

/* Output may be read slowly, or never: only this thread waits for that. */
static void *output_thread(void *arg)
{
	uint8_t text[sizeof(((struct xencons_interface *)0)->out)];
	struct console *c = arg;
	size_t n;

	name_thread("output");
	io_policy_apply("the console");
	xen_lock(c->xen);
	for (;;) {
		while (!c->told && !c->xen->complaint[0])
			pthread_cond_wait(&c->change, &c->xen->lock);
		if (c->xen->complaint[0])
			say_complaint(c->xen);
		n = take_output(c, text);
		if (n)
			write_output(c, text, n);
		else
			c->told = false;
	}
	return NULL;
}

void console_wake(struct xen *xen)
{
	struct console *c = xen->console;

	/* Before there is one, it is looked for at its start. */
	if (!c)
		return;
	c->told = true;
	pthread_cond_broadcast(&c->change);
}

/*
 * At the end, by whoever ends it, who may even hold the lock: what is in the
 * ring and what was not complained of yet, if that is to be had soon.
 */
static void last_words(void *arg)
{
	uint8_t text[sizeof(((struct xencons_interface *)0)->out)];
	struct console *c = arg;
	struct timespec until;
	size_t n = 0;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	if (pthread_mutex_timedlock(&c->xen->lock, &until))
		return;
	while (c->writing && !err)
		err = pthread_cond_timedwait(&c->change, &c->xen->lock, &until);
	if (!c->writing)
		n = take_output(c, text);
	if (c->xen->complaint[0])
		say_complaint(c->xen);
	xen_unlock(c->xen);
	dev_console_last_words(text, n);
}

static void on_send(void *arg)
{
	struct console *c = arg;

	if (count_output(c))
		console_wake(c->xen);
	rewind_input(c);
	if (!c->by_call)
		fill_input(c);
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
	bool open;
	size_t n;

	open = terminal_read(text, c->tty ? sizeof(text) :
			     sizeof(text) - c->nr_pending, &n);
	if (!n)
		return open;
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
	struct console *c = arg;
	bool open = true, full;

	name_thread("console");
	io_policy_apply("the console");
	while (open || c->nr_pending) {
		full = !c->tty && c->nr_pending == sizeof(c->pending);
		if (terminal_wait(open && !full, c->nr_pending ? RETRY_MS : -1))
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

	if (!c)
		fail(EX_OS, ENOMEM, NULL, "no console");
	c->xen = xen;
	c->ring = ring;
	c->port = port;
	c->unmasked = xen->start->notes.grub;
	c->tty = terminal_open();
	pthread_cond_init(&c->change, NULL);
	xen->console = c;
	event_bind(xen, port, on_send, c);
	end_last_words(last_words, c);
	start_thread("the console", output_thread, c);
	start_thread("the console", input_thread, c);
}
