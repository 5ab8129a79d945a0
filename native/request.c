#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"

#define MAP_LINES 340 /* UID_GID_MAP_MAX_EXTENTS, linux/user_namespace.h */

int request_read(int fd, json_t **out, struct err *err)
{
	autofree char *text = NULL;
	json_error_t why;
	ssize_t length;

	lseek(fd, 0, SEEK_SET); /* a memfd was just written; a pipe refuses, which is fine */
	length = read_fd(fd, &text, REQUEST_LIMIT);
	if (length < 0)
		return err_set(err, (int)-length, "read request", "");
	*out = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &why);
	if (!*out)
		return err_setf(err, 0, "read request", "", "%s at byte %d", why.text, why.position);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return err_setf(err, 0, "read request", "", "not an object");
	}
	return 0;
}

static int kept_fd = -1;

bool request_keep(int fd)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return false;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	kept_fd = fd;
	return true;
}

int request_kept(json_t *request)
{
	if (kept_fd < 0) {
		autofree char *text = json_dumps(request, JSON_COMPACT);
		autoclose int fd = text ? memfd_create("request", MFD_CLOEXEC) : -1;

		if (fd >= 0 && write_all(fd, text, strlen(text)) == 0)
			kept_fd = steal_fd(&fd);
	}
	return kept_fd;
}

int request_unpack(json_t *object, struct err *err, const char *what, const char *format, ...)
{
	json_error_t why;
	va_list args;
	int r;

	va_start(args, format);
	r = json_vunpack_ex(object, &why, 0, format, args);
	va_end(args);
	if (r < 0)
		return err_setf(err, 0, "read request", what, "%s", why.text);
	return 0;
}

static int mapping_lines(json_t *array, const char *what, struct id_map **out, size_t *n, struct err *err)
{
	json_t *line;
	size_t i;

	if (!json_is_array(array) || json_array_size(array) > MAP_LINES)
		return err_setf(err, 0, "read id map", what, "not a list of at most %d lines", MAP_LINES);
	*n = json_array_size(array);
	*out = xcalloc(*n, sizeof(**out));
	json_array_foreach(array, i, line) {
		json_int_t inside, outside, size;
		json_error_t why;

		if (json_unpack_ex(line, &why, 0, "{s:I,s:I,s:I!}", "containerID", &inside, "hostID", &outside, "size", &size) < 0)
			return err_setf(err, 0, "read id map", what, "%s", why.text);
		if (inside < 0 || outside < 0 || size < 1 || size > UINT32_MAX || inside > UINT32_MAX - size || outside > UINT32_MAX - size)
			return err_setf(err, 0, "read id map", what, "line %zu is out of range", i + 1);
		(*out)[i] = (struct id_map){ (uint32_t)inside, (uint32_t)outside, (uint32_t)size };
	}
	return 0;
}

int request_mappings(json_t *object, struct id_maps *out, struct err *err)
{
	json_t *uid, *gid;
	int r;

	memset(out, 0, sizeof(*out));
	r = request_unpack(object, err, "mappings", "{s:o,s:o!}", "uid", &uid, "gid", &gid);
	if (r == 0)
		r = mapping_lines(uid, "uid", &out->uid, &out->n_uid, err);
	if (r == 0)
		r = mapping_lines(gid, "gid", &out->gid, &out->n_gid, err);
	if (r < 0)
		id_maps_free(out);
	return r;
}

void id_maps_free(struct id_maps *maps)
{
	free(maps->uid);
	free(maps->gid);
	memset(maps, 0, sizeof(*maps));
}

int reply_ok(json_t *reply)
{
	bool whole = fputs("{\"ok\":", stdout) >= 0 && json_dumpf(reply, stdout, JSON_COMPACT | JSON_ENCODE_ANY) == 0 &&
		fputs("}\n", stdout) >= 0 && fflush(stdout) == 0;

	json_decref(reply);
	return whole ? 0 : 1;
}

int reply_error(const struct err *err)
{
	fputs("{\"error\":", stdout);
	err_write_json(err, stdout);
	fputs("}\n", stdout);
	fflush(stdout);
	return 1;
}

int report_failure(const char *proa, const char *verb, const struct err *err)
{
	char *facts = NULL;
	size_t length;
	FILE *out = open_memstream(&facts, &length);

	if (out) {
		err_write_json(err, out);
		fclose(out);
		if (proa && proa[0] == '/')
			execl(proa, proa, "__report", verb, facts, (char *)NULL);
		dprintf(STDERR_FILENO, "proa-helper: %s: %s\n", verb, facts);
		free(facts);
	}
	return err->exit ? err->exit : 125;
}
