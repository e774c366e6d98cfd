// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breakpoints: INT3 in the guest's memory, and the four of the CPU, which the
 * vCPUs share.
 */
#include <errno.h>
#include <string.h>

#include "../guest.h"
#include "gdb.h"

#define INT3		0xcc
#define DR7_FIXED	0x400
#define DR7_EXACT	0x300

static struct soft *find_soft(struct breakpoints *b, uint64_t va)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].va == va)
			return &b->soft[i];
	return NULL;
}

static bool has_soft_at(struct breakpoints *b, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gpa == gpa)
			return true;
	return false;
}

/* One place may have two names, and two breakpoints. */
static int insert_soft(struct gdb *gdb, struct vcpu *vcpu, uint64_t va)
{
	struct breakpoints *b = &gdb->breakpoints;
	static const uint8_t int3 = INT3;
	struct soft new = { .va = va };

	if (find_soft(b, va))
		return 0;
	if (b->nr_soft == MAX_SOFT)
		return -ENOSPC;
	if (!guest_translate(vcpu, va, &new.gpa) ||
	    !memory_read_physical(gdb->vm, new.gpa, &new.was, 1) ||
	    !memory_write_physical(gdb->vm, new.gpa, &int3, 1))
		return -EFAULT;
	breakpoint_hide(gdb, new.gpa, &new.was, 1);
	b->soft[b->nr_soft++] = new;
	return 0;
}

/*
 * Where it was put, whatever maps that by now, unless the guest has put
 * something else there.
 */
static int remove_soft(struct gdb *gdb, struct soft *soft)
{
	struct breakpoints *b = &gdb->breakpoints;
	struct soft old = *soft;
	uint8_t byte;

	*soft = b->soft[--b->nr_soft];
	if (has_soft_at(b, old.gpa))
		return 0;
	if (!memory_read_physical(gdb->vm, old.gpa, &byte, 1))
		return -EFAULT;
	if (byte == INT3 &&
	    !memory_write_physical(gdb->vm, old.gpa, &old.was, 1))
		return -EFAULT;
	return 0;
}

static struct hard *find_hard(struct breakpoints *b, enum breakpoint_type type,
			      uint64_t va, uint64_t len)
{
	struct hard *h;

	for (h = b->hard; h < b->hard + MAX_HARD; h++)
		if (h->used && h->type == type && h->va == va && h->len == len)
			return h;
	return NULL;
}

/* What the CPU can do, else it is for the debugger to take it apart. */
static bool can_watch(uint64_t va, uint64_t len)
{
	return (len == 1 || len == 2 || len == 4 || len == 8) && !(va % len);
}

static int insert_hard(struct breakpoints *b, enum breakpoint_type type,
		       uint64_t va, uint64_t len)
{
	struct hard *h;

	if (type != BREAK_HARD && !can_watch(va, len))
		return -EINVAL;
	if (find_hard(b, type, va, len))
		return 0;
	for (h = b->hard; h < b->hard + MAX_HARD; h++) {
		if (h->used)
			continue;
		*h = (struct hard) {
			.used = true, .type = type, .va = va, .len = len,
		};
		return 0;
	}
	return -ENOSPC;
}

int breakpoint_insert(struct gdb *gdb, struct vcpu *vcpu,
		      enum breakpoint_type type, uint64_t va, uint64_t len)
{
	if (type == BREAK_SOFT)
		return insert_soft(gdb, vcpu, va);
	return insert_hard(&gdb->breakpoints, type, va, len);
}

/* One that is not there is gone already. */
int breakpoint_remove(struct gdb *gdb, enum breakpoint_type type, uint64_t va,
		      uint64_t len)
{
	struct breakpoints *b = &gdb->breakpoints;
	struct soft *soft;
	struct hard *hard;

	if (type == BREAK_SOFT) {
		soft = find_soft(b, va);
		return soft ? remove_soft(gdb, soft) : 0;
	}
	hard = find_hard(b, type, va, len);
	if (hard)
		hard->used = false;
	return 0;
}

void breakpoint_remove_all(struct gdb *gdb)
{
	struct breakpoints *b = &gdb->breakpoints;

	while (b->nr_soft)
		remove_soft(gdb, &b->soft[b->nr_soft - 1]);
	memset(b->hard, 0, sizeof(b->hard));
}

bool breakpoint_is_soft(struct gdb *gdb, struct vcpu *vcpu, uint64_t va)
{
	struct breakpoints *b = &gdb->breakpoints;
	uint64_t gpa;

	return find_soft(b, va) ||
	       (guest_translate(vcpu, va, &gpa) && has_soft_at(b, gpa));
}

enum gdb_why breakpoint_hit(struct gdb *gdb, uint64_t dr6, uint64_t *va)
{
	static const enum gdb_why whys[] = {
		[BREAK_HARD] = WHY_HWBREAK, [WATCH_WRITE] = WHY_WATCH,
		[WATCH_READ] = WHY_RWATCH, [WATCH_ACCESS] = WHY_AWATCH,
	};
	const struct hard *h;
	unsigned int i;

	for (i = 0; i < MAX_HARD; i++) {
		h = &gdb->breakpoints.hard[i];
		if (!h->used || !(dr6 & 1 << i))
			continue;
		*va = h->va;
		return whys[h->type];
	}
	return WHY_NONE;
}

/* The CPU cannot watch reads alone: gdb looks whether the value changed. */
static uint64_t dr7_of(const struct hard *h, unsigned int index)
{
	static const uint8_t access[] = {
		[BREAK_HARD] = 0, [WATCH_WRITE] = 1, [WATCH_READ] = 3,
		[WATCH_ACCESS] = 3,
	};
	static const uint8_t sizes[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	uint64_t len = h->type == BREAK_HARD ? 1 : h->len;

	return (uint64_t)(sizes[len] << 2 | access[h->type]) <<
	       (16 + 4 * index) | 2ULL << 2 * index;
}

void breakpoint_arm(struct gdb *gdb, struct kvm_guest_debug *debug)
{
	struct breakpoints *b = &gdb->breakpoints;
	unsigned int i;

	if (b->nr_soft)
		debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	for (i = 0; i < MAX_HARD; i++) {
		if (!b->hard[i].used)
			continue;
		debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
		debug->arch.debugreg[i] = b->hard[i].va;
		debug->arch.debugreg[7] |= dr7_of(&b->hard[i], i) | DR7_FIXED |
					   DR7_EXACT;
	}
}

void breakpoint_hide(struct gdb *gdb, uint64_t gpa, uint8_t *data, size_t size)
{
	struct breakpoints *b = &gdb->breakpoints;
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gpa - gpa < size &&
		    data[b->soft[i].gpa - gpa] == INT3)
			data[b->soft[i].gpa - gpa] = b->soft[i].was;
}

void breakpoint_keep(struct gdb *gdb, uint64_t gpa, uint8_t *data, size_t size)
{
	struct breakpoints *b = &gdb->breakpoints;
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gpa - gpa < size)
			b->soft[i].was = data[b->soft[i].gpa - gpa];
	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gpa - gpa < size)
			data[b->soft[i].gpa - gpa] = INT3;
}
