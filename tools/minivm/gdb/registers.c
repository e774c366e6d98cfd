// SPDX-License-Identifier: GPL-2.0-only
/* Registers of a vCPU, in the order in which they are described. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "gdb.h"

struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	/* Not KVM's: in the FPU's old form, and what 64-bit mode has no more. */
	uint16_t tags;
	uint16_t zero;
};

/* A register here may be longer or shorter than in a packet. */
struct reg {
	const char *name, *type;
	uint16_t size, offset, stored;
	bool fixed;		/* cannot be changed alone */
};

#define REG(reg_name, reg_type, reg_size, member)			\
	{ .name = #reg_name, .type = reg_type, .size = reg_size,	\
	  .offset = offsetof(struct state, member),			\
	  .stored = sizeof(((struct state *)0)->member) }
#define FIXED(reg_name, reg_type, reg_size, member)			\
	{ .name = #reg_name, .type = reg_type, .size = reg_size,	\
	  .offset = offsetof(struct state, member),			\
	  .stored = sizeof(((struct state *)0)->member), .fixed = true }
#define GENERAL(name)	REG(name, "int64", 8, regs.name)
#define POINTER(name)	REG(name, "data_ptr", 8, regs.name)
#define SEGMENT(name)	FIXED(name, "int32", 4, sregs.name.selector)
#define CONTROL(name)	REG(name, "int64", 8, sregs.name)
#define ST(n)		REG(st##n, "i387_ext", 10, fpu.fpr[n])
#define XMM(n)		REG(xmm##n, "vec128", 16, fpu.xmm[n])

static const struct reg core[] = {
	GENERAL(rax), GENERAL(rbx), GENERAL(rcx), GENERAL(rdx), GENERAL(rsi),
	GENERAL(rdi), POINTER(rbp), POINTER(rsp), GENERAL(r8), GENERAL(r9),
	GENERAL(r10), GENERAL(r11), GENERAL(r12), GENERAL(r13), GENERAL(r14),
	GENERAL(r15), REG(rip, "code_ptr", 8, regs.rip),
	REG(eflags, "flags", 4, regs.rflags),
	SEGMENT(cs), SEGMENT(ss), SEGMENT(ds), SEGMENT(es), SEGMENT(fs),
	SEGMENT(gs),
	ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7),
	REG(fctrl, "int", 4, fpu.fcw), REG(fstat, "int", 4, fpu.fsw),
	FIXED(ftag, "int", 4, tags), FIXED(fiseg, "int", 4, zero),
	REG(fioff, "int", 4, fpu.last_ip), FIXED(foseg, "int", 4, zero),
	REG(fooff, "int", 4, fpu.last_dp), REG(fop, "int", 4, fpu.last_opcode),
};

static const struct reg sse[] = {
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), XMM(8),
	XMM(9), XMM(10), XMM(11), XMM(12), XMM(13), XMM(14), XMM(15),
	REG(mxcsr, "int", 4, fpu.mxcsr),
};

static const struct reg segments[] = {
	REG(fs_base, "int64", 8, sregs.fs.base),
	REG(gs_base, "int64", 8, sregs.gs.base),
};

/* gdb has no name for such a group. */
static const struct reg control[] = {
	CONTROL(cr0), CONTROL(cr2), CONTROL(cr3), CONTROL(cr4), CONTROL(cr8),
	CONTROL(efer),
};

#define SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static const struct feature {
	const char *name, *types;
	const struct reg *regs;
	size_t nr;
} features[] = {
	{ "org.gnu.gdb.i386.core",
	  "<flags id=\"flags\" size=\"4\">"
	  "<field name=\"CF\" start=\"0\" end=\"0\"/>"
	  "<field name=\"PF\" start=\"2\" end=\"2\"/>"
	  "<field name=\"AF\" start=\"4\" end=\"4\"/>"
	  "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
	  "<field name=\"SF\" start=\"7\" end=\"7\"/>"
	  "<field name=\"TF\" start=\"8\" end=\"8\"/>"
	  "<field name=\"IF\" start=\"9\" end=\"9\"/>"
	  "<field name=\"DF\" start=\"10\" end=\"10\"/>"
	  "<field name=\"OF\" start=\"11\" end=\"11\"/>"
	  "<field name=\"NT\" start=\"14\" end=\"14\"/>"
	  "<field name=\"RF\" start=\"16\" end=\"16\"/>"
	  "<field name=\"AC\" start=\"18\" end=\"18\"/></flags>",
	  core, SIZE(core) },
	{ "org.gnu.gdb.i386.sse",
	  "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	  "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	  "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	  "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	  "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	  "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
	  "<field name=\"v2_double\" type=\"v2d\"/>"
	  "<field name=\"v16_int8\" type=\"v16i8\"/>"
	  "<field name=\"v4_int32\" type=\"v4i32\"/>"
	  "<field name=\"v2_int64\" type=\"v2i64\"/>"
	  "<field name=\"uint128\" type=\"uint128\"/></union>",
	  sse, SIZE(sse) },
	{ "org.gnu.gdb.i386.segments", "", segments, SIZE(segments) },
	{ "minivm.control", "", control, SIZE(control) },
};

static const struct reg *find(uint64_t nr)
{
	size_t i;

	for (i = 0; i < SIZE(features); i++) {
		if (nr < features[i].nr)
			return &features[i].regs[nr];
		nr -= features[i].nr;
	}
	return NULL;
}

size_t register_size(uint64_t nr)
{
	const struct reg *reg = find(nr);

	return reg ? reg->size : 0;
}

size_t registers_size(void)
{
	size_t nr, size = 0;

	for (nr = 0; find(nr); nr++)
		size += find(nr)->size;
	return size;
}

/* KVM has a bit for each that is not empty; two that are set mean empty. */
static uint16_t full_tags(uint8_t used)
{
	uint16_t tags = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (!(used & 1 << i))
			tags |= 3 << 2 * i;
	return tags;
}

static int get_state(struct vcpu *vcpu, struct state *s)
{
	if (ioctl(vcpu->fd, KVM_GET_REGS, &s->regs) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &s->sregs) ||
	    ioctl(vcpu->fd, KVM_GET_FPU, &s->fpu))
		return -errno;
	s->tags = full_tags(s->fpu.ftwx);
	s->zero = 0;
	return 0;
}

/* What did not change is left alone; what KVM may refuse comes first. */
static int set_state(struct vcpu *vcpu, const struct state *old,
		     struct state *new)
{
	if ((memcmp(&old->sregs, &new->sregs, sizeof(old->sregs)) &&
	     ioctl(vcpu->fd, KVM_SET_SREGS, &new->sregs)) ||
	    (memcmp(&old->fpu, &new->fpu, sizeof(old->fpu)) &&
	     ioctl(vcpu->fd, KVM_SET_FPU, &new->fpu)) ||
	    (memcmp(&old->regs, &new->regs, sizeof(old->regs)) &&
	     ioctl(vcpu->fd, KVM_SET_REGS, &new->regs)))
		return -errno;
	return 0;
}

static size_t shorter(const struct reg *reg)
{
	return reg->size < reg->stored ? reg->size : reg->stored;
}

static void copy_out(const struct state *s, const struct reg *reg, uint8_t *to)
{
	memset(to, 0, reg->size);
	memcpy(to, (const uint8_t *)s + reg->offset, shorter(reg));
}

/* What the packet has no room for, as of RFLAGS, is 0. */
static bool copy_in(struct state *s, const struct reg *reg, const uint8_t *from)
{
	uint8_t *at = (uint8_t *)s + reg->offset, now[REGISTER_MAX];

	copy_out(s, reg, now);
	if (!memcmp(now, from, reg->size))
		return true;
	if (reg->fixed)
		return false;
	memset(at, 0, reg->stored);
	memcpy(at, from, shorter(reg));
	return true;
}

int registers_read(struct vcpu *vcpu, uint8_t *to)
{
	const struct reg *reg;
	struct state s;
	size_t nr;
	int err;

	err = get_state(vcpu, &s);
	if (err)
		return err;
	for (nr = 0; (reg = find(nr)); to += reg->size, nr++)
		copy_out(&s, reg, to);
	return 0;
}

int registers_write(struct vcpu *vcpu, const uint8_t *from)
{
	const struct reg *reg;
	struct state old, new;
	size_t nr;
	int err;

	err = get_state(vcpu, &old);
	if (err)
		return err;
	new = old;
	for (nr = 0; (reg = find(nr)); from += reg->size, nr++)
		if (!copy_in(&new, reg, from))
			return -EINVAL;
	return set_state(vcpu, &old, &new);
}

int register_read(struct vcpu *vcpu, uint64_t nr, uint8_t *to)
{
	const struct reg *reg = find(nr);
	struct state s;
	int err;

	if (!reg)
		return -EINVAL;
	err = get_state(vcpu, &s);
	if (!err)
		copy_out(&s, reg, to);
	return err;
}

int register_write(struct vcpu *vcpu, uint64_t nr, const uint8_t *from)
{
	const struct reg *reg = find(nr);
	struct state old, new;
	int err;

	if (!reg)
		return -EINVAL;
	err = get_state(vcpu, &old);
	if (err)
		return err;
	new = old;
	if (!copy_in(&new, reg, from))
		return -EINVAL;
	return set_state(vcpu, &old, &new);
}

static char xml[12288];

static void __attribute__((format(printf, 1, 2))) add(const char *fmt, ...)
{
	size_t used = strlen(xml);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(xml + used, sizeof(xml) - used, fmt, ap);
	va_end(ap);
}

static void add_feature(const struct feature *f)
{
	size_t i;

	add("<feature name=\"%s\">%s", f->name, f->types);
	for (i = 0; i < f->nr; i++)
		add("<reg name=\"%s\" bitsize=\"%d\" type=\"%s\"/>\n",
		    f->regs[i].name, 8 * f->regs[i].size, f->regs[i].type);
	add("</feature>\n");
}

const char *registers_describe(void)
{
	size_t i;

	if (xml[0])
		return xml;
	add("<?xml version=\"1.0\"?>\n"
	    "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
	    "<target version=\"1.0\">\n"
	    "<architecture>i386:x86-64</architecture>\n");
	for (i = 0; i < SIZE(features); i++)
		add_feature(&features[i]);
	add("</target>\n");
	return xml;
}
