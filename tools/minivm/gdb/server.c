// SPDX-License-Identifier: GPL-2.0-only
/* One debugger at a time, on a socket, served by a thread of its own. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gdb.h"

static struct gdb gdb;
static struct stub stub;
static struct packet_in in;
static int listener = -1, debugger = -1;
static const char *target;
static char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

static void remove_path(void)
{
	if (path[0])
		unlink(path);
	path[0] = 0;
}

static void listen_at(const char *where, const void *address, socklen_t len)
{
	static const int one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, address, len) || listen(listener, 1))
		fail(exit_code_of(errno), errno,
		     errno == EADDRINUSE ?
		     "choose another, or remove what is left of it" : NULL,
		     "--gdb %s: cannot listen there", where);
}

static void listen_port(const char *where)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(parse_range("--gdb", where, 1, 65535)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	listen_at(where, &address, sizeof(address));
}

static void listen_path(const char *where)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!where[0] || strlen(where) >= sizeof(address.sun_path))
		fail(EX_USAGE_, 0, NULL,
		     "--gdb wants a port, or a path of at most %zu characters",
		     sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, where);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Whoever may connect has the guest: its owner only. */
	fchmod(listener, 0600);
	listen_at(where, &address, sizeof(address));
	strcpy(path, where);
	end_undo(remove_path);
}

void gdb_listen(const char *where)
{
	if (where[0] && strspn(where, "0123456789") == strlen(where))
		listen_port(where);
	else
		listen_path(where);
	target = where;
}

static bool send_bytes(const char *data, size_t len)
{
	return write_all(debugger, data, len, -1);
}

static bool send_packet(void)
{
	return send_bytes(stub.out.data, stub.out.len);
}

/* At the end, which the debugger cannot delay. */
static void __attribute__((noreturn)) say_end(void)
{
	if (debugger >= 0 && gdb.running) {
		stub_ended(&stub, gdb.code);
		send(debugger, stub.out.data, stub.out.len,
		     MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	gdb.heard = true;
	pthread_cond_signal(&gdb.said);
	pthread_mutex_unlock(&gdb.lock);
	for (;;)
		pause();
}

/* One that stopped for a reason, or the one that is looked at. */
static bool report_stop(enum gdb_why why)
{
	struct gdb_stop stop;
	int vcpu;

	threads_stop(&gdb);
	vcpu = threads_stopped(&gdb, &stop);
	if (vcpu < 0) {
		vcpu = stub.general;
		stop.why = why;
	}
	stub_stopped(&stub, vcpu, &stop);
	pthread_mutex_unlock(&gdb.lock);
	return send_packet();
}

static bool has_stopped(void)
{
	unsigned int i;

	for (i = 0; i < gdb.vm->cpus; i++)
		if (gdb.vcpus[i].stop.why != WHY_NONE)
			return true;
	return false;
}

static bool on_wake(void)
{
	uint64_t times;

	if (read(gdb.wake, &times, sizeof(times)) < 0)
		return true;
	pthread_mutex_lock(&gdb.lock);
	if (gdb.ending)
		say_end();
	if (gdb.running && has_stopped())
		return report_stop(WHY_ASKED);
	pthread_mutex_unlock(&gdb.lock);
	return true;
}

static bool on_break(void)
{
	pthread_mutex_lock(&gdb.lock);
	if (gdb.running)
		return report_stop(WHY_ASKED);
	/* It has stopped meanwhile, and the debugger will see that. */
	pthread_mutex_unlock(&gdb.lock);
	return true;
}

static bool on_command(const char *data, size_t len)
{
	enum stub_result result;

	if (stub.acks && !send_bytes("+", 1))
		return false;
	pthread_mutex_lock(&gdb.lock);
	result = stub_command(&stub, data, len);
	pthread_mutex_unlock(&gdb.lock);
	if (result == STUB_KILL)
		end(EX_OK_);
	return result == STUB_GO ||
	       (send_packet() && result != STUB_DETACH);
}

/* No command that there is is as long as that. */
static bool on_byte(uint8_t byte)
{
	switch (packet_feed(&in, byte)) {
	case PACKET_WHOLE:
		return on_command(in.data, in.len);
	case PACKET_LONG:
		return on_command("", 0);
	case PACKET_BAD:
		return !stub.acks || send_bytes("-", 1);
	case PACKET_AGAIN:
		return !stub.acks || !stub.out.len || send_packet();
	case PACKET_BREAK:
		return on_break();
	default:
		return true;
	}
}

static bool on_bytes(void)
{
	uint8_t bytes[512];
	ssize_t n, i;

	n = read(debugger, bytes, sizeof(bytes));
	if (n < 0 && errno == EINTR)
		return true;
	for (i = 0; i < n; i++)
		if (!on_byte(bytes[i]))
			return false;
	return n > 0;
}

static void attach(void)
{
	struct gdb_stop stop;

	memset(&in, 0, sizeof(in));
	stub_init(&stub, &gdb);
	pthread_mutex_lock(&gdb.lock);
	threads_stop(&gdb);
	threads_stopped(&gdb, &stop);
	pthread_mutex_unlock(&gdb.lock);
}

/* The guest goes on as if nobody had been there. */
static void detach(void)
{
	enum gdb_action actions[MINIVM_MAX_CPUS];
	struct gdb_stop stop;
	unsigned int i;

	for (i = 0; i < MINIVM_MAX_CPUS; i++)
		actions[i] = ACTION_GO;
	pthread_mutex_lock(&gdb.lock);
	threads_stop(&gdb);
	while (threads_stopped(&gdb, &stop) >= 0)
		;
	breakpoint_remove_all(&gdb);
	threads_go(&gdb, actions);
	gdb.running = false;
	pthread_mutex_unlock(&gdb.lock);
}

static void serve(void)
{
	struct pollfd fds[] = {
		{ .fd = debugger, .events = POLLIN },
		{ .fd = gdb.wake, .events = POLLIN },
	};
	bool open = true;

	attach();
	while (open) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			open = on_wake();
		if (open && fds[0].revents)
			open = on_bytes();
	}
	detach();
}

static void *server_thread(void *arg)
{
	struct pollfd fds[] = {
		{ .fd = listener, .events = POLLIN },
		{ .fd = gdb.wake, .events = POLLIN },
	};

	gdb.thread = pthread_self();
	name_thread("gdb");
	io_policy_apply("the debugger");
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			on_wake();
		if (!fds[0].revents)
			continue;
		debugger = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (debugger < 0)
			continue;
		serve();
		close(debugger);
		debugger = -1;
	}
	return NULL;
}

void gdb_start(struct vm *vm)
{
	threads_init(&gdb, vm);
	gdb.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gdb.wake < 0)
		fail(EX_OS, errno, NULL, "cannot wait for a debugger");
	vm->gdb = &gdb;
	fprintf(stderr, "minivm: waiting for a debugger: gdb -ex 'target remote %s%s'\n",
		path[0] ? "" : "127.0.0.1:", target);
	start_thread("the debugger", server_thread, NULL);
}

/* Who ends the VM may hold any lock but this one's. */
void gdb_end(int code)
{
	struct timespec until;
	uint64_t one = 1;
	int err = 0;

	if (!gdb.vm || pthread_equal(pthread_self(), gdb.thread))
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	if (pthread_mutex_timedlock(&gdb.lock, &until))
		return;
	gdb.ending = true;
	gdb.code = code;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	if (write(gdb.wake, &one, sizeof(one)) < 0)
		err = errno;
	while (!gdb.heard && !err)
		err = pthread_cond_timedwait(&gdb.said, &gdb.lock, &until);
	pthread_mutex_unlock(&gdb.lock);
}
