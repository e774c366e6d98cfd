// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: random hypercalls, faults and accesses of a hostile guest with
 * several vCPUs, and whatever a hostile VMM does meanwhile, with the auditor
 * looking on.
 *
 *	dp_fuzz_test [-o operations] [-v vCPUs] [-s seed] [-a audit every]
 *		     [-m VMM's turn every]
 *
 * All numbers are of operations; 0 for never, or only at the end.
 *
 * What guest and VMM do is in files of their own, which dp_fuzz.h lists.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdlib.h>

#include "dp_fuzz.h"

/* A run that long must have seen all there is to see. */
#define FULL_RUN	100000
#define FULL_COUNT	1000

static const char * const op_names[NR_OPS] = {
	[OP_MMU_UPDATE] = "mmu_update",
	[OP_PRESERVE_AD] = "preserve_ad",
	[OP_MACHPHYS] = "machphys",
	[OP_UPDATE_VA] = "update_va",
	[OP_PIN] = "pin",
	[OP_UNPIN] = "unpin",
	[OP_BASEPTR] = "new_baseptr",
	[OP_MOV_CR3] = "mov_cr3",
	[OP_PAGE] = "clear/copy",
	[OP_FLUSH] = "flush",
	[OP_MULTICALL] = "multicall",
	[OP_LINEAR] = "linear",
	[OP_TREE] = "tree",
	[OP_LARGE] = "large leaf",
	[OP_LONG] = "long batch",
	[OP_MEMORY] = "memory_op",
	[OP_SYSCALL] = "syscall",
	[OP_RELEASE] = "release",
	[OP_FILL] = "fill",
	[OP_STORE] = "store",
	[OP_LOAD] = "load",
	[OP_INVLPG] = "invlpg",
	[OP_GARBAGE] = "garbage",
};

static u64 sum(int op, int error)
{
	u64 n = 0;
	int i;

	for (i = 0; i < vmm.dp.nr_vcpus; i++)
		n += vmm.shared->cpus[i].counts[op][error];
	return n;
}

/* Vectors for what the guest does natively. */
static bool is_native(enum op op)
{
	return op == OP_MOV_CR3 || op == OP_FILL || op == OP_STORE ||
	       op == OP_LOAD;
}

static bool is_rare(enum op op)
{
	return op == OP_GARBAGE || op == OP_RELEASE;
}

static void report(void)
{
	int op, error;
	u64 n;

	for (op = 0; op < NR_OPS; op++) {
		printf("# %-12s accepted %8lu", op_names[op], sum(op, 0));
		for (error = 1; error < NR_ERRORS; error++) {
			n = sum(op, error);
			if (!n)
				continue;
			if (error == -NOT_TRIED)
				printf("  not tried %lu", n);
			else if (is_native(op))
				printf("  #%d %lu", error, n);
			else
				printf("  %s %lu", strerrorname_np(error), n);
		}
		printf("\n");
	}
}

static u64 collisions(void)
{
	u64 n = 0;
	int i;

	for (i = 0; i < vmm.dp.nr_vcpus; i++)
		n += vmm.shared->cpus[i].collisions;
	return n;
}

/* Blocks of the pool that a large leaf can map. */
static int large_blocks(void)
{
	u64 gfn, first;
	int i, j, n = 0;

	for (i = 0; i < NR_BLOCKS; i++) {
		gfn = DP_POOL_GFN + i * BLOCK_PAGES;
		first = dp_host_mfn(&vmm.dp, gfn);
		for (j = 0; j < BLOCK_PAGES; j++) {
			if (dp_host_mfn(&vmm.dp, gfn + j) != first + j)
				break;
		}
		n += j == BLOCK_PAGES && !(first % BLOCK_PAGES);
	}
	return n;
}

static void expect(const char *what, u64 n, u64 min, bool full)
{
	if (n < min)
		printf("# not reached: %s %lu, not %lu\n", what, n, min);
	TEST_ASSERT(!full || n >= min, "%s: %lu, not %lu", what, n, min);
}

static void report_vmm(u64 ops, bool full)
{
	printf("# audits %lu, %lu us each; other roots %lu, refused %lu\n",
	       vmm.audits, vmm.audit_ns / 1000 / (vmm.audits ?: 1), vmm.roots,
	       vmm.roots_refused);
	if (!vmm.every)
		return;

	printf("# VMM: reads %lu writes %lu signals %lu remaps %lu peeks %lu\n",
	       vmm.reads, vmm.writes, vmm.signals, vmm.remaps, vmm.peeks);
	printf("# VMM: holds %lu, refused %lu slots %lu, kept %lu\n",
	       vmm.holds, vmm.holds_refused, vmm.slots, vmm.slots_kept);

	full &= ops / vmm.every >= 500;
	expect("signals", vmm.signals, 1, full);
	expect("writes of the VMM", vmm.writes, 1, full);
	expect("holds", vmm.holds, 1, full);
	expect("refused holds", vmm.holds_refused, 1, full);
	expect("slots", vmm.slots, 2, full);
	expect("slots in use", vmm.slots_kept, 1, full);
}

/* Each call, each cause of a refusal, and all that takes more than one step. */
static void report_coverage(bool full)
{
	static const char * const stats[] = {
		"dp_promotions", "dp_demotions", "dp_entries",
		"dp_refused_entry", "dp_refused_frame", "dp_refused_busy",
		"dp_flushes", "dp_zaps", "dp_unseals", "dp_continuations",
	};
	u64 n[ARRAY_SIZE(stats)];
	int i, blocks = large_blocks();

	printf("#");
	for (i = 0; i < ARRAY_SIZE(stats); i++) {
		n[i] = vm_get_stat(vmm.dp.vm, stats[i]);
		printf(" %s %lu", stats[i] + 3, n[i]);
	}
	printf("\n# collisions %lu, blocks for large leaves %d\n",
	       collisions(), blocks);

	for (i = 0; i < ARRAY_SIZE(stats); i++) {
		/* For these, the VMM must map what becomes a table. */
		if (!vmm.every && (!strcmp(stats[i], "dp_unseals") ||
				   !strcmp(stats[i], "dp_zaps")))
			continue;
		expect(stats[i], n[i], 1, full);
	}
	for (i = 0; i < NR_OPS; i++) {
		if (i == OP_LARGE && !blocks)
			continue;
		expect(op_names[i], sum(i, 0),
		       is_rare(i) || is_native(i) ? 1 : FULL_COUNT, full);
	}
	if (vmm.dp.nr_vcpus > 1)
		expect("collisions", collisions(), 1, full);
}

/* All that guest and VMM need to know, and nothing runs yet. */
static void create(int nr_vcpus, u64 ops, u64 seed, u64 audit_every)
{
	int i;

	vmm.seed = (seed + 1) * 0xd1342543de82ef95ULL;
	dp_vm_create(&vmm.dp, fuzz_guest, nr_vcpus);
	vmm.shared = dp_gva_hva(&vmm.dp, (vm_vaddr_t)&fuzz);
	vmm.shared->ops = ops / nr_vcpus;
	vmm.shared->audit_every = audit_every;
	for (i = 0; i < nr_vcpus; i++)
		vmm.shared->cpus[i].random =
			(seed + 1) * 0x9e3779b97f4a7c15ULL + i;
}

static void help(const char *name)
{
	printf("usage: %s [-o operations] [-v vCPUs] [-s seed]\n"
	       "          [-a audit every] [-m VMM's turn every]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char *argv[])
{
	u64 seed = 1, ops = 2000, every = 1, ms;
	int opt, nr_vcpus = 1;

	while ((opt = getopt(argc, argv, "o:v:s:a:m:")) != -1) {
		switch (opt) {
		case 'o':
			ops = atoi_positive("operations", optarg);
			break;
		case 'v':
			nr_vcpus = atoi_positive("vCPUs", optarg);
			break;
		case 's':
			seed = atoi_non_negative("seed", optarg);
			break;
		case 'a':
			every = atoi_non_negative("audit every", optarg);
			break;
		case 'm':
			vmm.every = atoi_non_negative("VMM's turn every", optarg);
			break;
		default:
			help(argv[0]);
		}
	}

	dp_require();
	printf("# %lu operations, %d vCPUs, seed %lu, audit every %lu, VMM every %lu\n",
	       ops, nr_vcpus, seed, every, vmm.every);
	create(nr_vcpus, ops, seed, every);
	dp_vm_start(&vmm.dp);
	fuzz_run_all();
	fuzz_check();

	report();
	ms = vmm.run_ns / 1000000;
	printf("# %lu ms, %lu operations a second\n", ms,
	       ops * 1000 / (ms ?: 1));
	report_coverage(ops >= FULL_RUN);
	report_vmm(ops, ops >= FULL_RUN);
	dp_vm_free(&vmm.dp);
	return 0;
}
