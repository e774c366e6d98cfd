// SPDX-License-Identifier: GPL-2.0-only
/* Paravirtualized scheduling of a VM: its bounds, from words to the kernel. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#include "minivm.h"

#define ALL_POLICIES	(1 << SCHED_OTHER | 1 << SCHED_FIFO | 1 << SCHED_RR | \
			 1 << SCHED_BATCH | 1 << SCHED_IDLE)

void pv_sched_defaults(struct kvm_pv_sched *pv)
{
	memset(pv, 0, sizeof(*pv));
	pv->magic = KVM_PV_SCHED_MAGIC;
	pv->p_max = 40;
	pv->policies = ALL_POLICIES;
	memset(pv->vectors, 0xff, sizeof(pv->vectors));
}

/* BUDGET/PERIOD, as in 500us/10ms. */
static void parse_budget(const char *key, char *val, __u64 *budget,
			 __u64 *period)
{
	char *slash = strchr(val, '/');

	if (!slash)
		fail(EX_USAGE_, 0, NULL,
		     "--pv-sched %s: '%s' is not BUDGET/PERIOD (500us/10ms)",
		     key, val);
	*slash = 0;
	*budget = parse_duration(key, val);
	*period = parse_duration(key, slash + 1);
	if (!*budget || *budget > *period)
		fail(EX_USAGE_, 0, NULL,
		     "--pv-sched %s: the budget must be above 0 and at most its period",
		     key);
}

static void parse_policies(char *val, __u32 *mask)
{
	char *word, *save = NULL;

	*mask = 0;
	for (word = strtok_r(val, "+", &save); word;
	     word = strtok_r(NULL, "+", &save)) {
		int policy = policy_number(word);

		if (policy < 0 || policy == 6)
			fail(EX_USAGE_, 0, NULL,
			     "--pv-sched policies: '%s' is none of fifo, rr, other, batch, idle (joined by +)",
			     word);
		*mask |= 1U << policy;
	}
}

/* all, none, or numbers and ranges joined by +: 0x20-0x2f+0xec */
static void parse_vectors(char *val, __u64 vectors[4])
{
	char *word, *dash, *save = NULL;
	long first, last;

	memset(vectors, strcmp(val, "all") ? 0 : 0xff, 4 * sizeof(vectors[0]));
	if (!strcmp(val, "all") || !strcmp(val, "none"))
		return;
	for (word = strtok_r(val, "+", &save); word;
	     word = strtok_r(NULL, "+", &save)) {
		dash = strchr(word, '-');
		if (dash)
			*dash++ = 0;
		first = parse_range("--pv-sched vectors", word, 0, 255);
		last = dash ? parse_range("--pv-sched vectors", dash, first,
					  255) : first;
		for (; first <= last; first++)
			vectors[first / 64] |= 1ULL << first % 64;
	}
}

static void parse_one(char *word, struct kvm_pv_sched *pv)
{
	char *val = strchr(word, '=');

	if (!val)
		fail(EX_USAGE_, 0, NULL, "--pv-sched: '%s' is not KEY=VALUE", word);
	*val++ = 0;
	if (!strcmp(word, "p_max"))
		pv->p_max = parse_range("--pv-sched p_max", val, 1, 98);
	else if (!strcmp(word, "nice_min"))
		pv->nice_min = parse_range("--pv-sched nice_min", val, -20, 19);
	else if (!strcmp(word, "policies"))
		parse_policies(val, &pv->policies);
	else if (!strcmp(word, "boost"))
		parse_budget("boost", val, &pv->boost_budget_ns,
			     &pv->boost_period_ns);
	else if (!strcmp(word, "rt"))
		parse_budget("rt", val, &pv->rt_budget_ns, &pv->rt_period_ns);
	else if (!strcmp(word, "early"))
		pv->early_ns = strcmp(val, "none") ?
			parse_duration("--pv-sched early", val) : ~0ULL;
	else if (!strcmp(word, "vectors"))
		parse_vectors(val, pv->vectors);
	else
		fail(EX_USAGE_, 0, NULL,
		     "--pv-sched: '%s' is none of p_max, nice_min, policies, boost, rt, early, vectors",
		     word);
}

void pv_sched_parse(const char *s, struct kvm_pv_sched *pv)
{
	char buf[512], *word, *save = NULL;

	if (strlen(s) >= sizeof(buf))
		fail(EX_USAGE_, 0, NULL, "--pv-sched: longer than %zu characters",
		     sizeof(buf) - 1);
	strcpy(buf, s);
	pv_sched_defaults(pv);
	for (word = strtok_r(buf, ",", &save); word;
	     word = strtok_r(NULL, ",", &save))
		parse_one(word, pv);
}

/* Turn it on, then read back what is in force, defaults filled in. */
void pv_sched_enable(int vm_fd, struct kvm_pv_sched *pv)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PV_SCHED,
		.args = { KVM_PV_SCHED_ENABLE, (uintptr_t)pv },
	};
	const char *remedy = NULL;
	int err;

	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_PV_SCHED) <= 0)
		fail(EX_NOKVM, 0,
		     "load this project's modules (make install), see: minivm check",
		     "the loaded kvm module does not offer KVM_CAP_PV_SCHED");
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &cap)) {
		err = errno;
		if (err == EPERM)
			remedy = "run with CAP_SYS_NICE or raise RLIMIT_RTPRIO to p_max (ulimit -r) and RLIMIT_NICE for nice_min; a finite RLIMIT_RTTIME must exceed the rt budget";
		else if (err == EINVAL)
			remedy = "a bound is outside what the module accepts, see --pv-sched in minivm(1)";
		fail(exit_code_of(err), err, remedy,
		     "cannot enable paravirtualized scheduling with p_max %u",
		     pv->p_max);
	}
	cap.args[0] = KVM_PV_SCHED_GET;
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &cap))
		fail(EX_OS, errno, NULL,
		     "cannot read back the paravirtualized scheduling bounds");
}

/* What is in force, as the kernel gave it back. */
void pv_sched_describe(const struct kvm_pv_sched *pv)
{
	fprintf(stderr,
		"minivm: pv-sched p_max %u, nice_min %d, policies 0x%x, boost %llu/%llu us, rt %llu/%llu us, early %lld ns\n",
		pv->p_max, pv->nice_min, pv->policies,
		pv->boost_budget_ns / 1000, pv->boost_period_ns / 1000,
		pv->rt_budget_ns / 1000, pv->rt_period_ns / 1000,
		(long long)pv->early_ns);
}
