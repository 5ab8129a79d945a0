/*
 * layer-share: files of a new layer that stand in others at the same place, with the same size and time, share their extents. The kernel compares what it shares
 * (FIDEDUPERANGE), so a guess that is wrong costs a look and nothing else; contents, owners and times of neither file change. Two builds of a base image have nine tenths of
 * their bytes in common so, and a search by content finds hardly more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "request.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

#define OTHERS_MOST 16
#define DEPTH_MOST 64            /* deeper directories are left as they are: descriptors are kept on the way */
#define LEAST_BYTES 4096         /* a block: less has no extent of its own to share */
#define PIECE_BYTES (16ULL << 20) /* one call takes that much, btrfs' limit */

struct sharing {
	uint64_t files, bytes;
	bool unable; /* the file system does not share: nothing more is tried */
};

/* Share the bytes of FROM with TO, as far as they are the same. */
static void share_file(struct sharing *sharing, int from, int to, uint64_t size)
{
	struct {
		struct file_dedupe_range head;
		struct file_dedupe_range_info info;
	} range;
	uint64_t done = 0;

	while (done < size) {
		memset(&range, 0, sizeof(range));
		range.head.src_offset = range.info.dest_offset = done;
		range.head.src_length = size - done < PIECE_BYTES ? size - done : PIECE_BYTES;
		range.head.dest_count = 1;
		range.info.dest_fd = to;
		if (ioctl(from, FIDEDUPERANGE, &range) < 0) {
			sharing->unable = errno == EOPNOTSUPP || errno == ENOTTY || errno == EXDEV;
			break;
		}
		if (range.info.status != FILE_DEDUPE_RANGE_SAME || range.info.bytes_deduped == 0)
			break;
		done += range.info.bytes_deduped;
	}
	sharing->bytes += done;
	sharing->files += done > 0;
}

static bool is_like(const struct stat *a, const struct stat *b)
{
	return S_ISREG(b->st_mode) && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       (a->st_dev != b->st_dev || a->st_ino != b->st_ino);
}

/* The file NAME of the new layer, whose likes are looked for in the directories of the N others. */
static void look_at_file(struct sharing *sharing, int dir, const char *name, const struct stat *st, const int *others, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct stat other;

		if (others[i] < 0 || fstatat(others[i], name, &other, AT_SYMLINK_NOFOLLOW) < 0 || !is_like(st, &other))
			continue;
		autoclose int from = openat(others[i], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		autoclose int to = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (from >= 0 && to >= 0 && fstat(from, &other) == 0 && is_like(st, &other))
			share_file(sharing, from, to, (uint64_t)st->st_size);
		return; /* one like is enough: where it was another, the rest seldom are it */
	}
}

/* DIR (ours from here on) of the new layer, and the same of the others, -1 for none. */
static void walk(struct sharing *sharing, int dir, const int *others, size_t n, int depth)
{
	DIR *entries = fdopendir(dir);
	const struct dirent *entry;

	if (!entries) {
		close(dir);
		return;
	}
	while (!sharing->unable && (entry = readdir(entries)) != NULL) {
		int below[OTHERS_MOST] = { 0 }, fd = -1;
		bool any = false;
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && st.st_size >= LEAST_BYTES)
			look_at_file(sharing, dirfd(entries), entry->d_name, &st, others, n);
		if (!S_ISDIR(st.st_mode) || depth == DEPTH_MOST)
			continue;
		for (size_t i = 0; i < n; i++) {
			below[i] = others[i] < 0 ? -1 : openat(others[i], entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			any = any || below[i] >= 0;
		}
		if (any)
			fd = openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			walk(sharing, fd, below, n, depth + 1);
		for (size_t i = 0; i < n; i++)
			close_fd(&below[i]);
	}
	closedir(entries);
}

struct work {
	const char *layer;
	json_t *others;
};

/* In the child: its files belong to ids of the map. Return: the exit status. */
static int share_in_namespace(void *data)
{
	const struct work *work = data;
	struct sharing sharing = { 0 };
	struct err err = { 0 };
	int others[OTHERS_MOST] = { 0 };
	size_t n = json_array_size(work->others);
	int layer = open(work->layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (layer < 0) {
		err_set(&err, errno, "open directory", work->layer);
		return reply_error(&err);
	}
	for (size_t i = 0; i < n; i++) /* one that has gone meanwhile has no likes */
		others[i] = open(json_string_value(json_array_get(work->others, i)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	walk(&sharing, layer, others, n, 0);
	for (size_t i = 0; i < n; i++)
		close_fd(&others[i]);
	return reply_ok(json_pack("{s:I,s:I}", "files", (json_int_t)sharing.files, "bytes", (json_int_t)sharing.bytes));
}

int verb_layer_share(json_t *request)
{
	struct work work = { 0 };
	struct id_maps maps = { 0 };
	struct err err = { 0 };
	json_t *mappings, *path;
	size_t i;
	pid_t pid;
	int result = -1;
	int r = request_unpack(request, &err, "layer-share", "{s:s,s:o,s:o!}", "layer", &work.layer, "others", &work.others, "mappings",
			       &mappings);

	if (r == 0 && (!json_is_array(work.others) || json_array_size(work.others) > OTHERS_MOST))
		r = err_setf(&err, 0, "read request", "others", "not a list of at most %d", OTHERS_MOST);
	json_array_foreach(work.others, i, path) {
		if (r == 0 && (!json_is_string(path) || json_string_value(path)[0] != '/'))
			r = err_setf(&err, 0, "read request", "others", "not an absolute path");
	}
	if (r == 0)
		r = request_mappings(mappings, &maps, &err);
	if (r == 0)
		r = userns_spawn(&maps, share_in_namespace, &work, &pid, &err);
	if (r == 0) {
		while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(result))
			r = err_setf(&err, 0, "share files", work.layer, "the process was killed by signal %d", WTERMSIG(result));
	}
	id_maps_free(&maps);
	return r < 0 ? reply_error(&err) : WEXITSTATUS(result);
}
