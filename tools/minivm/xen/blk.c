// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks: a file each, Xen's block protocol, and the handshake over xenstore.
 *
 * A thread for each disk does all that takes time: vCPUs only leave word and
 * wake it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

#include "blk.h"

#define FIRST_VDEV	(202 << 8)	/* xvda; each has room for partitions */
#define VDEV_STEP	16

static void publish(struct disk *disk, const char *dir, const char *key,
		    const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	store_set(disk->xen, path, value);
}

static void publish_num(struct disk *disk, const char *dir, const char *key,
			unsigned long long val)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", val);
	publish(disk, dir, key, text);
}

static void set_state(struct disk *disk, unsigned int state)
{
	if (disk->state == state)
		return;
	disk->state = state;
	publish_num(disk, disk->back, "state", state);
}

/* Said after the lock.  Each disk does once: a guest cannot fill a log. */
static void blame_guest(struct disk *disk, int err, const char *what)
{
	disk->blame_err = err;
	disk->blame = what;
}

static void say_blame(struct disk *disk)
{
	if (disk->blame && !disk->warned) {
		warn(disk->blame_err,
		     "the disk stays closed until the guest opens it anew",
		     "disk %s: %s", disk->file.name, disk->blame);
		disk->warned = true;
	}
	disk->blame = NULL;
}

static void leave_word(struct disk *disk, const struct blk_wish *wish)
{
	pthread_mutex_lock(&disk->lock);
	if (wish) {
		bool close = disk->wish.close || wish->close;

		disk->wish = *wish;
		disk->wish.close = close;
	} else {
		disk->kicked = true;
	}
	pthread_cond_signal(&disk->wake);
	pthread_mutex_unlock(&disk->lock);
}

static void wake_disk(void *arg)
{
	leave_word(arg, NULL);
}

static const char *front_key(struct disk *disk, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", disk->front, key);
	return store_get(disk->xen, path);
}

/* A key of the front end that is a number; the guest wrote it. */
static bool front_num(struct disk *disk, const char *key, uint32_t *val)
{
	const char *text = front_key(disk, key);

	return text && parse_u32(text, UINT32_MAX, val);
}

static bool protocol_known(struct disk *disk)
{
	const char *s = front_key(disk, "protocol");

	return !s || !strcmp(s, XEN_IO_PROTO_ABI_X86_64);
}

static void front_changed(void *arg)
{
	struct blk_wish wish = { 0 };
	struct disk *disk = arg;

	/* What is gone or no number is an end too. */
	if (!front_num(disk, "state", &wish.state))
		wish.state = XenbusStateClosed;
	switch (wish.state) {
	case XenbusStateInitialised:
	case XenbusStateConnected:
		wish.connect = front_num(disk, "ring-ref", &wish.ring_ref) &&
			       front_num(disk, "event-channel", &wish.port) &&
			       protocol_known(disk);
		break;
	case XenbusStateInitialising:
	case XenbusStateClosed:
		wish.close = true;
		break;
	case XenbusStateClosing:
		break;
	default:
		return;
	}
	leave_word(disk, &wish);
}

/* From here on in the disk's thread; what changes the VM, under its lock. */
static void disconnect_front(struct disk *disk)
{
	if (!disk->sring)
		return;
	event_unbind(disk->xen, disk->port, disk);
	grant_unmap(disk->xen, &disk->grant);
	disk->sring = NULL;
}

static void connect_front(struct disk *disk, const struct blk_wish *wish)
{
	int err;

	if (!wish->connect) {
		blame_guest(disk, 0,
			    "the guest gave no ring, no port or another protocol");
		return;
	}
	err = grant_map(disk->xen, wish->ring_ref, true, &disk->grant);
	if (err) {
		blame_guest(disk, -err, "the guest's ring is not there");
		return;
	}
	err = event_bind(disk->xen, wish->port, wake_disk, disk);
	if (err) {
		blame_guest(disk, -err, "the guest's event channel is not there");
		grant_unmap(disk->xen, &disk->grant);
		return;
	}
	disk->port = wish->port;
	disk->req_cons = 0;
	disk->sring = disk->grant.page;
}

static void follow(struct disk *disk, const struct blk_wish *wish)
{
	xen_lock(disk->xen);
	if (wish->close)
		disconnect_front(disk);
	switch (wish->state) {
	case XenbusStateInitialising:
		set_state(disk, XenbusStateInitWait);
		break;
	case XenbusStateInitialised:
	case XenbusStateConnected:
		if (!disk->sring)
			connect_front(disk, wish);
		set_state(disk, disk->sring ? XenbusStateConnected :
					      XenbusStateClosed);
		break;
	default:
		set_state(disk, wish->state);
	}
	xen_unlock(disk->xen);
	say_blame(disk);
}

static void give_up(struct disk *disk)
{
	blame_guest(disk, 0, "the guest sent impossible indices of requests");
	say_blame(disk);
	xen_lock(disk->xen);
	disconnect_front(disk);
	set_state(disk, XenbusStateClosed);
	xen_unlock(disk->xen);
}

static void wait_for_work(struct disk *disk, struct blk_wish *wish)
{
	pthread_mutex_lock(&disk->lock);
	while (!disk->kicked && !disk->wish.state)
		pthread_cond_wait(&disk->wake, &disk->lock);
	disk->kicked = false;
	*wish = disk->wish;
	memset(&disk->wish, 0, sizeof(disk->wish));
	pthread_mutex_unlock(&disk->lock);
}

static void *disk_thread(void *arg)
{
	enum blk_result result;
	struct disk *disk = arg;
	struct blk_wish wish;

	name_thread(disk->file.name);
	io_policy_apply("a disk");
	for (;;) {
		wait_for_work(disk, &wish);
		if (wish.state)
			follow(disk, &wish);
		if (!disk->sring)
			continue;
		result = blk_ring_serve(disk);
		if (result == BLK_BROKEN)
			give_up(disk);
		else if (result == BLK_MORE)
			wake_disk(disk);
	}
	return NULL;
}

static void publish_all(struct disk *disk, unsigned int vdev)
{
	publish(disk, disk->back, "frontend", disk->front);
	publish_num(disk, disk->back, "frontend-id", XEN_DOM_GUEST);
	publish_num(disk, disk->back, "online", 1);
	publish_num(disk, disk->back, "removable", 0);
	publish(disk, disk->back, "dev", disk->file.name);
	publish(disk, disk->back, "mode", disk->file.read_only ? "r" : "w");
	publish_num(disk, disk->back, "info",
		    disk->file.read_only ? VDISK_READONLY : 0);
	publish_num(disk, disk->back, "sectors", disk->file.sectors);
	publish_num(disk, disk->back, "sector-size", SECTOR_SIZE);
	publish_num(disk, disk->back, "feature-barrier", 1);
	publish_num(disk, disk->back, "feature-flush-cache", 1);
	set_state(disk, XenbusStateInitWait);

	publish(disk, disk->front, "backend", disk->back);
	publish_num(disk, disk->front, "backend-id", XEN_DOM_TOOL);
	publish_num(disk, disk->front, "virtual-device", vdev);
	publish(disk, disk->front, "device-type", "disk");
	publish_num(disk, disk->front, "state", XenbusStateInitialising);
}

void blk_init(struct xen *xen, unsigned int index, const char *path)
{
	unsigned int vdev = FIRST_VDEV + index * VDEV_STEP;
	struct disk *disk = calloc(1, sizeof(*disk));
	char watched[128], name[8];

	if (!disk)
		fail(EX_OS, ENOMEM, NULL, "cannot attach disk %s", path);
	disk->xen = xen;
	snprintf(disk->front, sizeof(disk->front),
		 "/local/domain/%d/device/vbd/%u", XEN_DOM_GUEST, vdev);
	snprintf(disk->back, sizeof(disk->back),
		 "/local/domain/%d/backend/vbd/%d/%u", XEN_DOM_TOOL,
		 XEN_DOM_GUEST, vdev);
	snprintf(name, sizeof(name), "xvd%c", 'a' + index);
	disk_file_open(&disk->file, name, path);
	publish_all(disk, vdev);
	snprintf(watched, sizeof(watched), "%s/state", disk->front);
	pi_mutex_init(&disk->lock);
	pthread_cond_init(&disk->wake, NULL);
	start_thread("a disk", disk_thread, disk);
	store_watch(xen, watched, front_changed, disk);
}
