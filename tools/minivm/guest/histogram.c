// SPDX-License-Identifier: GPL-2.0-only
/* How late something was, as a picture of characters. */
#include "guest.h"
#include "histogram.h"

#define SUB	HISTOGRAM_SUB
#define ROWS	24
#define WIDTH	50

/* Below SUB, a bucket is a nanosecond; then SUB of them double the time. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int shift, bucket;

	if (ns < SUB)
		return ns;
	shift = 63 - __builtin_clzll(ns) - __builtin_ctz(SUB);
	bucket = shift * SUB + (ns >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_start(unsigned int bucket)
{
	if (bucket < SUB)
		return bucket;
	return (uint64_t)(SUB + bucket % SUB) << (bucket / SUB - 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	if (!h->count++ || ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
	h->sum += ns;
	h->bucket[bucket_of(ns)]++;
}

/* The end of the bucket that holds it. */
static uint64_t percentile(const struct histogram *h, unsigned int permille)
{
	uint64_t want = (h->count * permille + 999) / 1000, seen = 0, end;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen >= want)
			break;
	}
	end = bucket_start(i + 1);
	return end < h->max ? end : h->max;
}

static void put_right(uint64_t val, unsigned int width)
{
	uint64_t limit = 10;
	unsigned int digits = 1;

	for (; val >= limit; limit *= 10)
		digits++;
	for (; digits < width; digits++)
		put_char(' ');
	put_dec(val);
}

static void put_us(uint64_t ns, unsigned int width)
{
	put_right(ns / 1000, width);
	put_char('.');
	put_dec(ns / 100 % 10);
	put_dec(ns / 10 % 10);
}

void histogram_sums(const struct histogram *h)
{
	put_str("min ");
	put_us(h->min, 0);
	put_str(" avg ");
	put_us(h->count ? h->sum / h->count : 0, 0);
	put_str(" 99.9% ");
	put_us(percentile(h, 999), 0);
	put_str(" max ");
	put_us(h->max, 0);
	put_char('\n');
}

/* Buckets that are in one line. */
static uint64_t line(const struct histogram *h, unsigned int first,
		     unsigned int step)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = first; i < first + step; i++)
		sum += h->bucket[i];
	return sum;
}

/* What is there at all is seen: its bar has one # at least. */
static void put_line(uint64_t start, uint64_t count, uint64_t most)
{
	uint64_t len = (count * WIDTH + most - 1) / most;

	put_us(start, 9);
	put_str(" us |");
	while (len--)
		put_char('#');
	if (count) {
		put_char(' ');
		put_dec(count);
	}
	put_char('\n');
}

/* A line is as much of an octave as it takes for few lines. */
void histogram_picture(const struct histogram *h)
{
	unsigned int first = bucket_of(h->min), last = bucket_of(h->max);
	unsigned int step = 1, i;
	uint64_t most = 1, count;

	if (!h->count)
		return;
	while (last / step - first / step >= ROWS && step < SUB)
		step *= 2;
	for (i = first - first % step; i <= last; i += step) {
		count = line(h, i, step);
		most = count > most ? count : most;
	}
	for (i = first - first % step; i <= last; i += step)
		put_line(bucket_start(i), line(h, i, step), most);
}
