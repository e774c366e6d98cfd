// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xenstore: what a guest may ask, watches, and the tool's own door to the tree.
 *
 * The guest is alone with the tool, so a transaction's operations act at once:
 * nobody else could see half of them or get in between.  Only what has to be
 * undone cannot be had: the end that drops changes is refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "xen.h"
#include "xen_store.h"

#define HOME		"/local/domain/1"

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

struct request {
	struct store *store;
	struct store_msg msg;
	size_t pos;		/* in the body, behind what was parsed */
	bool relative;
	char path[STORE_MAX_PATH + 1];
};

struct store {
	struct xen *xen;
	uint32_t port;
	bool busy;		/* with a request; the guest is told afterwards */
	struct tree tree;
	struct store_ring ring;
	struct request request;
	struct watch *watches;
	unsigned int nr_watches;
	struct tool_watch *tool_watches;
	uint32_t last_id;
	struct transaction {
		uint32_t id;	/* 0: none */
		bool wrote;
	} transactions[STORE_MAX_TRANSACTIONS];
};

static struct store xenstore;

/* Where the guest's own part of the tree begins, as under Xen's tools. */
static const char * const guest_dirs[] = {
	HOME "/device", HOME "/control", HOME "/data", HOME "/drivers",
	HOME "/feature", HOME "/attr", HOME "/error",
};

/* The guest hears of all that came together in one event. */
static void push(struct store *store)
{
	store_ring_flush(&store->ring);
	if (store_ring_moved(&store->ring))
		event_notify(store->xen, store->port);
}

static bool is_below(const char *path, const char *base)
{
	size_t len = strlen(base);

	if (len == 1)
		return true;
	return !strncmp(path, base, len) && (!path[len] || path[len] == '/');
}

static void send_event(struct store *store, const struct watch *w,
		       const char *path)
{
	char body[STORE_MAX_PATH + STORE_MAX_TOKEN + 2];
	struct xsd_sockmsg hdr = { .type = XS_WATCH_EVENT };

	if (w->relative)
		path += strlen(HOME "/");
	hdr.len = snprintf(body, sizeof(body), "%s%c%s", path, 0, w->token) + 1;
	store_ring_send(&store->ring, &hdr, body);
}

/* A node was written or, with all below it, removed. */
static void tell_guest(struct store *store, const char *path, bool removed)
{
	const struct watch *w;

	for (w = store->watches; w; w = w->next) {
		if (is_below(path, w->path))
			send_event(store, w, path);
		else if (removed && is_below(w->path, path))
			send_event(store, w, w->path);
	}
}

static void tell_tool(struct store *store, const char *path, bool removed)
{
	const struct node *node = tree_find(&store->tree, path);
	const struct tool_watch *w;

	for (w = store->tool_watches; w; w = w->next) {
		if (is_below(path, w->path))
			w->fn(w->arg, path, node ? node->value : NULL);
		else if (removed && is_below(w->path, path))
			w->fn(w->arg, w->path, NULL);
	}
}

static void reply(struct request *r, const void *body, size_t len)
{
	struct xsd_sockmsg hdr = r->msg.hdr;

	hdr.len = len;
	store_ring_send(&r->store->ring, &hdr, body);
}

static int reply_ok(struct request *r)
{
	reply(r, "OK", 3);
	return 0;
}

static void reply_error(struct request *r, int err)
{
	const char *name = "EINVAL";
	size_t i;

	for (i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (xsd_errors[i].errnum == err)
			name = xsd_errors[i].errstring;
	r->msg.hdr.type = XS_ERROR;
	reply(r, name, strlen(name) + 1);
}

/* The next string of the body; NULL: there is none that ends there. */
static const char *next_string(struct request *r)
{
	const char *s = r->msg.body + r->pos;
	size_t left = r->msg.hdr.len - r->pos;
	size_t len = strnlen(s, left);

	if (len == left)
		return NULL;
	r->pos += len + 1;
	return s;
}

static bool at_end(const struct request *r)
{
	return r->pos == r->msg.hdr.len;
}

/* The path that comes first in most bodies, made absolute. */
static int parse_path(struct request *r)
{
	const char *s = next_string(r);
	int len;

	if (!s || !*s)
		return -EINVAL;
	r->relative = *s != '/';
	len = snprintf(r->path, sizeof(r->path), "%s%s",
		       r->relative ? HOME "/" : "", s);
	return len < (int)sizeof(r->path) && tree_path_valid(r->path) ?
	       0 : -EINVAL;
}

static int only_path(struct request *r)
{
	int err = parse_path(r);

	return err ?: at_end(r) ? 0 : -EINVAL;
}

static int find_node(struct request *r, struct node **node)
{
	int err = only_path(r);

	if (err)
		return err;
	*node = tree_find(&r->store->tree, r->path);
	return *node ? 0 : -ENOENT;
}

static struct transaction *find_transaction(struct request *r, uint32_t id)
{
	struct transaction *t = r->store->transactions;
	int i;

	for (i = 0; i < STORE_MAX_TRANSACTIONS; i++, t++)
		if (t->id == id)
			return t;
	return NULL;
}

static int changed(struct request *r, bool removed)
{
	if (r->msg.hdr.tx_id)
		find_transaction(r, r->msg.hdr.tx_id)->wrote = true;
	reply_ok(r);
	tell_guest(r->store, r->path, removed);
	tell_tool(r->store, r->path, removed);
	return 0;
}

static int op_directory(struct request *r)
{
	char names[XENSTORE_PAYLOAD_MAX];
	struct node *node;
	int len = find_node(r, &node);

	if (!len)
		len = tree_list(node, names, sizeof(names));
	if (len >= 0)
		reply(r, names, len);
	return len < 0 ? len : 0;
}

static int op_read(struct request *r)
{
	struct node *node;
	int err = find_node(r, &node);

	if (err)
		return err;
	if (node->len > XENSTORE_PAYLOAD_MAX)
		return -E2BIG;
	reply(r, node->value, node->len);
	return 0;
}

static int op_write(struct request *r)
{
	int err = parse_path(r);

	if (!err)
		err = tree_write(&r->store->tree, r->path, r->msg.body + r->pos,
				 r->msg.hdr.len - r->pos, true);
	return err ?: changed(r, false);
}

static int op_mkdir(struct request *r)
{
	int err = only_path(r);

	if (err)
		return err;
	if (tree_find(&r->store->tree, r->path))
		return reply_ok(r);
	tree_make(&r->store->tree, r->path, true, &err);
	return err ?: changed(r, false);
}

static int op_rm(struct request *r)
{
	int err = only_path(r);

	if (err)
		return err;
	if (!tree_find(&r->store->tree, r->path))
		return tree_remove(&r->store->tree, r->path) ?: reply_ok(r);
	return tree_remove(&r->store->tree, r->path) ?: changed(r, true);
}

static int op_get_perms(struct request *r)
{
	struct node *node;
	int err = find_node(r, &node);

	if (err)
		return err;
	if (node->guest)
		reply(r, "n1", 3);
	else
		reply(r, "n0\0r1", 6);
	return 0;
}

static bool is_number(const char *s, unsigned long max, unsigned long *val)
{
	char *end;

	if (*s < '0' || *s > '9' || strlen(s) > 10)
		return false;
	*val = strtoul(s, &end, 10);
	return !*end && *val <= max;
}

/* Checked and dropped: the choice could concern nobody. */
static int op_set_perms(struct request *r)
{
	const struct node *node;
	unsigned long domain;
	const char *s;
	int err = parse_path(r);

	if (err || at_end(r))
		return -EINVAL;
	while (!at_end(r)) {
		s = next_string(r);
		if (!s || !*s || !strchr("nrwb", *s) ||
		    !is_number(s + 1, DOMID_FIRST_RESERVED - 1, &domain))
			return -EINVAL;
	}
	node = tree_find(&r->store->tree, r->path);
	if (!node)
		return -ENOENT;
	return node->guest ? reply_ok(r) : -EACCES;
}

static struct watch **find_watch(struct request *r, const char *token)
{
	struct watch **link;

	for (link = &r->store->watches; *link; link = &(*link)->next)
		if (!strcmp((*link)->path, r->path) &&
		    !strcmp((*link)->token, token))
			return link;
	return NULL;
}

/*
 * Path and token.  @introduceDomain and @releaseDomain look like relative
 * paths and behave as they shall: no domain comes or goes, nothing is told.
 */
static int parse_watch(struct request *r, const char **token)
{
	int err = parse_path(r);

	*token = err ? NULL : next_string(r);
	return *token && at_end(r) && strlen(*token) <= STORE_MAX_TOKEN ?
	       0 : -EINVAL;
}

static int op_watch(struct request *r)
{
	struct store *store = r->store;
	size_t path_size, token_size;
	struct watch *w;
	const char *token;

	if (parse_watch(r, &token))
		return -EINVAL;
	if (find_watch(r, token))
		return -EEXIST;
	if (store->nr_watches == STORE_MAX_WATCHES)
		return -E2BIG;
	path_size = strlen(r->path) + 1;
	token_size = strlen(token) + 1;
	w = malloc(sizeof(*w) + path_size + token_size);
	if (!w)
		return -ENOMEM;
	memcpy(w->path, r->path, path_size);
	w->token = memcpy(w->path + path_size, token, token_size);
	w->relative = r->relative;
	w->next = store->watches;
	store->watches = w;
	store->nr_watches++;
	reply_ok(r);
	send_event(store, w, w->path);
	return 0;
}

static void drop_watch(struct store *store, struct watch **link)
{
	struct watch *w = *link;

	*link = w->next;
	free(w);
	store->nr_watches--;
}

static int op_unwatch(struct request *r)
{
	struct watch **link;
	const char *token;

	if (parse_watch(r, &token))
		return -EINVAL;
	link = find_watch(r, token);
	if (!link)
		return -ENOENT;
	drop_watch(r->store, link);
	return reply_ok(r);
}

static int op_reset_watches(struct request *r)
{
	while (r->store->watches)
		drop_watch(r->store, &r->store->watches);
	return reply_ok(r);
}

static int op_transaction_start(struct request *r)
{
	struct transaction *t = find_transaction(r, 0);
	uint32_t *id = &r->store->last_id;
	char text[16];

	if (r->msg.hdr.tx_id)
		return -EBUSY;
	if (!t)
		return -ENOSPC;
	/* Not one that is in use, should numbers come round. */
	do {
		++*id;
	} while (find_transaction(r, *id));
	t->id = *id;
	t->wrote = false;
	reply(r, text, snprintf(text, sizeof(text), "%u", *id) + 1);
	return 0;
}

static int op_transaction_end(struct request *r)
{
	const char *s = next_string(r);
	struct transaction *t;

	if (!s || !at_end(r) || (strcmp(s, "T") && strcmp(s, "F")))
		return -EINVAL;
	if (!r->msg.hdr.tx_id)
		return -ENOENT;
	t = find_transaction(r, r->msg.hdr.tx_id);
	t->id = 0;
	return *s == 'F' && t->wrote ? -ENOSYS : reply_ok(r);
}

static int op_domain_path(struct request *r)
{
	const char *s = next_string(r);
	unsigned long domain;
	char text[40];

	if (!s || !at_end(r) ||
	    !is_number(s, DOMID_FIRST_RESERVED - 1, &domain))
		return -EINVAL;
	reply(r, text, snprintf(text, sizeof(text), "/local/domain/%lu",
				domain) + 1);
	return 0;
}

static int (* const ops[XS_TYPE_COUNT])(struct request *r) = {
	[XS_DIRECTORY] = op_directory,
	[XS_READ] = op_read,
	[XS_GET_PERMS] = op_get_perms,
	[XS_WATCH] = op_watch,
	[XS_UNWATCH] = op_unwatch,
	[XS_TRANSACTION_START] = op_transaction_start,
	[XS_TRANSACTION_END] = op_transaction_end,
	[XS_GET_DOMAIN_PATH] = op_domain_path,
	[XS_WRITE] = op_write,
	[XS_MKDIR] = op_mkdir,
	[XS_RM] = op_rm,
	[XS_SET_PERMS] = op_set_perms,
	[XS_RESET_WATCHES] = op_reset_watches,
};

static void handle(struct request *r)
{
	const struct xsd_sockmsg *hdr = &r->msg.hdr;
	int err;

	r->pos = 0;
	if (hdr->type >= XS_TYPE_COUNT || !ops[hdr->type])
		err = -ENOSYS;
	else if (hdr->tx_id && !find_transaction(r, hdr->tx_id))
		err = -ENOENT;
	else
		err = ops[hdr->type](r);
	if (err)
		reply_error(r, -err);
}

/* While answers wait for room no request is taken, so that few can wait. */
static void kick(void *arg)
{
	struct store *store = arg;
	struct request *r = &store->request;

	store->busy = true;
	store_ring_poll(&store->ring);
	while (store_ring_flush(&store->ring) &&
	       store_ring_receive(&store->ring, &r->msg))
		handle(r);
	store->busy = false;
	push(store);
}

void store_set(struct xen *xen, const char *path, const char *value)
{
	struct store *store = &xenstore;
	int err = -EINVAL;

	if (tree_path_valid(path))
		err = tree_write(&store->tree, path, value, strlen(value),
				 false);
	if (err) {
		warn(-err, NULL, "cannot put %s into xenstore", path);
		return;
	}
	tell_guest(store, path, false);
	if (!store->busy)
		push(store);
}

const char *store_get(struct xen *xen, const char *path)
{
	const struct node *node = tree_find(&xenstore.tree, path);

	return node ? node->value : NULL;
}

void store_watch(struct xen *xen, const char *path, store_fn fn, void *arg)
{
	size_t size = strlen(path) + 1;
	struct tool_watch *w = malloc(sizeof(*w) + size);

	if (!w)
		fail(EX_OS, ENOMEM, NULL, "cannot watch %s", path);
	memcpy(w->path, path, size);
	w->fn = fn;
	w->arg = arg;
	w->next = xenstore.tool_watches;
	xenstore.tool_watches = w;
}

static void fill_tree(struct xen *xen)
{
	struct tree *tree = &xenstore.tree;
	struct node *node;
	size_t i;
	int err;

	if (!tree_init(tree))
		fail(EX_OS, ENOMEM, NULL, "cannot make xenstore");
	for (i = 0; i < sizeof(guest_dirs) / sizeof(guest_dirs[0]); i++) {
		node = tree_make(tree, guest_dirs[i], false, &err);
		if (!node)
			fail(EX_OS, -err, NULL, "cannot make xenstore");
		node->guest = true;
	}
	store_set(xen, HOME "/domid", "1");
}

void store_init(struct xen *xen, void *ring, uint32_t port)
{
	struct store *store = &xenstore;
	int err;

	store->xen = xen;
	store->port = port;
	store->request.store = store;
	fill_tree(xen);
	store_ring_init(&store->ring, ring);
	err = event_bind(xen, port, kick, store);
	if (err)
		fail(EX_OS, -err, NULL, "cannot bind xenstore's event channel");
}
