// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks: a file each, Xen's block protocol, and the handshake over xenstore.
 *
 * A thread for each disk does all that takes time: vCPUs only leave word and
 * wake it.  Its priority is the user's choice, below the vCPUs' by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

#include "xen_blk.h"

#define MAX_DISKS	16
#define FIRST_VDEV	(202 << 8)	/* xvda; each has room for partitions */
#define VDEV_STEP	16
#define STACK_SIZE	(64 << 10)

static struct policy io_policy = { .policy = SCHED_OTHER, .nice = 5 };

void blk_set_policy(const struct policy *policy)
{
	io_policy = *policy;
}

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

/* Each disk complains once: a guest cannot fill a log. */
static void complain(struct disk *disk, int err, const char *what)
{
	if (!disk->warned)
		warn(err, "the disk stays closed until the guest opens it anew",
		     "disk %s: %s", disk->name, what);
	disk->warned = true;
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

static void kick(void *arg)
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
static bool front_num(struct disk *disk, const char *key, uint32_t max,
		      uint32_t *val)
{
	const char *s = front_key(disk, key);
	uint64_t num;

	if (!s || !*s || strspn(s, "0123456789") != strlen(s) ||
	    strlen(s) > 10)
		return false;
	num = strtoull(s, NULL, 10);
	*val = num;
	return num <= max;
}

static bool protocol_known(struct disk *disk)
{
	const char *s = front_key(disk, "protocol");

	return !s || !strcmp(s, XEN_IO_PROTO_ABI_X86_64);
}

static void front_changed(void *arg, const char *path, const char *value)
{
	struct blk_wish wish = { 0 };
	struct disk *disk = arg;

	/* What is gone or no number is an end too. */
	if (!front_num(disk, "state", UINT32_MAX, &wish.state))
		wish.state = XenbusStateClosed;
	switch (wish.state) {
	case XenbusStateInitialised:
	case XenbusStateConnected:
		wish.connect = front_num(disk, "ring-ref", UINT32_MAX,
					 &wish.ring_ref) &&
			       front_num(disk, "event-channel", UINT32_MAX,
					 &wish.port) &&
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
static void disconnect(struct disk *disk)
{
	if (!disk->sring)
		return;
	event_unbind(disk->xen, disk->port);
	grant_unmap(disk->xen, &disk->grant);
	disk->sring = NULL;
}

static void connect_front(struct disk *disk, const struct blk_wish *wish)
{
	int err;

	if (!wish->connect) {
		complain(disk, 0,
			 "the guest gave no ring, no port or another protocol");
		return;
	}
	err = grant_map(disk->xen, wish->ring_ref, true, &disk->grant);
	if (err) {
		complain(disk, -err, "the guest's ring is not there");
		return;
	}
	err = event_bind(disk->xen, wish->port, kick, disk);
	if (err) {
		complain(disk, -err, "the guest's event channel is not there");
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
		disconnect(disk);
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
}

static void give_up(struct disk *disk)
{
	complain(disk, 0, "the guest sent impossible indices of requests");
	xen_lock(disk->xen);
	disconnect(disk);
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
	char thread_name[16];

	snprintf(thread_name, sizeof(thread_name), "minivm/%s", disk->name);
	pthread_setname_np(pthread_self(), thread_name);
	if (policy_set(0, &io_policy))
		fail(exit_code_of(errno), errno,
		     policy_remedy(&io_policy, errno),
		     "cannot set the thread of disk %s to %s", disk->name,
		     policy_name(io_policy.policy));
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
			kick(disk);
	}
	return NULL;
}

static void open_file(struct disk *disk, const char *path)
{
	struct stat st;
	off_t size;

	disk->fd = open(path, (disk->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC |
			O_NONBLOCK);
	if (disk->fd < 0)
		fail(exit_code_of(errno), errno,
		     errno == EACCES || errno == EROFS ?
		     "attach it read-only, or become its owner" : NULL,
		     "cannot open disk %s", path);
	if (fstat(disk->fd, &st) || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		fail(EX_IMAGE, 0, NULL,
		     "disk %s is neither a file nor a block device", path);
	/* Two VMs that write one file would ruin it. */
	if (flock(disk->fd, (disk->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		fail(errno == EWOULDBLOCK ? EX_INUSE : EX_OS, errno,
		     "read-only disks can be shared",
		     "disk %s is in use", path);
	size = lseek(disk->fd, 0, SEEK_END);
	if (size < SECTOR_SIZE)
		fail(EX_IMAGE, 0, NULL,
		     "disk %s is smaller than a sector of %d bytes", path,
		     SECTOR_SIZE);
	disk->sectors = size / SECTOR_SIZE;
}

static void publish_all(struct disk *disk, unsigned int vdev)
{
	publish(disk, disk->back, "frontend", disk->front);
	publish_num(disk, disk->back, "frontend-id", XEN_DOM_GUEST);
	publish_num(disk, disk->back, "online", 1);
	publish_num(disk, disk->back, "removable", 0);
	publish(disk, disk->back, "dev", disk->name);
	publish(disk, disk->back, "mode", disk->read_only ? "r" : "w");
	publish_num(disk, disk->back, "info",
		    disk->read_only ? VDISK_READONLY : 0);
	publish_num(disk, disk->back, "sectors", disk->sectors);
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

/* A vCPU takes it, and may be of any priority. */
static void init_lock(struct disk *disk)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&disk->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_cond_init(&disk->wake, NULL);
}

static void start_thread(struct disk *disk)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	/* All of it becomes resident where memory is locked. */
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, disk_thread, disk);
	if (err)
		fail(EX_OS, err, NULL, "cannot start disk %s", disk->name);
	pthread_attr_destroy(&attr);
}

void blk_init(struct xen *xen, unsigned int index, const char *path,
	      bool read_only)
{
	unsigned int vdev = FIRST_VDEV + index * VDEV_STEP;
	struct disk *disk = calloc(1, sizeof(*disk));
	char watched[128];

	if (index >= MAX_DISKS)
		fail(EX_USAGE_, 0, NULL, "at most %d disks", MAX_DISKS);
	if (!disk)
		fail(EX_OS, ENOMEM, NULL, "cannot attach disk %s", path);
	disk->xen = xen;
	disk->read_only = read_only;
	snprintf(disk->name, sizeof(disk->name), "xvd%c", 'a' + index);
	snprintf(disk->front, sizeof(disk->front),
		 "/local/domain/%d/device/vbd/%u", XEN_DOM_GUEST, vdev);
	snprintf(disk->back, sizeof(disk->back),
		 "/local/domain/%d/backend/vbd/%d/%u", XEN_DOM_TOOL,
		 XEN_DOM_GUEST, vdev);
	open_file(disk, path);
	publish_all(disk, vdev);
	snprintf(watched, sizeof(watched), "%s/state", disk->front);
	init_lock(disk);
	start_thread(disk);
	store_watch(xen, watched, front_changed, disk);
}
