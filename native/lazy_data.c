#include "lazy_data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

#define PAUSE_MS 20 /* between two tries to connect */

static int open_in(const char *directory, const char *name, struct err *err)
{
	autofree char *path = xasprintf("%s/%s", directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? err_set(err, errno, "open", path) : fd;
}

int lazy_files_open(struct lazy_files *files, const char *directory, struct err *err)
{
	int r;

	*files = LAZY_NO_FILES;
	r = files->index = open_in(directory, "index", err);
	if (r >= 0)
		r = files->data = open_in(directory, "data", err);
	if (r >= 0)
		r = files->there = open_in(directory, "there", err);
	if (r >= 0)
		return 0;
	lazy_files_close(files);
	return r;
}

void lazy_files_close(struct lazy_files *files)
{
	close_fd(&files->index);
	close_fd(&files->data);
	close_fd(&files->there);
}

int lazy_data_open(struct lazy_data *data, const struct lazy_index *index, struct lazy_files *files, const char *layers,
	const char *socket_path, struct err *err)
{
	autoclose int there = steal_fd(&files->there);
	struct stat st;
	void *map;

	*data = (struct lazy_data){ .index = index, .socket_path = socket_path, .layers_fd = -1, .data_fd = steal_fd(&files->data),
				    .socket = -1, .keeper = -1 };
	for (size_t i = 0; i < LAZY_FILES; i++)
		data->files[i].fd = -1;
	data->layers_fd = open(layers, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (data->layers_fd < 0)
		return err_set(err, errno, "open", layers);
	if (fstat(there, &st) < 0 || st.st_size < (off_t)index->n_chunks)
		return err_setf(err, EINVAL, "read what has come", layers, "too short");
	map = mmap(NULL, index->n_chunks ? index->n_chunks : 1, PROT_READ, MAP_SHARED, there, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "read what has come", layers);
	data->there = map;
	data->asked = xcalloc((size_t)index->n_chunks / 8 + 1, 1);
	data->layer_fds = xcalloc((size_t)index->n_layers + 1, sizeof(*data->layer_fds));
	for (uint32_t i = 0; i < index->n_layers; i++)
		data->layer_fds[i] = -1;
	return 0;
}

static int open_beneath(int directory, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC | O_NOFOLLOW,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

/* The directory of a layer, when it has arrived. */
static int layer_fd(struct lazy_data *data, uint32_t layer)
{
	const struct lazy_layer *record = layer < data->index->n_layers ? &data->index->layers[layer] : NULL;
	const char *text = record ? lazy_index_text(data->index, record->text, record->length) : NULL;
	char name[256];

	if (!text || record->length >= sizeof(name))
		return -1;
	if (data->layer_fds[layer] >= 0)
		return data->layer_fds[layer];
	memcpy(name, text, record->length);
	name[record->length] = '\0';
	data->layer_fds[layer] = open_beneath(data->layers_fd, name, O_PATH | O_DIRECTORY);
	return data->layer_fds[layer];
}

/* The file NODE in its layer, which has arrived; it is kept open. Return: a descriptor of ours, or -errno. */
static int file_fd(struct lazy_data *data, uint32_t number, const struct lazy_node *node, int layer)
{
	const char *text = lazy_index_text(data->index, node->text, node->text_length);
	char path[4096];
	struct stat st;
	int fd;

	for (size_t i = 0; i < LAZY_FILES; i++)
		if (data->files[i].fd >= 0 && data->files[i].node == number)
			return data->files[i].fd;
	if (!text || node->text_length == 0 || node->text_length >= sizeof(path))
		return -EIO;
	memcpy(path, text, node->text_length);
	path[node->text_length] = '\0';
	fd = open_beneath(layer, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* A layer that is not what its table of contents says is none of ours to show. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != node->size) {
		close(fd);
		return -EIO;
	}
	data->next_file = (data->next_file + 1) % LAZY_FILES;
	close_fd(&data->files[data->next_file].fd);
	data->files[data->next_file].node = number;
	data->files[data->next_file].fd = fd;
	return fd;
}

static int read_exactly(int fd, void *buf, size_t size, uint64_t offset)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (char *)buf + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static void drop(struct lazy_data *data)
{
	close_fd(&data->socket);
	data->n_partial = 0;
	memset(data->asked, 0, (size_t)data->index->n_chunks / 8 + 1);
}

bool lazy_data_connect(struct lazy_data *data)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int64_t now = monotonic_ms();
	int fd;

	if (data->socket >= 0)
		return true;
	if (strlen(data->socket_path) >= sizeof(address.sun_path) || (data->tried_ms && now - data->tried_ms < PAUSE_MS))
		return false;
	data->tried_ms = now;
	strcpy(address.sun_path, data->socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		close_fd(&fd);
	data->socket = fd;
	if (fd >= 0)
		data->alone_ms = 0;
	return fd >= 0;
}

void lazy_data_wake(const struct lazy_data *data)
{
	/* A pipe that is full says enough; a keeper that is gone cannot be helped. */
	if (data->keeper >= 0 && write(data->keeper, "", 1) < 0)
		return;
}

static void ask(struct lazy_data *data, uint32_t chunk)
{
	if (data->asked[chunk / 8] & (1 << chunk % 8) || !lazy_data_connect(data))
		return;
	/* So few bytes go whole or not at all; where there is no room the chunk is asked for with the next answer. */
	if (send(data->socket, &chunk, sizeof(chunk), MSG_NOSIGNAL) == (ssize_t)sizeof(chunk))
		data->asked[chunk / 8] |= (unsigned char)(1 << chunk % 8);
	else if (errno != EAGAIN)
		drop(data);
}

/* The last chunk that begins at or before OFFSET. */
static uint32_t find_chunk(const struct lazy_chunk *chunks, uint32_t count, uint64_t offset)
{
	uint32_t low = 0, high = count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (chunks[middle].file_offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static ssize_t read_chunks(struct lazy_data *data, const struct lazy_node *node, uint64_t offset, char *buf, size_t size, uint32_t *missing)
{
	uint32_t count;
	const struct lazy_chunk *chunks = lazy_index_chunks(data->index, node, &count);
	size_t done = 0;
	bool is_whole = true;

	if (!chunks)
		return -EIO;
	for (uint32_t i = find_chunk(chunks, count, offset); done < size; i++) {
		uint64_t within = offset + done - chunks[i < count ? i : 0].file_offset;
		size_t part;
		int r = 0;

		if (i >= count || within >= chunks[i].size)
			return -EIO;
		part = chunks[i].size - within < size - done ? (size_t)(chunks[i].size - within) : size - done;
		if (chunks[i].is_hole)
			memset(buf + done, 0, part);
		else if (data->there[node->first + i] != 1) {
			ask(data, node->first + i);
			if (is_whole)
				*missing = node->first + i;
			is_whole = false;
		} else if (is_whole)
			r = read_exactly(data->data_fd, buf + done, part, chunks[i].data_offset + within);
		if (r < 0)
			return r;
		done += part;
	}
	return is_whole ? (ssize_t)size : -EAGAIN;
}

ssize_t lazy_data_read(struct lazy_data *data, uint32_t number, uint64_t offset, void *buf, size_t size, uint32_t *chunk)
{
	const struct lazy_node *node = &data->index->nodes[number];
	int layer = layer_fd(data, node->layer);

	if (size == 0)
		return 0;
	if (layer >= 0) {
		int fd = file_fd(data, number, node, layer);
		int r = fd < 0 ? fd : read_exactly(fd, buf, size, offset);

		return r < 0 ? r : (ssize_t)size;
	}
	return read_chunks(data, node, offset, buf, size, chunk);
}

int lazy_data_answer(struct lazy_data *data, uint32_t *chunk, int *code)
{
	uint32_t words[2];
	ssize_t n;

	if (data->socket < 0)
		return -ENOTCONN;
	do
		n = recv(data->socket, data->partial + data->n_partial, sizeof(data->partial) - data->n_partial, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		drop(data);
		return -EPIPE;
	}
	data->n_partial += (size_t)n;
	if (data->n_partial < sizeof(data->partial))
		return 0;
	data->n_partial = 0;
	memcpy(words, data->partial, sizeof(words));
	if (words[0] >= data->index->n_chunks)
		return 0;
	data->asked[words[0] / 8] &= (unsigned char)~(1 << words[0] % 8);
	*chunk = words[0];
	*code = (int)words[1];
	return 1;
}
