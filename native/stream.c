/*
 * One producer (the thread), one consumer (the caller). HEAD counts the bytes ever made, TAIL those given back; both only grow.
 * The consumer hashes what it gives back: inflating is the longer half of the work, writing and hashing together are about as long.
 * The lock guards sleeping and FAILED/ENDED; the counters are atomics, so that the common case takes no lock.
 *
 * Formats: gzip as RFC 1952 with any number of members, zero bytes after the last one (as tapes pad) ignored and anything else refused;
 * zstd as RFC 8878 with any number of frames, skippable ones included, and windows up to ZSTD_WINDOW_LOG.
 */
#include "stream.h"

#include <errno.h>
#include <libdeflate.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <zstd.h>

#include "inflate.h"
#include "util.h"

/*
 * Bytes. 2 MiB were enough on a quiet machine; beside other work each thread waits longer for its turn than the other one needs for that.
 */
#define RING ((size_t)4 << 20)
#define INPUT ((size_t)256 << 10) /* bytes a read; a pipe gives at most 64 KiB */
#define STEP ((size_t)128 << 10) /* bytes of output after which the consumer is told: what it writes is still in the cache */
#define ZSTD_WINDOW_LOG 27       /* 128 MiB, what `zstd -d` takes without --long=31; level 19 uses 23 */

struct stream {
	int fd;
	int stop_fd;             /* an eventfd: the consumer has left */
	enum stream_compression compression;
	pthread_t thread;
	bool started;
	uint8_t *ring;
	_Atomic uint64_t head, tail;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic bool reader_sleeps, writer_sleeps; /* on CHANGED; each set by its own side only */
	_Atomic bool ended;      /* no more bytes will come: the end, or FAILED */
	_Atomic bool stopped;    /* the consumer has left */
	bool failed;             /* written before ENDED */
	struct err err;          /* why, when FAILED */
	/* The consumer's own: */
	uint64_t at;             /* bytes used; those since TAIL are neither hashed nor given back yet */
	struct sha256 hash;
	/* The producer's own: */
	uint8_t *input;
	const uint8_t *in, *in_end;
	bool input_ended;
};

static void wake(struct stream *stream, _Atomic bool *sleeps)
{
	if (!atomic_load(sleeps))
		return;
	pthread_mutex_lock(&stream->lock);
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
}

/* Sleep until READY(STREAM, N), with SLEEPS of this side set. */
static void wait_until(struct stream *stream, _Atomic bool *sleeps, bool (*ready)(struct stream *, size_t), size_t n)
{
	if (ready(stream, n))
		return;
	pthread_mutex_lock(&stream->lock);
	/* Said before looking again, and read by wake() after the counters changed: no wake-up is lost. */
	atomic_store(sleeps, true);
	while (!ready(stream, n))
		pthread_cond_wait(&stream->changed, &stream->lock);
	atomic_store(sleeps, false);
	pthread_mutex_unlock(&stream->lock);
}

static bool has_bytes(struct stream *stream, size_t n)
{
	/* ENDED first: what was made before it is then seen too. */
	return atomic_load(&stream->ended) || atomic_load(&stream->head) - stream->at >= n;
}

static bool has_room(struct stream *stream, size_t n)
{
	return atomic_load(&stream->stopped) || RING - (atomic_load(&stream->head) - atomic_load(&stream->tail)) >= n;
}

/* The producer's view: where to write, and how much. Waits for STEP bytes of room. Return: 0 when the consumer has left. */
static size_t room(struct stream *stream, uint8_t **at)
{
	if (!has_room(stream, STEP))
		wait_until(stream, &stream->writer_sleeps, has_room, RING / 2); /* not for a single STEP: that would switch threads at every one */
	if (atomic_load(&stream->stopped))
		return 0;
	/* One RING up, so that the window before it is always mapped, too. */
	*at = stream->ring + RING + atomic_load(&stream->head) % RING;
	return STEP;
}

/* N more bytes are in the ring. */
static void publish(struct stream *stream, size_t n)
{
	if (!n)
		return;
	atomic_fetch_add(&stream->head, n);
	wake(stream, &stream->reader_sleeps);
}

/* As read(2), but ends when the consumer leaves, even if FD stays silent. Return: bytes, or -errno with ERR. */
static ssize_t read_some(struct stream *stream, void *to, size_t n)
{
	for (;;) {
		struct pollfd fds[] = { { stream->fd, POLLIN, 0 }, { stream->stop_fd, POLLIN, 0 } };
		ssize_t got = -1;
		if (poll(fds, 2, -1) >= 0) {
			if (fds[1].revents)
				return 0;
			got = read(stream->fd, to, n);
		}
		if (got >= 0)
			return got;
		if (errno != EINTR && errno != EAGAIN)
			return err_set(&stream->err, errno, "read layer", "");
	}
}

/* Read more compressed bytes behind those still unused. Return: 1, 0 at the end of the file, or -errno. */
static int refill(struct stream *stream)
{
	if (stream->input_ended)
		return 0;
	size_t left = (size_t)(stream->in_end - stream->in);
	memmove(stream->input, stream->in, left);
	ssize_t n = read_some(stream, stream->input + left, INPUT - left);
	if (n < 0)
		return (int)n;
	stream->in = stream->input;
	stream->in_end = stream->input + left + n;
	stream->input_ended = n == 0;
	return n > 0;
}

/* Have N bytes of input in a row (N small). Return: 1, 0 when the file ends first, or -errno. */
static int have(struct stream *stream, size_t n)
{
	while ((size_t)(stream->in_end - stream->in) < n) {
		int more = refill(stream);
		if (more <= 0)
			return more;
	}
	return 1;
}

static int damaged(struct stream *stream, const char *kind, const char *why)
{
	return err_setf(&stream->err, 0, "decompress layer", kind, "%s", why);
}

static int produce_plain(struct stream *stream)
{
	uint8_t *at;
	size_t n;

	while ((n = room(stream, &at))) {
		size_t there = (size_t)(stream->in_end - stream->in);
		if (there) { /* what was read to tell the format */
			memcpy(at, stream->in, there);
			stream->in = stream->in_end;
			publish(stream, there);
			continue;
		}
		ssize_t got = read_some(stream, at, n);
		if (got <= 0)
			return (int)got;
		publish(stream, (size_t)got);
	}
	return 0;
}

/* Skip a NUL-terminated field of a gzip header. Return: as have(). */
static int skip_text(struct stream *stream)
{
	for (;;) {
		int more = have(stream, 1);
		if (more <= 0)
			return more;
		if (*stream->in++ == 0)
			return 1;
	}
}

/* The header of a member, RFC 1952 section 2.3; its checksum (FHCRC) is not looked at. Return: as have(). */
static int gzip_header(struct stream *stream)
{
	enum { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16, RESERVED = 0xe0 };
	int more = have(stream, 10);

	if (more <= 0)
		return more;
	const uint8_t *header = stream->in;
	uint8_t flags = header[3];
	if (header[2] != 8 || flags & RESERVED)
		return damaged(stream, "gzip", "a header of an unknown kind");
	stream->in += 10;
	if (flags & FEXTRA) {
		if ((more = have(stream, 2)) <= 0)
			return more;
		size_t extra = stream->in[0] | (size_t)stream->in[1] << 8;
		stream->in += 2;
		if ((more = have(stream, extra)) <= 0) /* at most 64 KiB: fits */
			return more;
		stream->in += extra;
	}
	if (flags & FNAME && (more = skip_text(stream)) <= 0)
		return more;
	if (flags & FCOMMENT && (more = skip_text(stream)) <= 0)
		return more;
	if (flags & FHCRC) {
		if ((more = have(stream, 2)) <= 0)
			return more;
		stream->in += 2;
	}
	return 1;
}

/* The compressed bytes of a member and its trailer. Return: 1, 0 when the file ends or the consumer left first, or -errno. */
static int gzip_member(struct stream *stream, struct inflate *inflate)
{
	uint32_t crc = 0, size = 0;
	enum inflate_status status = INFLATE_SPACE;
	uint8_t *at;
	size_t n;
	int more;

	inflate_reset(inflate);
	while (status != INFLATE_END) {
		if (!(n = room(stream, &at)))
			return 0;
		uint8_t *out = at;
		status = inflate_run(inflate, &stream->in, stream->in_end, &out, at + n);
		crc = libdeflate_crc32(crc, at, (size_t)(out - at));
		size += (uint32_t)(out - at);
		publish(stream, (size_t)(out - at));
		if (status == INFLATE_BAD)
			return damaged(stream, "gzip", inflate_reason(inflate));
		if (status == INFLATE_INPUT && (more = refill(stream)) <= 0)
			return more;
	}
	if ((more = have(stream, 8)) <= 0)
		return more;
	uint32_t trailer[2];
	memcpy(trailer, stream->in, sizeof(trailer)); /* little endian, as inflate.c asserts */
	stream->in += 8;
	if (trailer[0] != crc)
		return damaged(stream, "gzip", "the checksum does not match");
	if (trailer[1] != size)
		return damaged(stream, "gzip", "the length does not match");
	return 1;
}

/* After a member: is there another one? Return: 1, 0 at the end, or -errno. */
static int gzip_next(struct stream *stream)
{
	int more = have(stream, 2);

	if (more < 0)
		return more;
	if (more && stream->in[0] == 0x1f && stream->in[1] == 0x8b)
		return 1;
	while ((more = have(stream, 1)) > 0) {
		if (*stream->in++)
			return damaged(stream, "gzip", "bytes that are not gzip follow the last member");
	}
	return more;
}

static int produce_gzip(struct stream *stream)
{
	struct inflate *inflate = inflate_new();
	int more;

	do {
		more = gzip_header(stream);
		if (more > 0)
			more = gzip_member(stream, inflate);
		if (more == 0 && !atomic_load(&stream->stopped))
			more = damaged(stream, "gzip", "the stream ends too early");
	} while (more > 0 && (more = gzip_next(stream)) > 0);
	inflate_free(inflate);
	return more;
}

static int run_zstd(struct stream *stream, ZSTD_DCtx *context)
{
	size_t hint = 1, n; /* 0: a frame has ended and all of it is out */
	uint8_t *at;

	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while ((n = room(stream, &at))) {
		if (hint == 0) {
			int more = have(stream, 1);
			if (more <= 0)
				return more;
		}
		ZSTD_inBuffer in = { stream->in, (size_t)(stream->in_end - stream->in), 0 };
		ZSTD_outBuffer out = { at, n, 0 };
		/* Called without input, too: it may have output left that did not fit. */
		hint = ZSTD_decompressStream(context, &out, &in);
		if (ZSTD_isError(hint))
			return damaged(stream, "zstd", ZSTD_getErrorName(hint));
		stream->in += in.pos;
		publish(stream, out.pos);
		if (hint == 0 || out.pos == n || stream->in != stream->in_end)
			continue;
		int more = refill(stream);
		if (more < 0)
			return more;
		if (more == 0)
			return damaged(stream, "zstd", "the stream ends too early");
	}
	return 0;
}

static int produce_zstd(struct stream *stream)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();

	if (!context)
		return err_set(&stream->err, ENOMEM, "decompress layer", "zstd");
	int status = run_zstd(stream, context);
	ZSTD_freeDCtx(context);
	return status;
}

static enum stream_compression guess(const uint8_t *start, size_t n)
{
	if (n >= 2 && start[0] == 0x1f && start[1] == 0x8b)
		return STREAM_GZIP;
	/* A frame, or a skippable one as zstd:chunked may begin with (RFC 8878 section 3.1). */
	if (n >= 4 && !memcmp(start + 1, "\xb5\x2f\xfd", 3) && start[0] == 0x28)
		return STREAM_ZSTD;
	if (n >= 4 && !memcmp(start + 1, "\x2a\x4d\x18", 3) && (start[0] & 0xf0) == 0x50)
		return STREAM_ZSTD;
	return STREAM_PLAIN;
}

static int produce(struct stream *stream)
{
	enum stream_compression compression = stream->compression;
	int more = have(stream, 4);

	if (more < 0)
		return more;
	if (compression == STREAM_AUTO)
		compression = guess(stream->in, (size_t)(stream->in_end - stream->in));
	if (compression == STREAM_GZIP) {
		if (guess(stream->in, (size_t)(stream->in_end - stream->in)) != STREAM_GZIP)
			return damaged(stream, "gzip", "not gzip");
		return produce_gzip(stream);
	}
	return compression == STREAM_ZSTD ? produce_zstd(stream) : produce_plain(stream);
}

static void *produce_all(void *data)
{
	struct stream *stream = data;

	stream->failed = produce(stream) < 0;
	atomic_store(&stream->ended, true);
	wake(stream, &stream->reader_sleeps);
	return NULL;
}

/* Map RING bytes three times in a row: two for the reader to wrap over, and one more below for the window of the writer. */
static uint8_t *map_ring(void)
{
	autoclose int fd = memfd_create("layer", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, RING) < 0)
		return NULL;
	uint8_t *ring = mmap(NULL, 3 * RING, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return NULL;
	for (int i = 0; i < 3; i++) {
		if (mmap(ring + (size_t)i * RING, RING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
			int saved = errno;
			munmap(ring, 3 * RING);
			errno = saved;
			return NULL;
		}
	}
	return ring;
}

int stream_open(int fd, enum stream_compression compression, struct stream **out, struct err *err)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	stream->fd = fd;
	stream->compression = compression;
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->changed, NULL);
	stream->input = xmalloc(INPUT);
	stream->in = stream->in_end = stream->input;
	sha256_begin(&stream->hash);
	stream->ring = map_ring();
	stream->stop_fd = stream->ring ? eventfd(0, EFD_CLOEXEC) : -1;
	int code = stream->stop_fd >= 0 ? 0 : errno;
	if (!code)
		code = pthread_create(&stream->thread, NULL, produce_all, stream);
	if (code) {
		stream_close(stream);
		return err_set(err, code, "start decompression", "");
	}
	stream->started = true;
	*out = stream;
	return 0;
}

/* Hash what was used, and give its room back. */
static void release(struct stream *stream)
{
	uint64_t tail = atomic_load(&stream->tail);

	sha256_add(&stream->hash, stream->ring + RING + tail % RING, (size_t)(stream->at - tail));
	atomic_store(&stream->tail, stream->at);
	if (atomic_load(&stream->head) - stream->at <= RING / 2) /* what a sleeping thread waits for */
		wake(stream, &stream->writer_sleeps);
}

ssize_t stream_peek(struct stream *stream, size_t want, const uint8_t **at, struct err *err)
{
	if (!has_bytes(stream, want)) {
		release(stream);
		wait_until(stream, &stream->reader_sleeps, has_bytes, want);
	}
	bool ended = atomic_load(&stream->ended);
	uint64_t there = atomic_load(&stream->head) - stream->at;
	if (there < want && ended && stream->failed) {
		*err = stream->err;
		return stream->err.code ? -stream->err.code : -EINVAL;
	}
	*at = stream->ring + RING + stream->at % RING;
	return (ssize_t)there;
}

void stream_skip(struct stream *stream, size_t n)
{
	stream->at += n;
	if (stream->at - atomic_load(&stream->tail) >= STEP)
		release(stream);
}

int stream_drain(struct stream *stream, char digest[SHA256_TEXT], uint64_t *size, struct err *err)
{
	const uint8_t *at;
	ssize_t n;

	while ((n = stream_peek(stream, 1, &at, err)) > 0)
		stream_skip(stream, (size_t)n);
	if (n < 0)
		return (int)n;
	release(stream);
	*size = stream->at;
	sha256_end(&stream->hash, digest);
	return 0;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->started) {
		atomic_store(&stream->stopped, true);
		wake(stream, &stream->writer_sleeps);
		eventfd_write(stream->stop_fd, 1);
		pthread_join(stream->thread, NULL);
	}
	if (stream->ring)
		munmap(stream->ring, 3 * RING);
	pthread_cond_destroy(&stream->changed);
	pthread_mutex_destroy(&stream->lock);
	if (stream->stop_fd >= 0)
		close(stream->stop_fd);
	free(stream->input);
	free(stream);
}
