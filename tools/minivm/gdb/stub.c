// SPDX-License-Identifier: GPL-2.0-only
/* Commands of the debugger, one function each: what is wrong is refused. */
#include <errno.h>
#include <string.h>

#include "gdb.h"

#define SIGNAL_INT	2
#define SIGNAL_TRAP	5
#define ALL		(-1)

/* Hexadecimal, so a packet holds half as many. */
#define MAX_BYTES	(PACKET_MAX / 2)

void stub_init(struct stub *stub, struct gdb *gdb)
{
	memset(stub, 0, sizeof(*stub));
	stub->gdb = gdb;
	stub->resumed = ALL;
	stub->acks = true;
	stub->last.why = WHY_STARTED;
}

static struct vcpu *general_vcpu(struct stub *stub)
{
	return &stub->gdb->vm->vcpus[stub->general];
}

/* 0 is OK, else -errno: the debugger knows E14 as EFAULT, and so on. */
static enum stub_result answer(struct stub *stub, int err)
{
	if (err)
		packet_add(&stub->out, "E%02d", -err > 99 ? 99 : -err);
	else
		packet_add(&stub->out, "OK");
	return STUB_REPLY;
}

static enum stub_result refuse(struct stub *stub)
{
	return answer(stub, -EINVAL);
}

static void add_stop(struct stub *stub)
{
	static const char * const names[] = {
		[WHY_SWBREAK] = "swbreak", [WHY_HWBREAK] = "hwbreak",
		[WHY_WATCH] = "watch", [WHY_RWATCH] = "rwatch",
		[WHY_AWATCH] = "awatch",
	};
	enum gdb_why why = stub->last.why;

	packet_add(&stub->out, "T%02x",
		   why == WHY_ASKED ? SIGNAL_INT : SIGNAL_TRAP);
	if (why >= WHY_WATCH)
		packet_add(&stub->out, "%s:%llx;", names[why],
			   (unsigned long long)stub->last.va);
	else if (why >= WHY_SWBREAK && stub->says_breaks)
		packet_add(&stub->out, "%s:;", names[why]);
	packet_add(&stub->out, "thread:%x;", stub->last_vcpu + 1);
}

void stub_stopped(struct stub *stub, unsigned int vcpu,
		  const struct gdb_stop *stop)
{
	stub->last = *stop;
	stub->last_vcpu = vcpu;
	stub->general = vcpu;
	packet_begin(&stub->out);
	add_stop(stub);
	packet_end(&stub->out);
}

/* The shell's way to tell of a signal. */
void stub_ended(struct stub *stub, int code)
{
	packet_begin(&stub->out);
	if (code > 128)
		packet_add(&stub->out, "X%02x", (code - 128) & 0xff);
	else
		packet_add(&stub->out, "W%02x", code & 0xff);
	packet_end(&stub->out);
}

static enum stub_result why_stopped(struct stub *stub, const char *p,
				    const char *end)
{
	add_stop(stub);
	return STUB_REPLY;
}

/* A thread's number from 1, or 0 (any), or -1 (all). */
static bool parse_thread(struct stub *stub, const char **p, int *vcpu)
{
	uint64_t nr;

	if (packet_is(p, '-')) {
		*vcpu = ALL;
		return packet_is(p, '1');
	}
	if (!packet_number(p, &nr) || nr > stub->gdb->vm->cpus)
		return false;
	*vcpu = nr ? (int)nr - 1 : (int)stub->general;
	return true;
}

/* Hg for registers and memory, Hc for c and s: their 0 is any, here all. */
static enum stub_result set_thread(struct stub *stub, const char *p,
				   const char *end)
{
	char what = *p;
	bool any;
	int vcpu;

	if (what != 'g' && what != 'c')
		return refuse(stub);
	any = p[1] == '0';
	p++;
	if (!parse_thread(stub, &p, &vcpu) || p != end)
		return refuse(stub);
	if (what == 'c')
		stub->resumed = any ? ALL : vcpu;
	else if (vcpu != ALL)
		stub->general = vcpu;
	return answer(stub, 0);
}

static enum stub_result is_alive(struct stub *stub, const char *p,
				 const char *end)
{
	int vcpu;

	if (!parse_thread(stub, &p, &vcpu) || p != end || vcpu == ALL)
		return refuse(stub);
	return answer(stub, 0);
}

static enum stub_result read_registers(struct stub *stub, const char *p,
				       const char *end)
{
	uint8_t regs[REGISTERS_MAX];
	int err;

	err = registers_read(general_vcpu(stub), regs);
	if (err)
		return answer(stub, err);
	packet_add_hex(&stub->out, regs, registers_size());
	return STUB_REPLY;
}

static enum stub_result write_registers(struct stub *stub, const char *p,
					const char *end)
{
	uint8_t regs[REGISTERS_MAX];

	if (!packet_hex(&p, regs, registers_size()) || p != end)
		return refuse(stub);
	return answer(stub, registers_write(general_vcpu(stub), regs));
}

static enum stub_result read_register(struct stub *stub, const char *p,
				      const char *end)
{
	uint8_t reg[REGISTER_MAX];
	uint64_t nr;
	int err;

	if (!packet_number(&p, &nr) || p != end || !register_size(nr))
		return refuse(stub);
	err = register_read(general_vcpu(stub), nr, reg);
	if (err)
		return answer(stub, err);
	packet_add_hex(&stub->out, reg, register_size(nr));
	return STUB_REPLY;
}

static enum stub_result write_register(struct stub *stub, const char *p,
				       const char *end)
{
	uint8_t reg[REGISTER_MAX];
	uint64_t nr;

	if (!packet_number(&p, &nr) || !packet_is(&p, '=') ||
	    !register_size(nr) || !packet_hex(&p, reg, register_size(nr)) ||
	    p != end)
		return refuse(stub);
	return answer(stub, register_write(general_vcpu(stub), nr, reg));
}

/* ADDRESS,LENGTH */
static bool parse_range_of(const char **p, uint64_t *va, uint64_t *len)
{
	return packet_number(p, va) && packet_is(p, ',') &&
	       packet_number(p, len);
}

/* As much as there is, up to the first page that cannot be read. */
static enum stub_result read_memory(struct stub *stub, const char *p,
				    const char *end)
{
	uint8_t data[MAX_BYTES];
	uint64_t va, len;
	size_t done;

	if (!parse_range_of(&p, &va, &len) || p != end)
		return refuse(stub);
	if (len > sizeof(data))
		len = sizeof(data);
	done = memory_read(stub->gdb, general_vcpu(stub), va, data, len);
	if (len && !done)
		return answer(stub, -EFAULT);
	packet_add_hex(&stub->out, data, done);
	return STUB_REPLY;
}

static enum stub_result write_memory(struct stub *stub, const char *p,
				     const char *end)
{
	uint8_t data[MAX_BYTES];
	uint64_t va, len;

	if (!parse_range_of(&p, &va, &len) || !packet_is(&p, ':') ||
	    len > sizeof(data) || !packet_hex(&p, data, len) || p != end)
		return refuse(stub);
	return answer(stub, memory_write(stub->gdb, general_vcpu(stub), va,
					 data, len));
}

static enum stub_result write_binary(struct stub *stub, const char *p,
				     const char *end)
{
	uint64_t va, len;

	if (!parse_range_of(&p, &va, &len) || !packet_is(&p, ':') ||
	    len != (uint64_t)(end - p))
		return refuse(stub);
	return answer(stub, memory_write(stub->gdb, general_vcpu(stub), va,
					 (const uint8_t *)p, len));
}

static enum stub_result go(struct stub *stub, const enum gdb_action *actions)
{
	struct gdb_stop stop;
	int vcpu;

	/* One that another stop came ahead of. */
	vcpu = threads_stopped(stub->gdb, &stop);
	if (vcpu < 0) {
		threads_go(stub->gdb, actions);
		return STUB_GO;
	}
	stub->last = stop;
	stub->last_vcpu = stub->general = vcpu;
	add_stop(stub);
	return STUB_REPLY;
}

/* A step is of one vCPU; the others go on, unless Hc named it. */
static enum stub_result resume(struct stub *stub, enum gdb_action action)
{
	enum gdb_action actions[MINIVM_MAX_CPUS];
	unsigned int i, one = stub->resumed;

	if (stub->resumed == ALL)
		one = stub->general;
	for (i = 0; i < MINIVM_MAX_CPUS; i++)
		actions[i] = stub->resumed == ALL ? ACTION_GO : ACTION_STAY;
	actions[one] = action;
	return go(stub, actions);
}

/* Registers are numbered as they are described. */
#define REGISTER_RIP	16

static enum stub_result resume_at(struct stub *stub, const char *p,
				  const char *end, enum gdb_action action)
{
	struct vcpu *vcpus = stub->gdb->vm->vcpus;
	unsigned int one = stub->resumed;
	uint64_t rip;
	int err = 0;

	if (p == end)
		return resume(stub, action);
	if (stub->resumed == ALL)
		one = stub->general;
	if (!packet_number(&p, &rip) || p != end)
		return refuse(stub);
	err = register_write(&vcpus[one], REGISTER_RIP, (uint8_t *)&rip);
	return err ? answer(stub, err) : resume(stub, action);
}

static enum stub_result go_on(struct stub *stub, const char *p, const char *end)
{
	return resume_at(stub, p, end, ACTION_GO);
}

static enum stub_result step(struct stub *stub, const char *p, const char *end)
{
	return resume_at(stub, p, end, ACTION_STEP);
}

/* A guest has no signals: the number has to be one, and that is all. */
static bool skip_signal(const char **p)
{
	uint8_t sig;

	return packet_hex(p, &sig, 1);
}

static enum stub_result go_on_signal(struct stub *stub, const char *p,
				     const char *end)
{
	if (!skip_signal(&p) || (p != end && !packet_is(&p, ';')))
		return refuse(stub);
	return resume_at(stub, p, end, ACTION_GO);
}

static enum stub_result step_signal(struct stub *stub, const char *p,
				    const char *end)
{
	if (!skip_signal(&p) || (p != end && !packet_is(&p, ';')))
		return refuse(stub);
	return resume_at(stub, p, end, ACTION_STEP);
}

/* One of vCont: what, and for whom; the first that names a vCPU counts. */
static bool parse_action(struct stub *stub, const char **p,
			 enum gdb_action *actions, bool *named)
{
	enum gdb_action action;
	unsigned int i;
	int vcpu = ALL;
	char what = **p;

	if (!what || !strchr("cCsS", what))
		return false;
	action = (what | 0x20) == 's' ? ACTION_STEP : ACTION_GO;
	(*p)++;
	if ((what == 'C' || what == 'S') && !skip_signal(p))
		return false;
	if (packet_is(p, ':') && !parse_thread(stub, p, &vcpu))
		return false;
	for (i = 0; i < stub->gdb->vm->cpus; i++) {
		if (named[i] || (vcpu != ALL && i != (unsigned int)vcpu))
			continue;
		actions[i] = action;
		named[i] = true;
	}
	return true;
}

static enum stub_result vcont(struct stub *stub, const char *p, const char *end)
{
	enum gdb_action actions[MINIVM_MAX_CPUS] = { ACTION_STAY };
	bool named[MINIVM_MAX_CPUS] = { false };
	unsigned int i, any = 0;

	do {
		if (!parse_action(stub, &p, actions, named))
			return refuse(stub);
	} while (packet_is(&p, ';'));
	for (i = 0; i < stub->gdb->vm->cpus; i++)
		any += actions[i] != ACTION_STAY;
	if (p != end || !any)
		return refuse(stub);
	return go(stub, actions);
}

static enum stub_result can_vcont(struct stub *stub, const char *p,
				  const char *end)
{
	packet_add(&stub->out, "vCont;c;C;s;S");
	return STUB_REPLY;
}

/* TYPE,ADDRESS,KIND and nothing behind: no conditions, no commands. */
static bool parse_breakpoint(const char *p, const char *end,
			     enum breakpoint_type *type, uint64_t *va,
			     uint64_t *len)
{
	if (*p < '0' || *p >= '0' + BREAKPOINT_TYPES)
		return false;
	*type = *p++ - '0';
	return packet_is(&p, ',') && parse_range_of(&p, va, len) && p == end;
}

static enum stub_result insert(struct stub *stub, const char *p,
			       const char *end)
{
	enum breakpoint_type type;
	uint64_t va, len;

	if (!parse_breakpoint(p, end, &type, &va, &len))
		return refuse(stub);
	return answer(stub, breakpoint_insert(stub->gdb, general_vcpu(stub),
					      type, va, len));
}

static enum stub_result remove_one(struct stub *stub, const char *p,
				   const char *end)
{
	enum breakpoint_type type;
	uint64_t va, len;

	if (!parse_breakpoint(p, end, &type, &va, &len))
		return refuse(stub);
	return answer(stub, breakpoint_remove(stub->gdb, type, va, len));
}

static enum stub_result supported(struct stub *stub, const char *p,
				  const char *end)
{
	stub->says_breaks = strstr(p, "swbreak+") && strstr(p, "hwbreak+");
	packet_add(&stub->out,
		   "PacketSize=%x;qXfer:features:read+;vContSupported+;"
		   "swbreak+;hwbreak+;QStartNoAckMode+", PACKET_MAX);
	return STUB_REPLY;
}

/* l: the last part of it, m: there is more. */
static enum stub_result describe(struct stub *stub, const char *p,
				 const char *end)
{
	const char *text = registers_describe();
	size_t size = strlen(text), n;
	uint64_t from, len;

	if (!parse_range_of(&p, &from, &len) || p != end || from > size)
		return refuse(stub);
	n = size - from;
	if (n > len)
		n = len;
	if (n > MAX_BYTES)
		n = MAX_BYTES;
	packet_add(&stub->out, from + n == size ? "l" : "m");
	packet_add_bytes(&stub->out, text + from, n);
	return STUB_REPLY;
}

static enum stub_result first_threads(struct stub *stub, const char *p,
				      const char *end)
{
	unsigned int i;

	for (i = 0; i < stub->gdb->vm->cpus; i++)
		packet_add(&stub->out, "%c%x", i ? ',' : 'm', i + 1);
	return STUB_REPLY;
}

static enum stub_result more_threads(struct stub *stub, const char *p,
				     const char *end)
{
	packet_add(&stub->out, "l");
	return STUB_REPLY;
}

static enum stub_result thread_info(struct stub *stub, const char *p,
				    const char *end)
{
	char text[16];
	int vcpu;

	if (!parse_thread(stub, &p, &vcpu) || p != end || vcpu == ALL)
		return refuse(stub);
	snprintf(text, sizeof(text), "vCPU %d", vcpu);
	packet_add_hex(&stub->out, text, strlen(text));
	return STUB_REPLY;
}

static enum stub_result current_thread(struct stub *stub, const char *p,
				       const char *end)
{
	/* Not qCRC, which there is not. */
	if (p == end)
		packet_add(&stub->out, "QC%x", stub->general + 1);
	return STUB_REPLY;
}

/* So that gdb lets it go on when it quits. */
static enum stub_result attached(struct stub *stub, const char *p,
				 const char *end)
{
	packet_add(&stub->out, "1");
	return STUB_REPLY;
}

static enum stub_result no_acks(struct stub *stub, const char *p,
				const char *end)
{
	stub->acks = false;
	return answer(stub, 0);
}

static enum stub_result detach(struct stub *stub, const char *p,
			       const char *end)
{
	answer(stub, 0);
	return STUB_DETACH;
}

static enum stub_result end_it(struct stub *stub, const char *p,
			       const char *end)
{
	return STUB_KILL;
}

/* The longer names come first. */
static const struct command {
	const char *name;
	enum stub_result (*fn)(struct stub *stub, const char *p,
			       const char *end);
} commands[] = {
	{ "?", why_stopped },
	{ "C", go_on_signal },
	{ "D", detach },
	{ "G", write_registers },
	{ "H", set_thread },
	{ "M", write_memory },
	{ "P", write_register },
	{ "QStartNoAckMode", no_acks },
	{ "S", step_signal },
	{ "T", is_alive },
	{ "X", write_binary },
	{ "Z", insert },
	{ "c", go_on },
	{ "g", read_registers },
	{ "k", end_it },
	{ "m", read_memory },
	{ "p", read_register },
	{ "qAttached", attached },
	{ "qC", current_thread },
	{ "qSupported", supported },
	{ "qThreadExtraInfo,", thread_info },
	{ "qXfer:features:read:target.xml:", describe },
	{ "qfThreadInfo", first_threads },
	{ "qsThreadInfo", more_threads },
	{ "s", step },
	{ "vCont?", can_vcont },
	{ "vCont;", vcont },
	{ "z", remove_one },
};

static enum stub_result find_and_do(struct stub *stub, const char *data,
				    const char *end)
{
	const struct command *c;
	size_t i, len;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		c = &commands[i];
		len = strlen(c->name);
		if (!strncmp(data, c->name, len))
			return c->fn(stub, data + len, end);
	}
	/* An empty reply says that there is no such command. */
	return STUB_REPLY;
}

enum stub_result stub_command(struct stub *stub, const char *data, size_t len)
{
	enum stub_result result = STUB_REPLY;

	packet_begin(&stub->out);
	if (stub->gdb->running)
		answer(stub, -EBUSY);
	else
		result = find_and_do(stub, data, data + len);
	packet_end(&stub->out);
	return result;
}
