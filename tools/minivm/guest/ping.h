/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MINIVM_PING_H
#define MINIVM_PING_H

#include "virtio_lib.h"

/*
 * Two guests on a cable: the one with count=N in its arguments asks and waits
 * for as many answers, the other answers until it is told that that is all.
 * With do=listen it ends when it hears anything.  wait() returns after an interrupt, if
 * there was none since it returned last.  The value is the exit status.
 */
int ping(struct vdev *net, const char *args, void (*wait)(void));

#endif
