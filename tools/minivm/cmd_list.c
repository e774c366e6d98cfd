// SPDX-License-Identifier: GPL-2.0-only
/* minivm list: the VMs that run. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "minivm.h"

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void show(const struct runtime *r, void *arg)
{
	char p_max[16] = "-";

	if (r->p_max)
		snprintf(p_max, sizeof(p_max), "%u", r->p_max);
	printf("%-20s %8d %5u %5lluM %5s  %s\n", r->name, r->pid, r->cpus,
	       (unsigned long long)r->mem >> 20, p_max, r->image);
}

static void show_json(const struct runtime *r, void *arg)
{
	struct json *j = arg;
	unsigned int i;

	json_open(j, NULL, '{');
	json_str(j, "name", r->name);
	json_num(j, "pid", r->pid);
	json_num(j, "cpus", r->cpus);
	json_num(j, "mem", r->mem);
	json_num(j, "p_max", r->p_max);
	json_str(j, "image", r->image);
	json_open(j, "tids", '[');
	for (i = 0; i < r->cpus; i++)
		json_num(j, NULL, r->tids[i]);
	json_close(j, ']');
	json_close(j, '}');
}

int cmd_list(int argc, char **argv)
{
	struct json j = { .f = stdout };
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (opt == 'h') {
			help(stdout, "list");
			return 0;
		}
		if (opt != 'j')
			return EX_USAGE_;
		json = true;
	}
	if (optind < argc)
		fail(EX_USAGE_, 0, "see: minivm list --help",
		     "list: takes no argument ('%s')", argv[optind]);
	if (!json) {
		printf("%-20s %8s %5s %6s %5s  %s\n", "NAME", "PID", "VCPUS",
		       "MEM", "P_MAX", "IMAGE");
		runtime_each(show, NULL);
		return 0;
	}
	json_open(&j, NULL, '[');
	runtime_each(show_json, &j);
	json_close(&j, ']');
	putchar('\n');
	return 0;
}
