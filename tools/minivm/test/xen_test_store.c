// SPDX-License-Identifier: GPL-2.0-only
/* Xenstore: what a guest may ask and what it may try. */
#include <stdlib.h>
#include <string.h>

#include "xen_test.h"

static struct xenstore_domain_interface *store = (void *)mem[STORE_GFN];

void start_store(void)
{
	store_init(&xen, store, STORE_PORT);
}

static void put(const void *data, size_t len)
{
	const char *c = data;

	while (len--) {
		check(store->req_prod - store->req_cons < XENSTORE_RING_SIZE);
		store->req[MASK_XENSTORE_IDX(store->req_prod)] = *c++;
		store->req_prod++;
	}
}

/* One byte of answer; asks for more if there is none in the ring. */
static bool get_byte(char *c)
{
	if (store->rsp_cons == store->rsp_prod)
		send_event(STORE_PORT);
	if (store->rsp_cons == store->rsp_prod)
		return false;
	*c = store->rsp[MASK_XENSTORE_IDX(store->rsp_cons)];
	store->rsp_cons++;
	return true;
}

struct store_msg answer;

bool get_answer(void)
{
	char *to = (char *)&answer;
	size_t i;

	for (i = 0; i < sizeof(answer.hdr); i++)
		if (!get_byte(to + i))
			return false;
	check(answer.hdr.len <= XENSTORE_PAYLOAD_MAX);
	for (i = 0; i < answer.hdr.len; i++)
		check(get_byte(answer.body + i));
	answer.body[i] = 0;
	return true;
}

/* A request without an event. */
void post(uint32_t type, const void *body, size_t len)
{
	struct xsd_sockmsg hdr = { .type = type, .len = len };

	put(&hdr, sizeof(hdr));
	put(body, len);
}

/* A request in pieces of that size, an event after each. */
static void request_pieces(uint32_t type, uint32_t tx, const void *body,
			   size_t len, size_t piece)
{
	struct xsd_sockmsg hdr = {
		.type = type, .req_id = 77, .tx_id = tx, .len = len,
	};
	char all[sizeof(hdr) + XENSTORE_PAYLOAD_MAX + 8];
	size_t done, n;

	memcpy(all, &hdr, sizeof(hdr));
	memcpy(all + sizeof(hdr), body, len);
	len += sizeof(hdr);
	for (done = 0; done < len; done += n) {
		n = len - done < piece ? len - done : piece;
		put(all + done, n);
		send_event(STORE_PORT);
	}
}

/* The answer to it; events that come first are dropped. */
bool ask(uint32_t type, uint32_t tx, const void *body, size_t len)
{
	request_pieces(type, tx, body, len, 512);
	do {
		if (!get_answer())
			return false;
	} while (answer.hdr.type == XS_WATCH_EVENT);
	check(answer.hdr.req_id == 77 && answer.hdr.tx_id == tx);
	return true;
}

bool answered(uint32_t type, const void *body, size_t len)
{
	return answer.hdr.type == type && answer.hdr.len == len &&
	       !memcmp(answer.body, body, len);
}

static void good_requests(void)
{
	start_store();
	check(notified[STORE_PORT] == 0);
	SAYS(XS_READ, "domid\0", "1");
	check(notified[STORE_PORT] > 0);
	SAYS(XS_READ, "/local/domain/1/domid\0", "1");
	SAYS(XS_DIRECTORY, "device\0", "");
	SAYS(XS_WRITE, "data/a/b\0value", "OK\0");
	SAYS(XS_READ, "data/a/b\0", "value");
	SAYS(XS_READ, "data/a\0", "");
	SAYS(XS_WRITE, "data/a/b\0a\0b", "OK\0");
	SAYS(XS_READ, "data/a/b\0", "a\0b");
	SAYS(XS_WRITE, "data/a/b\0", "OK\0");
	SAYS(XS_READ, "data/a/b\0", "");
	SAYS(XS_MKDIR, "data/a/c\0", "OK\0");
	SAYS(XS_MKDIR, "data/a/c\0", "OK\0");
	SAYS(XS_DIRECTORY, "data/a\0", "c\0b\0");
	SAYS(XS_GET_PERMS, "data/a\0", "n1\0");
	SAYS(XS_GET_PERMS, "domid\0", "n0\0r1\0");
	SAYS(XS_SET_PERMS, "data/a\0n1\0r0\0", "OK\0");
	SAYS(XS_RM, "data/a\0", "OK\0");
	SAYS(XS_RM, "data/a\0", "OK\0");
	SAYS(XS_DIRECTORY, "data\0", "");
	SAYS(XS_GET_DOMAIN_PATH, "7\0", "/local/domain/7\0");
	SAYS(XS_DIRECTORY, "/\0", "local\0");
	check(!get_answer() && !warnings);
}

static void bad_requests(void)
{
	static const uint32_t one_path[] = {
		XS_DIRECTORY, XS_READ, XS_GET_PERMS, XS_MKDIR, XS_RM,
	};
	size_t i;

	start_store();
	for (i = 0; i < sizeof(one_path) / sizeof(one_path[0]); i++) {
		REFUSES(one_path[i], "", "EINVAL");
		REFUSES(one_path[i], "data", "EINVAL");
		REFUSES(one_path[i], "\0", "EINVAL");
		REFUSES(one_path[i], "data\0data\0", "EINVAL");
		REFUSES(one_path[i], "data/\0", "EINVAL");
		REFUSES(one_path[i], "data//a\0", "EINVAL");
		REFUSES(one_path[i], "data/a b\0", "EINVAL");
		REFUSES(one_path[i], "//data\0", "EINVAL");
		REFUSES(one_path[i], "data/\xff\0", "EINVAL");
	}
	REFUSES(XS_READ, "data/none\0", "ENOENT");
	REFUSES(XS_DIRECTORY, "device/vbd\0", "ENOENT");
	REFUSES(XS_GET_PERMS, "data/none\0", "ENOENT");
	REFUSES(XS_RM, "data/none/none\0", "ENOENT");
	REFUSES(XS_RM, "none\0", "ENOENT");
	REFUSES(XS_RM, "/\0", "EINVAL");
	REFUSES(XS_RM, "data\0", "EACCES");
	REFUSES(XS_RM, "domid\0", "EACCES");
	REFUSES(XS_RM, "/local\0", "EACCES");
	REFUSES(XS_MKDIR, "none\0", "EACCES");
	REFUSES(XS_WRITE, "domid\0" "2", "EACCES");
	REFUSES(XS_WRITE, "/\0" "2", "EACCES");
	REFUSES(XS_WRITE, "/tool/x\0" "2", "EACCES");
	REFUSES(XS_WRITE, "/local/domain/0/x\0" "2", "EACCES");
	REFUSES(XS_WRITE, "data/a", "EINVAL");
	REFUSES(XS_SET_PERMS, "data\0", "EINVAL");
	REFUSES(XS_SET_PERMS, "data\0n1", "EINVAL");
	REFUSES(XS_SET_PERMS, "data\0x1\0", "EINVAL");
	REFUSES(XS_SET_PERMS, "data\0n\0", "EINVAL");
	REFUSES(XS_SET_PERMS, "data\0n99999999999\0", "EINVAL");
	REFUSES(XS_SET_PERMS, "domid\0n1\0", "EACCES");
	REFUSES(XS_SET_PERMS, "data/x\0n1\0", "ENOENT");
	REFUSES(XS_GET_DOMAIN_PATH, "\0", "EINVAL");
	REFUSES(XS_GET_DOMAIN_PATH, "x\0", "EINVAL");
	REFUSES(XS_GET_DOMAIN_PATH, "-1\0", "EINVAL");
	REFUSES(XS_GET_DOMAIN_PATH, "65536\0", "EINVAL");
	REFUSES(XS_CONTROL, "x\0", "ENOSYS");
	REFUSES(XS_INTRODUCE, "x\0", "ENOSYS");
	REFUSES(XS_ERROR, "x\0", "ENOSYS");
	REFUSES(XS_TYPE_COUNT, "", "ENOSYS");
	REFUSES(XS_INVALID, "", "ENOSYS");
	REFUSES(0xffffffff, "", "ENOSYS");
	SAYS(XS_READ, "domid\0", "1");
	check(!warnings);
}

static void watches(void)
{
	start_store();
	SAYS(XS_WATCH, "data\0token\0", "OK\0");
	EVENT("data\0token");
	SAYS(XS_WATCH, "/local/domain/1/data/a\0t2\0", "OK\0");
	EVENT("/local/domain/1/data/a\0t2");
	SAYS(XS_WRITE, "data/a/b\0x", "OK\0");
	EVENT("/local/domain/1/data/a/b\0t2");
	EVENT("data/a/b\0token");
	SAYS(XS_WRITE, "data/ab\0x", "OK\0");
	EVENT("data/ab\0token");
	/* What the tool writes is told too, unasked. */
	store_set(&xen, "/local/domain/1/data/a", "y");
	EVENT("/local/domain/1/data/a\0t2");
	EVENT("data/a\0token");
	SAYS(XS_MKDIR, "data/c\0", "OK\0");
	EVENT("data/c\0token");
	SAYS(XS_MKDIR, "data/c\0", "OK\0");
	SAYS(XS_WATCH, "data/c/d\0deep\0", "OK\0");
	EVENT("data/c/d\0deep");
	SAYS(XS_RM, "data/c\0", "OK\0");
	EVENT("data/c/d\0deep");
	EVENT("data/c\0token");
	REFUSES(XS_WATCH, "data\0token\0", "EEXIST");
	REFUSES(XS_WATCH, "data\0", "EINVAL");
	REFUSES(XS_WATCH, "data\0token", "EINVAL");
	REFUSES(XS_WATCH, "data\0a\0b\0", "EINVAL");
	REFUSES(XS_WATCH, "", "EINVAL");
	REFUSES(XS_UNWATCH, "data\0other\0", "ENOENT");
	REFUSES(XS_UNWATCH, "dat\0token\0", "ENOENT");
	SAYS(XS_UNWATCH, "data\0token\0", "OK\0");
	REFUSES(XS_UNWATCH, "data\0token\0", "ENOENT");
	SAYS(XS_WATCH, "@introduceDomain\0t\0", "OK\0");
	EVENT("@introduceDomain\0t");
	SAYS(XS_WATCH, "/\0root\0", "OK\0");
	EVENT("/\0root");
	SAYS(XS_WRITE, "data/e\0x", "OK\0");
	EVENT("/local/domain/1/data/e\0root");
	SAYS(XS_RESET_WATCHES, "\0", "OK\0");
	SAYS(XS_WRITE, "data/a\0x", "OK\0");
	check(!get_answer() && !warnings);
}

static void transactions(void)
{
	char id[16];
	int i;

	start_store();
	check(ask(XS_TRANSACTION_END, 0, "T", 2) &&
	      answered(XS_ERROR, "ENOENT", 7));
	check(ask(XS_READ, 5, "domid", 6) && answered(XS_ERROR, "ENOENT", 7));
	for (i = 1; i <= STORE_MAX_TRANSACTIONS; i++) {
		snprintf(id, sizeof(id), "%d", i);
		check(ask(XS_TRANSACTION_START, 0, "", 1) &&
		      answered(XS_TRANSACTION_START, id, strlen(id) + 1));
	}
	REFUSES(XS_TRANSACTION_START, "\0", "ENOSPC");
	check(ask(XS_TRANSACTION_START, 1, "", 1) &&
	      answered(XS_ERROR, "EBUSY", 6));
	check(ask(XS_WRITE, 1, "data/a\0x", 8) && answered(XS_WRITE, "OK", 3));
	check(ask(XS_READ, 2, "data/a", 7) && answered(XS_READ, "x", 1));
	check(ask(XS_TRANSACTION_END, 1, "X", 2) &&
	      answered(XS_ERROR, "EINVAL", 7));
	check(ask(XS_TRANSACTION_END, 1, "T", 2) &&
	      answered(XS_TRANSACTION_END, "OK", 3));
	check(ask(XS_TRANSACTION_END, 1, "T", 2) &&
	      answered(XS_ERROR, "ENOENT", 7));
	/* Nothing to undo, and something that cannot be. */
	check(ask(XS_TRANSACTION_END, 2, "F", 2) &&
	      answered(XS_TRANSACTION_END, "OK", 3));
	check(ask(XS_WRITE, 3, "data/a\0y", 8) && answered(XS_WRITE, "OK", 3));
	check(ask(XS_TRANSACTION_END, 3, "F", 2) &&
	      answered(XS_ERROR, "ENOSYS", 7));
	check(ask(XS_TRANSACTION_START, 0, "", 1) &&
	      answered(XS_TRANSACTION_START, "11", 3));
}

static void split_requests(void)
{
	size_t piece;

	start_store();
	/* From everywhere in the ring, too. */
	for (piece = 1; piece < 40; piece++) {
		request_pieces(XS_WRITE, 0, "data/some/name\0value", 20, piece);
		check(get_answer() && answered(XS_WRITE, "OK", 3));
		request_pieces(XS_READ, 0, "data/some/name", 15, piece);
		check(get_answer() && answered(XS_READ, "value", 5));
		check(!get_answer());
	}
	check(!warnings);
}

static void many_at_once(void)
{
	int i;

	start_store();
	for (i = 0; i < XENSTORE_RING_SIZE / 22; i++)
		post(XS_READ, "domid", 6);
	send_event(STORE_PORT);
	for (i = 0; i < XENSTORE_RING_SIZE / 22; i++)
		check(get_answer() && answered(XS_READ, "1", 1));
	check(!get_answer());
}

static void long_answers(void)
{
	char body[8 + STORE_MAX_VALUE];
	int i;

	start_store();
	memset(body, 'x', sizeof(body));
	memcpy(body, "data/ab", 8);
	check(ask(XS_WRITE, 0, body, sizeof(body)) &&
	      answered(XS_WRITE, "OK", 3));
	/* Larger than the ring: waits for the guest, and holds up the next. */
	for (i = 0; i < 3; i++)
		request_pieces(XS_READ, 0, "data/ab", 8, 512);
	check(store->rsp_prod - store->rsp_cons == XENSTORE_RING_SIZE);
	check(store->req_prod - store->req_cons == 2 * 24);
	for (i = 0; i < 3; i++)
		check(get_answer() &&
		      answered(XS_READ, body + 8, STORE_MAX_VALUE));
	check(!get_answer());
}

static void quotas(void)
{
	char body[4096];
	int i, len;

	start_store();
	memset(body, 'x', sizeof(body));
	memcpy(body, "data/ab", 8);
	check(ask(XS_WRITE, 0, body, 8 + STORE_MAX_VALUE + 1) &&
	      answered(XS_ERROR, "ENOSPC", 7));
	REFUSES(XS_READ, "data/ab\0", "ENOENT");

	/* Paths: one that is as long as can be, one that is longer. */
	len = STORE_MAX_PATH - strlen("/local/domain/1/");
	memset(body, 'y', sizeof(body));
	memcpy(body, "data/", 5);
	body[len] = 0;
	check(ask(XS_MKDIR, 0, body, len + 1) && answered(XS_MKDIR, "OK", 3));
	body[len] = 'y';
	body[len + 1] = 0;
	check(ask(XS_MKDIR, 0, body, len + 2) &&
	      answered(XS_ERROR, "EINVAL", 7));
	memset(body, 'y', sizeof(body));
	check(ask(XS_MKDIR, 0, body, sizeof(body)) &&
	      answered(XS_ERROR, "EINVAL", 7));

	for (i = 0; i < STORE_MAX_WATCHES; i++) {
		len = snprintf(body, sizeof(body), "data%c%d", 0, i) + 1;
		check(ask(XS_WATCH, 0, body, len) &&
		      answered(XS_WATCH, "OK", 3));
	}
	REFUSES(XS_WATCH, "data\0more\0", "E2BIG");
	ASK(XS_RESET_WATCHES, "\0");
	memset(body, 'z', sizeof(body));
	memcpy(body, "data", 5);
	body[5 + STORE_MAX_TOKEN + 1] = 0;
	check(ask(XS_WATCH, 0, body, 5 + STORE_MAX_TOKEN + 2) &&
	      answered(XS_ERROR, "EINVAL", 7));

	/* Deep ones count with all their parents; room comes back. */
	memcpy(body, "data/d", 7);
	for (len = 6; len < 906; len += 2)
		memcpy(body + len, "/d", 3);
	check(ask(XS_MKDIR, 0, body, len + 1) && answered(XS_MKDIR, "OK", 3));
	for (i = 0; i < STORE_MAX_NODES - 600; i++) {
		len = snprintf(body, sizeof(body), "data/n%d", i) + 1;
		check(ask(XS_MKDIR, 0, body, len) &&
		      answered(XS_MKDIR, "OK", 3));
	}
	for (i = 0; i < 200; i++) {
		len = snprintf(body, sizeof(body), "data/d/m%d", i) + 1;
		check(ask(XS_MKDIR, 0, body, len));
		if (answer.hdr.type == XS_ERROR)
			break;
	}
	check(answered(XS_ERROR, "ENOSPC", 7));
	SAYS(XS_RM, "data/d\0", "OK\0");
	SAYS(XS_MKDIR, "data/d/d/d\0", "OK\0");
	check(!warnings);
}

static void too_many_names(void)
{
	char body[64];
	int i, len;

	start_store();
	for (i = 0; i < 120; i++) {
		len = snprintf(body, sizeof(body),
			       "data/a-name-of-many-characters-so-few-fit-%d",
			       i) + 1;
		check(ask(XS_MKDIR, 0, body, len) &&
		      answered(XS_MKDIR, "OK", 3));
	}
	REFUSES(XS_DIRECTORY, "data\0", "E2BIG");
}

static void dead(uint32_t error)
{
	uint32_t prod = store->rsp_prod;

	check(warnings == 1 && store->error == error);
	store->req_prod = store->req_cons;
	store->rsp_cons = store->rsp_prod;
	send_event(STORE_PORT);
	request_pieces(XS_READ, 0, "domid", 6, 512);
	store_set(&xen, "/local/domain/1/data/x", "y");
	check(store->rsp_prod == prod && warnings == 1);
	check(!strcmp(store_get(&xen, "/local/domain/1/data/x"), "y"));
}

static void bad_req_prod(void)
{
	start_store();
	ASK(XS_READ, "domid\0");
	store->req_prod = store->req_cons + XENSTORE_RING_SIZE + 1;
	send_event(STORE_PORT);
	dead(XENSTORE_ERROR_RINGIDX);
}

static void req_prod_goes_back(void)
{
	start_store();
	ASK(XS_READ, "domid\0");
	store->req_prod--;
	send_event(STORE_PORT);
	dead(XENSTORE_ERROR_RINGIDX);
}

static void bad_rsp_cons(void)
{
	start_store();
	ASK(XS_READ, "domid\0");
	store->rsp_cons = store->rsp_prod + 1;
	request_pieces(XS_READ, 0, "domid", 6, 512);
	dead(XENSTORE_ERROR_RINGIDX);
}

static void foreign_indices(void)
{
	start_store();
	ASK(XS_READ, "domid\0");
	/* Those that belong to the tool do not lead it anywhere. */
	store->req_cons ^= 0x55555555;
	store->rsp_prod ^= 0x55555555;
	send_event(STORE_PORT);
	check(!warnings);
	store->req_cons = store->req_prod;
	store->rsp_prod = store->rsp_cons;
	SAYS(XS_READ, "domid\0", "1");
}

static void indices_wrap(void)
{
	store->req_prod = -10;
	store->req_cons = -10;
	store->rsp_prod = -3;
	store->rsp_cons = -3;
	start_store();
	SAYS(XS_READ, "domid\0", "1");
	SAYS(XS_READ, "domid\0", "1");
	check(store->req_prod < 100 && !warnings);
}

static void body_too_long(void)
{
	struct xsd_sockmsg hdr = {
		.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1,
	};

	start_store();
	put(&hdr, sizeof(hdr));
	send_event(STORE_PORT);
	dead(XENSTORE_ERROR_PROTO);
}

static void never_reads(void)
{
	char path[64];
	int i;

	start_store();
	ASK(XS_WATCH, "data\0token\0");
	for (i = 0; i < 100000 && !warnings; i++) {
		snprintf(path, sizeof(path), "/local/domain/1/data/%d", i % 9);
		store_set(&xen, path, "x");
	}
	check(i > 1000 && warnings == 1);
	dead(XENSTORE_ERROR_COMM);
}

static void random_bytes(void)
{
	int i, n;

	start_store();
	srandom(1);
	for (i = 0; i < 200000; i++) {
		struct xsd_sockmsg hdr = {
			.type = random() % (XS_TYPE_COUNT + 1),
			.tx_id = random() % 3, .len = random() % 24,
		};
		static const char some[] = "data/ab/@-1\0TF\0n1\0/";

		if (store->req_prod - store->req_cons > 900) {
			send_event(STORE_PORT);
			store->rsp_cons = store->rsp_prod;
			continue;
		}
		put(&hdr, sizeof(hdr));
		for (n = hdr.len; n--;)
			put(&some[random() % (sizeof(some) - 1)], 1);
	}
	check(!warnings);
}

void test_store(void)
{
	run("xenstore: good requests", good_requests);
	run("xenstore: bad requests", bad_requests);
	run("xenstore: watches", watches);
	run("xenstore: transactions", transactions);
	run("xenstore: requests in pieces of every size", split_requests);
	run("xenstore: many requests in one event", many_at_once);
	run("xenstore: answers longer than the ring wait", long_answers);
	run("xenstore: quotas", quotas);
	run("xenstore: more names than an answer holds", too_many_names);
	run("xenstore: more than a ring of requests", bad_req_prod);
	run("xenstore: requests that were never sent", req_prod_goes_back);
	run("xenstore: answers that were never sent", bad_rsp_cons);
	run("xenstore: the tool's indices overwritten", foreign_indices);
	run("xenstore: indices wrap", indices_wrap);
	run("xenstore: a body too long", body_too_long);
	run("xenstore: a guest that never reads", never_reads);
	run("xenstore: random requests", random_bytes);
}
