/*
 * With compression, SLOTS pieces of SINK_MEMBER bytes go round: the caller fills one, hands it to whichever thread is free, and when it comes to the same slot
 * again writes out what has become of it. So the pieces come out in their order, and the caller waits only when all threads are behind.
 */
#include "sink.h"

#include <errno.h>
#include <libdeflate.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "util.h"

#define BUFFER ((size_t)256 << 10)    /* bytes, without compression */
#define DIRECT ((uint64_t)128 << 10)  /* from here on a file's bytes go past the buffer */
#define THREADS_MAX 4
#define LEVEL 5                       /* of libdeflate's 1 to 12: as small as zlib's 6 and several times as fast */

enum slot_state { SLOT_EMPTY, SLOT_FULL, SLOT_BUSY, SLOT_DONE };

struct slot {
	enum slot_state state;
	uint8_t *in, *out;
	size_t n_in, n_out;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t threads[THREADS_MAX];
	unsigned int n_threads, n_slots, at; /* at: the slot that is being filled */
	struct slot slots[2 * THREADS_MAX];
	size_t bound;
	bool stopped;
};

struct sink {
	int fd;
	uint8_t *buffer; /* what is being filled; with a pool the slot's */
	size_t used, room;
	uint64_t size, stored;
	bool digests, no_sendfile;
	struct sha256 plain, packed;
	struct pool *pool;
};

static void *compress_slots(void *data)
{
	struct pool *pool = data;
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(LEVEL);

	if (!compressor)
		abort(); /* as xmalloc() */
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct slot *slot = NULL;

		for (unsigned int i = 0; i < pool->n_slots && !slot; i++)
			if (pool->slots[(pool->at + i) % pool->n_slots].state == SLOT_FULL)
				slot = &pool->slots[(pool->at + i) % pool->n_slots];
		if (!slot && pool->stopped)
			break;
		if (!slot) {
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		slot->state = SLOT_BUSY;
		pthread_mutex_unlock(&pool->lock);
		slot->n_out = libdeflate_gzip_compress(compressor, slot->in, slot->n_in, slot->out, pool->bound);
		pthread_mutex_lock(&pool->lock);
		slot->state = SLOT_DONE;
		pthread_cond_broadcast(&pool->changed);
	}
	pthread_mutex_unlock(&pool->lock);
	libdeflate_free_compressor(compressor);
	return NULL;
}

static struct pool *pool_new(void)
{
	struct pool *pool = xcalloc(1, sizeof(*pool));
	cpu_set_t cpus;
	int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	unsigned int wanted = count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (unsigned int)count;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pool->bound = libdeflate_gzip_compress_bound(NULL, SINK_MEMBER);
	pool->n_slots = 2 * wanted;
	for (unsigned int i = 0; i < pool->n_slots; i++) {
		pool->slots[i].in = xmalloc(SINK_MEMBER);
		pool->slots[i].out = xmalloc(pool->bound);
	}
	while (pool->n_threads < wanted &&
	       pthread_create(&pool->threads[pool->n_threads], NULL, compress_slots, pool) == 0)
		pool->n_threads++;
	if (pool->n_threads == 0)
		abort(); /* no memory for a single thread */
	return pool;
}

static void pool_free(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopped = true;
	for (unsigned int i = 0; i < pool->n_slots; i++)
		if (pool->slots[i].state == SLOT_FULL)
			pool->slots[i].state = SLOT_EMPTY;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned int i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	for (unsigned int i = 0; i < pool->n_slots; i++) {
		free(pool->slots[i].in);
		free(pool->slots[i].out);
	}
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

struct sink *sink_new(int fd, bool gzip, bool digests)
{
	struct sink *sink = xcalloc(1, sizeof(*sink));

	sink->fd = fd;
	sink->digests = digests;
	sha256_begin(&sink->plain);
	sha256_begin(&sink->packed);
	if (gzip)
		sink->pool = pool_new();
	sink->room = gzip ? SINK_MEMBER : BUFFER;
	sink->buffer = gzip ? sink->pool->slots[0].in : xmalloc(BUFFER);
	return sink;
}

/* Bytes that leave. Return: 0 or -errno with ERR. */
static int put_out(struct sink *sink, const void *data, size_t size, struct err *err)
{
	int status = write_all(sink->fd, data, size);

	if (status < 0)
		return err_set(err, -status, "write archive", "");
	if (sink->digests && sink->pool)
		sha256_add(&sink->packed, data, size);
	sink->stored += size;
	return 0;
}

/* Make SLOT empty: wait for its thread and write out what it made. */
static int empty_slot(struct sink *sink, struct slot *slot, struct err *err)
{
	struct pool *pool = sink->pool;
	int status = 0;

	pthread_mutex_lock(&pool->lock);
	while (slot->state == SLOT_FULL || slot->state == SLOT_BUSY)
		pthread_cond_wait(&pool->changed, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	if (slot->state == SLOT_DONE)
		status = put_out(sink, slot->out, slot->n_out, err);
	slot->state = SLOT_EMPTY;
	return status;
}

static int flush(struct sink *sink, struct err *err)
{
	struct pool *pool = sink->pool;
	size_t size = sink->used;

	if (!size)
		return 0;
	sink->used = 0;
	if (sink->digests)
		sha256_add(&sink->plain, sink->buffer, size);
	if (!pool)
		return put_out(sink, sink->buffer, size, err);
	pthread_mutex_lock(&pool->lock);
	pool->slots[pool->at].n_in = size;
	pool->slots[pool->at].state = SLOT_FULL;
	pool->at = (pool->at + 1) % pool->n_slots;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	int status = empty_slot(sink, &pool->slots[pool->at], err);
	sink->buffer = pool->slots[pool->at].in;
	return status;
}

int sink_write(struct sink *sink, const void *data, size_t size, struct err *err)
{
	const uint8_t *at = data;

	sink->size += size;
	while (size) {
		size_t n = sink->room - sink->used < size ? sink->room - sink->used : size;

		memcpy(sink->buffer + sink->used, at, n);
		sink->used += n;
		at += n;
		size -= n;
		if (sink->used == sink->room) {
			int status = flush(sink, err);
			if (status < 0)
				return status;
		}
	}
	return 0;
}

static int put_zeros(struct sink *sink, uint64_t size, struct err *err)
{
	static const uint8_t zeros[4096];
	int status = 0;

	while (size && status == 0) {
		size_t n = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);
		status = sink_write(sink, zeros, n, err);
		size -= n;
	}
	return status;
}

/* The file's bytes past the buffer. Return: how many, 0 where this cannot be done here, or -errno with ERR. */
static ssize_t send_file(struct sink *sink, int from, off_t offset, uint64_t size, struct err *err)
{
	uint64_t done = 0;
	int status = flush(sink, err);

	if (status < 0)
		return status;
	while (done < size) {
		uint64_t left = size - done;
		ssize_t n = sendfile(sink->fd, from, &offset, left < (1 << 30) ? (size_t)left : (1 << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EOVERFLOW)) {
			sink->no_sendfile = true; /* an appending file, or one that is made as it is read */
			break;
		}
		if (n < 0)
			return err_set(err, errno, "write archive", "");
		if (n == 0)
			break;
		done += (uint64_t)n;
	}
	sink->size += done;
	sink->stored += done;
	return (ssize_t)done;
}

int sink_copy(struct sink *sink, int from, off_t offset, uint64_t size, const char *name, struct err *err)
{
	if (size >= DIRECT && !sink->pool && !sink->digests && !sink->no_sendfile) {
		ssize_t sent = send_file(sink, from, offset, size, err);
		if (sent < 0)
			return (int)sent;
		offset += sent;
		size -= (uint64_t)sent;
	}
	while (size) {
		size_t room = sink->room - sink->used, want = size < room ? (size_t)size : room;
		ssize_t n = pread(from, sink->buffer + sink->used, want, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "read", name);
		if (n == 0)
			return put_zeros(sink, size, err);
		sink->used += (size_t)n;
		sink->size += (uint64_t)n;
		offset += n;
		size -= (uint64_t)n;
		int status = sink->used == sink->room ? flush(sink, err) : 0;
		if (status < 0)
			return status;
	}
	return 0;
}

int sink_pad(struct sink *sink, size_t block, struct err *err)
{
	return put_zeros(sink, (block - (size_t)(sink->size % block)) % block, err);
}

int sink_finish(struct sink *sink, struct sink_total *total, struct err *err)
{
	int status = flush(sink, err);

	for (unsigned int i = 0; sink->pool && i < sink->pool->n_slots && status == 0; i++)
		status = empty_slot(sink, &sink->pool->slots[(sink->pool->at + i) % sink->pool->n_slots], err);
	if (status < 0 || !total)
		return status;
	*total = (struct sink_total){ .size = sink->size, .stored = sink->stored };
	if (sink->digests) {
		sha256_end(&sink->plain, total->diff_id);
		if (sink->pool)
			sha256_end(&sink->packed, total->digest);
		else
			memcpy(total->digest, total->diff_id, sizeof(total->digest));
	}
	return 0;
}

uint64_t sink_size(const struct sink *sink)
{
	return sink->size;
}

void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	if (sink->pool)
		pool_free(sink->pool);
	else
		free(sink->buffer);
	free(sink);
}
