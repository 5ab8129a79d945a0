/*
 * lazyfs_serve: the requests of the kernel, answered.
 */
#ifndef PROA_LAZYFS_SERVE_H
#define PROA_LAZYFS_SERVE_H

#include "lazy_data.h"

#define LAZYFS_READ_BYTES (128 << 10) /* at once: the kernel's own limit */

/* Answer the requests of DEVICE until the file system is unmounted. Return: 0, or -errno. */
int lazyfs_serve(int device, const struct lazy_index *index, struct lazy_data *data);

#endif
