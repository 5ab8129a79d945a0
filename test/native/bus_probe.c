/*
 * bus_probe: native/bus.c against sides that a script cannot play, and the name of a unit (native/cgroup_join.c), for cgroup-lives.test.ts. `probe full SOCKET`: a
 * listener whose queue is full for a while; `probe flood SOCKET`: a side that never stops talking; `probe unit PATH`: of a group.
 */
#include "cgroup_join.c"

#undef BUS_PATIENCE_MS
#define BUS_PATIENCE_MS 1500
#include "bus.c"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

int userns_enter_and_run(int fd, int (*act)(void *), void *data, struct err *err)
{
	(void)fd;
	(void)act;
	(void)data;
	(void)err;
	return -1;
}

static int listener(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 0) < 0)
		abort();
	return fd;
}

static const struct bus_scope scope = { .name = "x.scope", .slice = "", .description = "", .pids = (const pid_t[]){ 1 }, .n_pids = 1 };

static int full(const char *path, struct err *err)
{
	int fd = listener(path), r;
	struct bus *bus, *others[8] = { NULL };
	pid_t child;

	for (int i = 0; i < 8; i++)
		if (bus_open(path, BUS_PATIENCE_MS, &others[i], NULL) < 0)
			break;
	child = fork();
	if (child == 0) {
		usleep(200000);
		for (;;)
			accept(fd, NULL, NULL);
	}
	close(fd);
	r = bus_open(path, BUS_PATIENCE_MS, &bus, err);
	if (r == 0)
		r = bus_start_scope(bus, &scope, err);
	if (r == 0)
		bus_close(bus);
	for (int i = 0; i < 8; i++)
		bus_close(others[i]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return r;
}

static int flood(const char *path, struct err *err)
{
	/* Signals without fields or bodies. */
	static const unsigned char talk[16 * 256] = { 0 };
	unsigned char messages[sizeof(talk)];
	int fd = listener(path), r;
	struct bus *bus;
	pid_t child = fork();

	for (size_t i = 0; i < sizeof(messages); i += 16)
		memcpy(messages + i, "l\4\0\1\0\0\0\0\1\0\0\0\0\0\0\0", 16);
	if (child == 0) {
		int peer = accept(fd, NULL, NULL);

		signal(SIGPIPE, SIG_DFL);
		if (write(peer, "OK\r\n", 4) == 4)
			while (write(peer, messages, sizeof(messages)) > 0)
				;
		_exit(0);
	}
	close(fd);
	alarm(10);
	r = bus_open(path, BUS_PATIENCE_MS, &bus, err);
	if (r == 0)
		r = bus_start_scope(bus, &scope, err);
	if (r == 0)
		r = bus_await_scope(bus, "x.scope", err);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return r;
}

int main(int argc, char **argv)
{
	const char *path = argc > 2 ? argv[2] : "";
	struct err err = { 0 };
	const char *below = "";

	if (strcmp(argv[1], "unit") == 0) {
		const struct cgroup_place place = { .path = argv[2] };
		autofree char *unit = unit_of(&place, argv[3], &below);

		printf("[\"%s\",\"%s\"]\n", unit ? unit : "", below);
		return 0;
	}
	printf("%d\n", strcmp(argv[1], "full") == 0 ? full(path, &err) : flood(path, &err));
	return 0;
}
