/*
 * netlink: requests to the kernel's netlink families, several in one sendto(2), and their answers.
 *
 * A batch is a row of messages. Each has a step ("add address"), which is what an error names when the kernel refuses it. Both
 * families that are used here (rtnetlink, nfnetlink) work inside the sender's system call, so every answer is already in the
 * socket's queue when sendto(2) returns: nothing here waits, and an answer that is not there is an error. rtnetlink goes on after
 * a message that failed; nfnetlink does all of a transaction or nothing.
 *
 * Requests are sent to the explicit address nl_pid 0. Only so the kernel asks for the rights of the sender alone, and not also
 * for those that whoever opened the socket had when he did (net.h, "Rights").
 */
#ifndef PROA_NET_NETLINK_H
#define PROA_NET_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../err.h"

struct nl_request {
	const char *step; /* "add address"; NULL: nothing that one could name (the frames of a transaction) */
	int allowed;      /* an errno that is as good as success, such as EEXIST; or 0 */
	bool quiet;       /* answered only when it fails */
};

/* Zero it to begin; `autobatch` frees it. */
struct nl_batch {
	unsigned char *data;
	size_t len, capacity;
	size_t current;             /* where the message that is being written begins */
	struct nl_request *requests;
	unsigned count, room;
};

void nl_free(struct nl_batch *batch);
#define autobatch __attribute__((cleanup(nl_free)))

/*
 * Begin a message with the family's own HEADER. FLAGS are NLM_F_* beside NLM_F_REQUEST and NLM_F_ACK (which dumps do not get:
 * they end by themselves). What nl_put() and the others write belongs to it until the next one begins.
 */
void nl_begin(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, const void *header, size_t len);
/* The message's answer CODE (an errno) counts as success. */
void nl_allow(struct nl_batch *batch, int code);
/* As nl_begin() for a message that is answered only when it fails; one that is acknowledged must follow it in the batch. */
void nl_begin_quiet(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, const void *header, size_t len);
/* Have the message that was begun last acknowledged after all. */
void nl_acknowledge(struct nl_batch *batch);

void nl_put(struct nl_batch *batch, uint16_t type, const void *data, size_t len);
void nl_put_u8(struct nl_batch *batch, uint16_t type, uint8_t value);
void nl_put_u16(struct nl_batch *batch, uint16_t type, uint16_t value);
void nl_put_u32(struct nl_batch *batch, uint16_t type, uint32_t value);
void nl_put_be32(struct nl_batch *batch, uint16_t type, uint32_t value); /* VALUE in host order */
void nl_put_be64(struct nl_batch *batch, uint16_t type, uint64_t value);
void nl_put_text(struct nl_batch *batch, uint16_t type, const char *text);
/* Bytes without an attribute around them. */
void nl_put_raw(struct nl_batch *batch, const void *data, size_t len);
/* An attribute that holds others, until nl_nest_end() of what nl_nest() gave. */
size_t nl_nest(struct nl_batch *batch, uint16_t type);
void nl_nest_end(struct nl_batch *batch, size_t nest);

/* What a message of an answer is given to; a return below 0 ends the reading of it with that code. */
typedef int nl_reader(const struct nlmsghdr *message, void *context);

/*
 * Send BATCH through FD and read all of its answers; messages that are no acknowledgements go to READER (which may be NULL).
 * OBJECT is what an error is about. Return: 0, or -errno of the first request that failed with ERR (which may be NULL).
 */
int nl_talk(int fd, struct nl_batch *batch, nl_reader *reader, void *context, struct err *err, const char *object);

/* Walk the attributes in [DATA, DATA+LEN): ATTR is set to each in turn. A broken length ends the walk. */
#define nl_each(attr, data, len) \
	for (const struct nlattr *attr = (const void *)(data), *attr##_end = (const void *)((const char *)(data) + (len)); \
		nl_whole(attr, attr##_end); attr = nl_next(attr))
static inline bool nl_whole(const struct nlattr *attr, const struct nlattr *end)
{
	size_t left = (const char *)end > (const char *)attr ? (size_t)((const char *)end - (const char *)attr) : 0;

	return left >= sizeof(*attr) && attr->nla_len >= sizeof(*attr) && attr->nla_len <= left;
}
static inline const struct nlattr *nl_next(const struct nlattr *attr)
{
	return (const void *)((const char *)attr + NLA_ALIGN(attr->nla_len));
}
static inline uint16_t nl_type(const struct nlattr *attr) { return attr->nla_type & NLA_TYPE_MASK; }
static inline const void *nl_data(const struct nlattr *attr) { return attr + 1; }
static inline size_t nl_len(const struct nlattr *attr) { return attr->nla_len - sizeof(*attr); }
/* 0 where the attribute is shorter. */
uint32_t nl_u32(const struct nlattr *attr);
/* Copy text of at most SIZE - 1 bytes. */
void nl_text(const struct nlattr *attr, char *out, size_t size);

#endif
