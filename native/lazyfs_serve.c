#include "lazyfs_serve.h"

#include <errno.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util.h"

#define FOREVER 3600 * 24 * 365 /* seconds that the kernel may keep names and attributes: nothing here ever changes */
#define REQUEST_BYTES (16 << 10)
#define FEW_WAITING 256
#define MOST_WAITING (64 << 10) /* reads put aside, of 40 bytes; what is beyond fails */
#define RETRY_MS 50    /* until the one who fetches is looked for again */
#define PATIENCE_MS 15000 /* that nobody fetches, until reads fail */
#define HOPELESS_MS 15000 /* that they fail at once from then on, until somebody is waited for again */
#define WAKE_MS 500    /* until it is asked again that somebody be started who fetches */
#define DEADLINE_MS 300000 /* of a read, whoever fetches: a registry may drip */
#define LOOK_MS 1000   /* between two looks for reads whose time is over */

/* A read that waits for CHUNK. */
struct waiting {
	uint64_t unique, offset;
	int64_t until_ms;
	uint32_t node, size, chunk;
};

struct server {
	int device;
	const struct lazy_index *index;
	struct lazy_data *data;
	size_t n_waiting, room;
	struct waiting *waiting; /* in no order */
	int64_t look_ms, wake_ms;
	char request[REQUEST_BYTES] __attribute__((aligned(8)));
	char answer[LAZYFS_READ_BYTES] __attribute__((aligned(8)));
};

static void answer(const struct server *server, uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header header = { .len = (uint32_t)(sizeof(header) + (error ? 0 : size)), .error = error, .unique = unique };
	struct iovec parts[] = { { &header, sizeof(header) }, { (void *)data, error ? 0 : size } };

	while (writev(server->device, parts, error || size == 0 ? 1 : 2) < 0 && errno == EINTR)
		; /* any other failure: the caller is gone */
}

static const struct lazy_node *node_of(const struct server *server, uint64_t id)
{
	return id >= 1 && id <= server->index->n_nodes ? &server->index->nodes[id - 1] : NULL;
}

static struct fuse_attr attr_of(uint32_t number, const struct lazy_node *node)
{
	return (struct fuse_attr){
		.ino = (uint64_t)number + 1, .size = node->size, .blocks = (node->size + 511) / 512,
		.atime = (uint64_t)node->mtime_s, .mtime = (uint64_t)node->mtime_s, .ctime = (uint64_t)node->mtime_s,
		.atimensec = node->mtime_ns, .mtimensec = node->mtime_ns, .ctimensec = node->mtime_ns,
		.mode = node->mode, .nlink = node->nlink, .uid = node->uid, .gid = node->gid, .rdev = node->rdev, .blksize = 4096,
	};
}

static struct fuse_entry_out entry_of(const struct server *server, uint32_t number)
{
	return (struct fuse_entry_out){
		.nodeid = (uint64_t)number + 1, .entry_valid = FOREVER, .attr_valid = FOREVER,
		.attr = attr_of(number, &server->index->nodes[number]),
	};
}

static void look_up(const struct server *server, const struct fuse_in_header *in, const struct lazy_node *node, const char *name)
{
	uint32_t found = lazy_index_find(server->index, node, name, strlen(name));
	struct fuse_entry_out entry = { .entry_valid = FOREVER }; /* node 0: there is none, and will be none */

	if (!S_ISDIR(node->mode)) {
		answer(server, in->unique, -ENOTDIR, NULL, 0);
		return;
	}
	if (found != LAZY_NONE)
		entry = entry_of(server, found);
	answer(server, in->unique, 0, &entry, sizeof(entry));
}

static void read_link(const struct server *server, const struct fuse_in_header *in, const struct lazy_node *node)
{
	const char *text = S_ISLNK(node->mode) ? lazy_index_text(server->index, node->text, node->text_length) : NULL;

	answer(server, in->unique, text ? 0 : -EINVAL, text, node->text_length);
}

/* The entry of PLACE in a directory: ".", "..", and its names. Return: whether there is one. */
static bool entry_at(const struct server *server, uint32_t number, uint64_t place, uint32_t *found, const char **name, uint32_t *length)
{
	const struct lazy_node *node = &server->index->nodes[number];
	uint32_t count;
	const struct lazy_name *names = lazy_index_names(server->index, node, &count);

	if (place < 2) {
		*found = place == 0 || node->parent >= server->index->n_nodes ? number : node->parent;
		*name = "..";
		*length = (uint32_t)place + 1;
		return true;
	}
	if (place - 2 >= count)
		return false;
	*found = names[place - 2].node;
	*length = names[place - 2].length;
	*name = lazy_index_text(server->index, names[place - 2].text, *length);
	return *name && *found < server->index->n_nodes && *length <= NAME_MAX;
}

/* READDIR, and with PLUS what a LOOKUP of each would say. */
static void read_directory(struct server *server, const struct fuse_in_header *in, const struct fuse_read_in *read, bool plus)
{
	const uint32_t number = (uint32_t)(in->nodeid - 1);
	const size_t limit = read->size < sizeof(server->answer) ? read->size : sizeof(server->answer);
	uint32_t found, length;
	const char *name;
	size_t used = 0;

	for (uint64_t place = read->offset; entry_at(server, number, place, &found, &name, &length); place++) {
		const size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET, size = FUSE_DIRENT_ALIGN(head + length);
		struct fuse_dirent dirent = { .ino = (uint64_t)found + 1, .off = place + 1, .namelen = length,
					      .type = (server->index->nodes[found].mode & S_IFMT) >> 12 };
		char *at = server->answer + used;

		if (used + size > limit)
			break;
		memset(at, 0, size);
		if (plus) {
			struct fuse_entry_out entry = { 0 };

			if (place >= 2)
				entry = entry_of(server, found);
			memcpy(at, &entry, sizeof(entry));
			at += sizeof(entry);
		}
		memcpy(at, &dirent, FUSE_NAME_OFFSET);
		memcpy(at + FUSE_NAME_OFFSET, name, length);
		used += size;
	}
	answer(server, in->unique, 0, server->answer, used);
}

static void get_xattr(const struct server *server, const struct fuse_in_header *in, const struct lazy_node *node,
	const struct fuse_getxattr_in *get, const char *name)
{
	struct fuse_getxattr_out out = { 0 };
	size_t size = 0;
	const char *value = lazy_index_xattr(server->index, node, name, &size);

	out.size = (uint32_t)size;
	if (!value)
		answer(server, in->unique, -ENODATA, NULL, 0);
	else if (get->size == 0)
		answer(server, in->unique, 0, &out, sizeof(out));
	else
		answer(server, in->unique, size > get->size ? -ERANGE : 0, value, size);
}

static void list_xattrs(struct server *server, const struct fuse_in_header *in, const struct lazy_node *node, const struct fuse_getxattr_in *get)
{
	const size_t room = get->size < sizeof(server->answer) ? get->size : sizeof(server->answer);
	size_t size = lazy_index_xattrs(server->index, node, server->answer, room);
	struct fuse_getxattr_out out = { .size = (uint32_t)size };

	if (get->size == 0)
		answer(server, in->unique, 0, &out, sizeof(out));
	else
		answer(server, in->unique, size > room ? -ERANGE : 0, server->answer, size);
}

static void agree(const struct server *server, const struct fuse_in_header *in, const struct fuse_init_in *init)
{
	const uint32_t wanted = FUSE_ASYNC_READ | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_CACHE_SYMLINKS |
				FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_readahead = init->max_readahead,
		.flags = init->flags & wanted, .max_background = 64, .congestion_threshold = 48, .max_write = 4096, .time_gran = 1,
	};

	/* Before 7.31 (Linux 5.4) there is no userxattr of overlay either. */
	answer(server, in->unique, init->major == FUSE_KERNEL_VERSION && init->minor >= 31 ? 0 : -EPROTO, &out, sizeof(out));
}

/* Return: whether it was answered; a chunk is missing otherwise, and named. */
static bool finish_read(struct server *server, struct waiting *waiting)
{
	uint32_t chunk = LAZY_NONE;
	ssize_t n = lazy_data_read(server->data, waiting->node, waiting->offset, server->answer, waiting->size, &chunk);

	waiting->chunk = chunk;
	if (n != -EAGAIN)
		answer(server, waiting->unique, n < 0 ? -EIO : 0, server->answer, n < 0 ? 0 : (size_t)n);
	return n != -EAGAIN;
}

static void put_aside(struct server *server, const struct waiting *waiting)
{
	if (server->n_waiting == MOST_WAITING) {
		answer(server, waiting->unique, -EIO, NULL, 0);
		return;
	}
	if (server->n_waiting == server->room) {
		server->room = server->room ? 2 * server->room : FEW_WAITING;
		server->waiting = xrealloc(server->waiting, server->room * sizeof(*server->waiting));
	}
	server->waiting[server->n_waiting++] = *waiting;
}

/* The last one takes the place of NUMBER: who goes through all of them begins at the end. */
static void forget(struct server *server, size_t number)
{
	server->waiting[number] = server->waiting[--server->n_waiting];
}

static void read_file(struct server *server, const struct fuse_in_header *in, const struct lazy_node *node, const struct fuse_read_in *read)
{
	struct waiting waiting;

	if (!S_ISREG(node->mode) || read->offset >= node->size) {
		answer(server, in->unique, S_ISREG(node->mode) ? 0 : -EISDIR, NULL, 0);
		return;
	}
	waiting = (struct waiting){ .unique = in->unique, .offset = read->offset, .until_ms = monotonic_ms() + DEADLINE_MS,
				    .node = (uint32_t)(in->nodeid - 1) };
	waiting.size = read->size < LAZYFS_READ_BYTES ? read->size : LAZYFS_READ_BYTES;
	if (waiting.size > node->size - read->offset)
		waiting.size = (uint32_t)(node->size - read->offset);
	if (!finish_read(server, &waiting))
		put_aside(server, &waiting);
}

/* Who waits for a read was killed. */
static void interrupt(struct server *server, uint64_t unique)
{
	for (size_t i = 0; i < server->n_waiting; i++)
		if (server->waiting[i].unique == unique) {
			answer(server, unique, -EINTR, NULL, 0);
			forget(server, i);
			return;
		}
}

/* The argument of a request, when it is there whole: SIZE bytes, and with NAMED a name behind them, which *NAME becomes. */
static const void *argument(const struct fuse_in_header *in, size_t got, size_t size, bool named, const char **name)
{
	const char *at = (const char *)(in + 1);

	if (got < sizeof(*in) + size || in->len != got)
		return NULL;
	if (!named)
		return at;
	*name = at + size;
	return memchr(*name, '\0', got - sizeof(*in) - size) ? at : NULL;
}

static void handle(struct server *server, size_t got)
{
	const struct fuse_in_header *in = (const struct fuse_in_header *)server->request;
	const struct lazy_node *node = got < sizeof(*in) ? NULL : node_of(server, in->nodeid);
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096, .frsize = 4096, .namelen = NAME_MAX, .files = server->index->n_nodes } };
	struct fuse_attr_out attr = { .attr_valid = FOREVER };
	const char *name = "";
	const void *body;

	if (got < sizeof(*in) || in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET)
		return;
	if (in->opcode == FUSE_INIT) {
		body = argument(in, got, offsetof(struct fuse_init_in, flags2), false, NULL);
		if (body)
			agree(server, in, body);
		return;
	}
	if (in->opcode == FUSE_INTERRUPT) {
		body = argument(in, got, sizeof(struct fuse_interrupt_in), false, NULL);
		if (body)
			interrupt(server, ((const struct fuse_interrupt_in *)body)->unique);
		return;
	}
	if (in->opcode == FUSE_STATFS) {
		answer(server, in->unique, 0, &statfs, sizeof(statfs));
		return;
	}
	if (!node) {
		answer(server, in->unique, -ESTALE, NULL, 0);
		return;
	}
	switch (in->opcode) {
	case FUSE_LOOKUP:
		body = argument(in, got, 0, true, &name);
		if (body)
			look_up(server, in, node, name);
		break;
	case FUSE_GETATTR:
		body = in;
		attr.attr = attr_of((uint32_t)(in->nodeid - 1), node);
		answer(server, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_READLINK:
		body = in;
		read_link(server, in, node);
		break;
	case FUSE_READ:
		body = argument(in, got, sizeof(struct fuse_read_in), false, NULL);
		if (body)
			read_file(server, in, node, body);
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		body = argument(in, got, sizeof(struct fuse_read_in), false, NULL);
		if (body)
			read_directory(server, in, body, in->opcode == FUSE_READDIRPLUS);
		break;
	case FUSE_GETXATTR:
		body = argument(in, got, sizeof(struct fuse_getxattr_in), true, &name);
		if (body)
			get_xattr(server, in, node, body, name);
		break;
	case FUSE_LISTXATTR:
		body = argument(in, got, sizeof(struct fuse_getxattr_in), false, NULL);
		if (body)
			list_xattrs(server, in, node, body);
		break;
	default: /* OPEN, OPENDIR, FLUSH, …: the kernel can do without, and does not ask again */
		body = in;
		answer(server, in->unique, -ENOSYS, NULL, 0);
	}
	if (!body)
		answer(server, in->unique, -EINVAL, NULL, 0);
}

/* Try all reads again that were put aside. */
static void try_again(struct server *server)
{
	for (size_t i = server->n_waiting; i-- > 0;)
		if (finish_read(server, &server->waiting[i]))
			forget(server, i);
}

/* Reads that wait for CHUNK, or with LAZY_NONE all, have no hope. */
static void give_up(struct server *server, uint32_t chunk)
{
	for (size_t i = server->n_waiting; i-- > 0;)
		if (chunk == LAZY_NONE || server->waiting[i].chunk == chunk) {
			answer(server, server->waiting[i].unique, -EIO, NULL, 0);
			forget(server, i);
		}
}

/* Reads whose time is over fail. */
static void end_late(struct server *server)
{
	const int64_t now = monotonic_ms();

	if (now < server->look_ms)
		return;
	server->look_ms = now + LOOK_MS;
	for (size_t i = server->n_waiting; i-- > 0;)
		if (server->waiting[i].until_ms <= now) {
			answer(server, server->waiting[i].unique, -EIO, NULL, 0);
			forget(server, i);
		}
}

static void take_answers(struct server *server)
{
	uint32_t chunk;
	int code, r;

	while ((r = lazy_data_answer(server->data, &chunk, &code)) > 0)
		if (code || server->data->there[chunk] != 1) /* it may be another's, of another index */
			give_up(server, chunk);
	try_again(server); /* also those whose chunks could not be asked for yet; where nobody is there any more: its work may be done */
}

/* Nobody fetches: the layers may have come meanwhile, or somebody may be there again. */
static void seek(struct server *server)
{
	struct lazy_data *data = server->data;
	const int64_t now = monotonic_ms();
	const bool is_there = lazy_data_connect(data);

	try_again(server);
	if (is_there || server->n_waiting == 0)
		return;
	if (data->alone_ms == 0 || now - data->alone_ms > PATIENCE_MS + HOPELESS_MS)
		data->alone_ms = now;
	if (now >= server->wake_ms) {
		lazy_data_wake(data);
		server->wake_ms = now + WAKE_MS;
	}
	if (now - data->alone_ms > PATIENCE_MS)
		give_up(server, LAZY_NONE);
}

int lazyfs_serve(int device, const struct lazy_index *index, struct lazy_data *data)
{
	struct server *server = xcalloc(1, sizeof(*server));

	*server = (struct server){ .device = device, .index = index, .data = data };
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = device, .events = POLLIN }, /* always: who waits for a read may be killed, and the mount may go */
			{ .fd = data->socket, .events = POLLIN },
		};
		ssize_t n;

		if (poll(fds, 2, server->n_waiting == 0 ? -1 : data->socket < 0 ? RETRY_MS : LOOK_MS) < 0 && errno != EINTR)
			return -errno;
		if (data->socket < 0 && server->n_waiting > 0)
			seek(server);
		if (fds[1].fd >= 0 && fds[1].revents)
			take_answers(server);
		end_late(server);
		if (!fds[0].revents)
			continue;
		n = read(device, server->request, sizeof(server->request));
		if (n == 0 || (n < 0 && errno == ENODEV))
			return 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			return -errno;
		if (n > 0)
			handle(server, (size_t)n);
	}
}
