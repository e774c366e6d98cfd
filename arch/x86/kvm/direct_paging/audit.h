/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: the auditor, inside.
 */
#ifndef __KVM_X86_DP_AUDIT_H
#define __KVM_X86_DP_AUDIT_H

#include <linux/bitfield.h>

#include "dp.h"

#define AUDIT_ENTRIES		512UL

/* Of a frame, recomputed. */
struct dp_audit_count {
	u32 refs;		/* as a table, by parent entries and its pin */
	u32 writable;
	u32 readers;
	u16 roots;
	u16 doomed;		/* times in the list */
};

struct dp_audit_block {
	u32 large;
	u32 large_readers;
	u16 tables;
	bool aligned;
};

struct dp_audit_region {
	struct kvm_dp_region *region;
	struct dp_audit_count *counts;
	struct dp_audit_block *blocks;
	unsigned long first;	/* frames of the regions before */
	unsigned long users;
};

struct dp_audit_frame {
	struct dp_audit_region *r;
	unsigned long i;
};

struct dp_audit_vcpu {
	bool stopped;
	u64 root;		/* that it runs on; 0: none */
	u64 roots[KVM_DP_MAX_ROOTS];	/* counted as references, root too */
};

struct dp_audit {
	struct kvm_dp *dp;
	struct kvm_x86_dp_audit *out;
	bool killed;
	u64 m2p;

	struct dp_audit_region regions[KVM_X86_DP_MAX_SLOTS];
	unsigned int nr_regions;
	unsigned long nr_frames;

	u32 *index;		/* number of a frame + 1, by its mfn */
	unsigned int index_bits;

	struct dp_audit_vcpu *vcpus;
	unsigned int nr_vcpus;
	unsigned int running;
};

static inline struct kvm_dp_frame *dp_audit_frame(const struct dp_audit_frame *f)
{
	return &f->r->region->frames[f->i];
}

static inline struct dp_audit_count *dp_audit_count(const struct dp_audit_frame *f)
{
	return &f->r->counts[f->i];
}

static inline u64 dp_audit_mfn(const struct dp_audit_frame *f)
{
	return READ_ONCE(dp_audit_frame(f)->ident) & DP_MFN;
}

static inline u64 dp_audit_word(const struct dp_audit_frame *f)
{
	return READ_ONCE(dp_audit_frame(f)->word);
}

static inline u64 dp_audit_cursor(u64 word)
{
	return FIELD_GET(DP_CURSOR, word);
}

static inline bool dp_audit_is_table(u64 word)
{
	return word & (DP_VALID | DP_UP | DP_DOWN);
}

/* Entries were read, so nobody but the host may be able to write the frame. */
static inline bool dp_audit_is_private(u64 word)
{
	return word & DP_VALID ||
	       (dp_audit_is_table(word) && dp_audit_cursor(word));
}

/* Blocks count from the start of the file. */
static inline unsigned long dp_audit_block_of(const struct dp_audit_frame *f)
{
	struct kvm_dp_region *region = f->r->region;

	return (region->pgoff + f->i) / AUDIT_ENTRIES -
	       region->pgoff / AUDIT_ENTRIES;
}

/* audit.c */
__printf(2, 3) void kvm_dp_bad(struct dp_audit *a, const char *fmt, ...);
void kvm_dp_bad_frame(struct dp_audit *a, const struct dp_audit_frame *f,
		      const char *what, u64 found, u64 right);
bool kvm_dp_audit_relax(struct dp_audit *a);
bool kvm_dp_audit_next(struct dp_audit *a, struct dp_audit_frame *f);
bool kvm_dp_audit_find(struct dp_audit *a, u64 mfn, struct dp_audit_frame *f);

/* audit_table.c */
void kvm_dp_audit_tables(struct dp_audit *a);

#endif /* __KVM_X86_DP_AUDIT_H */
