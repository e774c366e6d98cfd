/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts times in nanoseconds, by eighths of an octave; shows microseconds. */
#ifndef MINIVM_HISTOGRAM_H
#define MINIVM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB		8
#define HISTOGRAM_BUCKETS	(32 * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, sum, min, max;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
/* min, average, 99.9 % and max on a line. */
void histogram_sums(const struct histogram *h);
/* Lines from the first to the last bucket that is not empty. */
void histogram_picture(const struct histogram *h);

#endif
