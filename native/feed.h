/*
 * feed: the bytes of an archive as they are, from a descriptor to tar.h's reader: no thread, no hash. What is large goes from a pipe to a file by splice(2), without
 * being looked at.
 */
#ifndef PROA_FEED_H
#define PROA_FEED_H

#include "tar.h"

struct feed;

/* Read FD, which stays the caller's. */
struct feed *feed_new(int fd);
void feed_free(struct feed *feed);

/* What tar_new() takes; valid as long as FEED. */
struct tar_source feed_source(struct feed *feed);

/* Read to the end of the stream: who writes it is not to be cut off. */
void feed_drain(struct feed *feed);

#endif
