// SPDX-License-Identifier: GPL-2.0-only
/* The debugger's end of gdb's protocol, well-behaved and hostile. */
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "../gdb/gdb.h"
#include "xen_test.h"

#define NR_CPUS		2
#define FD_BASE		1000
#define TEXT_GFN	20
#define TEXT_VA		(VA_BASE + TEXT_GFN * 4096)
#define END_VA		(VA_BASE + PAGES * 4096)

/* What is behind a vCPU's file: a CPU whose every instruction is one byte. */
static struct cpu {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_guest_debug debug;
	struct kvm_run run;
	unsigned int refusals;	/* of KVM_SET_SREGS */
	unsigned int injected;
	bool wants_io;
} cpus[NR_CPUS];

static int debug_exit(struct cpu *c, int exception, uint64_t dr6)
{
	c->run.exit_reason = KVM_EXIT_DEBUG;
	c->run.debug.arch.exception = exception;
	c->run.debug.arch.pc = c->regs.rip;
	c->run.debug.arch.dr6 = dr6;
	return 0;
}

/* Goes round in one page. */
static int run_cpu(struct cpu *c)
{
	uint8_t *text = mem[TEXT_GFN];

	for (;;) {
		if (__atomic_load_n(&c->run.immediate_exit, __ATOMIC_SEQ_CST)) {
			errno = EINTR;
			return -1;
		}
		if (__atomic_exchange_n(&c->wants_io, false, __ATOMIC_SEQ_CST)) {
			c->run.exit_reason = KVM_EXIT_IO;
			return 0;
		}
		if (text[c->regs.rip - TEXT_VA] == 0xcc)
			return debug_exit(c, 3, 0);
		c->regs.rip = TEXT_VA + (c->regs.rip + 1 - TEXT_VA) % 4096;
		if (c->debug.control & KVM_GUESTDBG_SINGLESTEP)
			return debug_exit(c, 1, 1 << 14);
		if (c->debug.control & KVM_GUESTDBG_USE_HW_BP &&
		    c->debug.arch.debugreg[0] == c->regs.rip)
			return debug_exit(c, 1, 1);
		sched_yield();
	}
}

static int set_sregs(struct cpu *c, const struct kvm_sregs *sregs)
{
	if (sregs->cr4 == ~0ULL) {
		c->refusals++;
		errno = EINVAL;
		return -1;
	}
	c->sregs = *sregs;
	return 0;
}

static int set_debug(struct cpu *c, const struct kvm_guest_debug *debug)
{
	c->debug = *debug;
	if (debug->control & KVM_GUESTDBG_INJECT_BP) {
		c->injected++;
		c->regs.rip++;
	}
	return 0;
}

int gdb_ioctl(int fd, unsigned long nr, void *arg)
{
	struct cpu *c;

	if (fd < FD_BASE || fd >= FD_BASE + NR_CPUS)
		return 0;
	c = &cpus[fd - FD_BASE];
	switch (nr) {
	case KVM_RUN:
		return run_cpu(c);
	case KVM_GET_REGS:
		*(struct kvm_regs *)arg = c->regs;
		return 0;
	case KVM_SET_REGS:
		c->regs = *(struct kvm_regs *)arg;
		return 0;
	case KVM_GET_SREGS:
		*(struct kvm_sregs *)arg = c->sregs;
		return 0;
	case KVM_SET_SREGS:
		return set_sregs(c, arg);
	case KVM_GET_FPU:
		*(struct kvm_fpu *)arg = c->fpu;
		return 0;
	case KVM_SET_FPU:
		c->fpu = *(struct kvm_fpu *)arg;
		return 0;
	case KVM_SET_GUEST_DEBUG:
		return set_debug(c, arg);
	default:
		return 0;
	}
}

static void make_vm(void)
{
	unsigned int i;

	vm.direct = true;
	vm.cpus = NR_CPUS;
	for (i = 0; i < NR_CPUS; i++) {
		vm.vcpus[i] = (struct vcpu) {
			.vm = &vm, .id = i, .fd = FD_BASE + i,
			.run = &cpus[i].run,
		};
		cpus[i].regs.rip = TEXT_VA + 100 * i;
		cpus[i].fpu.ftwx = 0x81;
	}
	memset(mem[TEXT_GFN], 0x90, 4096);
}

/* Packets. */

static struct packet_in in;

static enum packet_event feed(const char *text, size_t len)
{
	enum packet_event event = PACKET_NONE;
	size_t i;

	for (i = 0; i < len; i++)
		event = packet_feed(&in, text[i]);
	return event;
}

#define FEED(text)	feed(text, sizeof(text) - 1)

static void frames(void)
{
	check(FEED("$OK#9a") == PACKET_WHOLE && in.len == 2);
	check(!strcmp(in.data, "OK"));
	check(FEED("$OK#9A") == PACKET_WHOLE);
	check(FEED("$OK#9b") == PACKET_BAD && FEED("$OK#z") == PACKET_BAD);
	check(FEED("$OK#9z") == PACKET_BAD && FEED("$#00") == PACKET_WHOLE);
	check(!in.len && !in.data[0]);
	check(FEED("\003") == PACKET_BREAK && FEED("-") == PACKET_AGAIN);
	check(FEED("+") == PACKET_NONE && FEED("noise") == PACKET_NONE);
	/* The end of the first is lost; a 3 in a packet is one of its bytes. */
	check(FEED("$lost$OK#9a") == PACKET_WHOLE && in.len == 2);
	check(FEED("$a\003#64") == PACKET_WHOLE && in.len == 2);
	check(FEED("$a}\003}]#bb") == PACKET_WHOLE && in.len == 3);
	check(!memcmp(in.data, "a#}", 3));
	check(FEED("$\0\0#00") == PACKET_WHOLE && in.len == 2);
}

static void long_packets(void)
{
	size_t i;

	FEED("$");
	for (i = 0; i < PACKET_MAX; i++)
		check(FEED("\200") == PACKET_NONE);
	check(FEED("#00") == PACKET_WHOLE && in.len == PACKET_MAX);
	FEED("$");
	for (i = 0; i < 100000; i++)
		check(FEED("\200") == PACKET_NONE);
	check(FEED("#00") == PACKET_LONG && in.len == PACKET_MAX);
	check(FEED("$OK#9a") == PACKET_WHOLE && in.len == 2);
}

static void sent_packets(void)
{
	static uint8_t zeroes[PACKET_MAX];
	struct packet_out out;

	packet_begin(&out);
	packet_add(&out, "m%d,", 12);
	packet_add_hex(&out, "\001\377", 2);
	packet_add_bytes(&out, "}#", 2);
	check(packet_end(&out) && feed(out.data, out.len) == PACKET_WHOLE);
	check(!strcmp(in.data, "m12,01ff}#"));
	/* What has no room is left out. */
	packet_begin(&out);
	packet_add_hex(&out, zeroes, PACKET_MAX);
	check(!packet_end(&out) && feed(out.data, out.len) == PACKET_WHOLE);
	check(in.len == PACKET_MAX);
}

static void packet_numbers(void)
{
	const char *p = "ffffffffffffffff,";
	uint8_t bytes[2];
	uint64_t val;

	check(packet_number(&p, &val) && val == ~0ULL && packet_is(&p, ','));
	check(!packet_is(&p, ',') && !packet_number(&p, &val));
	p = "10000000000000000";
	check(!packet_number(&p, &val));
	p = "00000000000000000000001A-";
	check(packet_number(&p, &val) && val == 26 && *p == '-');
	p = "-1";
	check(!packet_number(&p, &val));
	p = "12f";
	check(!packet_hex(&p, bytes, 2) && packet_hex(&p, bytes, 1));
	check(bytes[0] == 0x12 && *p == 'f');
}

/* Commands. */

static struct gdb gdb;
static struct stub stub;
static char reply[PACKET_MAX + 1];

static void start_stub(void)
{
	make_vm();
	threads_init(&gdb, &vm);
	stub_init(&stub, &gdb);
}

static enum stub_result command(const char *data, size_t len)
{
	enum stub_result result = stub_command(&stub, data, len);

	check(feed(stub.out.data, stub.out.len) == PACKET_WHOLE);
	memcpy(reply, in.data, in.len + 1);
	return result;
}

static bool says(const char *text, const char *wants)
{
	command(text, strlen(text));
	if (strcmp(reply, wants))
		printf("# %s: %.100s, not %s\n", text, reply, wants);
	return !strcmp(reply, wants);
}

static void wrong_commands(void)
{
	static const char * const wrong[] = {
		"m", "m1", "m1,", "m,1", "m1,1x", "mx,1", "m1;1",
		"m10000000000000000,1", "m1,10000000000000000",
		"M1,1", "M1,1:", "M1,1:1", "M1,1:zz", "M1,1:0102", "M1,2:01",
		"M0,ffffffffffffffff:00", "M0,8000000000000000:", "X", "X0",
		"X0,", "X0,5:abcd", "X0,3:abcd", "X0,ffffffffffffffff:a",
		"G", "Gzz", "P", "P1", "P1=", "P0=00", "Pffffffffffffffff=00",
		"P5c=0000000000000000", "P0=00000000000000000", "p", "px",
		"pffffffff", "p1 ", "H", "Hx1", "Hg", "Hg3", "Hg-2", "Hgzz",
		"Hg1x", "T", "T3", "T-1", "Tp1.1", "Z", "Z0", "Z5,0,1",
		"Z0,0", "Z0,0,", "Z0,,1", "Z0,0,1;X1,00", "Z9,0,1", "Z2,1,2",
		"Z2,0,3", "Z2,0,0", "Z4,0,10", "z", "z5,0,1", "z0,0", "c1x",
		"cx", "s-1", "C", "C1", "C05x", "S", "S05;x", "vCont;",
		"vCont;x", "vCont;c:3", "vCont;c:", "vCont;c;", "vCont;C",
		"vCont;c:1x", "vCont;;c", "vCont;s:1;t",
		"qXfer:features:read:target.xml:", "qThreadExtraInfo,",
		"qThreadExtraInfo,9", "qThreadExtraInfo,-1",
		"qXfer:features:read:target.xml:fffffff,10",
		"qXfer:features:read:target.xml:0",
		"qXfer:features:read:target.xml:0,1x",
	};
	static const char * const unknown[] = {
		"", "!", "a", "vMustReplyEmpty", "vCont", "qCRC:0,1", "q", "Q",
		"vKill;1", "R", "qXfer:features:read:other.xml:0,100", "\377",
	};
	size_t i;

	start_stub();
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check(says(wrong[i], "E22"));
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		check(says(unknown[i], ""));
	check(!gdb.running && !gdb.breakpoints.nr_soft);
	gdb.running = true;
	check(says("g", "E16") && says("D", "E16"));
}

static void memory_commands(void)
{
	start_stub();
	memcpy(mem[1] + 4094, "\001\002\003\004", 4);
	check(says("m101ffe,4", "01020304") && says("m101ffe,0", ""));
	check(says("M101ffe,4:a0b0c0d0", "OK") && mem[2][1] == 0xd0);
	check(command("X101fff,3:\000#}", 13) == STUB_REPLY);
	check(!strcmp(reply, "OK") && !memcmp(mem[1] + 4095, "\000#}", 3));
	check(says("X0,0:", "OK") && says("M0,0:", "OK"));
	/* Outside, partly, at the ends of all addresses. */
	check(says("m0,1", "E14") && says("M0,1:00", "E14"));
	check(says("mffffffffffffffff,2", "E14"));
	check(says("Mffffffffffffffff,2:0102", "E14"));
	mem[PAGES - 1][4095] = 0x77;
	check(says("m13ffff,ffffffffffffffff", "77"));
	check(says("m140000,1", "E14"));
	command("m100000,fffff", 13);
	check(strlen(reply) == PACKET_MAX);
	/* A page table is read only, and nothing is held for longer. */
	is_table[3] = true;
	mem[3][0] = 0x67;
	check(says("m103000,1", "67") && says("M103000,1:00", "E14"));
	check(says("X103000,1:a", "E14") && mem[3][0] == 0x67 && !nr_holds);
	check(says("M102ffc,8:0000000000000000", "E14") && mem[3][0] == 0x67);
}

static void register_commands(void)
{
	char text[2 * REGISTERS_MAX + 2];

	start_stub();
	check(registers_size() <= REGISTERS_MAX);
	check(2 * registers_size() <= PACKET_MAX);
	cpus[0].regs.rax = 0x1122334455667788;
	cpus[0].regs.rflags = 0x46;
	cpus[0].sregs.cs.selector = 0x10;
	check(says("p0", "8877665544332211") && says("p11", "46000000"));
	check(says("p12", "10000000") && says("p22", "fc3f0000"));
	check(says("P1=0102030405060708", "OK"));
	check(cpus[0].regs.rbx == 0x0807060504030201);
	/* A selector is nothing without its descriptor. */
	check(says("P12=10000000", "OK") && says("P12=18000000", "E22"));
	check(says("P3e=ffffffffffffffff", "E22"));
	check(cpus[0].refusals == 1 && !cpus[0].sregs.cr4);
	command("g", 1);
	check(strlen(reply) == 2 * registers_size());
	snprintf(text, sizeof(text), "G%s", reply);
	cpus[0].regs.rax = 0;
	check(says(text, "OK") && cpus[0].regs.rax == 0x1122334455667788);
	text[strlen(text) - 1] = 0;
	check(says(text, "E22"));
	check(says("Hg2", "OK") && says("p0", "0000000000000000"));
	check(says("qC", "QC2") && says("T2", "OK"));
	check(says("qfThreadInfo", "m1,2") && says("qsThreadInfo", "l"));
	check(says("qThreadExtraInfo,2", "764350552031"));
}

/* Its number of bytes is that of g, and each part of it fits. */
static void description(void)
{
	char all[16384] = "", text[64];
	size_t size = 0, bits = 0;
	const char *p;

	do {
		snprintf(text, sizeof(text),
			 "qXfer:features:read:target.xml:%zx,3f0", size);
		command(text, strlen(text));
		strcpy(all + size, reply + 1);
		size += strlen(reply + 1);
	} while (reply[0] == 'm' && size < sizeof(all) - 2048);
	check(reply[0] == 'l' && !strcmp(all, registers_describe()));
	check(strstr(all, "</target>"));
	for (p = all; (p = strstr(p, "bitsize=\"")); p++)
		bits += atoi(p + 9);
	check(bits == 8 * registers_size());
	check(strstr(all, "\"rip\"") && strstr(all, "\"efer\""));
}

static void describes(void)
{
	start_stub();
	description();
}

static void soft_breakpoints(void)
{
	unsigned int i;
	char text[40];

	start_stub();
	check(says("Z0,114010,1", "OK") && says("Z0,114010,1", "OK"));
	check(mem[TEXT_GFN][0x10] == 0xcc && gdb.breakpoints.nr_soft == 1);
	check(says("m11400f,3", "909090") && says("M11400f,3:010203", "OK"));
	check(mem[TEXT_GFN][0xf] == 1 && mem[TEXT_GFN][0x10] == 0xcc);
	check(says("m11400f,3", "010203") && says("z0,114010,1", "OK"));
	check(mem[TEXT_GFN][0x10] == 2 && says("z0,114010,1", "OK"));
	/* The guest has put something else there. */
	check(says("Z0,114010,1", "OK"));
	mem[TEXT_GFN][0x10] = 0x55;
	check(says("m114010,1", "55") && says("z0,114010,1", "OK"));
	check(mem[TEXT_GFN][0x10] == 0x55);
	/* Or a page table. */
	check(says("Z0,114010,1", "OK"));
	is_table[TEXT_GFN] = true;
	check(says("z0,114010,1", "E14") && !gdb.breakpoints.nr_soft);
	check(says("Z0,114020,1", "E14") && !gdb.breakpoints.nr_soft);
	is_table[TEXT_GFN] = false;
	check(says("Z0,5,1", "E14") && !nr_holds);
	for (i = 0; i <= MAX_SOFT; i++) {
		snprintf(text, sizeof(text), "Z0,%x,1", TEXT_VA + 1024 + i);
		check(says(text, i < MAX_SOFT ? "OK" : "E28"));
	}
	breakpoint_remove_all(&gdb);
	for (i = 0; i <= MAX_SOFT; i++)
		check(mem[TEXT_GFN][1024 + i] == 0x90);
}

static void hard_breakpoints(void)
{
	struct kvm_guest_debug debug = { .control = 0 };

	start_stub();
	check(says("Z1,114010,1", "OK") && says("Z2,114008,8", "OK"));
	check(says("Z3,11400c,4", "OK") && says("Z4,114002,2", "OK"));
	check(says("Z4,114002,2", "OK") && says("Z2,114000,1", "E28"));
	breakpoint_arm(&gdb, &debug);
	check(debug.control == (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP));
	check(debug.arch.debugreg[1] == TEXT_VA + 8);
	/* 16 bits of which four are each one's access and length. */
	check(debug.arch.debugreg[7] == 0x7f9007aa);
	check(says("z2,114008,4", "OK") && says("Z2,114000,1", "E28"));
	check(says("z2,114008,8", "OK") && says("Z2,114000,1", "OK"));
	breakpoint_remove_all(&gdb);
	debug = (struct kvm_guest_debug) { .control = 0 };
	breakpoint_arm(&gdb, &debug);
	check(!debug.control);
}

/* Whatever it says, the answer is a packet, and memory stays whole. */
static void any_command(void)
{
	static const char letters[] =
		"mMXgGpPcCsSHTZzqQvD?,;:=-0123456789abcdef}#$ xt.\377";
	static const char * const starts[] = {
		"m1", "M1", "X1", "G", "P", "p", "H", "T", "Z", "z", "vCont;",
		"qXfer:features:read:target.xml:", "qThreadExtraInfo,", "c",
		"s", "C", "S", "",
	};
	enum gdb_action stay[MINIVM_MAX_CPUS] = { ACTION_STAY };
	char text[200];
	size_t len, n;
	long i;

	start_stub();
	srand(1);
	for (i = 0; i < 300000; i++) {
		strcpy(text, starts[rand() % (sizeof(starts) /
					      sizeof(starts[0]))]);
		len = strlen(text);
		for (n = rand() % 40; n; n--)
			text[len++] = letters[rand() % (sizeof(letters) - 1)];
		text[len] = 0;
		command(text, len);
		if (gdb.running)
			threads_go(&gdb, stay);
		gdb.running = false;
	}
	for (i = 0; i < 3000000; i++)
		packet_feed(&in, rand());
}

/* The server, with vCPUs that run. */

static struct sockaddr_un address = {
	.sun_family = AF_UNIX, .sun_path = "/tmp/minivm-gdb-test",
};
static int client;

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	int ret;

	vcpu->tid = gettid();
	for (;;) {
		if (!gdb_may_run(vcpu))
			continue;
		ret = gdb_ioctl(vcpu->fd, KVM_RUN, NULL);
		gdb_has_run(vcpu, ret);
	}
	return NULL;
}

static void come(void)
{
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	check(client >= 0);
	check(!connect(client, (void *)&address, sizeof(address)));
}

static void start_server(void)
{
	unsigned int i;

	make_vm();
	signal(SIGPIPE, SIG_IGN);
	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/tmp/minivm-gdb-test-%d", getpid());
	check(freopen("/dev/null", "w", stderr));
	gdb_listen(address.sun_path);
	gdb_start(&vm);
	for (i = 0; i < NR_CPUS; i++)
		start_thread("a vCPU", vcpu_thread, &vm.vcpus[i]);
	come();
}

static void say(const char *text)
{
	struct packet_out out;

	packet_begin(&out);
	packet_add(&out, "%s", text);
	packet_end(&out);
	check(write(client, out.data, out.len) == (ssize_t)out.len);
}

/* Until a whole packet came; false: the connection ends. */
static bool hear(void)
{
	enum packet_event event;
	char byte;

	do {
		if (read(client, &byte, 1) != 1)
			return false;
		event = packet_feed(&in, byte);
		check(event == PACKET_NONE || event == PACKET_WHOLE);
	} while (event == PACKET_NONE);
	return true;
}

static bool hears(const char *wants)
{
	if (!hear())
		return false;
	if (strcmp(in.data, wants))
		printf("# %.100s, not %s\n", in.data, wants);
	return !strcmp(in.data, wants);
}

#define ASKS(text, wants) do {						\
	say(text);							\
	check(hears(wants));						\
} while (0)

static uint64_t rip(unsigned int i)
{
	return __atomic_load_n(&cpus[i].regs.rip, __ATOMIC_SEQ_CST);
}

/* Each of them, as both go round. */
static void wait_until_they_run(void)
{
	uint64_t was[NR_CPUS];
	unsigned int i;

	for (i = 0; i < NR_CPUS; i++)
		was[i] = rip(i);
	for (i = 0; i < NR_CPUS; i++)
		while (rip(i) == was[i])
			usleep(100);
}

static void leave_server(void)
{
	end_undo_all();
	_exit(0);
}

static void session(void)
{
	start_server();
	ASKS("qSupported:swbreak+;hwbreak+",
	     "PacketSize=1000;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+;QStartNoAckMode+");
	ASKS("?", "T05thread:1;");
	check(rip(0) == TEXT_VA && rip(1) == TEXT_VA + 100);
	ASKS("vCont;s:2", "T05thread:2;");
	check(rip(0) == TEXT_VA && rip(1) == TEXT_VA + 101);
	check(cpus[1].debug.control & KVM_GUESTDBG_SINGLESTEP);
	ASKS("Z0,114020,1", "OK");
	ASKS("vCont;c", "T05swbreak:;thread:1;");
	check(rip(0) == TEXT_VA + 0x20);
	ASKS("z0,114020,1", "OK");
	ASKS("Z1,114040,1", "OK");
	ASKS("vCont;c:1", "T05hwbreak:;thread:1;");
	check(rip(0) == TEXT_VA + 0x40);
	ASKS("z1,114040,1", "OK");
	ASKS("Z2,114800,1", "OK");
	ASKS("Hc1", "OK");
	ASKS("c", "T05watch:114800;thread:1;");
	ASKS("z2,114800,1", "OK");
	ASKS("P10=0041110000000000", "OK");
	say("vCont;c");
	wait_until_they_run();
	/* A command is too early, Ctrl-C is not. */
	ASKS("g", "E16");
	check(write(client, "\003", 1) == 1 && hears("T02thread:1;"));
	check(write(client, "\003", 1) == 1);
	ASKS("qC", "QC1");
	check(!cpus[0].debug.control && !cpus[1].debug.control);
	leave_server();
}

/* Frames: what is damaged is asked for again, by either side. */
static void acknowledges(void)
{
	char bytes[4];

	start_server();
	check(write(client, "$qC#00", 6) == 6);
	check(read(client, bytes, 1) == 1 && bytes[0] == '-');
	say("qC");
	check(read(client, bytes, 1) == 1 && bytes[0] == '+');
	check(hears("QC1") && write(client, "-", 1) == 1 && hears("QC1"));
	ASKS("QStartNoAckMode", "OK");
	say("qC");
	check(read(client, bytes, 1) == 1 && bytes[0] == '$');
	leave_server();
}

/* INT3 of the guest's own is the guest's. */
static void own_breakpoint(void)
{
	start_server();
	mem[TEXT_GFN][0x10] = 0xcc;
	ASKS("Z0,114030,1", "OK");
	ASKS("vCont;c:1", "T05thread:1;");
	check(cpus[0].injected == 1 && rip(0) == TEXT_VA + 0x30);
	leave_server();
}

/* It goes on, without breakpoints, and another may come. */
static void debugger_leaves(bool detach)
{
	start_server();
	ASKS("Z0,114200,1", "OK");
	ASKS("Z1,114300,1", "OK");
	if (detach)
		ASKS("D", "OK");
	else
		say("vCont;c");
	close(client);
	while (__atomic_load_n(&mem[TEXT_GFN][0x200], __ATOMIC_SEQ_CST) != 0x90)
		usleep(100);
	wait_until_they_run();
	wait_until_they_run();
	come();
	ASKS("?", "T05thread:1;");
	check(!cpus[0].debug.control && !cpus[1].debug.control);
	leave_server();
}

static void detaches(void)
{
	debugger_leaves(true);
}

static void is_lost(void)
{
	debugger_leaves(false);
}

/* A vCPU that KVM has to finish an exit of enters once more, and no more. */
static void unfinished_exit(void)
{
	unsigned int i;

	start_server();
	for (i = 0; i < 100; i++) {
		say("vCont;c");
		__atomic_store_n(&cpus[i % 2].wants_io, true, __ATOMIC_SEQ_CST);
		check(write(client, "\003", 1) == 1 && hear());
		check(!strncmp(in.data, "T02", 3));
	}
	leave_server();
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void hears_the_end(void)
{
	start_server();
	say("vCont;c");
	wait_until_they_run();
	gdb_end(7);
	check(hears("W07"));
	leave_server();
}

static void hears_of_a_signal(void)
{
	start_server();
	say("vCont;c");
	wait_until_they_run();
	gdb_end(143);
	check(hears("X0f"));
	leave_server();
}

/* Who was not asked to run hears nothing, which would be an answer. */
static void end_while_stopped(void)
{
	struct pollfd pfd;

	start_server();
	ASKS("qC", "QC1");
	gdb_end(7);
	pfd = (struct pollfd) { .fd = client, .events = POLLIN };
	check(!poll(&pfd, 1, 0));
	leave_server();
}

/* The server waits for it, and nobody for the server. */
static void debugger_that_does_not_read(void)
{
	static const char text[] = "$m114000,800#8d";
	double start;
	ssize_t n;

	start_server();
	do {
		n = send(client, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (n < 0)
			usleep(200000);
	} while (n > 0 || send(client, text, sizeof(text) - 1,
			       MSG_DONTWAIT) > 0);
	start = now();
	gdb_end(143);
	check(now() - start < 4);
	leave_server();
}

void test_gdb(void)
{
	run("gdb: frames", frames);
	run("gdb: packets that are too long", long_packets);
	run("gdb: packets that are sent", sent_packets);
	run("gdb: numbers", packet_numbers);
	run("gdb: wrong commands", wrong_commands);
	run("gdb: memory", memory_commands);
	run("gdb: registers", register_commands);
	run("gdb: the description of registers", describes);
	run("gdb: breakpoints in memory", soft_breakpoints);
	run("gdb: breakpoints of the CPU", hard_breakpoints);
	run("gdb: any command", any_command);
	run("gdb: a session", session);
	run("gdb: acknowledgements", acknowledges);
	run("gdb: a breakpoint of the guest's own", own_breakpoint);
	run("gdb: the debugger detaches", detaches);
	run("gdb: the debugger is lost", is_lost);
	run("gdb: exits that KVM has to finish", unfinished_exit);
	run("gdb: the end", hears_the_end);
	run("gdb: the end by a signal", hears_of_a_signal);
	run("gdb: the end while stopped", end_while_stopped);
	run("gdb: a debugger that does not read",
	    debugger_that_does_not_read);
}
