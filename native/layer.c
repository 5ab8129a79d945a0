/*
 * layer-apply: a stream becomes a directory. The thread of stream.c decompresses and hashes while this one writes files, all in a
 * child that is root of the user namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "request.h"
#include "stream.h"
#include "tar.h"
#include "unpack.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

struct layer {
	int fd, target;
	enum stream_compression compression;
	bool overlay, squash_owners;
	const char *diff_id;
	struct id_maps maps;
	pid_t caller;
};

#define RESERVE_MAX (64ULL << 20) /* bytes left to everybody else on the disk */

/* The stream, and how much of it there may be: what does not fit on the disk is refused before the disk is full. */
struct bounded {
	struct stream *stream;
	uint64_t taken, limit, free;
};

static void find_limit(struct bounded *source, int target)
{
	struct statvfs fs;
	uint64_t reserve;

	source->limit = source->free = UINT64_MAX;
	if (fstatvfs(target, &fs) < 0 || fs.f_blocks == 0) /* a file system that does not tell */
		return;
	source->free = (uint64_t)fs.f_bavail * fs.f_frsize;
	reserve = source->free / 16 < RESERVE_MAX ? source->free / 16 : RESERVE_MAX;
	source->limit = source->free - reserve;
}

static ssize_t peek(void *data, size_t want, const uint8_t **at, struct err *err)
{
	struct bounded *source = data;

	if (source->taken > source->limit)
		return err_setf(err, ENOSPC, "unpack", "layer", "it holds more than the %llu bytes that are free", (unsigned long long)source->free);
	return stream_peek(source->stream, want, at, err);
}

static void skip(void *data, size_t n)
{
	struct bounded *source = data;

	source->taken += n;
	stream_skip(source->stream, n);
}

struct outcome {
	char digest[SHA256_TEXT];
	uint64_t size, entries, skipped_devices;
};

static int apply_entries(struct tar *tar, struct unpack *unpack, struct outcome *outcome, struct err *err)
{
	const struct tar_entry *entry;
	int status;

	while ((status = tar_next(tar, &entry, err)) > 0) {
		outcome->entries++;
		status = unpack_entry(unpack, tar, entry, err);
		if (status < 0)
			return status;
	}
	return status < 0 ? status : unpack_finish(unpack, err);
}

static int verify(const struct layer *layer, const struct outcome *outcome, struct err *err)
{
	if (!*layer->diff_id || !strcmp(layer->diff_id, outcome->digest))
		return 0;
	return err_setf(err, 0, "verify layer", "", "expected %s, got %s after %llu bytes", layer->diff_id, outcome->digest,
			(unsigned long long)outcome->size);
}

static int apply(const struct layer *layer, struct outcome *outcome, struct err *err)
{
	struct unpack_options options = {
		.target = layer->target, .overlay = layer->overlay, .maps = &layer->maps,
		.owners = layer->squash_owners ? UNPACK_ROOT : UNPACK_ENTRY,
	};
	struct bounded source = { 0 };
	struct unpack *unpack = NULL;
	struct tar *tar = NULL;
	int status = unpack_begin(&options, &unpack, err);

	if (status == 0)
		status = stream_open(layer->fd, layer->compression, &source.stream, err);
	if (status == 0) {
		find_limit(&source, layer->target);
		tar = tar_new(&(struct tar_source){ &source, peek, skip, NULL });
		status = apply_entries(tar, unpack, outcome, err);
	}
	if (status == 0) {
		outcome->skipped_devices = unpack_skipped_devices(unpack);
		status = stream_drain(source.stream, outcome->digest, &outcome->size, err);
	}
	tar_free(tar);
	unpack_free(unpack);
	stream_close(source.stream);
	return status < 0 ? status : verify(layer, outcome, err);
}

/* In the child: apply and reply. Return: the exit status. */
static int apply_in_namespace(void *data)
{
	const struct layer *layer = data;
	struct outcome outcome = { 0 };
	struct err err = { 0 };

	/* Whoever gives up the caller gives up this, too. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != layer->caller)
		return 1;
	umask(0);
	if (apply(layer, &outcome, &err) < 0)
		return reply_error(&err);
	return reply_ok(json_pack("{s:s,s:I,s:I,s:I}", "diffId", outcome.digest, "sizeBytes", (json_int_t)outcome.size, "entries",
				  (json_int_t)outcome.entries, "skippedDevices", (json_int_t)outcome.skipped_devices));
}

static int parse_compression(const char *name, enum stream_compression *out, struct err *err)
{
	static const char *const names[] = { "auto", "none", "gzip", "zstd" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i])) {
			*out = (enum stream_compression)i;
			return 0;
		}
	}
	return err_setf(err, 0, "read request", "compression", "unknown: %s", name);
}

static int parse(json_t *request, struct layer *layer, struct err *err)
{
	const char *compression, *target, *whiteouts;
	int squash = 0;
	json_t *mappings;
	int status = request_unpack(request, err, "layer-apply", "{s:i,s:s,s:s,s:s,s:s,s:o,s:b!}", "layerFd", &layer->fd,
				    "compression", &compression, "target", &target, "whiteouts", &whiteouts, "diffId",
				    &layer->diff_id, "mappings", &mappings, "squashOwners", &squash);

	if (status == 0)
		status = parse_compression(compression, &layer->compression, err);
	if (status < 0)
		return status;
	layer->squash_owners = squash;
	layer->overlay = !strcmp(whiteouts, "overlay");
	if (!layer->overlay && strcmp(whiteouts, "delete") != 0)
		return err_setf(err, 0, "read request", "whiteouts", "unknown: %s", whiteouts);
	layer->target = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer->target < 0)
		return err_set(err, errno, "open directory", target);
	return request_mappings(mappings, &layer->maps, err);
}

int verb_layer_apply(json_t *request)
{
	struct layer layer = { .fd = -1, .target = -1, .caller = getpid() };
	struct err err = { 0 };
	pid_t pid;
	int result = -1;
	int status = parse(request, &layer, &err);

	if (status == 0)
		status = userns_spawn(&layer.maps, apply_in_namespace, &layer, &pid, &err);
	if (status == 0) {
		while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(result)) {
			err_setf(&err, 0, "unpack", json_string_value(json_object_get(request, "target")), "the process was killed by signal %d", WTERMSIG(result));
			status = -1;
		}
	}
	if (layer.target >= 0)
		close(layer.target);
	id_maps_free(&layer.maps);
	return status < 0 ? reply_error(&err) : WEXITSTATUS(result);
}
