// SPDX-License-Identifier: GPL-2.0-only
/* A VM is started anew: the tool executes itself, so nothing is left over. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "minivm.h"

static char **again;

/*
 * A guest resets its machine.  Only the first thread may do it: the process
 * goes on as the thread that calls, with what that has of priority and CPUs.
 */
void reset_ask(void)
{
	kill(getpid(), RESET_SIGNAL);
	for (;;)
		pause();
}

/* A guest that resets all the time shall not outlive whoever ends it. */
void reset_now(void)
{
	end_begin(EX_OS);
	end_undo_all();
	alarm(0);
	execv("/proc/self/exe", again);
	warn(errno, "mount /proc", "cannot start the VM again");
	end_finish();
}

/* The command line as it was, with the command that main() took out. */
void reset_prepare(int argc, char **argv)
{
	again = calloc(argc + 2, sizeof(*again));
	if (!again)
		fail(EX_OS, ENOMEM, NULL, "no memory");
	again[0] = argv[0];
	again[1] = "run";
	memcpy(again + 2, argv + 1, (argc - 1) * sizeof(*argv));
}
