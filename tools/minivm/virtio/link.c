// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where frames go to and come from: a tap device of the host, or a datagram
 * socket, one frame a datagram.  Whoever may write to that socket is heard.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>

#include "virtio.h"

#define USAGE "--net '%s' is none of tap:NAME, unix:PATH[,peer=PATH], each with [,mac=02:00:00:00:00:01]"

struct link {
	char what[128];
	int fd;
	struct sockaddr_un peer;	/* of a socket */
};

static void bad_spec(const char *s) __attribute__((noreturn));

static void bad_spec(const char *s)
{
	fail(EX_USAGE_, 0, NULL, USAGE, s);
}

/* Locally administered, and the same at the next start. */
static void default_mac(const char *s, uint8_t mac[6])
{
	uint64_t hash = 0xcbf29ce484222325;
	unsigned int i;

	for (; *s; s++)
		hash = (hash ^ (uint8_t)*s) * 0x100000001b3;
	mac[0] = 2;
	for (i = 1; i < 6; i++)
		mac[i] = hash >> 8 * i;
}

static bool parse_mac(const char *s, uint8_t mac[6])
{
	unsigned int i;

	for (i = 0; i < 6; i++, s += 3) {
		if (strspn(s, "0123456789abcdefABCDEF") != 2 ||
		    s[2] != (i < 5 ? ':' : 0))
			return false;
		mac[i] = strtoul(s, NULL, 16);
	}
	/* One of a single station, and one at all. */
	return !(mac[0] & 1) && memcmp(mac, "\0\0\0\0\0", 6);
}

static bool set(char *to, const char *from, size_t size)
{
	return *from && (size_t)snprintf(to, size, "%s", from) < size;
}

static bool parse_word(struct link_spec *spec, const char *word)
{
	if (!strncmp(word, "mac=", 4))
		return parse_mac(word + 4, spec->mac);
	return !strncmp(word, "peer=", 5) && !strcmp(spec->kind, "unix") &&
	       set(spec->peer, word + 5, sizeof(spec->peer));
}

static bool parse_end(struct link_spec *spec, const char *word)
{
	size_t max = sizeof(spec->path);

	if (!strncmp(word, "tap:", 4))
		max = IFNAMSIZ;
	else if (strncmp(word, "unix:", 5))
		return false;
	snprintf(spec->kind, sizeof(spec->kind), "%.*s",
		 (int)strcspn(word, ":"), word);
	return set(spec->path, strchr(word, ':') + 1, max);
}

void link_parse(const char *s, struct link_spec *spec)
{
	char buf[512], *word, *save = NULL;

	*spec = (struct link_spec) { .kind = "" };
	if (!set(buf, s, sizeof(buf)))
		bad_spec(s);
	word = strtok_r(buf, ",", &save);
	if (!word || !parse_end(spec, word))
		bad_spec(s);
	default_mac(word, spec->mac);
	while ((word = strtok_r(NULL, ",", &save)))
		if (!parse_word(spec, word))
			bad_spec(s);
	if (!strcmp(spec->kind, "unix") && !spec->peer[0] &&
	    (size_t)snprintf(spec->peer, sizeof(spec->peer), "%s.peer",
			     spec->path) >= sizeof(spec->peer))
		bad_spec(s);
}

static const char *tap_remedy(int err)
{
	switch (err) {
	case ENOENT:
	case ENODEV:
		return "load the module tun (modprobe tun)";
	case EBUSY:
		return "another process has it: choose a tap device of its own";
	case EINVAL:
		return "is it a tap device?";
	default:
		return "run as root, or make it yours (ip tuntap add NAME mode tap user USER)";
	}
}

static void open_tap(struct link *link, const struct link_spec *spec)
{
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	memcpy(req.ifr_name, spec->path, IFNAMSIZ);
	link->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (link->fd < 0 || ioctl(link->fd, TUNSETIFF, &req))
		fail(errno == EPERM || errno == EACCES ? EX_NORIGHT : EX_OS,
		     errno, tap_remedy(errno), "cannot open tap device %s",
		     spec->path);
}

/* A socket of one that has ended stays, and refuses whoever connects. */
static bool is_left_over(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool dead;

	dead = fd >= 0 &&
	       connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) &&
	       errno == ECONNREFUSED;
	close(fd);
	return dead;
}

static char bound[MINIVM_MAX_NETS][sizeof(((struct sockaddr_un *)0)->sun_path)];
static unsigned int nr_bound;

static void remove_sockets(void)
{
	while (nr_bound)
		unlink(bound[--nr_bound]);
}

static bool bind_socket(int fd, const struct sockaddr_un *addr)
{
	const struct sockaddr *a = (const struct sockaddr *)addr;

	if (!bind(fd, a, sizeof(*addr)))
		return true;
	if (errno != EADDRINUSE)
		return false;
	if (is_left_over(addr)) {
		unlink(addr->sun_path);
		return !bind(fd, a, sizeof(*addr));
	}
	errno = EADDRINUSE;
	return false;
}

static void open_socket(struct link *link, const struct link_spec *spec)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX };

	memcpy(own.sun_path, spec->path, sizeof(own.sun_path));
	link->peer.sun_family = AF_UNIX;
	memcpy(link->peer.sun_path, spec->peer, sizeof(own.sun_path));
	link->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  0);
	if (link->fd < 0 || !bind_socket(link->fd, &own))
		fail(errno == EADDRINUSE ? EX_INUSE : exit_code_of(errno), errno,
		     errno == EADDRINUSE ?
		     "choose another path, or remove what is there" : NULL,
		     "cannot make socket %s", spec->path);
	if (!nr_bound)
		end_undo(remove_sockets);
	strcpy(bound[nr_bound++], spec->path);
}

struct link *link_open(const struct link_spec *spec)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		fail(EX_OS, ENOMEM, NULL, "cannot open %s", spec->path);
	snprintf(link->what, sizeof(link->what), "%s:%s", spec->kind,
		 spec->path);
	if (!strcmp(spec->kind, "tap"))
		open_tap(link, spec);
	else
		open_socket(link, spec);
	return link;
}

int link_fd(const struct link *link)
{
	return link->fd;
}

static void lose(struct link *link, int err)
{
	warn(err, "start the VM anew when it is there again",
	     "%s is lost, its guest receives no more", link->what);
	close(link->fd);
	link->fd = -1;
}

/* Nobody waits for a peer that is not there, or slow. */
void link_send(struct link *link, const void *frame, size_t len)
{
	const struct sockaddr *peer = (const struct sockaddr *)&link->peer;

	if (link->fd < 0)
		return;
	if (link->peer.sun_family)
		sendto(link->fd, frame, len, MSG_NOSIGNAL, peer,
		       sizeof(link->peer));
	else if (write(link->fd, frame, len) < 0 && errno == EBADFD)
		lose(link, errno);
}

size_t link_receive(struct link *link, void *frame, size_t size)
{
	ssize_t n;

	do {
		if (link->fd < 0)
			return 0;
		n = read(link->fd, frame, size);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			lose(link, errno);
		/* What is no frame, or would be cut, is not passed on. */
	} while (n >= 0 ? n < FRAME_MIN || n > FRAME_MAX : errno == EINTR);
	return n < 0 ? 0 : n;
}
