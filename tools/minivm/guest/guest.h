/* SPDX-License-Identifier: GPL-2.0-only */
/* The few things that every test guest needs: ports, MSRs, output, words. */
#ifndef MINIVM_GUEST_H
#define MINIVM_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../boot.h"

static inline void outb(uint16_t port, uint8_t val)
{
	asm volatile("outb %0, %1" : : "a"(val), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t val)
{
	asm volatile("outl %0, %1" : : "a"(val), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t val;

	asm volatile("inb %1, %0" : "=a"(val) : "Nd"(port) : "memory");
	return val;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t val;

	asm volatile("inl %1, %0" : "=a"(val) : "Nd"(port) : "memory");
	return val;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (uint64_t)hi << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t val)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)val),
		     "d"((uint32_t)(val >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (uint64_t)hi << 32;
}

static inline void cpuid(uint32_t leaf, uint32_t r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(0));
}

/* Each image's own start; what it returns is the exit status of the VM. */
int guest_main(struct minivm_boot *boot, unsigned int cpu);

void *memset(void *dst, int c, size_t n);

/* Output goes to fn from now on, or to the port again; exceptions do always. */
void put_to(void (*fn)(char c));
void put_char(char c);
void put_str(const char *s);
void put_dec(uint64_t val);
void put_hex(uint64_t val);
void __attribute__((noreturn)) guest_exit(int status);

/* The value of word "KEY=..." in the arguments, or NULL; ends at a blank. */
const char *arg_find(const char *args, const char *key);
bool arg_is(const char *val, const char *word);
uint64_t arg_num(const char **val);

/* An IDT whose exceptions print what happened and end the VM with 61. */
void idt_load(void);
void idt_set(unsigned int vector, void (*entry)(void));

#endif
