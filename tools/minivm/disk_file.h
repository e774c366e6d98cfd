/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MINIVM_DISK_FILE_H
#define MINIVM_DISK_FILE_H

#include "minivm.h"

#define SECTOR_SIZE	512

/* disk_file.c: a file or block device that is somebody's disk, and no other's. */
struct disk_file {
	char name[8];		/* what the guest calls it */
	int fd;
	bool read_only;
	bool warned;		/* the user, of the file */
	uint64_t sectors;
};

/* FILE, or FILE:ro for one that the guest cannot write. */
void disk_file_open(struct disk_file *file, const char *name, const char *disk);
/* What does not work is told once: a guest can ask for it again and again. */
bool disk_file_access(struct disk_file *file, void *buf, size_t size, off_t pos,
		      bool write);
bool disk_file_sync(struct disk_file *file);

#endif
