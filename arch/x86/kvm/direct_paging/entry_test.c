// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: tests of what an entry of a page table may hold.  Included by
 * entry.c, whose masks it must not use: what to expect is told bit by bit.
 */
#include <kunit/test.h>

#include <linux/prandom.h>

/* Kinds of present entries, and their columns in dp_bits. */
enum dp_kind {
	DP_LEAF_4K,
	DP_TABLE_2,
	DP_TABLE_3,
	DP_TABLE_4,
	DP_LEAF_2M,
	DP_LEAF_1G,
};

/* + may be set, - must not, ! has to be; x has to be under ITLB multihit. */
static const struct dp_bits {
	int first;
	int last;
	const char *rule;
} dp_bits[] = {
	/*           kind: 4234MG */
	{  0,  0, "!!!!!!" },	/* P */
	{  1,  1, "++++++" },	/* RW */
	{  2,  2, "++++++" },	/* US */
	{  3,  3, "------" },	/* PWT */
	{  4,  4, "------" },	/* PCD */
	{  5,  5, "++++++" },	/* A */
	{  6,  6, "++++++" },	/* D */
	{  7,  7, "----!!" },	/* PAT of a small leaf, else PS */
	{  8,  8, "+++-++" },	/* G */
	{  9, 11, "++++++" },	/* software */
	{ 12, 12, "++++--" },	/* PAT of a large leaf */
	{ 13, 20, "++++--" },
	{ 21, 29, "+++++-" },
	{ 30, 51, "++++++" },
	{ 52, 58, "++++++" },	/* software */
	{ 59, 62, "------" },	/* protection key */
	{ 63, 63, "++++xx" },	/* NX */
};

static bool dp_has(u64 entry, int bit)
{
	return entry >> bit & 1;
}

static bool dp_bit_fits(u64 entry, int bit, char rule, bool needs_nx)
{
	switch (rule) {
	case '+':
		return true;
	case '!':
		return dp_has(entry, bit);
	case 'x':
		return dp_has(entry, bit) || !needs_nx;
	default:
		return !dp_has(entry, bit);
	}
}

static enum dp_kind dp_kind(u64 entry, int level, bool large_pages)
{
	if (large_pages && dp_has(entry, 7) && level == 2)
		return DP_LEAF_2M;
	if (large_pages && dp_has(entry, 7) && level == 3)
		return DP_LEAF_1G;
	return DP_LEAF_4K + level - 1;
}

static int dp_expect_present(u64 entry, int level,
			     const struct kvm_dp_entry_env *env)
{
	enum dp_kind kind = dp_kind(entry, level, env->large_pages);
	const struct dp_bits *b;
	int bit;

	for (b = dp_bits; b < dp_bits + ARRAY_SIZE(dp_bits); b++) {
		for (bit = b->first; bit <= b->last; bit++) {
			if (!dp_bit_fits(entry, bit, b->rule[kind],
					 env->large_needs_nx))
				return -EINVAL;
		}
	}
	return 0;
}

/* The highest bit that the cache compares makes an address safe. */
static int dp_expect_absent(u64 entry, int level, int cache_bits, bool ram_above)
{
	int end = ram_above ? 52 : cache_bits;
	int bit;

	if (!ram_above && dp_has(entry, cache_bits - 1))
		return 0;

	for (bit = 12; bit < end; bit++) {
		if (dp_has(entry, bit))
			return -EINVAL;
	}
	return level >= 2 && dp_has(entry, 7) ? -EINVAL : 0;
}

static void dp_check(struct kunit *test, u64 entry, int level,
		     const struct kvm_dp_entry_env *env, int expected)
{
	KUNIT_EXPECT_EQ_MSG(test, kvm_dp_check_entry(entry, level, env),
			    expected,
			    "level %d, %016llx, large %d, nx %d, l1tf %llx",
			    level, entry, env->large_pages,
			    env->large_needs_nx, env->l1tf_limit);
}

static void dp_check_present(struct kunit *test, u64 entry, int level,
			     const struct kvm_dp_entry_env *env)
{
	entry |= 1;
	dp_check(test, entry, level, env, dp_expect_present(entry, level, env));
}

/* Each level with large pages and ITLB multihit on and off. */
#define DP_COMBINATIONS		16

static int dp_level(int i)
{
	return i / 4 + 1;
}

static struct kvm_dp_entry_env dp_env(int i)
{
	return (struct kvm_dp_entry_env) {
		.large_pages = i & 1,
		.large_needs_nx = i & 2,
	};
}

/* Each bit, and each two of them. */
#define DP_PAIRS		(64 * 64)

static u64 dp_pair(int i)
{
	return BIT_ULL(i / 64) | BIT_ULL(i % 64);
}

/* The table itself leaves no bit out and has none twice. */
static void dp_test_table(struct kunit *test)
{
	const struct dp_bits *b;
	int next = 0;

	for (b = dp_bits; b < dp_bits + ARRAY_SIZE(dp_bits); b++) {
		KUNIT_EXPECT_EQ(test, b->first, next);
		KUNIT_EXPECT_EQ(test, strlen(b->rule), DP_LEAF_1G + 1);
		next = b->last + 1;
	}
	KUNIT_EXPECT_EQ(test, next, 64);
}

static void dp_test_present_bits(struct kunit *test)
{
	struct kvm_dp_entry_env env;
	int i, j;

	for (i = 0; i < DP_COMBINATIONS; i++) {
		env = dp_env(i);
		for (j = 0; j < DP_PAIRS; j++)
			dp_check_present(test, dp_pair(j), dp_level(i), &env);
	}
}

static u64 dp_full(enum dp_kind kind)
{
	const struct dp_bits *b;
	u64 entry = 0;
	int bit;

	for (b = dp_bits; b < dp_bits + ARRAY_SIZE(dp_bits); b++) {
		for (bit = b->first; bit <= b->last; bit++) {
			if (b->rule[kind] != '-')
				entry |= BIT_ULL(bit);
		}
	}
	return entry;
}

/* All that a kind of entry may hold, and each bit of that the other way. */
static void dp_test_present_full(struct kunit *test)
{
	struct kvm_dp_entry_env env;
	enum dp_kind kind;
	int i, bit;

	for (i = 0; i < DP_COMBINATIONS; i++) {
		env = dp_env(i);
		for (kind = DP_LEAF_4K; kind <= DP_LEAF_1G; kind++) {
			for (bit = 1; bit < 64; bit++)
				dp_check_present(test, dp_full(kind) ^ BIT_ULL(bit),
						 dp_level(i), &env);
		}
	}

	env = dp_env(3);
	for (kind = DP_LEAF_4K; kind <= DP_TABLE_4; kind++)
		dp_check(test, dp_full(kind), kind + 1, &env, 0);
	dp_check(test, dp_full(DP_LEAF_2M), 2, &env, 0);
	dp_check(test, dp_full(DP_LEAF_1G), 3, &env, 0);
}

/* Rules that meet by chance; few bits at once, or nearly none would pass. */
static void dp_test_present_random(struct kunit *test)
{
	struct kvm_dp_entry_env env;
	struct rnd_state rnd;
	u64 entry;
	int i, n;

	prandom_seed_state(&rnd, 148);
	for (i = 0; i < DP_COMBINATIONS; i++) {
		env = dp_env(i);
		for (n = 0; n < 2000; n++) {
			entry = dp_pair(prandom_u32_state(&rnd) % DP_PAIRS) |
				dp_pair(prandom_u32_state(&rnd) % DP_PAIRS);
			if (n & 1)
				entry |= BIT_ULL(63);
			if (n & 2)
				entry |= BIT_ULL(7);
			dp_check_present(test, entry, dp_level(i), &env);
		}
	}
}

/* In words of their own: what must hold whatever dp_bits says. */
static const struct dp_case {
	const char *what;
	u64 entry;
	int level;
	bool large_pages;
	bool needs_nx;
	int expected;
} dp_cases[] = {
	{ "GRUB, table", 0x12345007, 4, 0, 0, 0 },
	{ "GRUB, table", 0x12345007, 3, 0, 0, 0 },
	{ "GRUB, table", 0x12345007, 2, 0, 0, 0 },
	{ "GRUB, leaf", 0x12345007, 1, 0, 0, 0 },
	{ "GRUB, read-only leaf", 0x12345005, 1, 0, 0, 0 },
	{ "Linux, kernel leaf", 0x8400000012345367, 1, 0, 0, 0 },
	{ "Linux, read-only leaf", 0x12345061, 1, 0, 0, 0 },
	{ "Linux, table", 0x12345063, 4, 0, 0, 0 },
	{ "Linux, table", 0x12345067, 3, 0, 0, 0 },
	{ "Linux, table", 0x8000000012345067, 2, 0, 0, 0 },
	{ "Linux, large kernel leaf", 0x84000000122001e3, 2, 1, 1, 0 },
	{ "XSA-148, large leaf", 0x122000e3, 2, 0, 0, -EINVAL },
	{ "XSA-148, huge leaf", 0x400000e3, 3, 0, 0, -EINVAL },
	{ "PS at the top", 0x8000008000000083, 4, 1, 0, -EINVAL },
	{ "G at the top", 0x12345163, 4, 1, 0, -EINVAL },
	{ "uncached leaf", 0x1234507b, 1, 1, 0, -EINVAL },
	{ "write-combining leaf", 0x123450e7, 1, 1, 0, -EINVAL },
	{ "XSA-154, large leaf with PAT", 0x80000000122010e7, 2, 1, 0, -EINVAL },
	{ "large leaf, not aligned", 0x80000000123000e7, 2, 1, 0, -EINVAL },
	{ "large leaf, aligned", 0x80000000122000e7, 2, 1, 1, 0 },
	{ "huge leaf, not aligned", 0x80000000200000e7, 3, 1, 0, -EINVAL },
	{ "huge leaf, aligned", 0x80000000400000e7, 3, 1, 1, 0 },
	{ "large leaf to run", 0x122000e7, 2, 1, 0, 0 },
	{ "ITLB multihit, large leaf", 0x122000e7, 2, 1, 1, -EINVAL },
	{ "ITLB multihit, huge leaf", 0x400000e7, 3, 1, 1, -EINVAL },
	{ "ITLB multihit, small leaf", 0x122000e7 & ~0x80, 1, 1, 1, 0 },
	{ "protection key", 0x0800000012345067, 1, 1, 0, -EINVAL },
};

static void dp_describe_case(const struct dp_case *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, level %d: %016llx", c->what,
		 c->level, c->entry);
}

KUNIT_ARRAY_PARAM(dp_case, dp_cases, dp_describe_case);

static void dp_test_case(struct kunit *test)
{
	const struct dp_case *c = test->param_value;
	struct kvm_dp_entry_env env = {
		.large_pages = c->large_pages,
		.large_needs_nx = c->needs_nx,
	};

	dp_check(test, c->entry, c->level, &env, c->expected);
}

/* Without L1TF a not-present entry is the guest's, whatever it holds. */
static void dp_test_absent_immune(struct kunit *test)
{
	struct kvm_dp_entry_env env;
	int i, j;

	for (i = 0; i < DP_COMBINATIONS; i++) {
		env = dp_env(i);
		dp_check(test, 0, dp_level(i), &env, 0);
		dp_check(test, ~1ULL, dp_level(i), &env, 0);
		for (j = 0; j < DP_PAIRS; j++)
			dp_check(test, dp_pair(j) & ~1ULL, dp_level(i), &env, 0);
	}
}

static const struct dp_l1tf {
	int cache_bits;
	u64 limit;
	bool ram_above;
} dp_l1tf[] = {
	{ 36, 0x800000000, false },
	{ 39, 0x4000000000, false },
	{ 44, 0x80000000000, false },
	{ 46, 0x200000000000, false },
	{ 52, 0x8000000000000, false },
	{ 36, 0x800000000, true },
	{ 46, 0x200000000000, true },
};

static void dp_describe_l1tf(const struct dp_l1tf *l, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d bits%s", l->cache_bits,
		 l->ram_above ? ", memory above the limit" : "");
}

KUNIT_ARRAY_PARAM(dp_l1tf, dp_l1tf, dp_describe_l1tf);

static struct kvm_dp_entry_env dp_l1tf_env(const struct dp_l1tf *l)
{
	struct kvm_dp_entry_env env = {};

	dp_set_l1tf(&env, l->cache_bits, l->limit, l->limit + l->ram_above);
	return env;
}

static void dp_check_absent_entry(struct kunit *test, u64 entry, int level,
				  const struct kvm_dp_entry_env *env)
{
	const struct dp_l1tf *l = test->param_value;

	entry &= ~1ULL;
	dp_check(test, entry, level, env,
		 dp_expect_absent(entry, level, l->cache_bits, l->ram_above));
}

/* Nothing, all, each bit and each two, also over a frame of the victim. */
static void dp_test_absent_bits(struct kunit *test)
{
	struct kvm_dp_entry_env env = dp_l1tf_env(test->param_value);
	static const u64 victims[] = { 0, 0x1000, 0x12345000, 0x7ffffffff000 };
	int i, j, level;

	for (level = 1; level <= 4; level++) {
		dp_check_absent_entry(test, 0, level, &env);
		dp_check_absent_entry(test, ~0ULL, level, &env);
		for (i = 0; i < ARRAY_SIZE(victims); i++) {
			for (j = 0; j < DP_PAIRS; j++)
				dp_check_absent_entry(test, victims[i] | dp_pair(j),
						      level, &env);
		}
	}
}

/* The frames on both sides of the limit. */
static void dp_test_absent_limit(struct kunit *test)
{
	const struct dp_l1tf *l = test->param_value;
	struct kvm_dp_entry_env env = dp_l1tf_env(l);
	int above = l->ram_above ? -EINVAL : 0;
	int bit, level;

	for (level = 1; level <= 4; level++) {
		dp_check(test, 0, level, &env, 0);
		dp_check(test, 0xffe & ~0x80, level, &env, 0);
		dp_check(test, 0x60, level, &env, 0);
		dp_check(test, 0x1000, level, &env, -EINVAL);
		dp_check(test, l->limit - 0x1000, level, &env, -EINVAL);
		dp_check(test, l->limit - 0x1000 + 0xffe, level, &env, -EINVAL);
		dp_check(test, l->limit, level, &env, above);
		dp_check(test, l->limit + 0x1000, level, &env, above);
		dp_check(test, 2 * l->limit - 0x1000, level, &env, above);
		dp_check(test, l->limit | 0x80, level, &env, above);
		dp_check(test, 0x80, level, &env, level == 1 ? 0 : -EINVAL);

		/* Bits that the cache does not see hide no victim. */
		for (bit = l->cache_bits; bit < 64; bit++)
			dp_check(test, BIT_ULL(bit) | 0x12345000, level, &env,
				 -EINVAL);
	}
}

static void dp_test_init(struct kunit *test)
{
	bool l1tf = boot_cpu_has_bug(X86_BUG_L1TF);
	int expected = l1tf ? -EINVAL : 0;
	struct kvm_dp_entry_env env;

	/* Whoever runs this on several CPUs can see that they differ. */
	kunit_info(test, "L1TF %d, ITLB multihit %d\n", l1tf,
		   boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT));

	kvm_dp_init_entry_env(&env, false);
	KUNIT_EXPECT_FALSE(test, env.large_pages);
	KUNIT_EXPECT_EQ(test, env.large_needs_nx,
			boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT));
	KUNIT_EXPECT_EQ(test, env.l1tf_limit != 0, l1tf);

	/* Memory: an early frame, the last one, the last below the limit. */
	dp_check(test, 0x100000, 1, &env, expected);
	dp_check(test, __pa(high_memory - 1) & PAGE_MASK, 1, &env, expected);
	dp_check(test, (l1tf_pfn_limit() - 1) * PAGE_SIZE, 1, &env, expected);

	kvm_dp_init_entry_env(&env, true);
	KUNIT_EXPECT_TRUE(test, env.large_pages);
}

static struct kunit_case dp_entry_cases[] = {
	KUNIT_CASE(dp_test_table),
	KUNIT_CASE(dp_test_present_bits),
	KUNIT_CASE(dp_test_present_full),
	KUNIT_CASE(dp_test_present_random),
	KUNIT_CASE_PARAM(dp_test_case, dp_case_gen_params),
	KUNIT_CASE(dp_test_absent_immune),
	KUNIT_CASE_PARAM(dp_test_absent_bits, dp_l1tf_gen_params),
	KUNIT_CASE_PARAM(dp_test_absent_limit, dp_l1tf_gen_params),
	KUNIT_CASE(dp_test_init),
	{}
};

static struct kunit_suite dp_entry_suite = {
	.name = "kvm_dp_entry",
	.test_cases = dp_entry_cases,
};

kunit_test_suite(dp_entry_suite);
