/*
 * netprobe: what the tests of netd do inside a container,
 *
 *   netprobe serve PORT           accept for ever, read and drop what comes
 *   netprobe pump ADDRESS PORT    connect and write for ever; a message and status 1 when the connection breaks
 *   netprobe dial ADDRESS PORT    connect, print "connected" or the error's name, and what the peer says first
 *   netprobe greet PORT           accept for ever, send the peer's address and port, close
 *
 * and, outside, to netd itself:
 *
 *   netprobe say SOCKET [FILE]    send stdin as one message, with FILE's descriptor twice beside it; print the answer, then "closed" where the connection is
 *   netprobe nag SOCKET           ask for the status for ever without reading an answer; print "dropped" when the connection ends
 *   netprobe crowd SOCKET NUMBER  open so many connections, print "there", and keep them until stdin ends
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listening(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static int connected(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, host, &address.sin_addr);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		printf("%s\n", strerrorname_np(errno));
		exit(1);
	}
	return fd;
}

static void serve(int listener)
{
	static char buffer[65536];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fork() == 0) {
			while (read(fd, buffer, sizeof(buffer)) > 0)
				;
			_exit(0);
		}
		close(fd);
	}
}

static void pump(int fd)
{
	static char buffer[65536];

	while (write(fd, buffer, sizeof(buffer)) > 0)
		usleep(1000);
	printf("broken: %s\n", strerrorname_np(errno));
	exit(1);
}

static void greet(int listener)
{
	for (;;) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (struct sockaddr *)&peer, &len);

		dprintf(fd, "you are %s:%d\n", inet_ntoa(peer.sin_addr), ntohs(peer.sin_port));
		close(fd);
	}
}

static int connected_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		printf("%s\n", strerrorname_np(errno));
		exit(1);
	}
	return fd;
}

static void say(int fd, const char *file)
{
	static char buffer[256 << 10];
	size_t len = fread(buffer, 1, sizeof(buffer), stdin);
	struct iovec io = { buffer, len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	struct pollfd end = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (file) {
		int fds[2] = { open(file, O_RDONLY), open(file, O_RDONLY) };

		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	}
	if (sendmsg(fd, &message, 0) < 0) {
		perror("send");
		exit(1);
	}
	n = recv(fd, buffer, sizeof(buffer), 0);
	if (n > 0)
		printf("%.*s\n", (int)n, buffer);
	/* The end of the connection comes at once, if it comes. */
	if (n <= 0 || (poll(&end, 1, 500) == 1 && recv(fd, buffer, sizeof(buffer), 0) <= 0))
		printf("closed\n");
}

static void nag(int fd)
{
	static const char question[] = "{\"v\":1,\"do\":\"status\"}";

	while (send(fd, question, sizeof(question) - 1, 0) > 0)
		;
	printf("dropped\n");
}

static void crowd(const char *path, int number)
{
	char byte;

	while (number-- > 0)
		connected_to(path);
	printf("there\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(listening(argv[2]));
	if (argc == 3 && strcmp(argv[1], "greet") == 0)
		greet(listening(argv[2]));
	if (argc == 4 && strcmp(argv[1], "pump") == 0)
		pump(connected(argv[2], argv[3]));
	if (argc == 4 && strcmp(argv[1], "dial") == 0) {
		char answer[256];
		int fd = connected(argv[2], argv[3]);
		ssize_t n = read(fd, answer, sizeof(answer));

		printf("connected\n%.*s", n > 0 ? (int)n : 0, answer);
		return 0;
	}
	if (argc >= 3 && strcmp(argv[1], "say") == 0)
		return say(connected_to(argv[2]), argv[3]), 0;
	if (argc == 3 && strcmp(argv[1], "nag") == 0)
		return nag(connected_to(argv[2])), 0;
	if (argc == 4 && strcmp(argv[1], "crowd") == 0)
		return crowd(argv[2], atoi(argv[3])), 0;
	return 2;
}
