// SPDX-License-Identifier: GPL-2.0-only
/* minivm run: one VM from one image, in the foreground, until it ends. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gdb/gdb.h"
#include "minivm.h"
#include "pc/pc.h"
#include "virtio/virtio.h"
#include "xen/xen.h"

enum { OPT_SCHED = 256, OPT_PV, OPT_AFFINITY, OPT_NAME, OPT_DEVICE, OPT_MODE,
       OPT_DISK, OPT_NET, OPT_INITRD, OPT_IO_SCHED, OPT_TRACE,
       OPT_TIMER, OPT_GDB };

static const struct option options[] = {
	{ "sched", required_argument, NULL, OPT_SCHED },
	{ "pv-sched", required_argument, NULL, OPT_PV },
	{ "cpus", required_argument, NULL, 'c' },
	{ "affinity", required_argument, NULL, OPT_AFFINITY },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "mem", required_argument, NULL, 'm' },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "net", required_argument, NULL, OPT_NET },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "io-sched", required_argument, NULL, OPT_IO_SCHED },
	{ "trace-hypercalls", no_argument, NULL, OPT_TRACE },
	{ "boot-timer", no_argument, NULL, OPT_TIMER },
	{ "gdb", required_argument, NULL, OPT_GDB },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static struct vm vm = { .device = "/dev/kvm", .mem_size = 16 << 20, .cpus = 1 };
static char name[64];
static const char *affinity, *gdb_where;
static struct vm_options vm_options;
static struct policy io_policy;
static bool verbose;
static pthread_barrier_t known, go;

/* VCPU@CPU[,VCPU@CPU...]; a vCPU that is not named runs anywhere. */
static void parse_affinity(const char *s)
{
	char buf[256], *word, *at, *save = NULL;
	unsigned int i;

	for (i = 0; i < MINIVM_MAX_CPUS; i++)
		vm.vcpus[i].host_cpu = -1;
	if (!s)
		return;
	snprintf(buf, sizeof(buf), "%s", s);
	for (word = strtok_r(buf, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		at = strchr(word, '@');
		if (!at)
			fail(EX_USAGE_, 0, NULL,
			     "--affinity '%s' is not VCPU@CPU (as in 0@2,1@3)", s);
		*at++ = 0;
		i = parse_range("--affinity vCPU", word, 0, vm.cpus - 1);
		vm.vcpus[i].host_cpu = parse_range("--affinity CPU", at, 0,
						   CPU_SETSIZE - 1);
	}
}

static int parse_mode(const char *s)
{
	if (!strcmp(s, "direct"))
		return MODE_DIRECT;
	if (!strcmp(s, "nested"))
		return MODE_NESTED;
	fail(EX_USAGE_, 0, NULL, "--mode '%s' is neither direct nor nested", s);
}

static void add_disk(const char *disk)
{
	if (vm_options.nr_disks == MINIVM_MAX_DISKS)
		fail(EX_USAGE_, 0, NULL, "--disk: a VM has at most %d",
		     MINIVM_MAX_DISKS);
	vm_options.disks[vm_options.nr_disks++] = disk;
}

static void add_net(const char *net)
{
	struct link_spec spec;

	if (vm_options.nr_nets == MINIVM_MAX_NETS)
		fail(EX_USAGE_, 0, NULL, "--net: a VM has at most %d",
		     MINIVM_MAX_NETS);
	/* What is wrong with it is said before there is a VM. */
	link_parse(net, &spec);
	vm_options.nets[vm_options.nr_nets++] = net;
}

/* How the threads are scheduled. */
static bool parse_scheduling(int opt)
{
	switch (opt) {
	case OPT_SCHED:
		policy_parse(optarg, &vm.policy);
		vm.set_policy = true;
		return true;
	case OPT_PV:
		pv_sched_parse(optarg, &vm.pv_sched);
		vm.pv = true;
		return true;
	case OPT_AFFINITY:
		affinity = optarg;
		return true;
	case OPT_IO_SCHED:
		policy_parse(optarg, &io_policy);
		vm_options.set_io_policy = true;
		return true;
	default:
		return false;
	}
}

/* What the VM is. */
static bool parse_machine(int opt)
{
	switch (opt) {
	case OPT_DEVICE:
		vm.device = optarg;
		return true;
	case OPT_MODE:
		vm_options.mode = parse_mode(optarg);
		return true;
	case OPT_DISK:
		add_disk(optarg);
		return true;
	case OPT_NET:
		add_net(optarg);
		return true;
	case OPT_INITRD:
		vm_options.initrd = optarg;
		return true;
	case 'c':
		vm.cpus = parse_range("--cpus", optarg, 1, MINIVM_MAX_CPUS);
		return true;
	case 'm':
		vm.mem_size = parse_size("--mem", optarg, 2 << 20, 3ULL << 30);
		return true;
	default:
		return false;
	}
}

static void parse_option(int opt)
{
	switch (opt) {
	case OPT_NAME:
		runtime_check_name(optarg);
		strcpy(name, optarg);
		break;
	case OPT_TIMER:
		boot_timer_show();
		break;
	case OPT_GDB:
		gdb_where = optarg;
		break;
	case OPT_TRACE:
		vm_options.trace = true;
		break;
	case 'v':
		verbose = true;
		break;
	case 'h':
		help(stdout, "run");
		end(0);
	default:
		end(EX_USAGE_);
	}
}

static int parse_options(int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "+c:m:vh", options, NULL)) != -1)
		if (!parse_scheduling(opt) && !parse_machine(opt))
			parse_option(opt);
	parse_affinity(affinity);
	return optind;
}

/* The image's name and the pid, with what a name may not hold left out. */
static void default_name(const char *image)
{
	const char *base = strrchr(image, '/');
	size_t len = 0;

	for (base = base ? base + 1 : image; *base && len < 40; base++)
		if (strchr("_-", *base) || (*base >= '0' && *base <= '9') ||
		    (*base >= 'a' && *base <= 'z') ||
		    (*base >= 'A' && *base <= 'Z'))
			name[len++] = *base;
	snprintf(name + len, sizeof(name) - len, "%s%d", len ? "-" : "vm-",
		 getpid());
}

static void pin(struct vcpu *vcpu)
{
	cpu_set_t set;

	if (vcpu->host_cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(vcpu->host_cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(errno == EINVAL ? EX_USAGE_ : EX_OS, errno,
		     "choose an online CPU that this process may use (taskset -p $$)",
		     "cannot put vCPU %u on CPU %d", vcpu->id, vcpu->host_cpu);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	char thread_name[16];

	snprintf(thread_name, sizeof(thread_name), "vcpu%u", vcpu->id);
	name_thread(thread_name);
	vcpu->tid = syscall(SYS_gettid);
	pin(vcpu);
	if (vm.pc)
		halt_prepare(vcpu);
	pthread_barrier_wait(&known);
	pthread_barrier_wait(&go);
	if (vm.set_policy && policy_set(0, &vm.policy))
		fail(exit_code_of(errno), errno,
		     policy_remedy(&vm.policy, errno),
		     "cannot set vCPU %u to %s", vcpu->id,
		     policy_name(vm.policy.policy));
	vcpu_run(vcpu);
}

static void start_vcpus(const char *image)
{
	struct runtime r = {
		.pid = getpid(), .mem = vm.mem_size, .cpus = vm.cpus,
		.p_max = vm.pv ? vm.pv_sched.p_max : 0,
	};
	unsigned int i;

	strcpy(r.name, name);
	snprintf(r.image, sizeof(r.image), "%s", image);
	pthread_barrier_init(&known, NULL, vm.cpus + 1);
	pthread_barrier_init(&go, NULL, vm.cpus + 1);
	for (i = 0; i < vm.cpus; i++)
		start_thread("a vCPU", vcpu_thread, &vm.vcpus[i]);
	/* No vCPU runs before the file that names its thread is there. */
	pthread_barrier_wait(&known);
	for (i = 0; i < vm.cpus; i++)
		r.tids[i] = vm.vcpus[i].tid;
	runtime_create(&r);
	pthread_barrier_wait(&go);
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, RESET_SIGNAL);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Whoever wants an end is not made to wait for one more start; 0: nobody. */
static int deadly_signal(void)
{
	static const int deadly[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;
	size_t i;

	sigpending(&set);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		if (sigismember(&set, deadly[i]))
			return deadly[i];
	return 0;
}

static void describe(const char *image)
{
	fprintf(stderr, "minivm: %s: %s, entry 0x%llx, %lluM, %u vCPU, %s%s\n",
		name, image, (unsigned long long)vm.entry,
		(unsigned long long)vm.mem_size >> 20, vm.cpus,
		vm.pv ? "paravirtualized scheduling" : "plain",
		vm.xen_abi ? ", Xen's ABI on direct paging" :
		vm.direct ? ", direct paging" : vm.pc ? ", Linux" : "");
	if (vm.pv)
		pv_sched_describe(&vm.pv_sched);
}

int cmd_run(int argc, char **argv)
{
	sigset_t set;
	int sig = 0;

	reset_prepare(argc, argv);
	argc -= parse_options(argc, argv);
	argv += optind;
	if (argc < 1)
		fail(EX_USAGE_, 0, "see: minivm run --help",
		     "run: an image is missing");
	if (!name[0])
		default_name(argv[0]);
	if (argc > 1 && strcmp(argv[1], "--"))
		fail(EX_USAGE_, 0, NULL,
		     "run: put -- between the image and its arguments ('%s')",
		     argv[1]);

	io_policy_init(vm_options.set_io_policy ? &io_policy : NULL,
		       vm.set_policy ? &vm.policy : NULL);
	block_signals(&set);
	end_bounded();
	if (gdb_where)
		gdb_listen(gdb_where);
	vm_make(&vm, &vm_options, argv[0], argv + 2, argc > 2 ? argc - 2 : 0);
	if (verbose)
		describe(argv[0]);
	if ((vm.set_policy || vm.pv) && mlockall(MCL_CURRENT | MCL_FUTURE))
		warn(errno, "raise RLIMIT_MEMLOCK (ulimit -l)",
		     "cannot lock memory, page faults will add latency");
	if (!vm.direct)
		vm_prefault(&vm);
	if (gdb_where)
		gdb_start(&vm);
	start_vcpus(argv[0]);
	boot_timer("vCPUs run");

	/* vCPUs end the process themselves; here only signals do. */
	if (vm.pc)
		sig = halt_wait(&vm, &set);
	else
		sigwait(&set, &sig);
	if (sig == RESET_SIGNAL)
		sig = deadly_signal();
	if (!sig)
		reset_now();
	end(128 + sig);
}
