// SPDX-License-Identifier: GPL-2.0-only
/*
 * A running VM leaves /run/minivm/NAME.json with its pid and the thread ids of
 * its vCPUs, so that `list` and `sched` find it.  A file whose process is gone
 * (kill -9) is stale: the pid and the process's start time must both match.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "minivm.h"

static char own_path[512];
static pid_t own_pid;

static const char *run_dir(void)
{
	const char *dir = getenv("MINIVM_RUN_DIR");
	static char buf[256];

	if (dir && *dir)
		return dir;
	dir = getenv("XDG_RUNTIME_DIR");
	if (!geteuid() || !dir || !*dir)
		return "/run/minivm";
	snprintf(buf, sizeof(buf), "%s/minivm", dir);
	return buf;
}

void runtime_check_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (!len || name[len] || len > 63 || *name == '.')
		fail(EX_USAGE_, 0, NULL,
		     "name '%s': 1 to 63 letters, digits, '.', '_' or '-', and no '.' first",
		     name);
}

/* When a process was started, in ticks since boot; -1 if there is none. */
static long long start_time(pid_t pid)
{
	char path[64], buf[1024], *p;
	long long start = -1;
	size_t len;
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return -1;
	len = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[len] = 0;
	/* The name in parentheses may hold anything: count from its end. */
	p = strrchr(buf, ')');
	for (i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	if (p)
		start = atoll(p + 1);
	return start;
}

static void file_path(char *buf, size_t size, const char *name)
{
	snprintf(buf, size, "%s/%s.json", run_dir(), name);
}

bool runtime_read(const char *name, struct runtime *r)
{
	char path[512], text[4096];
	long long val;
	unsigned int i;
	size_t len;
	FILE *f;

	memset(r, 0, sizeof(*r));
	file_path(path, sizeof(path), name);
	f = fopen(path, "r");
	if (!f)
		return false;
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = 0;

	if (!json_find_str(text, "name", r->name, sizeof(r->name)) ||
	    !json_find_str(text, "image", r->image, sizeof(r->image)) ||
	    !json_find_num(text, "pid", &val))
		return false;
	r->pid = val;
	if (!json_find_num(text, "start", &r->start) ||
	    !json_find_num(text, "mem", &val))
		return false;
	r->mem = val;
	if (!json_find_num(text, "cpus", &val) || val < 1 ||
	    val > MINIVM_MAX_CPUS)
		return false;
	r->cpus = val;
	if (json_find_num(text, "p_max", &val))
		r->p_max = val;
	for (i = 0; i < r->cpus; i++) {
		char key[16];

		snprintf(key, sizeof(key), "tid%u", i);
		if (!json_find_num(text, key, &val))
			return false;
		r->tids[i] = val;
	}
	return r->start >= 0 && start_time(r->pid) == r->start;
}

static void write_file(FILE *f, const struct runtime *r)
{
	struct json j = { .f = f };
	unsigned int i;

	json_open(&j, NULL, '{');
	json_str(&j, "name", r->name);
	json_str(&j, "image", r->image);
	json_num(&j, "pid", r->pid);
	json_num(&j, "start", start_time(r->pid));
	json_num(&j, "mem", r->mem);
	json_num(&j, "cpus", r->cpus);
	json_num(&j, "p_max", r->p_max);
	json_open(&j, "threads", '{');
	for (i = 0; i < r->cpus; i++) {
		char key[16];

		snprintf(key, sizeof(key), "tid%u", i);
		json_num(&j, key, r->tids[i]);
	}
	json_close(&j, '}');
	json_close(&j, '}');
	fputc('\n', f);
}

static void remove_own(void)
{
	if (own_path[0] && own_pid == getpid())
		unlink(own_path);
}

void runtime_create(const struct runtime *r)
{
	char tmp[512], path[512];
	struct runtime old;
	FILE *f;

	if (mkdir(run_dir(), 0755) && errno != EEXIST)
		fail(exit_code_of(errno), errno,
		     "run as root, or set MINIVM_RUN_DIR to a directory of yours",
		     "cannot create %s", run_dir());
	file_path(path, sizeof(path), r->name);
	snprintf(tmp, sizeof(tmp), "%s/.%s.%d", run_dir(), r->name, getpid());
	f = fopen(tmp, "w");
	if (!f)
		fail(exit_code_of(errno), errno,
		     "run as root, or set MINIVM_RUN_DIR to a directory of yours",
		     "cannot write %s", tmp);
	write_file(f, r);
	if (fclose(f))
		fail(EX_OS, errno, NULL, "cannot write %s", tmp);

	/* link() is what fails if another VM has the name. */
	while (link(tmp, path)) {
		int err = errno;

		if (err == EEXIST && !runtime_read(r->name, &old)) {
			if (!unlink(path) || errno == ENOENT)
				continue;
			err = errno;
		}
		unlink(tmp);
		if (err == EEXIST)
			fail(EX_INUSE, 0, "choose another with --name",
			     "a VM named %s runs (pid %d)", r->name, old.pid);
		fail(EX_OS, err, NULL, "cannot create %s", path);
	}
	unlink(tmp);
	snprintf(own_path, sizeof(own_path), "%s", path);
	own_pid = getpid();
	end_undo(remove_own);
}

static int is_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && len < 69 &&
	       !strcmp(d->d_name + len - 5, ".json");
}

void runtime_each(void (*fn)(const struct runtime *r, void *arg), void *arg)
{
	struct dirent **list;
	struct runtime r;
	char name[64];
	int i, n;

	n = scandir(run_dir(), &list, is_file, alphasort);
	if (n < 0) {
		if (errno == ENOENT)
			return;
		fail(exit_code_of(errno), errno, "run as the user who runs the VMs",
		     "cannot read %s", run_dir());
	}
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%.*s",
			 (int)strlen(list[i]->d_name) - 5, list[i]->d_name);
		if (runtime_read(name, &r))
			fn(&r, arg);
		free(list[i]);
	}
	free(list);
}
