#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util.h"

void wire_put32(unsigned char *out, uint32_t value)
{
	out[0] = (unsigned char)(value >> 24);
	out[1] = (unsigned char)(value >> 16);
	out[2] = (unsigned char)(value >> 8);
	out[3] = (unsigned char)value;
}

uint32_t wire_get32(const unsigned char *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

int wire_read_header(int fd, struct wire_input *input)
{
	while (!input->in_payload) {
		ssize_t n = recv(fd, input->header + input->have, (size_t)(WIRE_HEADER_BYTES - input->have), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		input->have = (unsigned char)(input->have + n);
		if (input->have < WIRE_HEADER_BYTES)
			continue;
		const unsigned char *header = input->header;
		if (header[1] | header[2] | header[3])
			return -EPROTO;
		input->type = header[0];
		input->left = wire_get32(header + 4);
		if (input->left > WIRE_LIMIT_BYTES)
			return -EPROTO;
		input->in_payload = true;
	}
	return 1;
}

void wire_consumed(struct wire_input *input, size_t count)
{
	input->left -= (uint32_t)count;
	if (input->left == 0) {
		input->in_payload = false;
		input->have = 0;
	}
}

void wire_queue_bytes(struct wire_queue *queue, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (queue->size - queue->end < len) {
		size_t pending = wire_pending(queue);
		if (queue->start > 0) {
			memmove(queue->data, queue->data + queue->start, pending);
			queue->start = 0;
			queue->end = pending;
		}
		if (queue->size - queue->end < len) {
			queue->size = (pending + len + 0xffff) & ~(size_t)0xffff;
			queue->data = xrealloc(queue->data, queue->size);
		}
	}
	memcpy(queue->data + queue->end, data, len);
	queue->end += len;
}

int wire_send(int fd, struct wire_queue *queue, enum wire_type type, const void *payload, size_t len)
{
	unsigned char header[WIRE_HEADER_BYTES] = { (unsigned char)type };
	size_t sent = 0;

	wire_put32(header + 4, (uint32_t)len);
	if (wire_pending(queue) == 0) {
		struct iovec iov[2] = {
			{ .iov_base = header, .iov_len = sizeof(header) },
			{ .iov_base = (void *)(uintptr_t)payload, .iov_len = len },
		};
		struct msghdr message = { .msg_iov = iov, .msg_iovlen = len > 0 ? 2 : 1 };
		ssize_t n;
		do {
			n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		} while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		sent = n < 0 ? 0 : (size_t)n;
	}
	if (sent < sizeof(header)) {
		wire_queue_bytes(queue, header + sent, sizeof(header) - sent);
		sent = sizeof(header);
	}
	wire_queue_bytes(queue, (const unsigned char *)payload + (sent - sizeof(header)), len - (sent - sizeof(header)));
	return 0;
}

int wire_send_header(int fd, enum wire_type type, size_t len)
{
	unsigned char header[WIRE_HEADER_BYTES] = { (unsigned char)type };
	ssize_t n;

	wire_put32(header + 4, (uint32_t)len);
	do {
		n = send(fd, header, sizeof(header), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0; /* a stream socket of the kernel's takes so few bytes at once or not at all */
}

int wire_send_descriptor(int socket, const void *data, size_t len, int fd)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	do {
		n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EPROTO;
}

ssize_t wire_receive_descriptor(int socket, void *data, size_t len, int flags, int *fd)
{
	struct iovec io = { .iov_base = data, .iov_len = len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.header), sizeof(int));
	return n;
}

int wire_flush(int fd, struct wire_queue *queue)
{
	while (wire_pending(queue) > 0) {
		ssize_t n = send(fd, queue->data + queue->start, wire_pending(queue), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		queue->start += (size_t)n;
	}
	wire_queue_free(queue);
	return 0;
}

void wire_queue_free(struct wire_queue *queue)
{
	free(queue->data);
	*queue = (struct wire_queue){ 0 };
}

socklen_t wire_address(int dirfd, const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	return sizeof(*address);
}

bool wire_peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}
