/*
 * wire: the frames of the attach protocol (PROTOCOL.md), read and written without blocking.
 *
 * A frame is 8 bytes of header (type, three zeros, length in big endian) and a payload. Neither side ever holds a whole
 * frame: headers are collected byte by byte in a wire_input, payloads are streamed to where they go.
 */
#ifndef PROA_WIRE_H
#define PROA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define WIRE_HEADER_BYTES 8
#define WIRE_LIMIT_BYTES (1u << 20)   /* payload of one frame; a longer one is malformed */
#define WIRE_CONTROL_BYTES 4          /* payload of the longest control frame to the supervisor, but for UPDATE */
#define WIRE_UPDATE_BYTES 4096        /* payload of an UPDATE at most */

enum wire_type {
	WIRE_STDIN = 0, WIRE_STDOUT = 1, WIRE_STDERR = 2,
	WIRE_ATTACH = 16, WIRE_RESIZE = 17, WIRE_SIGNAL = 18, WIRE_HANGUP = 19, WIRE_DETACH = 20,
	WIRE_CLOSE = 21,
	WIRE_STARTED = 32, WIRE_EXIT = 33, WIRE_ERROR = 34,
	WIRE_RELOAD = 36, WIRE_RELOADED = 37, WIRE_REFUSED = 38, WIRE_NETNS = 39, WIRE_NETNS_IS = 40,
	WIRE_PAUSE = 41, WIRE_UNPAUSE = 42, WIRE_DONE = 43, WIRE_UPDATE = 44, WIRE_CHECK = 45, WIRE_CHECKED = 46, WIRE_WARNINGS = 47,
};

/* Flags of ATTACH. */
enum { WIRE_WANTS_STDIN = 1, WIRE_WANTS_STDOUT = 2, WIRE_WANTS_STDERR = 4 };

/* Where the reading of a stream of frames stands. All zero: at the start of a frame. */
struct wire_input {
	unsigned char header[WIRE_HEADER_BYTES];
	unsigned char have;   /* bytes of the header so far */
	bool in_payload;      /* the header is complete; TYPE and LEFT are valid */
	uint8_t type;
	uint32_t left;        /* bytes of the payload still to come */
};

/* Bytes that the socket did not take yet. All zero: empty, and without memory. */
struct wire_queue {
	unsigned char *data;
	size_t start, end, size;
};

void wire_put32(unsigned char *out, uint32_t value);
uint32_t wire_get32(const unsigned char *in);

/*
 * Collect the header of the next frame from FD, a non-blocking socket.
 * Return: 1 when INPUT holds a complete header (at once while its payload lasts), 0 when more bytes must come first,
 * -EPIPE at the end of the stream, -EPROTO for a malformed header, or another -errno.
 */
int wire_read_header(int fd, struct wire_input *input);

/* Note that COUNT bytes of the payload were taken; after the last one INPUT is at the next frame. */
void wire_consumed(struct wire_input *input, size_t count);

/*
 * Send a frame to FD, a non-blocking socket, and keep in QUEUE what it does not take.
 * Return: 0, or -errno when the peer is gone.
 */
int wire_send(int fd, struct wire_queue *queue, enum wire_type type, const void *payload, size_t len);

/* Send only the header of a frame, with nothing queued before it. Return: 0, or -errno (-EAGAIN) with nothing sent. */
int wire_send_header(int fd, enum wire_type type, size_t len);

/* Send DATA at once, with the descriptor FD (-1: none) beside it. Return: 0, or -errno (-EAGAIN) with nothing sent. */
int wire_send_descriptor(int socket, const void *data, size_t len, int fd);

/*
 * Receive up to LEN bytes, by recvmsg's FLAGS; *FD becomes the descriptor beside them, close-on-exec, or -1. One is taken at most: the kernel drops others.
 * Return: bytes, 0 at the end of the stream, or -errno.
 */
ssize_t wire_receive_descriptor(int socket, void *data, size_t len, int flags, int *fd);

/* Queue bytes that were announced by wire_send_header(). */
void wire_queue_bytes(struct wire_queue *queue, const void *data, size_t len);

/* Send what is queued. Return: 0 (look at wire_pending() for what is left), or -errno when the peer is gone. */
int wire_flush(int fd, struct wire_queue *queue);

static inline size_t wire_pending(const struct wire_queue *queue) { return queue->end - queue->start; }
void wire_queue_free(struct wire_queue *queue);

/*
 * Address of the socket NAME in the directory behind DIRFD, through /proc: the directory's own path may be longer
 * than the 108 bytes of sun_path. Return: its length for bind(2) and connect(2).
 */
socklen_t wire_address(int dirfd, const char *name, struct sockaddr_un *address);

/* True when the peer of FD is our own user or root. */
bool wire_peer_allowed(int fd);

#endif
