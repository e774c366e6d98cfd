// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: tests of how references of roots move without the lock.
 * Included by root.c.
 */
#include <kunit/test.h>

#include <linux/kthread.h>
#include <linux/prandom.h>

#define DP_TEST_SWITCHES	200000
#define DP_TEST_TABLES		3

static u64 dp_word(u64 flags, u64 count)
{
	return flags | FIELD_PREP(DP_COUNT, count);
}

#define DP_TEST_ROOT		(DP_L4 | DP_VALID)
#define DP_TEST_PINNED		(DP_TEST_ROOT | DP_PINNED)

/* What may be loaded without the lock, and what may be left. */
static const struct dp_word_case {
	const char *name;
	u64 flags;
	u64 count;
	bool get;
	bool put;
} dp_word_cases[] = {
	{ "pinned", DP_TEST_PINNED, 1, true, false },
	{ "pinned and loaded", DP_TEST_PINNED, 2, true, true },
	{ "nearly full", DP_TEST_PINNED, U32_MAX - 1, true, true },
	{ "full", DP_TEST_PINNED, U32_MAX, false, true },
	{ "loaded only", DP_TEST_ROOT, 1, false, false },
	{ "loaded twice", DP_TEST_ROOT, 2, false, true },
	{ "linked table", DP_L3 | DP_VALID, 1, false, false },
	{ "pinned level 3", DP_L3 | DP_VALID | DP_PINNED, 1, false, false },
	{ "pinned level 1", DP_L1 | DP_VALID | DP_PINNED, 1, false, false },
	{ "on its way up", DP_L4 | DP_UP, 0, false, false },
	{ "on its way down", DP_L4 | DP_DOWN, 0, false, false },
	{ "was a table", DP_L4, 0, false, false },
	{ "data", DP_DATA, 1, false, false },
	{ "nothing", DP_NONE, 0, false, false },
};

static void dp_word_desc(const struct dp_word_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(dp_word, dp_word_cases, dp_word_desc);

static void dp_test_word(struct kunit *test)
{
	const struct dp_word_case *c = test->param_value;
	u64 word = dp_word(c->flags, c->count);

	KUNIT_EXPECT_EQ(test, dp_get_pinned(&word), c->get);
	KUNIT_EXPECT_EQ(test, word, dp_word(c->flags, c->count + c->get));

	word = dp_word(c->flags, c->count);
	KUNIT_EXPECT_EQ(test, dp_put_but_last(&word), c->put);
	KUNIT_EXPECT_EQ(test, word, dp_word(c->flags, c->count - c->put));
}

/* To each of them, from a root that is pinned, and from one that is not. */
static void dp_test_switch(struct kunit *test)
{
	const struct dp_word_case *c = test->param_value;
	u64 old, new = dp_word(c->flags, c->count);

	old = dp_word(DP_TEST_PINNED, 2);
	KUNIT_EXPECT_EQ(test, dp_switch(&new, &old),
			c->get ? DP_SWITCHED : DP_REFUSED);
	KUNIT_EXPECT_EQ(test, new, dp_word(c->flags, c->count + c->get));
	KUNIT_EXPECT_EQ(test, old, dp_word(DP_TEST_PINNED, 2 - c->get));

	new = dp_word(c->flags, c->count);
	old = dp_word(DP_TEST_ROOT, 1);
	KUNIT_EXPECT_EQ(test, dp_switch(&new, &old),
			c->get ? DP_GOT : DP_REFUSED);
	KUNIT_EXPECT_EQ(test, new, dp_word(c->flags, c->count + c->get));
	KUNIT_EXPECT_EQ(test, old, dp_word(DP_TEST_ROOT, 1));
}

struct dp_race {
	struct mutex lock;	/* as dp->lock, for what is not lock-free */
	u64 words[DP_TEST_TABLES];
	bool over;
	bool failed;
	unsigned int done[DP_SWITCHED + 1];
};

static void dp_race_put(struct dp_race *race, u64 *p)
{
	u64 new, word = READ_ONCE(*p);

	lockdep_assert_held(&race->lock);

	do {
		new = word - DP_COUNT_ONE;
		if (!(new & DP_COUNT))
			new = DP_L4 | DP_DOWN;
		/* A reference that nobody had. */
		if (!(word & DP_VALID) || !(word & DP_COUNT))
			race->failed = true;
	} while (!try_cmpxchg64(p, &word, new));
}

static void dp_race_unpin(struct dp_race *race, u64 *p)
{
	u64 word = READ_ONCE(*p);

	if (!(word & DP_PINNED))
		return;
	while (!try_cmpxchg64(p, &word, word & ~DP_PINNED))
		;
	dp_race_put(race, p);
}

static void dp_race_pin(u64 *p)
{
	u64 word = READ_ONCE(*p);

	if (word & DP_PINNED)
		return;
	if (!(word & DP_VALID)) {
		WRITE_ONCE(*p, dp_word(DP_TEST_PINNED, 1));
		return;
	}
	while (!try_cmpxchg64(p, &word, (word + DP_COUNT_ONE) | DP_PINNED))
		;
}

static void dp_race_step(struct dp_race *race, struct rnd_state *random)
{
	u64 *p = &race->words[prandom_u32_state(random) % DP_TEST_TABLES];

	mutex_lock(&race->lock);
	if (prandom_u32_state(random) & 1)
		dp_race_pin(p);
	else
		dp_race_unpin(race, p);
	mutex_unlock(&race->lock);
}

static int dp_race_pinner(void *data)
{
	struct dp_race *race = data;
	struct rnd_state random;

	prandom_seed_state(&random, 1);
	while (!READ_ONCE(race->over)) {
		dp_race_step(race, &random);
		cond_resched();
	}
	return 0;
}

/* What the ordinary handler does with what the fast path left. */
static bool dp_race_slow(struct dp_race *race, enum dp_switch got, u64 *new,
			 u64 *old)
{
	bool ok = true;
	u64 word;

	mutex_lock(&race->lock);
	if (got == DP_REFUSED) {
		word = READ_ONCE(*new);
		ok = word & DP_VALID;
		while (ok && !try_cmpxchg64(new, &word, word + DP_COUNT_ONE))
			;
	}
	if (ok)
		dp_race_put(race, old);
	mutex_unlock(&race->lock);
	return ok;
}

static unsigned int dp_race_switch(struct dp_race *race, unsigned int root,
				   unsigned int to)
{
	u64 *old = &race->words[root], *new = &race->words[to];
	enum dp_switch r;

	if (to == root)
		return root;

	r = dp_switch(new, old);
	race->done[r]++;
	if (r != DP_SWITCHED && !dp_race_slow(race, r, new, old))
		return root;

	/* As long as it is loaded, it is a table. */
	if (!kvm_dp_is_valid_table(READ_ONCE(*new), DP_L4))
		race->failed = true;
	return to;
}

/*
 * One CPU switches, both pin and unpin: no reference is lost.  The one that
 * switches does so as well, as the other one may get few slices of time.
 */
static void dp_test_race(struct kunit *test)
{
	struct task_struct *pinner;
	struct rnd_state random;
	struct dp_race *race;
	unsigned int i, root = 0;
	u64 word;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	mutex_init(&race->lock);
	for (i = 0; i < DP_TEST_TABLES; i++)
		race->words[i] = dp_word(DP_TEST_PINNED, i == root ? 2 : 1);

	pinner = kthread_run(dp_race_pinner, race, "dp_race_pinner");
	KUNIT_ASSERT_FALSE(test, IS_ERR(pinner));
	get_task_struct(pinner);

	prandom_seed_state(&random, 2);
	for (i = 0; i < DP_TEST_SWITCHES; i++) {
		root = dp_race_switch(race, root,
				      prandom_u32_state(&random) %
				      DP_TEST_TABLES);
		if (!(i % 4))
			dp_race_step(race, &random);
		cond_resched();
	}
	WRITE_ONCE(race->over, true);
	kthread_stop_put(pinner);

	KUNIT_EXPECT_FALSE(test, race->failed);
	for (i = 0; i < DP_TEST_TABLES; i++) {
		word = race->words[i];
		KUNIT_EXPECT_EQ(test, FIELD_GET(DP_COUNT, word),
				!!(word & DP_PINNED) + (i == root));
	}
	for (i = 0; i < ARRAY_SIZE(race->done); i++)
		KUNIT_EXPECT_NE(test, race->done[i], 0);
	kunit_info(test, "%u refused, %u got, %u switched",
		   race->done[DP_REFUSED], race->done[DP_GOT],
		   race->done[DP_SWITCHED]);
}

static struct kunit_case dp_root_cases[] = {
	KUNIT_CASE_PARAM(dp_test_word, dp_word_gen_params),
	KUNIT_CASE_PARAM(dp_test_switch, dp_word_gen_params),
	KUNIT_CASE(dp_test_race),
	{}
};

static struct kunit_suite dp_root_suite = {
	.name = "kvm_dp_root",
	.test_cases = dp_root_cases,
};

kunit_test_suite(dp_root_suite);
