/*
 * volume: what has to be done to the sources of a bundle's mounts before they can be bound: an empty volume is filled with what
 * the image has at its place, a part of a volume is found, owners are changed, an overlay is laid over.
 *
 * A mount that needs this has a member "proa" in config.json, which other runtimes pass over:
 *
 *     {"from":"/…","scratch":"/…/mounts/0","subpath":"a/b","owner":{"uid":0,"gid":0},
 *      "copyUp":{"store":"/…/volumes/NAME","marker":"/…/copied","keepOwner":false,"within":false},
 *      "overlay":{"lower":["/…"],"upper":"/…","work":"/…","fresh":true} | {"tmpfs":true}}
 *
 * All but "from" may be absent. With "scratch" what was worked out is mounted there, in our own mount namespace, and it is the `source` of the mount;
 * its directory is there. What an overlay that is "fresh" was written in a life before vanishes. Without "lower" the overlay's lower directory is what "from" and "subpath" lead to.
 *
 * Copying up. The store of a volume holds `_data`, which containers see. The copy is made beside it as `copy.tmp`, is renamed to `copy` when it is
 * complete, and then its entries move into `_data`; when all volumes of a container are done, `marker` gets a content, and later lives of that container copy
 * nothing. Who is killed on the way leaves either nothing that counts, or a `copy` that the next one
 * goes on with. A volume that is a directory of the user's ("within": it is what "from" names) is filled in the same way, with the copy in it, where no other file system is
 * between, under names that are hidden; its own owner and mode stay. All of it happens under flock(LOCK_EX) on the store, so that of several containers one copies and the others wait.
 */
#ifndef PROA_VOLUME_H
#define PROA_VOLUME_H

#include "bundle.h"
#include "err.h"

struct volumes; /* it lives as long as the process */

/*
 * Open what "proa" of the mounts names. Call like mounts_open(): the host's directories may be open to the caller's id only.
 * BUNDLE must outlive *OUT. Return: 0, or -errno with ERR.
 */
int volumes_open(const struct bundle *bundle, struct volumes **out, struct err *err);

/*
 * Do it, as root of the user namespace; ROOT is the root file system, before anything is mounted in it. Return: 0, or -errno with ERR.
 */
int volumes_prepare(struct volumes *volumes, int root, struct err *err);

#endif
