// SPDX-License-Identifier: GPL-2.0-only
/*
 * minivm check: everything that a VM with real-time priorities needs of this
 * machine, one line each, with the remedy for what is missing.  What only
 * costs latency is a warning; what makes `run` fail is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "direct.h"

/* Interrupt threads of PREEMPT_RT and of threadirqs, kernel/irq/manage.c. */
#define IRQ_THREAD_PRIO	50

enum state { GOOD, NOTE, MISSING };

static const char * const state_names[] = { "ok", "warn", "MISSING" };

static const struct option options[] = {
	{ "p-max", required_argument, NULL, 'p' },
	{ "device", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static struct json json = { .f = NULL };
static int missing;
static const char *device = "/dev/kvm";
static int p_max = 40;

static void item(const char *name, enum state state, const char *value,
		 const char *remedy)
{
	if (state == MISSING)
		missing++;
	if (!json.f) {
		printf("%-8s %-16s %s\n", state_names[state], name, value);
		if (state != GOOD && remedy)
			printf("%-8s %-16s -> %s\n", "", "", remedy);
		return;
	}
	json_open(&json, NULL, '{');
	json_str(&json, "name", name);
	json_str(&json, "state", state_names[state]);
	json_str(&json, "value", value);
	if (state != GOOD && remedy)
		json_str(&json, "remedy", remedy);
	json_close(&json, '}');
}

/* The first line of a file; false if there is none. */
static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	bool got;

	buf[0] = 0;
	if (!f)
		return false;
	got = fgets(buf, size, f);
	fclose(f);
	buf[strcspn(buf, "\n")] = 0;
	return got;
}

static bool file_has(const char *path, const char *word)
{
	FILE *f = fopen(path, "r");
	char line[8192];
	bool got = false;

	while (f && !got && fgets(line, sizeof(line), f))
		got = strstr(line, word);
	if (f)
		fclose(f);
	return got;
}

static void check_cpu(void)
{
	if (file_has("/proc/cpuinfo", " svm"))
		item("cpu", GOOD, "AMD-V (svm)", NULL);
	else if (file_has("/proc/cpuinfo", " vmx"))
		item("cpu", GOOD, "Intel VT-x (vmx)", NULL);
	else
		item("cpu", MISSING, "no svm and no vmx in /proc/cpuinfo",
		     "enable virtualization in the firmware; in a VM, ask its owner for nested virtualization");
}

/* A module that carries a version is not the in-tree one, which has none. */
static bool module_version(const char *name, char *buf, size_t size)
{
	char path[128], version[64];

	snprintf(path, sizeof(path), "/sys/module/%s/version", name);
	if (read_line(path, version, sizeof(version))) {
		snprintf(buf, size, "%s: version %s", name, version);
		return true;
	}
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	if (!access(path, F_OK)) {
		snprintf(buf, size, "%s: in-tree module", name);
		return true;
	}
	snprintf(path, sizeof(path), "/sys/module/%s", name);
	snprintf(buf, size, "%s: built into the kernel", name);
	return !access(path, F_OK);
}

static void check_modules(void)
{
	const char *load = "modprobe kvm-amd or kvm-intel; this project's: make install, then reload them with no VM running";
	char kvm[128], vendor[128], both[260];

	if (!module_version("kvm", kvm, sizeof(kvm))) {
		item("modules", MISSING, "kvm is not loaded", load);
		return;
	}
	if (!module_version("kvm_amd", vendor, sizeof(vendor)) &&
	    !module_version("kvm_intel", vendor, sizeof(vendor))) {
		item("modules", MISSING, "kvm is loaded, kvm-amd or kvm-intel is not",
		     load);
		return;
	}
	snprintf(both, sizeof(both), "%s, %s", kvm, vendor);
	if (!strstr(kvm, "version") != !strstr(vendor, "version"))
		item("modules", MISSING, both,
		     "the two come from different builds: unload both, then modprobe the vendor's");
	else
		item("modules", GOOD, both, NULL);
}

/* What KVM offers; without it, fd is below 0. */
static void check_capabilities(int fd)
{
	int cap;

	cap = fd < 0 ? -1 : ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_PV_SCHED);
	if (cap > 0)
		item("pv-sched", GOOD, "KVM_CAP_PV_SCHED offered", NULL);
	else if (cap < 0)
		item("pv-sched", MISSING, "unknown without the device", NULL);
	else
		item("pv-sched", MISSING, "KVM_CAP_PV_SCHED not offered",
		     "these are not this project's modules: make install, then reload them");

	cap = fd < 0 ? -1 :
	      ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_DIRECT_PAGING);
	if (cap > 0)
		item("direct-paging", GOOD, "KVM_CAP_X86_DIRECT_PAGING offered",
		     NULL);
	else if (cap < 0)
		item("direct-paging", NOTE, "unknown without the device", NULL);
	else
		item("direct-paging", NOTE, "KVM_CAP_X86_DIRECT_PAGING not offered",
		     "only needed for Xen's guests and --mode direct: this project's modules, with kvm.direct_paging=1");
}

static void check_device(void)
{
	char value[256];
	int fd;

	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		snprintf(value, sizeof(value), "%s: %s (errno %d)", device,
			 strerror(errno), errno);
		item("device", MISSING, value,
		     errno == EACCES || errno == EPERM ?
		     "run as root or join the group that owns it (usermod -aG kvm USER)" :
		     "load kvm-amd or kvm-intel");
		check_capabilities(-1);
		return;
	}
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(value, sizeof(value), "%s does not speak KVM's API",
			 device);
		item("device", MISSING, value, "is it the KVM device?");
		check_capabilities(-1);
	} else {
		snprintf(value, sizeof(value), "%s, may be used", device);
		item("device", GOOD, value, NULL);
		check_capabilities(fd);
	}
	close(fd);
}

/* /sys/kernel/realtime is a distribution's patch: 6.12 itself has no such file. */
static bool rt_kernel(void)
{
	struct utsname u;

	return !uname(&u) && strstr(u.version, "PREEMPT_RT");
}

static void check_kernel(void)
{
	struct utsname u;
	char value[256];

	uname(&u);
	snprintf(value, sizeof(value), "%s, %s", u.release,
		 rt_kernel() ? "PREEMPT_RT" : "not PREEMPT_RT");
	item("kernel", rt_kernel() ? GOOD : NOTE, value,
	     "boost latencies hold, but other kernel work is not bounded: use the distribution's rt kernel (linux-image-rt-amd64)");
}

static void check_isolation(void)
{
	char cpus[256];

	if (read_line("/sys/devices/system/cpu/isolated", cpus, sizeof(cpus)) &&
	    cpus[0])
		item("isolated-cpus", GOOD, cpus, NULL);
	else
		item("isolated-cpus", NOTE, "none",
		     "only needed for VMs that shall have a CPU alone: boot with isolcpus=, nohz_full=");
}

/* A child that asks for FIFO tells more than any limit that one may read. */
static int try_fifo(int prio)
{
	struct sched_param param = { .sched_priority = prio };
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(sched_setscheduler(0, SCHED_FIFO, &param) ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* CapEff holds CAP_SYS_NICE, bit 23. */
static bool sys_nice(void)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps & 1ULL << 23;
}

static void check_rights(void)
{
	struct rlimit prio = { 0, 0 }, time = { 0, 0 };
	char value[256];
	int err;

	getrlimit(RLIMIT_RTPRIO, &prio);
	snprintf(value, sizeof(value), "%s, RLIMIT_RTPRIO %lld, p_max %d",
		 sys_nice() ? "CAP_SYS_NICE" : "no CAP_SYS_NICE",
		 (long long)prio.rlim_cur, p_max);
	item("rt-right", sys_nice() || prio.rlim_cur >= (rlim_t)p_max ?
	     GOOD : MISSING, value,
	     "run as root, or give RLIMIT_RTPRIO >= p_max (ulimit -r, limits.conf rtprio)");

	getrlimit(RLIMIT_RTTIME, &time);
	if (time.rlim_cur == RLIM_INFINITY) {
		item("rt-time", GOOD, "RLIMIT_RTTIME unlimited", NULL);
	} else {
		snprintf(value, sizeof(value), "RLIMIT_RTTIME %lld us",
			 (long long)time.rlim_cur);
		/* The default rt budget is 90 ms. */
		item("rt-time", time.rlim_cur <= 90000 ? MISSING : NOTE, value,
		     "the kernel kills a thread that is real-time for so long: set it unlimited, or keep the rt budget below it");
	}

	err = try_fifo(1);
	if (!err)
		item("rt-group", GOOD, "this cgroup may run real-time threads",
		     NULL);
	else if (sys_nice() || prio.rlim_cur)
		item("rt-group", MISSING,
		     "RT_GROUP_SCHED: this cgroup may not run real-time threads",
		     "move to the root cgroup, give cpu.rt_runtime_us to this one (cgroup v1), or boot with rt_group_sched=0");
	else
		item("rt-group", NOTE, "unknown without the right to real-time",
		     NULL);
}

static void check_irq_threads(void)
{
	char value[128];
	bool threaded = rt_kernel() || file_has("/proc/cmdline", "threadirqs");

	snprintf(value, sizeof(value), "p_max %d, interrupts %s", p_max,
		 threaded ? "in threads of FIFO 50" : "not in threads");
	item("irq-threads", threaded && p_max >= IRQ_THREAD_PRIO ? NOTE : GOOD,
	     value,
	     "a VM at 50 or more starves the interrupt threads of its CPU: choose p_max below 50, or raise those that it needs (chrt)");
}

static void check_throttling(void)
{
	char runtime[32], value[64];

	if (!read_line("/proc/sys/kernel/sched_rt_runtime_us", runtime,
		       sizeof(runtime)))
		return;
	snprintf(value, sizeof(value), "sched_rt_runtime_us %s", runtime);
	item("rt-throttling", GOOD, value, NULL);
}

int cmd_check(int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "p:d:jh", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			p_max = parse_range("--p-max", optarg, 1, 98);
			break;
		case 'd':
			device = optarg;
			break;
		case 'j':
			json.f = stdout;
			break;
		case 'h':
			help(stdout, "check");
			return 0;
		default:
			return EX_USAGE_;
		}
	}
	if (optind < argc)
		fail(EX_USAGE_, 0, "see: minivm check --help",
		     "check: takes no argument ('%s')", argv[optind]);
	if (json.f) {
		json_open(&json, NULL, '{');
		json_open(&json, "items", '[');
	}
	check_cpu();
	check_modules();
	check_device();
	check_kernel();
	check_isolation();
	check_rights();
	check_irq_threads();
	check_throttling();
	if (json.f) {
		json_close(&json, ']');
		json_num(&json, "missing", missing);
		json_close(&json, '}');
		putchar('\n');
	} else {
		printf("%s\n", missing ? "not ready" : "ready");
	}
	return missing ? EX_MISSING : 0;
}
