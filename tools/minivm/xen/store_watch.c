// SPDX-License-Identifier: GPL-2.0-only
/* Watches of xenstore: the guest's, by messages, and the tool's, by calls. */
#include <stdlib.h>
#include <string.h>

#include "store.h"

struct watch {
	struct watch *next;
	bool relative;		/* events name the path as it was given */
	const char *token;
	char path[];
};

struct tool_watch {
	struct tool_watch *next;
	store_fn fn;
	void *arg;
	char path[];
};

static bool is_below(const char *path, const char *base)
{
	size_t len = strlen(base);

	if (len == 1)
		return true;
	return !strncmp(path, base, len) && (!path[len] || path[len] == '/');
}

void watch_send(struct store_ring *ring, const struct watch *w,
		const char *path)
{
	char body[STORE_MAX_PATH + STORE_MAX_TOKEN + 2];
	struct xsd_sockmsg hdr = { .type = XS_WATCH_EVENT };

	if (!path)
		path = w->path;
	if (w->relative)
		path += strlen(STORE_HOME "/");
	hdr.len = snprintf(body, sizeof(body), "%s%c%s", path, 0, w->token) + 1;
	store_ring_send(ring, &hdr, body);
}

void watches_tell_guest(const struct watches *watches, struct store_ring *ring,
			const char *path, bool removed)
{
	const struct watch *w;

	for (w = watches->guest; w; w = w->next) {
		if (is_below(path, w->path))
			watch_send(ring, w, path);
		else if (removed && is_below(w->path, path))
			watch_send(ring, w, NULL);
	}
}

void watches_tell_tool(const struct watches *watches, const char *path,
		       bool removed)
{
	const struct tool_watch *w;

	for (w = watches->tool; w; w = w->next)
		if (is_below(path, w->path) ||
		    (removed && is_below(w->path, path)))
			w->fn(w->arg);
}

static struct watch **find(struct watches *watches, const char *path,
			   const char *token)
{
	struct watch **link;

	for (link = &watches->guest; *link; link = &(*link)->next)
		if (!strcmp((*link)->path, path) &&
		    !strcmp((*link)->token, token))
			return link;
	return NULL;
}

int watch_add(struct watches *watches, const char *path, bool relative,
	      const char *token, struct watch **new)
{
	size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
	struct watch *w;

	if (find(watches, path, token))
		return -EEXIST;
	if (watches->nr_guest == STORE_MAX_WATCHES)
		return -E2BIG;
	w = malloc(sizeof(*w) + path_size + token_size);
	if (!w)
		return -ENOMEM;
	memcpy(w->path, path, path_size);
	w->token = memcpy(w->path + path_size, token, token_size);
	w->relative = relative;
	w->next = watches->guest;
	watches->guest = w;
	watches->nr_guest++;
	*new = w;
	return 0;
}

static void drop(struct watches *watches, struct watch **link)
{
	struct watch *w = *link;

	*link = w->next;
	free(w);
	watches->nr_guest--;
}

int watch_remove(struct watches *watches, const char *path, const char *token)
{
	struct watch **link = find(watches, path, token);

	if (!link)
		return -ENOENT;
	drop(watches, link);
	return 0;
}

void watches_remove(struct watches *watches)
{
	while (watches->guest)
		drop(watches, &watches->guest);
}

bool watch_add_tool(struct watches *watches, const char *path, store_fn fn,
		    void *arg)
{
	size_t size = strlen(path) + 1;
	struct tool_watch *w = malloc(sizeof(*w) + size);

	if (!w)
		return false;
	memcpy(w->path, path, size);
	w->fn = fn;
	w->arg = arg;
	w->next = watches->tool;
	watches->tool = w;
	return true;
}
