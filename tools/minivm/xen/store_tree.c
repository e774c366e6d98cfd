// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of xenstore.  A node belongs to the tool or to the guest, and what
 * is made below a node belongs to whom that node belongs.  The guest changes
 * its own nodes only, and reads all: nothing secret is kept here.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

bool tree_path_valid(const char *path)
{
	size_t len = strspn(path, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@");

	if (*path != '/' || path[len] || len > STORE_MAX_PATH)
		return false;
	return len == 1 || (path[len - 1] != '/' && !strstr(path, "//"));
}

static struct node *find_child(const struct node *node, const char *name,
			       size_t len)
{
	struct node *child;

	for (child = node->child; child; child = child->next)
		if (!strncmp(child->name, name, len) && !child->name[len])
			return child;
	return NULL;
}

/* As far down as nodes exist; *rest is what is left of the path then. */
static struct node *walk(const struct tree *tree, const char *path,
			 const char **rest)
{
	struct node *node = tree->root, *child;
	size_t len;

	for (path++; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		child = find_child(node, path, len);
		if (!child)
			break;
		node = child;
	}
	*rest = path;
	return node;
}

struct node *tree_find(const struct tree *tree, const char *path)
{
	struct node *node;
	const char *rest;

	node = walk(tree, path, &rest);
	return *rest ? NULL : node;
}

static struct node *new_node(const char *name, size_t len)
{
	struct node *node = calloc(1, sizeof(*node) + len + 1);

	if (!node)
		return NULL;
	memcpy(node->name, name, len);
	node->value = calloc(1, 1);
	if (node->value)
		return node;
	free(node);
	return NULL;
}

bool tree_init(struct tree *tree)
{
	tree->nr_guest_nodes = 0;
	tree->root = new_node("", 0);
	return tree->root;
}

static struct node *new_child(struct tree *tree, struct node *parent,
			      const char *name, size_t len)
{
	struct node *node = new_node(name, len);

	if (!node)
		return NULL;
	node->parent = parent;
	node->guest = parent->guest;
	node->next = parent->child;
	parent->child = node;
	tree->nr_guest_nodes += node->guest;
	return node;
}

static unsigned int count_names(const char *path)
{
	unsigned int n = 1;

	while ((path = strchr(path, '/'))) {
		path++;
		n++;
	}
	return n;
}

/* The node of that path, made with all that is missing above it. */
struct node *tree_make(struct tree *tree, const char *path, bool by_guest,
		       int *err)
{
	struct node *node;
	const char *rest;
	size_t len;

	node = walk(tree, path, &rest);
	*err = -EACCES;
	if (by_guest && !node->guest)
		return NULL;
	*err = -ENOSPC;
	if (by_guest && *rest &&
	    tree->nr_guest_nodes + count_names(rest) > STORE_MAX_NODES)
		return NULL;
	*err = -ENOMEM;
	for (; *rest && node; rest += len + (rest[len] == '/')) {
		len = strcspn(rest, "/");
		node = new_child(tree, node, rest, len);
	}
	if (node)
		*err = 0;
	return node;
}

int tree_write(struct tree *tree, const char *path, const void *value,
	       size_t len, bool by_guest)
{
	struct node *node;
	char *copy;
	int err;

	if (by_guest && len > STORE_MAX_VALUE)
		return -ENOSPC;
	node = tree_make(tree, path, by_guest, &err);
	if (!node)
		return err;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, value, len);
	copy[len] = 0;
	free(node->value);
	node->value = copy;
	node->len = len;
	return 0;
}

static void unlink_node(struct node *node)
{
	struct node **link = &node->parent->child;

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
}

/* The guest chooses how deep it is: no recursion. */
static void free_all(struct tree *tree, struct node *top)
{
	struct node *node = top, *next;

	unlink_node(top);
	do {
		next = node->child;
		if (next) {
			node->child = next->next;
			node = next;
			continue;
		}
		next = node == top ? NULL : node->parent;
		tree->nr_guest_nodes -= node->guest;
		free(node->value);
		free(node);
		node = next;
	} while (node);
}

/* By the guest: a node that is gone already, but could be there, is fine. */
int tree_remove(struct tree *tree, const char *path)
{
	struct node *node;
	const char *rest;

	if (!path[1])
		return -EINVAL;
	node = walk(tree, path, &rest);
	if (*rest && strchr(rest, '/'))
		return -ENOENT;
	if (*rest)
		return node->guest ? 0 : -ENOENT;
	/* What the tool put where the guest begins stays. */
	if (!node->guest || !node->parent->guest)
		return -EACCES;
	free_all(tree, node);
	return 0;
}

int tree_list(const struct node *node, char *buf, size_t size)
{
	const struct node *child;
	size_t used = 0, len;

	for (child = node->child; child; child = child->next) {
		len = strlen(child->name) + 1;
		if (len > size - used)
			return -E2BIG;
		memcpy(buf + used, child->name, len);
		used += len;
	}
	return used;
}
