#include "preserve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

#define PRESERVED_MOST 4096

int preserve_parse(json_t *list, struct preserved *out, struct err *err)
{
	json_t *value;
	size_t i;

	*out = (struct preserved){ NULL, 0 };
	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > PRESERVED_MOST)
		return err_setf(err, 0, "read request", "preserveFds", "not a list of descriptors");
	out->fds = xcalloc(json_array_size(list) + 1, sizeof(*out->fds));
	json_array_foreach(list, i, value) {
		json_int_t fd = json_is_integer(value) ? json_integer_value(value) : -1;

		if (fd <= STDERR_FILENO || fd >= INT_MAX)
			return err_setf(err, 0, "read request", "preserveFds", "not a list of descriptors");
		out->fds[out->n++] = (int)fd;
	}
	return 0;
}

json_t *preserve_list(const struct preserved *preserved)
{
	json_t *list = preserved && preserved->n > 0 ? json_array() : NULL;

	for (size_t i = 0; list && i < preserved->n; i++)
		json_array_append_new(list, json_integer(preserved->fds[i]));
	return list;
}

void preserve_on_exec(const struct preserved *preserved, bool keep)
{
	for (size_t i = 0; preserved && i < preserved->n; i++)
		fcntl(preserved->fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
}

void preserve_close(struct preserved *preserved)
{
	if (!preserved)
		return;
	for (size_t i = 0; i < preserved->n; i++)
		close(preserved->fds[i]);
	free(preserved->fds);
	*preserved = (struct preserved){ NULL, 0 };
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

int preserve_close_others(const struct preserved *preserved, const int *more, size_t n)
{
	size_t first = preserved ? preserved->n : 0, total = 0;
	autofree int *kept = xcalloc(first + n + 1, sizeof(*kept));
	unsigned int next = STDERR_FILENO + 1;

	for (size_t i = 0; i < first; i++)
		kept[total++] = preserved->fds[i];
	for (size_t i = 0; i < n; i++)
		if (more[i] > STDERR_FILENO)
			kept[total++] = more[i];
	qsort(kept, total, sizeof(*kept), compare);
	for (size_t i = 0; i < total; i++) {
		unsigned int fd = (unsigned int)kept[i];

		if (fd > next && syscall(SYS_close_range, next, fd - 1, 0) < 0)
			return -errno;
		if (fd >= next)
			next = fd + 1;
	}
	return syscall(SYS_close_range, next, ~0U, 0) < 0 ? -errno : 0;
}
