/*
 * files: a conversation about the files of one root file system. Each line of stdin is a question (PROTOCOL.md, `files`), each line of stdout its answer; the archive
 * goes through a descriptor of its own.
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feed.h"
#include "pack.h"
#include "path.h"
#include "request.h"
#include "stream.h"
#include "tar_write.h"
#include "unpack.h"
#include "util.h"
#include "verbs.h"

#define QUESTION_LIMIT (256 << 10) /* bytes of a line: two paths, all of whose bytes are written as \u00XX */

#define READ_LIMIT (256 << 10) /* bytes of one answer */
#define LIST_LIMIT 8192 /* names of one answer */

struct conversation {
	json_t *root;
	int root_fd, data;
	struct id_maps maps;
	bool one_mount;
};

static json_t *failure(const struct err *err)
{
	struct err told = *err;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort(); /* as xmalloc() */
	told.exit = FILES_EXIT;
	err_write_json(&told, out);
	fclose(out);
	json_t *facts = json_loads(text, 0, NULL);
	free(text);
	return json_pack("{s:o}", "error", facts ? facts : json_object());
}

static char *path_of(json_t *question, const char *key)
{
	const char *text = json_string_value(json_object_get(question, key));

	return text ? xstrdup(text) : NULL;
}

static json_t *answer_stat(const struct conversation *conversation, json_t *question, struct err *err)
{
	autofree char *path = path_of(question, "path");
	bool follow = json_is_true(json_object_get(question, "follow"));
	char target[PATH_MAX + 1] = "";
	struct stat st;
	ssize_t n = 0;

	if (!path)
		return NULL;
	autoclose int fd = path_open(conversation->root_fd, path, O_PATH | (follow ? 0 : O_NOFOLLOW), PATH_FOLLOW);
	if (fd == -ENOENT || fd == -ENOTDIR || (fd == -ELOOP && follow))
		return json_pack("{s:n}", "ok");
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set(err, fd < 0 ? -fd : errno, "look up", path);
		return failure(err);
	}
	if (S_ISLNK(st.st_mode))
		n = readlinkat(fd, "", target, PATH_MAX);
	target[n > 0 ? n : 0] = '\0';
	json_t *link = S_ISLNK(st.st_mode) ? json_string(target) : json_null();
	return json_pack("{s:{s:i,s:I,s:I,s:i,s:i,s:o}}", "ok", "mode", (int)st.st_mode, "sizeBytes", (json_int_t)st.st_size, "mtimeMs",
			 (json_int_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000, "uid", (int)st.st_uid, "gid",
			 (int)st.st_gid, "link", link ? link : json_string(""));
}

/*
 * Open the file or directory that PATH leads to: no device, whose opening may do something, and nothing of the kernel's, whose reading may not end.
 * Return: its descriptor, or -errno with ERR.
 */
static int open_to_look(const struct conversation *conversation, const char *path, int flags, struct err *err)
{
	autoclose int seen = path_open(conversation->root_fd, path, O_PATH, PATH_FOLLOW), fd = -1;
	struct stat st;

	if (seen < 0 || fstat(seen, &st) < 0)
		return err_set(err, seen < 0 ? -seen : errno, "open", path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_setf(err, EINVAL, "open", path, "it is no file");
	fd = path_open(conversation->root_fd, path, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY, PATH_FOLLOW);
	if (fd < 0)
		return err_set(err, -fd, "open", path);
	/* It may have been replaced since; what was seen itself could only be opened by way of /proc, which is the container's. */
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return err_setf(err, EINVAL, "open", path, "it is no file");
	if (pack_is_kernels(fd))
		return err_setf(err, EPERM, "open", path, "it shows the kernel and holds no files");
	return steal_fd(&fd);
}

static json_t *answer_read(const struct conversation *conversation, json_t *question, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	autofree char *path = path_of(question, "path");
	json_int_t offset = json_integer_value(json_object_get(question, "offset"));
	json_int_t length = json_integer_value(json_object_get(question, "length"));
	size_t n = 0;
	struct stat st;

	if (!path || offset < 0 || length < 0 || length > READ_LIMIT)
		return NULL;
	autoclose int fd = open_to_look(conversation, path, 0, err);
	if (fd < 0)
		return failure(err);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_setf(err, 0, "read", path, "it is no file");
		return failure(err);
	}
	autofree uint8_t *bytes = xmalloc((size_t)length + 1);
	autofree char *text = xmalloc(2 * (size_t)length + 1);
	while (n < (size_t)length) {
		ssize_t got = pread(fd, bytes + n, (size_t)length - n, (off_t)(offset + (json_int_t)n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err_set(err, errno, "read", path);
			return failure(err);
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return json_pack("{s:{s:o}}", "ok", "hex", json_stringn_nocheck(text, 2 * n));
}

/* Names that are not UTF-8 are left out. */
static json_t *answer_list(const struct conversation *conversation, json_t *question, struct err *err)
{
	autofree char *path = path_of(question, "path");
	struct dirent *entry;

	if (!path)
		return NULL;
	int fd = open_to_look(conversation, path, O_DIRECTORY, err);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		if (fd >= 0) {
			err_set(err, errno, "list", path);
			close(fd);
		}
		return failure(err);
	}
	json_t *names = json_array();
	while (json_array_size(names) < LIST_LIMIT && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			json_array_append_new(names, json_string(entry->d_name));
	closedir(directory);
	return json_pack("{s:o}", "ok", names);
}

/* Where a path leads: a directory's descriptor, and one component in it, "." for the directory itself; with FOLLOW the descriptor of what is there, and NULL. */
static int locate(const struct conversation *conversation, char *path, bool follow, const char **name, struct err *err)
{
	size_t n = strlen(path);
	char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
	int fd;

	*name = ".";
	if (!*last || !strcmp(last, ".") || !strcmp(last, "..") || n == 0) {
		fd = path_open(conversation->root_fd, n ? path : "/", O_RDONLY | O_DIRECTORY, PATH_FOLLOW);
		return fd < 0 ? err_set(err, -fd, "open", path) : fd;
	}
	if (follow) {
		*name = NULL;
		fd = path_open(conversation->root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, PATH_FOLLOW);
		return fd < 0 ? err_set(err, -fd, "open", path) : fd;
	}
	*name = last;
	if (slash)
		*slash = '\0';
	fd = path_open(conversation->root_fd, slash && *path ? path : "/", O_RDONLY | O_DIRECTORY, PATH_FOLLOW);
	return fd < 0 ? err_set(err, -fd, "open", path) : fd;
}

static int read_owners(json_t *question, const char *const *names, int *out, struct err *err)
{
	const char *asked = json_string_value(json_object_get(question, "owners"));

	for (int i = 0; asked && names[i]; i++)
		if (!strcmp(asked, names[i])) {
			*out = i;
			return 0;
		}
	return err_setf(err, 0, "read request", "owners", "unknown");
}

static json_t *totals(const struct sink_total *total, uint64_t entries)
{
	return json_pack("{s:{s:I,s:I,s:I,s:s,s:s}}", "ok", "entries", (json_int_t)entries, "sizeBytes", (json_int_t)total->size,
			 "storedBytes", (json_int_t)total->stored, "diffId", total->diff_id, "digest", total->digest);
}

static json_t *answer_pack(struct conversation *conversation, json_t *question, struct err *err)
{
	static const char *const owners[] = { "keep", "root", "map", NULL };
	struct pack_options options = { .maps = &conversation->maps, .one_mount = conversation->one_mount };
	autofree char *path = path_of(question, "path"), *base = path_of(question, "base");
	bool gzip = json_is_true(json_object_get(question, "gzip")), digests = json_is_true(json_object_get(question, "digests"));
	struct sink_total total = { .diff_id = "", .digest = "" };
	const char *name;
	int kind, status = path && base ? read_owners(question, owners, &kind, err) : err_setf(err, 0, "read request", "pack", "no path");

	if (status < 0)
		return failure(err);
	options.owners = (enum pack_owners)kind;
	autoclose int dir = locate(conversation, path, json_is_true(json_object_get(question, "follow")), &name, err);
	if (dir < 0)
		return failure(err);
	struct sink *sink = sink_new(conversation->data, gzip, digests);
	struct pack *pack = pack_new(sink, &options);
	struct stat st;
	if (!name && fstat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		name = ".";
	status = name ? pack_tree(pack, dir, name, base, err) : pack_file(pack, dir, base, err);
	if (status == 0)
		status = tar_write_end(sink, err);
	if (status == 0)
		status = sink_finish(sink, &total, err);
	json_t *answer = status < 0 ? failure(err) : totals(&total, pack_entries(pack));
	pack_free(pack);
	sink_free(sink);
	return answer;
}

static ssize_t peek_stream(void *data, size_t want, const uint8_t **at, struct err *err)
{
	return stream_peek(data, want, at, err);
}

static void skip_stream(void *data, size_t n)
{
	stream_skip(data, n);
}

struct taken {
	uint64_t entries, bytes;
};

static int take_entries(const struct tar_source *source, struct unpack *unpack, struct taken *taken, struct err *err)
{
	struct tar *tar = tar_new(source);
	const struct tar_entry *entry;
	int status;

	while ((status = tar_next(tar, &entry, err)) > 0) {
		taken->entries++;
		taken->bytes += entry->size;
		status = unpack_entry(unpack, tar, entry, err);
		if (status < 0)
			break;
	}
	if (status == 0)
		status = unpack_finish(unpack, err);
	tar_free(tar);
	return status;
}

/* What a user gives may be compressed, and what follows the archive belongs to it. */
static int take_foreign(int fd, struct unpack *unpack, struct taken *taken, struct err *err)
{
	char digest[SHA256_TEXT];
	struct stream *stream = NULL;
	uint64_t size;
	int status = stream_open(fd, STREAM_AUTO, &stream, err);

	if (status < 0)
		return status;
	const struct tar_source source = { stream, peek_stream, skip_stream, NULL };
	status = take_entries(&source, unpack, taken, err);
	if (status == 0)
		status = stream_drain(stream, digest, &size, err);
	stream_close(stream);
	return status;
}

static int take_own(int fd, struct unpack *unpack, struct taken *taken, struct err *err)
{
	struct feed *feed = feed_new(fd);
	const struct tar_source source = feed_source(feed);
	int status = take_entries(&source, unpack, taken, err);

	if (status == 0)
		feed_drain(feed);
	feed_free(feed);
	return status;
}

static json_t *answer_unpack(struct conversation *conversation, json_t *question, struct err *err)
{
	static const char *const owners[] = { "entry", "root", "mine", NULL };
	struct unpack_options options = { .copy = true, .maps = &conversation->maps };
	autofree char *path = path_of(question, "path");
	struct taken taken = { 0 };
	struct unpack *unpack = NULL;
	int kind, status = path ? read_owners(question, owners, &kind, err) : err_setf(err, 0, "read request", "unpack", "no path");

	if (status < 0)
		return failure(err);
	options.owners = (enum unpack_owners)kind;
	options.replace = json_is_true(json_object_get(question, "replace"));
	options.top = json_is_true(json_object_get(question, "top"));
	autoclose int target = path_open(conversation->root_fd, path, O_RDONLY | O_DIRECTORY, PATH_FOLLOW);
	if (target < 0)
		status = err_set(err, -target, "open", path);
	else if (pack_is_kernels(target))
		status = err_setf(err, EPERM, "open", path, "it shows the kernel and holds no files");
	options.target = target;
	if (status == 0)
		status = unpack_begin(&options, &unpack, err);
	if (status == 0)
		status = json_is_true(json_object_get(question, "foreign")) ? take_foreign(conversation->data, unpack, &taken, err)
									     : take_own(conversation->data, unpack, &taken, err);
	json_t *answer = status < 0 ? failure(err)
				    : json_pack("{s:{s:I,s:I,s:I}}", "ok", "entries", (json_int_t)taken.entries, "sizeBytes",
						(json_int_t)taken.bytes, "skippedDevices", (json_int_t)unpack_skipped_devices(unpack));
	unpack_free(unpack);
	return answer;
}

static json_t *answer(struct conversation *conversation, json_t *question)
{
	const char *what = json_string_value(json_object_get(question, "do"));
	struct err err = { 0 };
	json_t *reply;

	if (what && !strcmp(what, "stat") && (reply = answer_stat(conversation, question, &err)))
		return reply;
	if (what && !strcmp(what, "read") && (reply = answer_read(conversation, question, &err)))
		return reply;
	if (what && !strcmp(what, "list") && (reply = answer_list(conversation, question, &err)))
		return reply;
	if (what && (!strcmp(what, "pack") || !strcmp(what, "unpack")) && conversation->data >= 0) {
		reply = what[0] == 'p' ? answer_pack(conversation, question, &err) : answer_unpack(conversation, question, &err);
		close_fd(&conversation->data); /* the other side sees the end */
		return reply;
	}
	err_setf(&err, 0, "read request", what ? what : "", "not a question of this conversation");
	return failure(&err);
}

static int converse(int root, void *data)
{
	struct conversation *conversation = data;
	autofree char *line = NULL;
	size_t room = 0;
	ssize_t n;

	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error like others */
	umask(0);
	conversation->root_fd = root;
	while ((n = getline(&line, &room, stdin)) > 0 && n < QUESTION_LIMIT) {
		json_t *question = json_loadb(line, (size_t)n, 0, NULL), *reply = answer(conversation, question);

		json_dumpf(reply, stdout, JSON_COMPACT);
		putc('\n', stdout);
		json_decref(question);
		json_decref(reply);
		if (fflush(stdout) == EOF)
			return 1;
	}
	return 0;
}

int verb_files(json_t *request)
{
	struct conversation conversation = { .root_fd = -1 };
	json_t *root, *mappings;
	struct err err = { 0 };
	int pidfd, one_mount = 0;
	int status = request_unpack(request, &err, "files", "{s:o,s:i,s:i,s:o,s:b!}", "root", &root, "pidfd", &pidfd, "dataFd",
				    &conversation.data, "mappings", &mappings, "oneMount", &one_mount);

	if (status == 0)
		status = request_mappings(mappings, &conversation.maps, &err);
	/* fuse-overlayfs is executed by us, and is not to have them. */
	fcntl(conversation.data, F_SETFD, FD_CLOEXEC);
	fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	conversation.one_mount = one_mount;
	conversation.root = root;
	if (status == 0)
		status = files_in_root(root, pidfd, converse, &conversation, &err);
	id_maps_free(&conversation.maps);
	err.exit = FILES_EXIT;
	return status < 0 ? reply_error(&err) : status;
}
