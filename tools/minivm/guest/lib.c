// SPDX-License-Identifier: GPL-2.0-only
/* Output, arguments and exceptions of the test guests. */
#include "guest.h"

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, zero;
};

static struct gate idt[256] __attribute__((aligned(16)));

extern char exception_stubs[];

static void put_port(char c)
{
	outb(MINIVM_PORT_CONSOLE, c);
}

static void (*put)(char c) = put_port;

void put_to(void (*fn)(char c))
{
	put = fn ? fn : put_port;
}

void put_char(char c)
{
	put(c);
}

void put_str(const char *s)
{
	while (*s)
		put_char(*s++);
}

void put_dec(uint64_t val)
{
	char buf[21], *p = buf + sizeof(buf) - 1;

	*p = 0;
	do {
		*--p = '0' + val % 10;
	} while (val /= 10);
	put_str(p);
}

void put_hex(uint64_t val)
{
	int shift = 60;

	put_str("0x");
	while (shift && !(val >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[val >> shift & 15]);
}

void guest_exit(int status)
{
	for (;;)
		outb(MINIVM_PORT_EXIT, status);
}

const char *arg_find(const char *args, const char *key)
{
	while (*args) {
		const char *k = key;

		while (*k && *args == *k)
			args++, k++;
		if (!*k && *args == '=')
			return args + 1;
		while (*args && *args != ' ')
			args++;
		while (*args == ' ')
			args++;
	}
	return NULL;
}

bool arg_is(const char *val, const char *word)
{
	while (*word && *val == *word)
		val++, word++;
	return !*word && (!*val || *val == ' ' || *val == ':');
}

uint64_t arg_num(const char **val)
{
	uint64_t num = 0;

	while (**val >= '0' && **val <= '9')
		num = num * 10 + *(*val)++ - '0';
	return num;
}

/* The compiler may ask for it, and there is no C library. */
void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

struct exception {
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

void __attribute__((noreturn)) exception_report(struct exception *e,
						uint64_t cr2);

void exception_report(struct exception *e, uint64_t cr2)
{
	put_to(NULL);
	put_str("guest: exception ");
	put_dec(e->vector);
	put_str(" error ");
	put_hex(e->error);
	put_str(" rip ");
	put_hex(e->rip);
	put_str(" cr2 ");
	put_hex(cr2);
	put_char('\n');
	guest_exit(61);
}

void idt_set(unsigned int vector, void (*entry)(void))
{
	uint64_t addr = (uint64_t)entry;
	uint16_t cs;

	asm("mov %%cs, %0" : "=r"(cs));
	idt[vector] = (struct gate) {
		.offset_low = addr, .selector = cs, .type = 0x8e,
		.offset_mid = addr >> 16, .offset_high = addr >> 32,
	};
}

void idt_load(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} desc = { sizeof(idt) - 1, (uint64_t)idt };
	unsigned int i;

	for (i = 0; i < 32; i++)
		idt_set(i, (void (*)(void))(exception_stubs + 16 * i));
	asm volatile("lidt %0" : : "m"(desc));
}
