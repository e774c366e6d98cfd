// SPDX-License-Identifier: GPL-2.0-only
/* The end of the tool: by one thread, once, and in bounded time. */
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "gdb/gdb.h"

/* More than the last words take. */
#define LIMIT_S		5

#define MAX_WORDS	4
#define MAX_UNDO	4

static bool ending, bounded;
static int code;
static struct {
	void (*say)(void *arg);
	void *arg;
} words[MAX_WORDS];
static unsigned int nr_words;
static void (*undo[MAX_UNDO])(void);
static unsigned int nr_undo;

void end_undo(void (*fn)(void))
{
	assert(nr_undo < MAX_UNDO);
	if (!nr_undo)
		atexit(end_undo_all);
	undo[nr_undo++] = fn;
}

void end_undo_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_undo; i++)
		undo[i]();
}

/* Somebody reads neither output nor errors, and a lock is held meanwhile. */
static void too_late(int sig)
{
	end_undo_all();
	_exit(code);
}

void end_bounded(void)
{
	struct sigaction sa = { .sa_handler = too_late };
	sigset_t set;

	sigaction(SIGALRM, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	bounded = true;
}

void end_last_words(void (*fn)(void *arg), void *arg)
{
	assert(nr_words < MAX_WORDS);
	words[nr_words].say = fn;
	words[nr_words++].arg = arg;
}

bool end_is_near(void)
{
	return __atomic_load_n(&ending, __ATOMIC_SEQ_CST);
}

void end_begin(int exit_code)
{
	unsigned int i;

	while (__atomic_exchange_n(&ending, true, __ATOMIC_SEQ_CST))
		pause();
	code = exit_code;
	if (bounded)
		alarm(LIMIT_S);
	for (i = 0; i < nr_words; i++)
		words[i].say(words[i].arg);
	dev_console_last_words(NULL, 0);
}

void end_finish(void)
{
	gdb_end(code);
	exit(code);
}

void end(int exit_code)
{
	end_begin(exit_code);
	end_finish();
}
