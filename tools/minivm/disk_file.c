// SPDX-License-Identifier: GPL-2.0-only
/* The file of a disk: of whichever ABI, and never written by two VMs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_file.h"

static const char *open_remedy(int err)
{
	switch (err) {
	case EACCES:
	case EROFS:
		return "attach it read-only, or become its owner";
	case EBUSY:
		return "unmount it, or attach it with :ro";
	default:
		return NULL;
	}
}

static void open_path(struct disk_file *file, const char *path)
{
	int flags = file->read_only ? O_RDONLY : O_RDWR;
	struct stat st;
	off_t size;

	/* What the host has mounted would be written by two. */
	if (!file->read_only && !stat(path, &st) && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	file->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		fail(exit_code_of(errno), errno, open_remedy(errno),
		     "cannot open disk %s", path);
	if (fstat(file->fd, &st) || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		fail(EX_IMAGE, 0, NULL,
		     "disk %s is neither a file nor a block device", path);
	/* Two VMs that write one file would ruin it. */
	if (flock(file->fd, (file->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		fail(errno == EWOULDBLOCK ? EX_INUSE : EX_OS, errno,
		     "read-only disks can be shared",
		     "disk %s is in use", path);
	size = lseek(file->fd, 0, SEEK_END);
	if (size < SECTOR_SIZE)
		fail(EX_IMAGE, 0, NULL,
		     "disk %s is smaller than a sector of %d bytes", path,
		     SECTOR_SIZE);
	file->sectors = size / SECTOR_SIZE;
}

void disk_file_open(struct disk_file *file, const char *name, const char *disk)
{
	const char *colon = strrchr(disk, ':');
	bool ro = colon && !strcmp(colon, ":ro");
	char path[4096];

	*file = (struct disk_file) { .read_only = ro };
	snprintf(file->name, sizeof(file->name), "%s", name);
	snprintf(path, sizeof(path), "%.*s",
		 (int)(ro ? colon - disk : (long)sizeof(path)), disk);
	open_path(file, path);
}

static bool blame_host(struct disk_file *file, int err, const char *what)
{
	if (!file->warned)
		warn(err, err == ENOSPC || err == EDQUOT ?
		     "make room where the file is" :
		     err ? "see the kernel's log; the guest is told of each error" :
		     "the guest is told of each error, until the file is as long again",
		     "disk %s: %s", file->name, what);
	file->warned = true;
	return false;
}

bool disk_file_access(struct disk_file *file, void *buf, size_t size, off_t pos,
		      bool write)
{
	ssize_t n;

	while (size) {
		n = write ? pwrite(file->fd, buf, size, pos) :
			    pread(file->fd, buf, size, pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return blame_host(file, errno, write ?
					  "cannot write" : "cannot read");
		if (!n)
			return blame_host(file, 0, "the file became shorter");
		buf = (char *)buf + n;
		pos += n;
		size -= n;
	}
	return true;
}

bool disk_file_sync(struct disk_file *file)
{
	return !fdatasync(file->fd) ||
	       blame_host(file, errno, "cannot flush what was written");
}
