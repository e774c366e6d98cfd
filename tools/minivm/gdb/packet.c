// SPDX-License-Identifier: GPL-2.0-only
/* Packets of the remote serial protocol: $data#checksum, + and - for them. */
#include <stdarg.h>
#include <string.h>

#include "gdb.h"

#define BREAK		3
#define ESCAPE		'}'
#define ESCAPE_XOR	0x20

enum { STATE_OUTSIDE, STATE_DATA, STATE_SUM_HIGH, STATE_SUM_LOW };

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void begin(struct packet_in *in)
{
	in->state = STATE_DATA;
	in->escaped = in->too_long = false;
	in->sum = in->said = 0;
	in->len = 0;
}

static enum packet_event outside(struct packet_in *in, uint8_t byte)
{
	switch (byte) {
	case '$':
		begin(in);
		return PACKET_NONE;
	case BREAK:
		return PACKET_BREAK;
	case '-':
		return PACKET_AGAIN;
	default:
		return PACKET_NONE;
	}
}

static void store(struct packet_in *in, uint8_t byte)
{
	if (in->escaped)
		byte ^= ESCAPE_XOR;
	in->escaped = false;
	if (in->len == PACKET_MAX)
		in->too_long = true;
	else
		in->data[in->len++] = byte;
}

static void inside(struct packet_in *in, uint8_t byte)
{
	if (byte == '$') {
		/* The end of the one before is lost. */
		begin(in);
		return;
	}
	if (byte == '#') {
		in->state = STATE_SUM_HIGH;
		return;
	}
	in->sum += byte;
	if (byte == ESCAPE && !in->escaped)
		in->escaped = true;
	else
		store(in, byte);
}

static enum packet_event finish(struct packet_in *in, bool good)
{
	in->state = STATE_OUTSIDE;
	in->data[in->len] = 0;
	if (!good || in->said != in->sum)
		return PACKET_BAD;
	return in->too_long ? PACKET_LONG : PACKET_WHOLE;
}

enum packet_event packet_feed(struct packet_in *in, uint8_t byte)
{
	int value = digit(byte);

	switch (in->state) {
	case STATE_OUTSIDE:
		return outside(in, byte);
	case STATE_DATA:
		inside(in, byte);
		return PACKET_NONE;
	case STATE_SUM_HIGH:
		if (value < 0)
			return finish(in, false);
		in->said = value << 4;
		in->state = STATE_SUM_LOW;
		return PACKET_NONE;
	default:
		in->said |= value & 15;
		return finish(in, value >= 0);
	}
}

void packet_begin(struct packet_out *out)
{
	out->data[0] = '$';
	out->len = 1;
	out->sum = 0;
	out->full = false;
}

static void put(struct packet_out *out, uint8_t byte)
{
	if (out->len > PACKET_MAX) {
		out->full = true;
		return;
	}
	out->data[out->len++] = byte;
	out->sum += byte;
}

void packet_add(struct packet_out *out, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (i = 0; text[i]; i++)
		put(out, text[i]);
}

void packet_add_hex(struct packet_out *out, const void *from, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = from;

	for (; size; size--, p++) {
		put(out, digits[*p >> 4]);
		put(out, digits[*p & 15]);
	}
}

void packet_add_bytes(struct packet_out *out, const void *from, size_t size)
{
	const uint8_t *p = from;

	for (; size; size--, p++) {
		if (!*p || !strchr("#$}*", *p)) {
			put(out, *p);
			continue;
		}
		put(out, ESCAPE);
		put(out, *p ^ ESCAPE_XOR);
	}
}

/* There is room for it, see the size of data. */
bool packet_end(struct packet_out *out)
{
	uint8_t sum = out->sum;

	out->data[out->len++] = '#';
	out->data[out->len++] = "0123456789abcdef"[sum >> 4];
	out->data[out->len++] = "0123456789abcdef"[sum & 15];
	return !out->full;
}

bool packet_number(const char **text, uint64_t *val)
{
	const char *p = *text;

	*val = 0;
	for (; digit(*p) >= 0; p++) {
		if (*val >> 60)
			return false;
		*val = *val << 4 | digit(*p);
	}
	if (p == *text)
		return false;
	*text = p;
	return true;
}

bool packet_hex(const char **text, void *to, size_t size)
{
	const char *p = *text;
	uint8_t *bytes = to;
	size_t i;

	for (i = 0; i < size; i++, p += 2) {
		if (digit(p[0]) < 0 || digit(p[1]) < 0)
			return false;
		bytes[i] = digit(p[0]) << 4 | digit(p[1]);
	}
	*text = p;
	return true;
}

bool packet_is(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}
