#include "fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(FDPASS_LIMIT * sizeof(int))];
};

int fdpass_send(int socket, const void *data, size_t len, const int *fds, size_t n)
{
	struct iovec io = { .iov_base = (void *)data, .iov_len = len };
	union control control = { 0 };
	struct msghdr packet = { .msg_iov = &io, .msg_iovlen = 1 };
	ssize_t sent;

	if (n > FDPASS_LIMIT)
		return -EINVAL;
	if (n > 0) {
		packet.msg_control = &control;
		packet.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	}
	do
		sent = sendmsg(socket, &packet, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : (size_t)sent == len ? 0 : -EMSGSIZE;
}

int fdpass_receive(int socket, void *data, size_t len, int fds[FDPASS_LIMIT], size_t *n)
{
	struct iovec io = { .iov_base = data, .iov_len = len };
	union control control = { 0 };
	struct msghdr packet = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t got;

	*n = 0;
	do /* ECONNRESET, once: the peer ended without having read all of ours. What it sent before is still there. */
		got = recvmsg(socket, &packet, MSG_CMSG_CLOEXEC);
	while (got < 0 && (errno == EINTR || errno == ECONNRESET));
	if (got <= 0)
		return got < 0 ? -errno : 0;
	if (packet.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS) {
		*n = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(&control.header), *n * sizeof(int));
	}
	return (size_t)got == len ? 1 : -EPROTO;
}
