// SPDX-License-Identifier: GPL-2.0-only
/* JSON: writing what --json shows, finding a value in our own small files. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "minivm.h"

static void quoted(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void item(struct json *j, const char *key)
{
	if (j->comma)
		fputs(", ", j->f);
	j->comma = true;
	if (key) {
		quoted(j->f, key);
		fputs(": ", j->f);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	item(j, key);
	fputc(bracket, j->f);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	fputc(bracket, j->f);
	j->comma = true;
}

void json_str(struct json *j, const char *key, const char *val)
{
	item(j, key);
	quoted(j->f, val);
}

void json_num(struct json *j, const char *key, long long val)
{
	item(j, key);
	fprintf(j->f, "%lld", val);
}

void json_bool(struct json *j, const char *key, bool val)
{
	item(j, key);
	fputs(val ? "true" : "false", j->f);
}

/*
 * Not a parser: the files that are read are those of runtime.c, in which a
 * key occurs once and no value holds a quoted key.
 */
static const char *find(const char *text, const char *key)
{
	char pattern[64];
	const char *p;

	snprintf(pattern, sizeof(pattern), "\"%s\": ", key);
	p = strstr(text, pattern);
	return p ? p + strlen(pattern) : NULL;
}

bool json_find_num(const char *text, const char *key, long long *val)
{
	const char *p = find(text, key);
	char *end;

	if (!p)
		return false;
	*val = strtoll(p, &end, 10);
	return end != p;
}

bool json_find_str(const char *text, const char *key, char *buf, size_t size)
{
	const char *p = find(text, key);
	size_t len = 0;

	if (!p || *p++ != '"')
		return false;
	for (; *p && *p != '"' && len + 1 < size; p++) {
		if (*p == '\\' && p[1] == 'u' && strlen(p) > 6) {
			char hex[5] = { p[2], p[3], p[4], p[5] };

			buf[len++] = strtol(hex, NULL, 16);
			p += 5;
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		buf[len++] = *p;
	}
	buf[len] = 0;
	return *p == '"';
}
