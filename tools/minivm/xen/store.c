// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xenstore: what a guest may ask, and the tool's own door to the tree.
 *
 * The guest is alone with the tool, so a transaction's operations act at once:
 * nobody else could see half of them or get in between.  Only what has to be
 * undone cannot be had: the end that drops changes is refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "store.h"

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
	struct watches watches;
	uint32_t last_id;
	struct transaction {
		uint32_t id;	/* 0: none */
		bool wrote;
	} transactions[STORE_MAX_TRANSACTIONS];
};

static struct store xenstore;

/* Where the guest's own part of the tree begins, as under Xen's tools. */
static const char * const guest_dirs[] = {
	STORE_HOME "/device", STORE_HOME "/control", STORE_HOME "/data", STORE_HOME "/drivers",
	STORE_HOME "/feature", STORE_HOME "/attr", STORE_HOME "/error",
};

/* The guest hears of all that came together in one event. */
static void push(struct store *store)
{
	store_ring_flush(&store->ring);
	if (store->ring.why)
		xen_complain(store->xen, "xenstore is gone for this VM", "%s",
			     store->ring.why);
	store->ring.why = NULL;
	if (store_ring_moved(&store->ring))
		event_notify(store->xen, store->port);
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
		       r->relative ? STORE_HOME "/" : "", s);
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
	watches_tell_guest(&r->store->watches, &r->store->ring, r->path,
			   removed);
	watches_tell_tool(&r->store->watches, r->path, removed);
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

/* Checked and dropped: the choice could concern nobody. */
static int op_set_perms(struct request *r)
{
	const struct node *node;
	uint32_t domain;
	const char *s;
	int err = parse_path(r);

	if (err || at_end(r))
		return -EINVAL;
	while (!at_end(r)) {
		s = next_string(r);
		if (!s || !*s || !strchr("nrwb", *s) ||
		    !parse_u32(s + 1, DOMID_FIRST_RESERVED - 1, &domain))
			return -EINVAL;
	}
	node = tree_find(&r->store->tree, r->path);
	if (!node)
		return -ENOENT;
	return node->guest ? reply_ok(r) : -EACCES;
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
	const char *token;
	struct watch *w;
	int err;

	if (parse_watch(r, &token))
		return -EINVAL;
	err = watch_add(&r->store->watches, r->path, r->relative, token, &w);
	if (err)
		return err;
	reply_ok(r);
	watch_send(&r->store->ring, w, NULL);
	return 0;
}

static int op_unwatch(struct request *r)
{
	const char *token;

	if (parse_watch(r, &token))
		return -EINVAL;
	return watch_remove(&r->store->watches, r->path, token) ?: reply_ok(r);
}

static int op_reset_watches(struct request *r)
{
	watches_remove(&r->store->watches);
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
	uint32_t domain;
	char text[40];

	if (!s || !at_end(r) ||
	    !parse_u32(s, DOMID_FIRST_RESERVED - 1, &domain))
		return -EINVAL;
	reply(r, text, snprintf(text, sizeof(text), "/local/domain/%u",
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

static void do_request(struct request *r)
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
static void serve_guest(void *arg)
{
	struct store *store = arg;
	struct request *r = &store->request;

	store->busy = true;
	store_ring_poll(&store->ring);
	while (store_ring_flush(&store->ring) &&
	       store_ring_receive(&store->ring, &r->msg))
		do_request(r);
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
		xen_complain(xen, NULL, "cannot put %s into xenstore: %s", path,
			     strerror(-err));
		return;
	}
	watches_tell_guest(&store->watches, &store->ring, path, false);
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
	if (!watch_add_tool(&xenstore.watches, path, fn, arg))
		fail(EX_OS, ENOMEM, NULL, "cannot watch %s", path);
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
	store_set(xen, STORE_HOME "/domid", "1");
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
	err = event_bind(xen, port, serve_guest, store);
	if (err)
		fail(EX_OS, -err, NULL, "cannot bind xenstore's event channel");
}
