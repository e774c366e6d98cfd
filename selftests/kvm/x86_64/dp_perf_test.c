// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what work on page tables costs, host and guest together, and
 * the same work of an ordinary VM.
 *
 * Where the TSC counts instructions, as in an emulator with a deterministic
 * clock, so do the results.  Exits are those that KVM counts, without the
 * interrupts of the host and the one that ends each measurement.
 *
 *	dp_perf_test -m direct|ordinary
 *
 * prints a line "csv OP,N,TICKS,EXITS" for each operation, per operation.
 */
#include <getopt.h>
#include <sys/ioctl.h>

#include "dp_perf.h"

static u64 count_exits(struct kvm_vcpu *vcpu)
{
	return dp_vcpu_stat(vcpu, "exits") - dp_vcpu_stat(vcpu, "irq_exits");
}

/* The name is the guest's, which is this program. */
static void print_result(struct ucall *uc, u64 exits)
{
	const char *name = (const char *)uc->args[2];
	double n = uc->args[3];

	printf("csv %s,%lu,%.1f,%.3f\n", name, (unsigned long)uc->args[3],
	       uc->args[4] / n, exits / n);
	fflush(stdout);
}

static void run_until_ucall(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int r;

	do {
		r = ioctl(vcpu->fd, KVM_RUN, NULL);
		TEST_ASSERT(!r || errno == EINTR, KVM_IOCTL_ERROR(KVM_RUN, r));
	} while (r || (run->exit_reason == KVM_EXIT_IO &&
		       run->io.port == PERF_PORT));
}

static void measure_vcpu(struct kvm_vcpu *vcpu)
{
	u64 begin = 0, exits = 0;
	struct ucall uc;

	for (;;) {
		run_until_ucall(vcpu);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_PRINTF:
			REPORT_GUEST_PRINTF(uc);
			continue;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
			break;
		case UCALL_DONE:
			return;
		case UCALL_SYNC:
			break;
		default:
			TEST_FAIL("Exit %u (%s)", vcpu->run->exit_reason,
				  exit_reason_str(vcpu->run->exit_reason));
		}

		switch (uc.args[1]) {
		case STAGE_BEGIN:
			begin = count_exits(vcpu);
			break;
		case STAGE_PAUSE:
			exits += count_exits(vcpu) - begin - 1;
			break;
		case STAGE_REPORT:
			print_result(&uc, exits);
			exits = 0;
			break;
		}
	}
}

static void measure_direct(void)
{
	struct dp_vm dp;

	dp_require();
	dp_turn_auditor(false);
	dp_vm_create(&dp, perf_guest, 1);
	dp_vm_start(&dp);
	measure_vcpu(dp.vcpus[0]);
	/* That nested paging was off, too. */
	dp_turn_auditor(true);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

static void measure_ordinary(void)
{
	struct dp_vm dp;

	dp_ordinary_create(&dp, perf_guest);
	measure_vcpu(dp.vcpus[0]);
	dp_ordinary_free(&dp);
}

static void help(const char *name)
{
	printf("usage: %s [-m direct|ordinary]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char *argv[])
{
	const char *mode = "direct";
	int c;

	while ((c = getopt(argc, argv, "hm:")) != -1) {
		if (c != 'm')
			help(argv[0]);
		mode = optarg;
	}

	if (!strcmp(mode, "direct"))
		measure_direct();
	else if (!strcmp(mode, "ordinary"))
		measure_ordinary();
	else
		help(argv[0]);
	return 0;
}
