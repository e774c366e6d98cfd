// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows of latency.csv from samples: rows KERNEL SETUP WHO SEED=FILE...
 * One row a seed, and one of all: its 99.9 % and average are of all events
 * together, its maximum is the median of the seeds' maxima.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct set {
	uint32_t *val;
	size_t nr, room;
};

static void add(struct set *s, uint32_t val)
{
	if (s->nr == s->room) {
		s->room = s->room ? 2 * s->room : 4096;
		s->val = realloc(s->val, s->room * sizeof(*s->val));
		if (!s->val)
			exit(1);
	}
	s->val[s->nr++] = val;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sort(struct set *s)
{
	qsort(s->val, s->nr, sizeof(*s->val), compare);
}

/* Nearest rank: the smallest value with 99.9 % of all at or below it. */
static uint32_t p999(const struct set *s)
{
	return s->val[(s->nr * 999 + 999) / 1000 - 1];
}

static uint64_t average(const struct set *s)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < s->nr; i++)
		sum += s->val[i];
	return sum / s->nr;
}

static void row(char **argv, const char *seed, const struct set *s,
		uint32_t max)
{
	printf("csv %s,%s,%s,%s,%zu,%u,%u,%llu\n", argv[1], argv[2], argv[3],
	       seed, s->nr, max, p999(s), (unsigned long long)average(s));
}

int main(int argc, char **argv)
{
	struct set all = { 0 }, maxima = { 0 };
	unsigned long val;
	int i;

	if (argc < 5)
		return 2;
	for (i = 4; i < argc; i++) {
		char *file = strchr(argv[i], '=');
		struct set one = { 0 };
		FILE *f;

		if (!file)
			return 2;
		*file++ = 0;
		f = fopen(file, "r");
		if (!f) {
			fprintf(stderr, "rows: %s: %s\n", file, strerror(errno));
			return 1;
		}
		while (fscanf(f, "%lu", &val) == 1) {
			add(&one, val);
			add(&all, val);
		}
		fclose(f);
		if (!one.nr) {
			fprintf(stderr, "rows: %s: no samples\n", file);
			return 1;
		}
		sort(&one);
		add(&maxima, one.val[one.nr - 1]);
		row(argv, argv[i], &one, one.val[one.nr - 1]);
		free(one.val);
	}
	sort(&all);
	sort(&maxima);
	row(argv, "all", &all, maxima.val[maxima.nr / 2]);
	return 0;
}
