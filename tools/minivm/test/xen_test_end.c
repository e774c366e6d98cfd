// SPDX-License-Identifier: GPL-2.0-only
/* Output that nobody reads, and the end of the tool. */
#include <dirent.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include <xen/io/console.h>

#include "../image.h"
#include "../terminal.h"
#include "xen_test.h"

#define CONSOLE_GFN	30
#define CONSOLE_PORT	3
#define LIMIT_S		10

static struct xencons_interface *ring = (void *)mem[CONSOLE_GFN];

/* Standard output is a pipe: its reader's end. */
static int make_pipe(int flags)
{
	int fds[2];

	fflush(stdout);
	check(!pipe2(fds, flags) && dup2(fds[1], STDOUT_FILENO) == 1);
	check(fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 4096) >= 0);
	return fds[0];
}

static void fill_pipe(void)
{
	static const char page[4096];

	make_pipe(0);
	check(write(STDOUT_FILENO, page, sizeof(page)) == sizeof(page));
}

/* exit() has handlers of the compiler's, which are slow and not meant here. */
static void leave(int status, void *arg)
{
	_exit(status);
}

static void end_soon(void)
{
	on_exit(leave, NULL);
	alarm(LIMIT_S);
	end(0);
}

static void *stuck_writer(void *arg)
{
	dev_console_write((const uint8_t *)"text\n", 5);
	return NULL;
}

static bool is_asleep(const char *tid)
{
	char path[300], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'S';
}

/* Until all other threads wait for something. */
static void let_others_wait(void)
{
	struct dirent *d;
	bool asleep;
	DIR *dir;

	do {
		usleep(1000);
		asleep = true;
		dir = opendir("/proc/self/task");
		check(dir);
		while ((d = readdir(dir)))
			if (d->d_name[0] != '.' && atoi(d->d_name) != getpid())
				asleep = asleep && is_asleep(d->d_name);
		closedir(dir);
	} while (!asleep);
}

static void full_output(void)
{
	fill_pipe();
	dev_console_write((const uint8_t *)"text", 4);
	end_soon();
}

static void full_output_and_a_writer(void)
{
	fill_pipe();
	start_thread("a writer", stuck_writer, NULL);
	let_others_wait();
	end_soon();
}

static void *end_too(void *arg)
{
	end(1);
}

static void two_ends(void)
{
	fill_pipe();
	dev_console_write((const uint8_t *)"text", 4);
	on_exit(leave, NULL);
	alarm(LIMIT_S);
	end_begin(0);
	start_thread("another end", end_too, NULL);
	let_others_wait();
	end_finish();
}

static void end_and_get_stuck(void)
{
	fill_pipe();
	end_bounded();
	end_begin(7);
	write(STDOUT_FILENO, "text", 4);
	_exit(1);
}

/* Nothing is held up for ever, whatever waits. */
static void bounded_end(void)
{
	int status = -1, i;
	pid_t pid;

	pid = fork();
	if (!pid)
		end_and_get_stuck();
	for (i = 0; i < LIMIT_S * 100; i++) {
		if (waitpid(pid, &status, WNOHANG))
			break;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void *write_much(void *arg)
{
	uint8_t line[100];
	int i;

	memset(line, 'x', sizeof(line));
	for (i = 0; i < 1000; i++)
		dev_console_write(line, sizeof(line));
	dev_console_flush();
	close(STDOUT_FILENO);
	return NULL;
}

static void output_that_does_not_wait(void)
{
	int fd = make_pipe(O_NONBLOCK), total = 0, n;
	struct pollfd in = { .fd = fd, .events = POLLIN };
	char buf[1000];

	start_thread("a writer", write_much, NULL);
	let_others_wait();
	alarm(LIMIT_S);
	while (total < 100000) {
		if (poll(&in, 1, 2000) != 1)
			break;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		total += n;
	}
	check(total == 100000);
}

static void start_console(void)
{
	static struct xen_start start;
	int fds[2];

	/* Somebody could type. */
	check(!pipe(fds) && !dup2(fds[0], STDIN_FILENO));
	xen.start = &start;
	xen_lock(&xen);
	console_init(&xen, ring, CONSOLE_PORT);
	xen_unlock(&xen);
}

static void say(const char *text)
{
	for (; *text; text++)
		ring->out[MASK_XENCONS_IDX(ring->out_prod++, ring->out)] = *text;
	send_event(CONSOLE_PORT);
}

/* It is as if it were not there, and the guest learns so in the same call. */
static void impossible_output(void)
{
	make_pipe(0);
	start_console();
	ring->out_prod = 5000;
	send_event(CONSOLE_PORT);
	check(ring->out_cons == 5000 && warnings == 1);
	ring->out_prod = 9;
	send_event(CONSOLE_PORT);
	check(ring->out_cons == 9 && warnings == 1);
}

static void slow_console(void)
{
	char buf[8192];
	int fd, n, got;

	fd = make_pipe(0);
	check(write(STDOUT_FILENO, buf, 4096) == 4096);
	start_console();
	/* None of this waits, nor does who wants the lock. */
	alarm(LIMIT_S);
	say("one ");
	let_others_wait();
	say("two ");
	xen_lock(&xen);
	xen_unlock(&xen);
	n = read(fd, buf, 4096);
	check(n == 4096);
	for (got = 0; got < 8; got += n) {
		n = read(fd, buf + got, sizeof(buf) - got);
		check(n > 0);
	}
	check(got == 8 && !memcmp(buf, "one two ", 8));
}

static void console_is_heard_to_the_end(void)
{
	int fd = make_pipe(0), status = -1;
	char buf[100];
	pid_t pid;

	pid = fork();
	if (!pid) {
		start_console();
		say("last words");
		end_soon();
	}
	check(waitpid(pid, &status, 0) == pid && !status);
	check(read(fd, buf, sizeof(buf)) == 10);
	check(!memcmp(buf, "last words", 10));
}

/* In a job of its own, which is in the background at first. */
static void read_terminal(void)
{
	char text[16];
	bool open = true;
	size_t len;

	setpgid(0, 0);
	check(terminal_open());
	while (open) {
		if (!terminal_wait(true, -1))
			continue;
		open = terminal_read(text, sizeof(text), &len);
		if (len && text[len - 1] == 'x')
			_exit(0);
	}
	_exit(2);
}

static bool is_cooked(int fd)
{
	struct termios t;

	check(!tcgetattr(fd, &t));
	return t.c_lflag & ICANON;
}

static void background_job(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, status = -1, i;
	pid_t pid;

	check(master >= 0 && !grantpt(master) && !unlockpt(master));
	check(setsid() > 0);
	slave = open(ptsname(master), O_RDWR);
	check(slave >= 0 && dup2(slave, STDIN_FILENO) == STDIN_FILENO);
	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (!pid)
		read_terminal();
	setpgid(pid, pid);
	check(write(master, "a\n", 2) == 2);
	usleep(300000);
	check(!waitpid(pid, &status, WNOHANG | WUNTRACED) && is_cooked(slave));
	check(!tcsetpgrp(slave, pid));
	for (i = 0; i < 5000 && is_cooked(slave); i++)
		usleep(1000);
	check(!is_cooked(slave));
	check(write(master, "x", 1) == 1);
	check(waitpid(pid, &status, 0) == pid && !status);
}

static void below(const char *vcpus, int policy, int nice)
{
	struct policy p, io;

	policy_parse(vcpus, &p);
	io = policy_below(&p);
	check(io.policy == policy && io.nice == nice);
	check(policy_is_below(&io, &p));
}

static void policies(void)
{
	struct policy fifo, rr, idle, other;

	below("fifo:1", SCHED_OTHER, 5);
	below("rr:99", SCHED_OTHER, 5);
	below("other", SCHED_OTHER, 5);
	below("other:-20", SCHED_OTHER, 5);
	below("other:7", SCHED_OTHER, 12);
	below("batch:18", SCHED_OTHER, 19);
	below("other:19", SCHED_IDLE, 0);
	below("idle", SCHED_IDLE, 0);
	policy_parse("fifo:2", &fifo);
	policy_parse("rr:2", &rr);
	policy_parse("idle", &idle);
	policy_parse("other", &other);
	check(!policy_is_below(&fifo, &rr) && !policy_is_below(&other, &other));
	check(!policy_is_below(&other, &idle));
}

static void numbers(void)
{
	uint32_t val;

	check(parse_u32("0", 0, &val) && !val);
	check(parse_u32("4294967295", UINT32_MAX, &val) && val == UINT32_MAX);
	check(parse_u32("0007", 7, &val) && val == 7);
	check(!parse_u32("4294967296", UINT32_MAX, &val));
	check(!parse_u32("8", 7, &val) && !parse_u32("", 7, &val));
	check(!parse_u32("-1", 7, &val) && !parse_u32(" 1", 7, &val));
	check(!parse_u32("0x1", 7, &val) && !parse_u32("1 ", 7, &val));
	check(!parse_u32("00000000001", 7, &val));
}

void test_ends(void)
{
	run("end: nobody reads", full_output);
	run("end: nobody reads, and a thread waits for that",
	    full_output_and_a_writer);
	run("end: only the first counts", two_ends);
	run("end: in bounded time, whatever waits", bounded_end);
	run("output: to a file that does not wait",
	    output_that_does_not_wait);
	run("console: output that cannot be", impossible_output);
	run("console: a slow reader delays nobody", slow_console);
	run("console: heard to the end", console_is_heard_to_the_end);
	run("terminal: of another job", background_job);
	run("policies of threads for I/O", policies);
	run("decimal numbers", numbers);
}
