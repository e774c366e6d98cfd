// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a command takes until it says that it is ready:
 *
 *	ready TEXT HOOK COMMAND [ARG]...
 *
 * Prints "exec" with the clock and the TSC just before it starts COMMAND, "ready"
 * with what it took from there to TEXT in its output, then lets HOOK look at it
 * (a command of the shell, with the process in $PID) and ends it.  By --icount a
 * nanosecond is an instruction.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

static char said[1 << 16];

struct clocks {
	long long ns, tsc;
};

static void read_clocks(volatile struct clocks *c)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	c->ns = t.tv_sec * 1000000000LL + t.tv_nsec;
	c->tsc = __rdtsc();
}

/* Its input stays open, and silent. */
static pid_t start(char **command, volatile struct clocks *begin, int *output)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) || pipe(out))
		exit(1);
	*output = out[0];
	pid = fork();
	if (pid) {
		close(out[1]);
		return pid;
	}
	dup2(in[0], 0);
	dup2(out[1], 1);
	/* Faulted in before it counts. */
	begin->ns = 0;
	read_clocks(begin);
	execv(command[0], command);
	_exit(127);
}

static int wait_for(int fd, const char *text)
{
	size_t used = 0;
	ssize_t n;

	while (used < sizeof(said) - 1) {
		n = read(fd, said + used, sizeof(said) - 1 - used);
		if (n <= 0)
			return 0;
		used += n;
		said[used] = 0;
		if (strstr(said, text))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	volatile struct clocks *begin;
	struct clocks end;
	char number[16];
	int fd, found;
	pid_t pid;

	if (argc < 4)
		return 2;
	begin = mmap(NULL, sizeof(*begin), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (begin == MAP_FAILED)
		return 1;
	pid = start(argv + 3, begin, &fd);
	found = pid > 0 && wait_for(fd, argv[1]);
	read_clocks(&end);
	if (!found) {
		fprintf(stderr, "ready: it ended, or said much: %s\n", said);
		return 1;
	}
	printf("exec %lld %lld\nready %lld %lld\n", begin->ns, begin->tsc,
	       end.ns - begin->ns, end.tsc - begin->tsc);
	fflush(stdout);
	snprintf(number, sizeof(number), "%d", pid);
	setenv("PID", number, 1);
	if (system(argv[2]))
		return 1;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
