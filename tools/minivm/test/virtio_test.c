// SPDX-License-Identifier: GPL-2.0-only
/* Virtio's registers and rings, in and out of order. */
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <linux/virtio_ids.h>

#include "virtio_test.h"

struct ring rings[VIRTIO_QUEUES];
struct device *dev;

static struct chain chain;
static unsigned int served;

uint64_t gpa(const void *p)
{
	return (const uint8_t *)p - mem[0];
}

static void access_port(unsigned int reg, bool in, uint32_t *val)
{
	check(virtio_io(&vm, VIRTIO_PORTS_BASE + reg, in, (uint8_t *)val, 4));
}

uint32_t get(unsigned int reg)
{
	uint32_t val = 0;

	access_port(reg, true, &val);
	return val;
}

void put(unsigned int reg, uint32_t val)
{
	access_port(reg, false, &val);
}

void kick(void)
{
	eventfd_write(dev->kick, 1);
}

/* The thread has looked twice, so it has done what there was before. */
static void settle(void)
{
	struct pollfd p = { .fd = dev->kick, .events = POLLIN };
	int i;

	for (i = 0; i < 2; i++) {
		kick();
		while (poll(&p, 1, 0))
			usleep(100);
	}
}

void start_machine(void)
{
	vm = (struct vm) {
		.mem = mem[0], .mem_size = sizeof(mem), .cpus = 2,
		.direct = true,
	};
}

void agree(uint64_t features)
{
	features |= 1ULL << VIRTIO_F_VERSION_1;
	put(VIRTIO_MMIO_STATUS, DRIVER_UP);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	put(VIRTIO_MMIO_DRIVER_FEATURES, features);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	put(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	put(VIRTIO_MMIO_STATUS, DRIVER_UP | VIRTIO_CONFIG_S_FEATURES_OK);
}

void set_queue(unsigned int queue)
{
	struct ring *r = &rings[queue];

	*r = (struct ring) {
		.desc = (void *)mem[20 + 3 * queue],
		.avail = (void *)mem[21 + 3 * queue],
		.used = (void *)mem[22 + 3 * queue],
	};
	memset(r->desc, 0, 3 * 4096);
	put(VIRTIO_MMIO_QUEUE_SEL, queue);
	put(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, gpa(r->desc));
	put(VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	put(VIRTIO_MMIO_QUEUE_AVAIL_LOW, gpa(r->avail));
	put(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	put(VIRTIO_MMIO_QUEUE_USED_LOW, gpa(r->used));
	put(VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
}

void start_driver(unsigned int queues)
{
	unsigned int i;

	agree(0);
	for (i = 0; i < queues; i++) {
		set_queue(i);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		check(get(VIRTIO_MMIO_QUEUE_READY) == 1);
	}
	put(VIRTIO_PORTS_INTERRUPT, VIRTIO_PORTS_TARGET(VECTOR, 1));
	put(VIRTIO_MMIO_STATUS, DRIVER_UP | VIRTIO_CONFIG_S_FEATURES_OK |
	    VIRTIO_CONFIG_S_DRIVER_OK);
	check(status_is(0xff, DRIVER_UP | VIRTIO_CONFIG_S_FEATURES_OK |
			VIRTIO_CONFIG_S_DRIVER_OK));
}

void describe(unsigned int queue, unsigned int i, uint64_t addr, uint32_t len,
	      uint16_t flags)
{
	rings[queue].desc[i] = (struct vring_desc) {
		.addr = addr, .len = len, .flags = flags, .next = i + 1,
	};
}

void offer(unsigned int queue, uint16_t head)
{
	struct vring_avail *avail = rings[queue].avail;

	avail->ring[avail->idx % QUEUE_SIZE] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

uint32_t await(unsigned int queue, uint16_t *head)
{
	struct ring *r = &rings[queue];
	struct vring_used_elem *e;
	int i;

	for (i = 0; i < 5000; i++) {
		if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->seen)
			break;
		usleep(1000);
	}
	check(i < 5000);
	e = &r->used->ring[r->seen++ % QUEUE_SIZE];
	if (head)
		*head = e->id;
	return e->len;
}

bool status_is(uint32_t mask, uint32_t bits)
{
	int i;

	for (i = 0; i < 5000 && (get(VIRTIO_MMIO_STATUS) & mask) != bits; i++)
		usleep(1000);
	return i < 5000;
}

unsigned int interrupts(void)
{
	eventfd_t n;

	return eventfd_read(dev->irq, &n) ? 0 : n;
}

/* A device that gives back all it gets, and how long it was. */
static bool echo(struct device *dev)
{
	struct queue *q = &dev->queues[0];

	uint8_t byte;

	while (queue_take(q, &chain)) {
		served++;
		if (chain.out_len)
			check(chain_read(q, &chain, 0, &byte, 1) && q->nr_spans);
		device_used(dev, q, &chain, chain.out_len + 1000 * chain.in_len);
		/* What is the guest's again is held no longer. */
		check(!q->nr_spans);
	}
	return false;
}

static const struct device_type echo_type = {
	.id = 99, .nr_queues = 2, .serve = echo,
};

static void start_echo(void)
{
	static const char config[] = "configur";

	start_machine();
	dev = device_create(&vm, &echo_type, "echo", NULL);
	dev->config = config;
	dev->config_size = sizeof(config) - 1;
	dev->features |= 1 << 5;
	device_start(dev);
}

static void registers(void)
{
	uint8_t data[4] = { 1, 2, 3, 4 };

	start_echo();
	check(get(VIRTIO_MMIO_MAGIC_VALUE) == VIRTIO_PORTS_MAGIC);
	check(get(VIRTIO_MMIO_VERSION) == 2);
	check(get(VIRTIO_MMIO_DEVICE_ID) == 99);
	check(get(VIRTIO_MMIO_VENDOR_ID) == VIRTIO_PORTS_VENDOR);
	check(get(VIRTIO_MMIO_DEVICE_FEATURES) == 1 << 5);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	check(get(VIRTIO_MMIO_DEVICE_FEATURES) == 1);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	check(get(VIRTIO_MMIO_DEVICE_FEATURES) == 0);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0x80000000);
	check(get(VIRTIO_MMIO_DEVICE_FEATURES) == 0);
	check(get(VIRTIO_MMIO_QUEUE_NUM_MAX) == VIRTIO_QUEUE_MAX);
	put(VIRTIO_MMIO_QUEUE_SEL, 2);
	check(get(VIRTIO_MMIO_QUEUE_NUM_MAX) == 0);
	put(VIRTIO_MMIO_QUEUE_SEL, ~0U);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	check(get(VIRTIO_MMIO_CONFIG) == *(const uint32_t *)"conf");
	check(get(VIRTIO_MMIO_CONFIG + 6) == *(const uint32_t *)"ur\0");
	check(get(VIRTIO_PORTS - 4) == 0);
	check(virtio_io(&vm, VIRTIO_PORTS_BASE + VIRTIO_MMIO_CONFIG + 4, true,
			data, 1) && data[0] == 'i' && data[1] == 2);
	check(virtio_io(&vm, VIRTIO_PORTS_BASE + 2, true, data, 4));
	check(data[0] == 0xff && data[3] == 0xff);
	check(virtio_io(&vm, VIRTIO_PORTS_BASE, true, data, 2));
	check(data[0] == 0xff && data[1] == 0xff);
	check(!virtio_io(&vm, VIRTIO_PORTS_BASE + VIRTIO_PORTS, true, data, 4));
	check(!virtio_io(&vm, VIRTIO_PORTS_BASE - 4, true, data, 4));
	check(!virtio_io(&vm, 0, true, data, 4));
	start_machine();
	check(!virtio_io(&vm, VIRTIO_PORTS_BASE, true, data, 4));
}

static void handshake(void)
{
	start_echo();
	put(VIRTIO_MMIO_STATUS, DRIVER_UP | VIRTIO_CONFIG_S_FEATURES_OK);
	check(get(VIRTIO_MMIO_STATUS) == DRIVER_UP);
	agree(1 << 6);
	check(get(VIRTIO_MMIO_STATUS) == DRIVER_UP);
	put(VIRTIO_MMIO_STATUS, DRIVER_UP | VIRTIO_CONFIG_S_DRIVER_OK);
	check(get(VIRTIO_MMIO_STATUS) == DRIVER_UP);
	set_queue(0);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	agree(1 << 5);
	check(get(VIRTIO_MMIO_STATUS) ==
	      (DRIVER_UP | VIRTIO_CONFIG_S_FEATURES_OK));
	/* Too late to change them. */
	put(VIRTIO_MMIO_DRIVER_FEATURES, 0);
	check(dev->driver_features ==
	      (1ULL << VIRTIO_F_VERSION_1 | 1 << 5));
	put(VIRTIO_MMIO_STATUS, NEEDS_RESET | 0x100);
	check(get(VIRTIO_MMIO_STATUS) ==
	      (DRIVER_UP | VIRTIO_CONFIG_S_FEATURES_OK));
	put(VIRTIO_MMIO_STATUS, 0);
	check(get(VIRTIO_MMIO_STATUS) == 0 && !dev->driver_features);
	check(!warnings);
}

static void target(void)
{
	start_echo();
	put(VIRTIO_PORTS_INTERRUPT, VIRTIO_PORTS_TARGET(0x40, 1));
	check(get(VIRTIO_PORTS_INTERRUPT) == 0x140);
	put(VIRTIO_PORTS_INTERRUPT, VIRTIO_PORTS_TARGET(0x40, 2));
	check(get(VIRTIO_PORTS_INTERRUPT) == 0);
	put(VIRTIO_PORTS_INTERRUPT, VIRTIO_PORTS_TARGET(31, 0));
	check(get(VIRTIO_PORTS_INTERRUPT) == 0);
	put(VIRTIO_PORTS_INTERRUPT, 0xffffff40);
	check(get(VIRTIO_PORTS_INTERRUPT) == 0);
	put(VIRTIO_PORTS_INTERRUPT, VIRTIO_PORTS_TARGET(32, 0));
	check(get(VIRTIO_PORTS_INTERRUPT) == 32);
}

static void target_of_xen(void)
{
	start_echo();
	vm.xen = &xen;
	put(VIRTIO_PORTS_INTERRUPT, 7);
	check(get(VIRTIO_PORTS_INTERRUPT) == 7 && has_fn(7));
	send_event(7);
	put(VIRTIO_PORTS_INTERRUPT, 8);
	check(get(VIRTIO_PORTS_INTERRUPT) == 8 && has_fn(8) && !has_fn(7));
	put(VIRTIO_PORTS_INTERRUPT, 0xffffffff);
	check(get(VIRTIO_PORTS_INTERRUPT) == 0 && !has_fn(8));
	put(VIRTIO_PORTS_INTERRUPT, NR_TEST_PORTS - 1);
	check(get(VIRTIO_PORTS_INTERRUPT) == 0);
	put(VIRTIO_PORTS_INTERRUPT, 8);
	put(VIRTIO_MMIO_STATUS, 0);
	check(get(VIRTIO_PORTS_INTERRUPT) == 0 && !has_fn(8));
}

static void describe_one(void)
{
	describe(0, 0, BUFFER_GFN << 12, 10, 0);
}

static void chains(void)
{
	unsigned int i;
	uint16_t head;

	start_echo();
	start_driver(1);
	check(nr_holds == 3);
	describe(0, 3, BUFFER_GFN << 12, 5, VRING_DESC_F_NEXT);
	describe(0, 4, (BUFFER_GFN << 12) + 4090, 10, VRING_DESC_F_NEXT);
	describe(0, 5, 0, 7, VRING_DESC_F_WRITE);
	offer(0, 3);
	kick();
	check(await(0, &head) == 7015 && head == 3);
	check(interrupts() == 1 && get(VIRTIO_MMIO_INTERRUPT_STATUS) == 1);
	put(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	check(get(VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
	/* As many as fit, many times round. */
	for (i = 0; i < QUEUE_SIZE; i++)
		describe(0, i, sizeof(mem) - 1, 1, i < QUEUE_SIZE - 1 ?
			 VRING_DESC_F_NEXT : 0);
	for (i = 0; i < 3 * QUEUE_SIZE; i++) {
		offer(0, i % QUEUE_SIZE);
		kick();
		check(await(0, &head) == QUEUE_SIZE - i % QUEUE_SIZE &&
		      head == i % QUEUE_SIZE);
	}
	/* The last interrupt comes after its entry. */
	rings[0].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	put(VIRTIO_MMIO_QUEUE_READY, 0);
	for (i = 0; i < 5000 && get(VIRTIO_MMIO_QUEUE_READY); i++)
		usleep(1000);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 0 && !nr_holds);
	interrupts();
	set_queue(0);
	rings[0].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	describe_one();
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	offer(0, 0);
	kick();
	check(await(0, &head) == 10);
	put(VIRTIO_MMIO_STATUS, 0);
	check(status_is(0xff, 0) && !nr_holds);
	check(!interrupts() && !warnings);
}

/* Kicks that come early are not lost, and harm nothing. */
static void early(void)
{
	start_echo();
	kick();
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 77);
	agree(0);
	kick();
	set_queue(0);
	describe_one();
	offer(0, 0);
	kick();
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	settle();
	check(!rings[0].used->idx);
	put(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
	check(await(0, NULL) == 10);
	/* A queue that becomes ready later. */
	put(VIRTIO_MMIO_QUEUE_SEL, 1);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	put(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FAILED);
	check(status_is(0x84, 0x84));
	offer(0, 0);
	settle();
	check(rings[0].used->idx == 1 && !warnings);
}

/* Registers that a hostile guest writes before it says that it is ready. */
static void bad_queue(unsigned int reg, uint32_t val)
{
	agree(0);
	set_queue(0);
	put(reg, val);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	check(get(VIRTIO_MMIO_STATUS) & NEEDS_RESET && !nr_holds);
	put(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	put(VIRTIO_MMIO_STATUS, 0);
	check(get(VIRTIO_MMIO_STATUS) == 0 && !nr_holds);
}

static void bad_queues(void)
{
	static const uint32_t sizes[] = {
		0, 3, 6, VIRTIO_QUEUE_MAX + 1, 2 * VIRTIO_QUEUE_MAX, 0x10000,
		0x80000000, ~0U,
	};
	uint32_t end = sizeof(mem), i;

	start_echo();
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		bad_queue(VIRTIO_MMIO_QUEUE_NUM, sizes[i]);
	bad_queue(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x8008);
	bad_queue(VIRTIO_MMIO_QUEUE_DESC_LOW, end);
	bad_queue(VIRTIO_MMIO_QUEUE_DESC_LOW, end - QUEUE_SIZE * 16 + 16);
	bad_queue(VIRTIO_MMIO_QUEUE_DESC_LOW, 0xfffffff0);
	bad_queue(VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
	bad_queue(VIRTIO_MMIO_QUEUE_DESC_HIGH, 0xffffffff);
	bad_queue(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x8001);
	bad_queue(VIRTIO_MMIO_QUEUE_AVAIL_LOW, end - 2 - QUEUE_SIZE * 2);
	bad_queue(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0x80000000);
	bad_queue(VIRTIO_MMIO_QUEUE_USED_LOW, 0x8002);
	bad_queue(VIRTIO_MMIO_QUEUE_USED_LOW, end - QUEUE_SIZE * 8);
	bad_queue(VIRTIO_MMIO_QUEUE_USED_HIGH, 1);
	/* The last of three is refused: the others are let go. */
	is_table[22] = true;
	bad_queue(VIRTIO_MMIO_QUEUE_SEL, 0);
	is_table[22] = false;
	is_table[20] = true;
	bad_queue(VIRTIO_MMIO_QUEUE_SEL, 0);
	is_table[20] = false;
	for (i = 0; i < 5000 && !__atomic_load_n(&warnings, __ATOMIC_SEQ_CST);
	     i++)
		usleep(1000);
	check(warnings == 1);
	/* The last address that there is will do. */
	agree(0);
	set_queue(0);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, end - QUEUE_SIZE * 16);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 1 && nr_holds == 3);
	/* It cannot be moved while it is in use. */
	put(VIRTIO_MMIO_QUEUE_NUM, 3);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 1 && nr_holds == 3);
	rings[0].desc = (void *)(mem[0] + end - QUEUE_SIZE * 16);
	put(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
	describe(0, QUEUE_SIZE - 1, BUFFER_GFN << 12, 10, 0);
	offer(0, QUEUE_SIZE - 1);
	kick();
	check(await(0, NULL) == 10);
}

/* It dies, says so once, and lives again after a reset. */
static void dies(void)
{
	kick();
	check(status_is(NEEDS_RESET, NEEDS_RESET));
	check(!rings[0].used->idx);
	check(get(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_CONFIG);
	check(interrupts() == 1);
	kick();
	put(VIRTIO_MMIO_STATUS, 0);
	check(status_is(0xff, 0) && !nr_holds);
	start_driver(1);
}

static void lives(void)
{
	describe_one();
	offer(0, 0);
	kick();
	check(await(0, NULL) == 10);
	put(VIRTIO_MMIO_STATUS, 0);
	check(status_is(0xff, 0));
	interrupts();
	start_driver(1);
}

static void bad_desc(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	describe_one();
	rings[0].desc[0] = (struct vring_desc) { addr, len, flags, next };
	offer(0, 0);
	dies();
	lives();
}

static void bad_chains(void)
{
	uint64_t ok = BUFFER_GFN << 12, end = sizeof(mem);

	start_echo();
	start_driver(1);
	bad_desc(end, 1, 0, 0);
	bad_desc(end - 1, 2, 0, 0);
	bad_desc(ok, 0, 0, 0);
	bad_desc(ok, ~0U, 0, 0);
	bad_desc(~0ULL, 1, 0, 0);
	bad_desc(~0ULL, ~0U, 0, 0);
	bad_desc(-16ULL, 32, VRING_DESC_F_WRITE, 0);
	bad_desc(1ULL << 63, 16, 0, 0);
	bad_desc(ok, 16, VRING_DESC_F_INDIRECT, 0);
	bad_desc(ok, 16, VRING_DESC_F_NEXT, 0);
	bad_desc(ok, 16, VRING_DESC_F_NEXT, QUEUE_SIZE);
	bad_desc(ok, 16, VRING_DESC_F_NEXT, 0xffff);
	/* A loop over two. */
	describe(0, 1, ok, 1, VRING_DESC_F_NEXT);
	rings[0].desc[1].next = 0;
	bad_desc(ok, 16, VRING_DESC_F_NEXT, 1);
	/* Output after input. */
	describe(0, 1, ok, 1, 0);
	bad_desc(ok, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	offer(0, QUEUE_SIZE);
	dies();
	lives();
	offer(0, 0xffff);
	dies();
	lives();
	/* All of them would be right. */
	describe_one();
	rings[0].avail->idx = QUEUE_SIZE + 1;
	dies();
	lives();
	describe_one();
	rings[0].avail->idx = 0xffff;
	dies();
	lives();
	check(warnings == 1);
	check(served == 18);
}

/* Whatever the registers and the rings hold, it ends, and resets. */
static void anything(void)
{
	uint32_t i, j;

	start_echo();
	srand(1);
	for (i = 0; i < 3000; i++) {
		start_driver(1);
		for (j = 0; j < 400; j++)
			mem[20 + rand() % 2][rand() % 300] = rand() % 4 ?
				rand() % QUEUE_SIZE : rand();
		for (j = 0; j < 4; j++)
			put(rand() % 16 ? VIRTIO_MMIO_QUEUE_NOTIFY :
			    rand() % 64 * 4, rand() % 2 ? 1 : rand());
		settle();
		put(VIRTIO_MMIO_STATUS, 0);
		check(status_is(0xff, 0) && !nr_holds);
	}
	check(served && warnings == 1);
}

static bool scribbling;

static void *scribble(void *arg)
{
	unsigned int seed = 2;

	while (__atomic_load_n(&scribbling, __ATOMIC_RELAXED)) {
		*(volatile uint8_t *)&mem[20][rand_r(&seed) % 256] =
			rand_r(&seed);
		/* The index stays possible, or that would be the end. */
		*(volatile uint8_t *)&mem[21][4 + rand_r(&seed) % 32] =
			rand_r(&seed) % QUEUE_SIZE;
	}
	return NULL;
}

/* Another vCPU writes to the ring while the device looks at it. */
static void meanwhile(void)
{
	pthread_t thread;
	int i, j;

	start_echo();
	for (i = 0; i < 1000; i++) {
		start_driver(1);
		for (j = 0; j < QUEUE_SIZE; j++) {
			describe(0, j, BUFFER_GFN << 12, 10, 0);
			offer(0, j);
		}
		__atomic_store_n(&scribbling, true, __ATOMIC_RELAXED);
		check(!pthread_create(&thread, NULL, scribble, NULL));
		settle();
		__atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		put(VIRTIO_MMIO_STATUS, 0);
		check(status_is(0xff, 0) && !nr_holds);
	}
	check(served > 1000 && warnings == 1);
}

void test_virtio_queues(void)
{
	run("virtio: registers", registers);
	run("virtio: handshake", handshake);
	run("virtio: whom to interrupt", target);
	run("virtio: whom to interrupt, Xen's ABI", target_of_xen);
	run("virtio: chains", chains);
	run("virtio: kicks before there is a queue", early);
	run("virtio: bad queues", bad_queues);
	run("virtio: bad chains", bad_chains);
	run("virtio: anything", anything);
	run("virtio: a ring that changes meanwhile", meanwhile);
}
