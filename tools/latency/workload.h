/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest and its twin without a VM (load.c, --native) have in common:
 * the same random sequence of events and the same work, instruction by
 * instruction, so that the two may be compared.
 */
#ifndef LATENCY_WORKLOAD_H
#define LATENCY_WORKLOAD_H

#include <stdint.h>

struct range {
	uint64_t min, max;
};

/* xorshift64: small, good enough, the same everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static inline uint64_t first_random(uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;

	next_random(&state);
	return state;
}

static inline uint64_t random_in(uint64_t *state, const struct range *r)
{
	return r->min + (next_random(state) >> 16) % (r->max - r->min + 1);
}

#define WORK_BLOCK	256

/*
 * So many instructions, to within a few.  Mostly long straight blocks: an
 * emulator that counts instructions runs them much faster than tight loops.
 */
static inline void work(uint64_t instructions)
{
	uint64_t turns = instructions / WORK_BLOCK;

	if (turns)
		asm volatile("1: .fill 254, 1, 0x90; dec %0; jnz 1b"
			     : "+r"(turns) : : "cc");
	turns = instructions % WORK_BLOCK / 2 + 1;
	asm volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
}

#endif
