// SPDX-License-Identifier: GPL-2.0-only
/*
 * minivm sched: the scheduling of a VM's vCPU threads, shown or set from
 * outside.  What is set is the thread's own value: with paravirtualized
 * scheduling the guest may be above it for a while, and comes back to it.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <string.h>

#include "minivm.h"

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

/* The CPUs that a thread may use, as in 0-3,8. */
static void cpu_list(pid_t tid, char *buf, size_t size)
{
	cpu_set_t set;
	size_t len = 0;
	int cpu, end;

	buf[0] = 0;
	if (sched_getaffinity(tid, sizeof(set), &set))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE && len < size; cpu = end + 1) {
		end = cpu;
		if (!CPU_ISSET(cpu, &set))
			continue;
		while (end + 1 < CPU_SETSIZE && CPU_ISSET(end + 1, &set))
			end++;
		len += snprintf(buf + len, size - len, end > cpu ? "%s%d-%d" :
				"%s%d", len ? "," : "", cpu, end);
	}
}

static void show(const struct runtime *r, unsigned int id, struct json *j)
{
	struct policy p;
	char cpus[128];

	if (policy_get(r->tids[id], &p))
		fail(exit_code_of(errno), errno, policy_remedy(&p, errno),
		     "cannot read the scheduling of vCPU %u of %s", id, r->name);
	cpu_list(r->tids[id], cpus, sizeof(cpus));
	if (!j) {
		printf("%4u %8d %-8s %4d %4d  %s\n", id, r->tids[id],
		       policy_name(p.policy), p.prio, p.nice, cpus);
		return;
	}
	json_open(j, NULL, '{');
	json_num(j, "vcpu", id);
	json_num(j, "tid", r->tids[id]);
	json_str(j, "policy", policy_name(p.policy));
	json_num(j, "priority", p.prio);
	json_num(j, "nice", p.nice);
	json_str(j, "cpus", cpus);
	json_close(j, '}');
}

static void show_all(const struct runtime *r, long first, long last, bool json)
{
	struct json j = { .f = stdout };
	long id;

	if (json)
		json_open(&j, NULL, '[');
	else
		printf("%4s %8s %-8s %4s %4s  %s\n", "VCPU", "TID", "POLICY",
		       "PRIO", "NICE", "CPUS");
	for (id = first; id <= last; id++)
		show(r, id, json ? &j : NULL);
	if (json) {
		json_close(&j, ']');
		putchar('\n');
	}
}

static int set(const struct runtime *r, unsigned int id, const char *spec)
{
	struct policy p;

	policy_parse(spec, &p);
	if (policy_set(r->tids[id], &p))
		fail(exit_code_of(errno), errno, policy_remedy(&p, errno),
		     "cannot set vCPU %u of %s to %s", id, r->name, spec);
	return 0;
}

int cmd_sched(int argc, char **argv)
{
	long first = 0, last;
	struct runtime r;
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "+jh", options, NULL)) != -1) {
		if (opt == 'h') {
			help(stdout, "sched");
			return 0;
		}
		if (opt != 'j')
			return EX_USAGE_;
		json = true;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 3)
		fail(EX_USAGE_, 0, NULL,
		     "sched: give NAME [VCPU [POLICY:PRIO]]");
	runtime_check_name(argv[0]);
	if (argc == 3) {
		struct policy unused;

		policy_parse(argv[2], &unused);
	}
	if (!runtime_read(argv[0], &r))
		fail(EX_NOINPUT_, 0, "see: minivm list",
		     "no VM named %s runs", argv[0]);
	last = r.cpus - 1;
	if (argc > 1) {
		if (!parse_long(argv[1], &first) || first < 0 || first > last)
			fail(EX_NOINPUT_, 0, NULL,
			     "VM %s has vCPUs 0 to %ld, not '%s'", r.name,
			     last, argv[1]);
		last = first;
	}
	if (argc == 3)
		return set(&r, first, argv[2]);
	show_all(&r, first, last, json);
	return 0;
}
