/*
 * lazyfs_probe: native/lazyfs_serve.c at one end of a socket pair in place of /dev/fuse, for lazyfs.test.ts. A line of stdin is
 *
 *     {"directory":"/…","reads":300}
 *
 * a directory to work in, and how many reads of pieces that nobody brings come first; whoever fetches is connected, and silent. The answer has the
 * errno with which each of these questions was answered, -1 where there was no answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lazyfs_serve.h"
#include "util.h"

#define CHUNKS 4096u

static struct {
	int64_t ahead_ms; /* of the server's clock */
} *shared;

int64_t __real_monotonic_ms(void);
int64_t __wrap_monotonic_ms(void);

int64_t __wrap_monotonic_ms(void)
{
	return __real_monotonic_ms() + *(volatile int64_t *)&shared->ahead_ms;
}

/* A layer of one file "ab" of many pieces, none of which has come. */
static void make_index(void)
{
	static struct {
		char magic[8];
		uint32_t n_nodes, n_names, n_chunks, n_layers, nodes, names, chunks, layers, bytes, n_bytes;
		uint64_t data_size, reserved;
		struct lazy_node node[2];
		struct lazy_name name[1];
		struct lazy_chunk chunk[CHUNKS];
		struct lazy_layer layer[1];
		char text[8];
	} file = { .magic = "PROALAZ1", .n_nodes = 2, .n_names = 1, .n_chunks = CHUNKS, .n_layers = 1, .n_bytes = 8, .text = "layerab" };
	int fd = open("index", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	file.nodes = (uint32_t)offsetof(__typeof__(file), node);
	file.names = (uint32_t)offsetof(__typeof__(file), name);
	file.chunks = (uint32_t)offsetof(__typeof__(file), chunk);
	file.layers = (uint32_t)offsetof(__typeof__(file), layer);
	file.bytes = (uint32_t)offsetof(__typeof__(file), text);
	file.node[0] = (struct lazy_node){ .mode = S_IFDIR | 0755, .count = 1 };
	file.node[1] = (struct lazy_node){ .mode = S_IFREG | 0644, .size = CHUNKS * 4096, .count = CHUNKS, .text = 5, .text_length = 2 };
	file.name[0] = (struct lazy_name){ .node = 1, .text = 5, .length = 2 };
	file.layer[0] = (struct lazy_layer){ .length = 5 };
	for (uint32_t i = 0; i < CHUNKS; i++)
		file.chunk[i] = (struct lazy_chunk){ .file_offset = i * 4096, .data_offset = i * 4096, .size = 4096 };
	if (write(fd, &file, sizeof(file)) != sizeof(file) || close(fd) < 0)
		_exit(2);
	fd = open("there", O_RDWR | O_CREAT, 0600);
	if (ftruncate(fd, CHUNKS) < 0 || close(fd) < 0 || close(open("data", O_RDWR | O_CREAT, 0600)) < 0 || mkdir("layers", 0700) < 0)
		_exit(2);
}

__attribute__((noreturn)) static void serve(int device)
{
	struct lazy_files files;
	struct lazy_index index;
	struct lazy_data data;
	struct err err = { 0 };

	if (lazy_files_open(&files, ".", &err) < 0)
		_exit(3);
	unlink("index"); /* what is open is enough */
	unlink("data");
	unlink("there");
	if (lazy_index_open(files.index, &index, &err) < 0 || lazy_data_open(&data, &index, &files, "layers", "socket", &err) < 0)
		_exit(3);
	fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK);
	_exit(lazyfs_serve(device, &index, &data) < 0);
}

static void ask(int device, uint32_t opcode, uint64_t unique, uint64_t node, const void *body, size_t size)
{
	struct {
		struct fuse_in_header header;
		char body[64];
	} request = { .header = { .len = (uint32_t)(sizeof(request.header) + size), .opcode = opcode, .unique = unique, .nodeid = node } };

	memcpy(request.body, body, size);
	if (send(device, &request, request.header.len, 0) < 0)
		_exit(4);
}

/* The errno of the answer to UNIQUE, which is the next one. */
static int answer_to(int device, uint64_t unique, int within_ms)
{
	struct pollfd wait = { .fd = device, .events = POLLIN };
	struct fuse_out_header header = { 0 };

	if (poll(&wait, 1, within_ms) <= 0 || recv(device, &header, sizeof(header), MSG_TRUNC) < (ssize_t)sizeof(header))
		return -1;
	return header.unique == unique ? -header.error : -2;
}

int main(void)
{
	json_t *line = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, NULL);
	const json_int_t reads = json_integer_value(json_object_get(line, "reads"));
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct fuse_interrupt_in interrupt = { .unique = 2 };
	int pair[2], listener = socket(AF_UNIX, SOCK_STREAM, 0), looked_up, interrupted, nobody, late = 0, status;
	pid_t server;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (chdir(json_string_value(json_object_get(line, "directory"))) < 0)
		return 1;
	make_index();
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 5) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return 1;
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof(int)); /* a device has room for every answer */
	server = fork();
	if (server == 0) {
		close(pair[0]);
		close(listener);
		serve(pair[1]);
	}
	close(pair[1]);
	for (json_int_t i = 0; i < reads; i++) {
		struct fuse_read_in read = { .offset = (uint64_t)(i % CHUNKS) * 4096, .size = 4096 };

		ask(pair[0], FUSE_READ, 2 + 2 * (uint64_t)i, 2, &read, sizeof(read));
	}
	ask(pair[0], FUSE_LOOKUP, 1000001, 1, "ab", 3);
	looked_up = answer_to(pair[0], 1000001, 10000);
	ask(pair[0], FUSE_INTERRUPT, 3, 0, &interrupt, sizeof(interrupt));
	interrupted = answer_to(pair[0], 2, 10000);
	interrupt.unique = 0; /* nobody's */
	for (int i = 0; i < 3; i++)
		ask(pair[0], FUSE_INTERRUPT, 3, 0, &interrupt, sizeof(interrupt));
	ask(pair[0], FUSE_LOOKUP, 1000003, 1, "ab", 3);
	nobody = answer_to(pair[0], 1000003, 10000);
	*(volatile int64_t *)&shared->ahead_ms = 3600 * 1000;
	for (json_int_t i = 1; i < reads && late == 0; i++) { /* in any order */
		struct pollfd wait = { .fd = pair[0], .events = POLLIN };
		struct fuse_out_header header;

		if (poll(&wait, 1, 10000) <= 0 || recv(pair[0], &header, sizeof(header), 0) < 0)
			late = -1;
		else if (header.error != -EIO)
			late = -2;
	}
	close(pair[0]);
	for (int i = 0; i < 1000 && waitpid(server, &status, WNOHANG) == 0; i++) {
		usleep(10000);
		status = -1;
	}
	if (status == -1)
		kill(server, SIGKILL);
	printf("{\"lookedUp\":%d,\"interrupted\":%d,\"nobody\":%d,\"late\":%d,\"ended\":%d}\n", looked_up, interrupted, nobody, late, status);
	json_decref(line);
	return 0;
}
