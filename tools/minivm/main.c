// SPDX-License-Identifier: GPL-2.0-only
/* minivm: the command line.  Commands are in cmd_*.c, one file each. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "minivm.h"

static const struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *usage, *text;
} commands[] = {
	{ "check", cmd_check, "check [--p-max N] [--device PATH] [--json]",
	  "Is this machine ready, and if not, what to do.\n"
	  "  --p-max N      the highest priority a VM shall get (default 40)\n"
	  "  --device PATH  KVM's device (default /dev/kvm)\n" },
	{ "run", cmd_run, "run [OPTIONS] IMAGE [-- ARGS]",
	  "Run a static 64-bit ELF image, or Linux, as a VM, in the foreground.\n"
	  "  --mode direct|nested   who owns the page tables that the hardware walks:\n"
	  "                         the guest or the host (default direct if the image\n"
	  "                         has Xen's notes for PV guests, else nested)\n"
	  "  --disk FILE[:ro]       a disk, for any guest but Linux; may be repeated\n"
	  "  --net tap:NAME[,mac=MAC]\n"
	  "  --net unix:PATH[,peer=PATH][,mac=MAC]\n"
	  "                         a virtio network device, for any guest but Linux, on\n"
	  "                         a tap device or a datagram socket (peer: PATH.peer)\n"
	  "  --initrd FILE          the first file system of Linux (bzImage, or ELF with\n"
	  "                         a PVH note); ARGS are its command line\n"
	  "  --sched POLICY[:PRIO]  scheduling of the vCPU threads (fifo:40, other:5)\n"
	  "  --pv-sched KEY=VALUE[,...]  let the guest ask for priorities:\n"
	  "      p_max=1..98, nice_min=-20..19, policies=fifo+rr+other+batch+idle,\n"
	  "      boost=500us/10ms, rt=90ms/100ms, early=11us|none,\n"
	  "      vectors=all|none|0x20-0x2f+0xec\n"
	  "  -c, --cpus N           1 to 16 vCPUs (default 1)\n"
	  "  --affinity VCPU@CPU[,...]\n"
	  "  --io-sched POLICY[:PRIO]  scheduling of the threads of disks, network\n"
	  "                         devices and the console\n"
	  "                         (default: below that of the vCPUs)\n"
	  "  --name NAME            for list and sched (default IMAGE-PID)\n"
	  "  -m, --mem SIZE         2M to 3G (default 16M)\n"
	  "  --device PATH          KVM's device (default /dev/kvm)\n"
	  "  --trace-hypercalls     show each of Xen's hypercalls that the tool answers\n"
	  "  --gdb PORT|PATH        wait for a debugger there before the first instruction\n"
	  "  --boot-timer           show what each step of the start takes\n"
	  "  -v, --verbose          say what was loaded and which bounds are in force\n"
	  "Ctrl-A x ends a guest whose console reads standard input, Ctrl-A a is Ctrl-A.\n" },
	{ "sched", cmd_sched, "sched [--json] NAME [VCPU [POLICY:PRIO]]",
	  "Show or set the scheduling of a running VM's vCPU threads.\n" },
	{ "list", cmd_list, "list [--json]", "Show the VMs that run.\n" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

void help(FILE *f, const char *command)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!command || !strcmp(command, commands[i].name))
			fprintf(f, "%s minivm %s\n%s",
				command || !i ? "usage:" : "      ",
				commands[i].usage,
				command ? commands[i].text : "");
	if (command)
		return;
	fputs("       minivm COMMAND --help | --help | --version\n\n"
	      "Exit codes: 0 fine, 1 check found something missing, 64 usage,\n"
	      "65 bad image, 66 no such file or VM, 69 no KVM, 70 guest crashed,\n"
	      "71 system error, 73 name in use, 77 no permission; run: the guest's\n"
	      "own below 64.  See minivm(1).\n", f);
}

static int version(void)
{
	printf("minivm %s, KVM API %d, pv-sched capability 0x%x magic 0x%llx\n",
	       MINIVM_VERSION, KVM_API_VERSION, KVM_CAP_PV_SCHED,
	       (unsigned long long)KVM_PV_SCHED_MAGIC);
	return 0;
}

/*
 * Or a disk or KVM would have such a number, and be written to or read.  What
 * is written there still fails.
 */
static void open_missing(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	size_t i;
	int ret;

	open_missing();
	boot_timer_start();
	if (argc < 2) {
		help(stderr, NULL);
		return EX_USAGE_;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return version();
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help(stdout, NULL);
		return 0;
	}
	for (i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		/* getopt() names the program in its own messages. */
		argv[1] = "minivm";
		ret = commands[i].fn(argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout))
			fail(EX_OS, 0, NULL, "cannot write the output");
		return ret;
	}
	fail(EX_USAGE_, 0, "see: minivm --help", "no command '%s'", argv[1]);
}
