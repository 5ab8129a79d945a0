#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

#define ROOM ((size_t)1 << 20) /* bytes; a pipe gives at most that at once */

struct feed {
	int fd;
	uint8_t *buffer;
	size_t start, end;
	bool ended, no_splice;
};

struct feed *feed_new(int fd)
{
	struct feed *feed = xcalloc(1, sizeof(*feed));

	feed->fd = fd;
	feed->buffer = xmalloc(ROOM);
	return feed;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	free(feed->buffer);
	free(feed);
}

static ssize_t peek(void *data, size_t want, const uint8_t **at, struct err *err)
{
	struct feed *feed = data;

	if (feed->start + want > ROOM || feed->start == feed->end) {
		memmove(feed->buffer, feed->buffer + feed->start, feed->end - feed->start);
		feed->end -= feed->start;
		feed->start = 0;
	}
	while (feed->end - feed->start < want && !feed->ended) {
		ssize_t n = read(feed->fd, feed->buffer + feed->end, ROOM - feed->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "read archive", "");
		feed->ended = n == 0;
		feed->end += (size_t)n;
	}
	*at = feed->buffer + feed->start;
	return (ssize_t)(feed->end - feed->start);
}

static void skip(void *data, size_t n)
{
	struct feed *feed = data;

	feed->start += n;
}

/* Bytes past the buffer, which is empty. Return: how many, 0 at the end or where it cannot be done, or -errno. */
static ssize_t move(void *data, int to, uint64_t offset, size_t n)
{
	struct feed *feed = data;
	loff_t at = (loff_t)offset;
	ssize_t moved = -1;

	if (feed->no_splice || feed->start != feed->end || feed->ended)
		return 0;
	do
		moved = splice(feed->fd, NULL, to, &at, n, SPLICE_F_MOVE);
	while (moved < 0 && errno == EINTR);
	if (moved < 0 && (errno == EINVAL || errno == ENOSYS)) {
		feed->no_splice = true; /* neither a pipe nor a socket, or a file system without it */
		return 0;
	}
	return moved < 0 ? -errno : moved;
}

struct tar_source feed_source(struct feed *feed)
{
	return (struct tar_source){ feed, peek, skip, move };
}

void feed_drain(struct feed *feed)
{
	struct err err;
	const uint8_t *at;
	ssize_t n;

	while ((n = peek(feed, 1, &at, &err)) > 0)
		skip(feed, (size_t)n);
}
