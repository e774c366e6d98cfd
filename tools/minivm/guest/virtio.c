// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest that tests virtio devices: do=disk, do=ro, do=hostile, do=none, with
 * TAP for what it checks; else what ping.h says.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include <asm/kvm_direct_paging.h>

#include "ping.h"

#define VECTOR		0x50
#define SLOTS		4		/* requests in flight */
#define SIZE		4096
#define REQUESTS	64

#define MSR_APIC_BASE	0x1b
#define X2APIC		(1 << 10 | 1 << 11)
#define MSR_EOI		0x80b
#define MSR_SPURIOUS	0x80f

struct request {
	struct virtio_blk_outhdr hdr;
	volatile uint8_t status;
};

static struct vdev dev;
static struct vq *q = &dev.queues[0];
static struct request requests[SLOTS];
static uint8_t data[SLOTS][SIZE] __attribute__((aligned(4096)));
static uint8_t page[4096] __attribute__((aligned(4096)));
static volatile unsigned int interrupts;
static unsigned int seen, tests, failures;
static struct minivm_boot *boot;

static __attribute__((interrupt)) void on_interrupt(void *frame)
{
	interrupts++;
	wrmsr(MSR_EOI, 0);
}

static void wait(void)
{
	asm volatile("cli");
	if (interrupts == seen)
		asm volatile("sti; hlt; cli");
	seen = interrupts;
	asm volatile("sti");
}

static void apic_on(void)
{
	idt_load();
	idt_set(VECTOR, (void (*)(void))on_interrupt);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | X2APIC);
	wrmsr(MSR_SPURIOUS, 0x1ff);
	asm volatile("sti");
}

static void ok(bool good, const char *what)
{
	failures += !good;
	put_str(good ? "ok " : "not ok ");
	put_dec(++tests);
	put_char(' ');
	put_str(what);
	put_char('\n');
}

static int submit(unsigned int slot, uint32_t type, uint64_t sector,
		  const void *buf, uint32_t len)
{
	struct request *r = &requests[slot];
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct vbuf bufs[3] = {
		{ &r->hdr, sizeof(r->hdr) }, { buf, len },
		{ (const void *)&r->status, 1 },
	};

	if (!buf)
		bufs[1] = bufs[2];
	r->hdr.type = type;
	r->hdr.sector = sector;
	r->status = 0xee;
	return vq_add(q, bufs, in || !buf ? 1 : 2, in && buf ? 2 : 1);
}

/* One alone: its status, or -1 if the device died meanwhile. */
static int request(uint32_t type, uint64_t sector, const void *buf,
		   uint32_t len)
{
	submit(0, type, sector, buf, len);
	vq_kick(q);
	while (vq_get(q, NULL) < 0) {
		if (vdev_get(&dev, VIRTIO_MMIO_STATUS) &
		    VIRTIO_CONFIG_S_NEEDS_RESET)
			return -1;
		wait();
	}
	return requests[0].status;
}

static void fill(uint8_t *buf, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < SIZE; i++)
		buf[i] = n + i / 256;
}

static bool is_filled(const uint8_t *buf, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < SIZE; i++)
		if (buf[i] != (uint8_t)(n + i / 256))
			return false;
	return true;
}

/* SLOTS of them at a time; false: one failed, or read something else. */
static bool all(uint32_t type)
{
	unsigned int n, i, done;
	bool good = true;

	for (n = 0; n < REQUESTS; n += SLOTS) {
		for (i = 0; i < SLOTS; i++) {
			if (type == VIRTIO_BLK_T_OUT)
				fill(data[i], n + i);
			submit(i, type, (n + i) * SIZE / 512, data[i], SIZE);
		}
		vq_kick(q);
		for (done = 0; done < SLOTS; done++)
			while (vq_get(q, NULL) < 0)
				wait();
		for (i = 0; i < SLOTS; i++) {
			good &= !requests[i].status;
			if (type == VIRTIO_BLK_T_IN)
				good &= is_filled(data[i], n + i);
		}
	}
	return good;
}

static bool start_disk(uint64_t features)
{
	return vdev_start(&dev, features, 1, VIRTIO_PORTS_TARGET(VECTOR, 0));
}

static void disk(void)
{
	uint64_t sectors = vdev_get(&dev, VIRTIO_MMIO_CONFIG);
	uint64_t start;
	bool good;

	ok(sectors == REQUESTS * SIZE / 512, "its size");
	ok(request(VIRTIO_BLK_T_GET_ID, 0, page, 20) == 0 && page[0] == 'm',
	   "its name");
	outb(MINIVM_PORT_MARK, 1);
	start = rdtsc();
	good = all(VIRTIO_BLK_T_OUT) && all(VIRTIO_BLK_T_IN);
	start = rdtsc() - start;
	outb(MINIVM_PORT_MARK, 2);
	ok(good, "what was written is read");
	ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0) == 0, "flush");
	ok(request(VIRTIO_BLK_T_IN, sectors, page, 512) == VIRTIO_BLK_S_IOERR,
	   "a sector too many");
	ok(request(99, 0, page, 512) == VIRTIO_BLK_S_UNSUPP,
	   "a request that is none");
	ok(interrupts > 0 && interrupts <= 2 * REQUESTS + 4, "interrupts");
	put_str("disk: ticks for a request ");
	put_dec(start / (2 * REQUESTS));
	put_str(" kicks ");
	put_dec(q->kicks);
	put_str(" interrupts ");
	put_dec(interrupts);
	put_char('\n');
}

static void read_only(void)
{
	ok(request(VIRTIO_BLK_T_IN, 0, page, 512) == 0, "a read");
	ok(request(VIRTIO_BLK_T_OUT, 0, page, 512) == VIRTIO_BLK_S_IOERR,
	   "no write");
}

static bool is_dead(void)
{
	return vdev_get(&dev, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void revived(const char *what)
{
	ok(start_disk(0) && request(VIRTIO_BLK_T_IN, 0, page, 512) == 0, what);
}

static void hostile(void)
{
	struct vbuf buf = { page, 16 };
	int head;

	ok(request(VIRTIO_BLK_T_IN, 0, (void *)boot->mem_size, 512) == -1,
	   "a buffer above memory");
	revived("a reset later it works");
	head = vq_add(q, &buf, 1, 0);
	q->desc[head].flags = VRING_DESC_F_NEXT;
	q->desc[head].next = head;
	vq_kick(q);
	while (!is_dead())
		wait();
	ok(is_dead(), "a chain without end");
	revived("a reset later it works");
	vdev_reset(&dev);
	vdev_agree(&dev, 0);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_NUM, 3);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_READY, 1);
	ok(is_dead(), "a queue of three");
	revived("a reset later it works");
}

static long hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c,
		      uint64_t d)
{
	register uint64_t r10 asm("r10") = d;
	uint32_t r[4];

	cpuid(0, r);
	if (r[1] == 0x68747541 || r[1] == 0x6f677948)	/* Auth, Hygo */
		asm volatile("vmmcall" : "+a"(nr), "+D"(a), "+S"(b), "+d"(c),
			     "+r"(r10) : : "memory");
	else
		asm volatile("vmcall" : "+a"(nr), "+D"(a), "+S"(b), "+d"(c),
			     "+r"(r10) : : "memory");
	return nr;
}

static uint64_t mfn_of(const void *p)
{
	return ((const uint64_t *)boot->p2m)[(uint64_t)p >> 12];
}

static long map(const void *p, unsigned int flags)
{
	return hypercall(KVM_DP_HC_UPDATE_VA_MAPPING, (uint64_t)p,
			 mfn_of(p) << 12 | flags, 2, 0);
}

/* An empty level-1 table, or data again. */
static long pin(const void *p, bool on)
{
	struct {
		uint32_t cmd;
		uint64_t mfn, arg2;
	} op = { on ? 0 : 4, mfn_of(p), 0 };

	return hypercall(KVM_DP_HC_MMUEXT_OP, (uint64_t)&op, 1, 0, 0x7ff0);
}

/* Where the tool would touch a page table. */
static void tables(void)
{
	uint8_t *ring = (uint8_t *)q;

	ok(map(ring, 1) == 0 && pin(ring, true) < 0,
	   "a ring in use becomes no page table");
	map(ring, 3);
	memset(page, 0, sizeof(page));
	ok(map(page, 1) == 0 && pin(page, true) == 0, "a page table");
	ok(request(VIRTIO_BLK_T_IN, 0, page, 512) == -1,
	   "a buffer in a page table");
	vdev_reset(&dev);
	ok(start_disk(0), "another start");
	ok(request(VIRTIO_BLK_T_OUT, 0, page, 512) == -1,
	   "output in a page table");
	vdev_reset(&dev);
	memset(q, 0, sizeof(*q));
	ok(map(ring, 1) == 0 && pin(ring, true) == 0,
	   "a ring that is not in use becomes one");
	vdev_agree(&dev, 0);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_NUM, VQ_SIZE);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint64_t)ring);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint64_t)ring);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_USED_LOW, (uint64_t)ring);
	vdev_put(&dev, VIRTIO_MMIO_QUEUE_READY, 1);
	ok(is_dead(), "a ring in a page table");
	ok(pin(ring, false) == 0 && map(ring, 3) == 0 && pin(page, false) == 0 &&
	   map(page, 3) == 0, "data again");
	revived("a reset later it works");
}

static int run_disk(const char *val, bool found)
{
	if (arg_is(val, "none")) {
		ok(!found && !boot->virtio_devices &&
		   inl(VIRTIO_PORTS_BASE) == ~0U, "no device");
		return failures;
	}
	ok(found && boot->virtio_devices &&
	   boot->virtio_base == VIRTIO_PORTS_BASE, "a disk");
	ok(start_disk(1 << VIRTIO_BLK_F_FLUSH), "it starts");
	if (arg_is(val, "disk"))
		disk();
	else if (arg_is(val, "ro"))
		read_only();
	else
		hostile();
	if (arg_is(val, "hostile") && boot->root)
		tables();
	put_str("1..");
	put_dec(tests);
	put_char('\n');
	return failures;
}

static int run_net(const char *args)
{
	if (!vdev_find(&dev, VIRTIO_ID_NET, 0) ||
	    !vdev_start(&dev, 0, 2, VIRTIO_PORTS_TARGET(VECTOR, 0)))
		return 2;
	return ping(&dev, args, wait);
}

int guest_main(struct minivm_boot *b, unsigned int cpu)
{
	const char *args = (const char *)b->args;
	const char *val = arg_find(args, "do");

	boot = b;
	apic_on();
	if (!val || arg_is(val, "listen"))
		return run_net(args);
	return run_disk(val, vdev_find(&dev, VIRTIO_ID_BLOCK, 0));
}
