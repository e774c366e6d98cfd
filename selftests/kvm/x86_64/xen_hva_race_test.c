// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen_hva_race_test
 *
 * KVM must not write to a page that user space has replaced, where it knows
 * the page by a user address that no memslot covers.
 *
 * One thread makes KVM look up the page over and over.  Another, of higher
 * priority and on the same CPU, is woken by a timer at a random time, and maps
 * another page at that address.  As KVM may sleep between looking up the page
 * and using it, sooner or later the other thread runs right there.  Both pages
 * belong to the test, and so nobody is harmed if it fails.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define SECONDS		5
#define MAX_ROUNDS	100000

/* Words of Xen's shared_info for 64-bit guests. */
#define PENDING		256
#define MASK		320
#define MASK_WORDS	64

#define PORT		100
#define WORD		(PENDING + PORT / 64)
#define PORT_BIT	(1ul << (PORT % 64))

static struct kvm_vm *vm;
static int memfd, timer;
static unsigned long *window;	/* what KVM is told to use */
static unsigned long *page[2];	/* what can be there */
static atomic_uint replaced;

/* Called with one thread running, or by the only one that replaces. */
static void show_page(int i)
{
	void *p = mmap(window, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, memfd, i * PAGE_SIZE);

	TEST_ASSERT(p == window, "mmap() over the window failed");
}

static void *replace_pages(void *arg)
{
	uint64_t expired;
	int i = 0;

	for (;;) {
		if (read(timer, &expired, sizeof(expired)) != sizeof(expired))
			continue;
		i ^= 1;
		show_page(i);
		atomic_store(&replaced, replaced + 1);
	}
	return NULL;
}

static void set_shared_info(void *hva)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA,
		.u.shared_info.hva = (unsigned long)hva,
	};

	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

static void send_event(void)
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = PORT,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	vm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &event);
}

static void arm_timer(long ns)
{
	struct itimerspec when = { .it_value.tv_nsec = ns };

	TEST_ASSERT(!timerfd_settime(timer, 0, &when, NULL),
		    "timerfd_settime() failed");
}

/* How long a look-up takes, for the timer to expire within a few of them. */
static long measure_lookup(void)
{
	struct timespec start;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < 100; i++) {
		set_shared_info(NULL);
		set_shared_info(window);
	}
	return timespec_to_ns(timespec_elapsed(start)) / 100 + 1;
}

/*
 * Race once.  Afterwards nobody replaces pages any more, so that KVM's next
 * write shows which page it took for the current one.
 */
static void race(long lookup_ns)
{
	unsigned int before = atomic_load(&replaced);
	int i, stale;

	arm_timer(20000 + random() % (4 * lookup_ns));
	while (atomic_load(&replaced) == before) {
		set_shared_info(NULL);
		set_shared_info(window);
	}

	for (i = 0; i < 2; i++)
		page[i][WORD] = 0;
	send_event();
	stale = !((before + 1) & 1);
	TEST_ASSERT(window[WORD] == PORT_BIT,
		    "Round %u: KVM wrote to %s", before,
		    page[stale][WORD] ? "a page that had been replaced" :
					"neither page");
}

static void pin_to_cpu(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	TEST_ASSERT(!pthread_setaffinity_np(thread, sizeof(set), &set),
		    "Cannot run on CPU %d", cpu);
}

static void start_replacing(void)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_t thread;
	int cpu = sched_getcpu();

	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	TEST_ASSERT(timer >= 0, "timerfd_create() failed");

	pin_to_cpu(pthread_self(), cpu);
	pthread_create(&thread, NULL, replace_pages, NULL);
	pin_to_cpu(thread, cpu);
	if (pthread_setschedparam(thread, SCHED_FIFO, &param))
		pr_info("No real-time priority: the race will be won less often\n");
}

static void map_pages(void)
{
	int i;

	memfd = kvm_memfd_alloc(2 * PAGE_SIZE, false);
	for (i = 0; i < 2; i++) {
		page[i] = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED, memfd, i * PAGE_SIZE);
		TEST_ASSERT(page[i] != MAP_FAILED, "mmap() failed");
		/* Masked, so that no vCPU is to be told of the event. */
		memset(page[i] + MASK, 0xff, MASK_WORDS * sizeof(long));
	}
	window = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      memfd, 0);
	TEST_ASSERT(window != MAP_FAILED, "mmap() failed");
}

int main(int argc, char *argv[])
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL |
			 KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = 0x40000200,
	};
	struct kvm_xen_hvm_attr long_mode = {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = 1,
	};
	int caps = kvm_check_cap(KVM_CAP_XEN_HVM);
	struct timespec start;
	struct kvm_vcpu *vcpu;
	long lookup_ns;
	int i;

	TEST_REQUIRE(caps & KVM_XEN_HVM_CONFIG_EVTCHN_SEND);
	TEST_REQUIRE(caps & KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA);

	/* The event needs a vCPU to go to, which never runs. */
	vm = vm_create_with_one_vcpu(&vcpu, NULL);
	vm_ioctl(vm, KVM_XEN_HVM_CONFIG, &config);
	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &long_mode);

	map_pages();
	lookup_ns = measure_lookup();
	start_replacing();

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < MAX_ROUNDS; i++) {
		race(lookup_ns);
		if (timespec_elapsed(start).tv_sec >= SECONDS)
			break;
	}
	pr_info("%d rounds, %ld ns a look-up\n", i, lookup_ns);

	kvm_vm_free(vm);
	return 0;
}
