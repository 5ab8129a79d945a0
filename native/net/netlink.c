#include "netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../util.h"

#define ANSWER_BYTES 32768 /* the kernel makes parts of a dump up to this size when the reader's buffer is */

void nl_free(struct nl_batch *batch)
{
	free(batch->data);
	free(batch->requests);
	memset(batch, 0, sizeof(*batch));
}

/* LEN more bytes at the end, zeroed and aligned. They move when the batch grows: use at once. */
static void *grow(struct nl_batch *batch, size_t len)
{
	size_t aligned = NLA_ALIGN(len);

	if (batch->len + aligned > batch->capacity) {
		batch->capacity = (batch->len + aligned) * 2 + 512;
		batch->data = xrealloc(batch->data, batch->capacity);
	}
	void *at = batch->data + batch->len;
	memset(at, 0, aligned);
	batch->len += aligned;
	return at;
}

static struct nlmsghdr *current(struct nl_batch *batch)
{
	return (void *)(batch->data + batch->current);
}

/* The current message reaches to the batch's end. */
static void measure(struct nl_batch *batch)
{
	current(batch)->nlmsg_len = (uint32_t)(batch->len - batch->current);
}

void nl_begin_quiet(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	if (batch->count == batch->room) {
		batch->room = batch->room * 2 + 8;
		batch->requests = xrealloc(batch->requests, batch->room * sizeof(*batch->requests));
	}
	batch->requests[batch->count++] = (struct nl_request){ .step = step, .quiet = true };
	size_t at = batch->len;
	struct nlmsghdr *message = grow(batch, sizeof(*message));
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	batch->current = at;
	nl_put_raw(batch, header, len);
}

void nl_begin(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	bool dump = (flags & NLM_F_DUMP) == NLM_F_DUMP;

	nl_begin_quiet(batch, step, type, dump ? flags : flags | NLM_F_ACK, header, len);
	batch->requests[batch->count - 1].quiet = false;
}

void nl_acknowledge(struct nl_batch *batch)
{
	current(batch)->nlmsg_flags |= NLM_F_ACK;
	batch->requests[batch->count - 1].quiet = false;
}

void nl_allow(struct nl_batch *batch, int code)
{
	batch->requests[batch->count - 1].allowed = code;
}

void nl_put_raw(struct nl_batch *batch, const void *data, size_t len)
{
	void *at = grow(batch, len);

	if (len)
		memcpy(at, data, len);
	measure(batch);
}

void nl_put(struct nl_batch *batch, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = grow(batch, sizeof(*attr) + len);

	attr->nla_type = type;
	attr->nla_len = (uint16_t)(sizeof(*attr) + len);
	if (len)
		memcpy(attr + 1, data, len);
	measure(batch);
}

void nl_put_u8(struct nl_batch *batch, uint16_t type, uint8_t value) { nl_put(batch, type, &value, sizeof(value)); }
void nl_put_u16(struct nl_batch *batch, uint16_t type, uint16_t value) { nl_put(batch, type, &value, sizeof(value)); }
void nl_put_u32(struct nl_batch *batch, uint16_t type, uint32_t value) { nl_put(batch, type, &value, sizeof(value)); }

void nl_put_be32(struct nl_batch *batch, uint16_t type, uint32_t value)
{
	nl_put_u32(batch, type, htonl(value));
}

void nl_put_be64(struct nl_batch *batch, uint16_t type, uint64_t value)
{
	uint64_t big = htobe64(value);

	nl_put(batch, type, &big, sizeof(big));
}

void nl_put_text(struct nl_batch *batch, uint16_t type, const char *text)
{
	nl_put(batch, type, text, strlen(text) + 1);
}

size_t nl_nest(struct nl_batch *batch, uint16_t type)
{
	size_t at = batch->len;

	nl_put(batch, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_batch *batch, size_t nest)
{
	struct nlattr *attr = (void *)(batch->data + nest);

	attr->nla_len = (uint16_t)(batch->len - nest);
}

uint32_t nl_u32(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (nl_len(attr) >= sizeof(value))
		memcpy(&value, nl_data(attr), sizeof(value));
	return value;
}

void nl_text(const struct nlattr *attr, char *out, size_t size)
{
	size_t len = strnlen(nl_data(attr), nl_len(attr));

	if (len >= size)
		len = size - 1;
	memcpy(out, nl_data(attr), len);
	out[len] = 0;
}

/* What is known while answers are read. */
struct talk {
	const struct nl_batch *batch;
	uint32_t first;    /* sequence number of the first request */
	unsigned awaited;  /* answers that must still come */
	unsigned worst;    /* index of the first request that failed */
	int code;          /* of it; 0: none */
	char words[256];   /* the kernel's own, of it */
};

/*
 * The kernel's words about an error stand in attributes behind its copy of the request (or of its header, with NETLINK_CAP_ACK).
 */
static void read_words(struct talk *talk, const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = NLMSG_DATA(answer);
	size_t skip = sizeof(*error);

	talk->words[0] = 0;
	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS) || answer->nlmsg_len < NLMSG_LENGTH(sizeof(*error)))
		return;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
	if (NLMSG_LENGTH(skip) > answer->nlmsg_len)
		return;
	nl_each(attr, (const char *)error + skip, answer->nlmsg_len - NLMSG_LENGTH(skip))
		if (nl_type(attr) == NLMSGERR_ATTR_MSG)
			nl_text(attr, talk->words, sizeof(talk->words));
}

static void take_result(struct talk *talk, unsigned index, int code, const struct nlmsghdr *answer)
{
	const struct nl_request *request = &talk->batch->requests[index];

	if (!request->quiet && talk->awaited)
		talk->awaited--;
	if (!code || code == request->allowed || (talk->code && talk->worst <= index))
		return;
	talk->code = code;
	talk->worst = index;
	if (answer->nlmsg_type == NLMSG_ERROR)
		read_words(talk, answer);
}

static int take_answer(struct talk *talk, const struct nlmsghdr *answer, nl_reader *reader, void *context)
{
	uint32_t index = answer->nlmsg_seq - talk->first;
	int code = 0;

	if (index >= talk->batch->count)
		return 0; /* of an earlier talk that ended in an error */
	if (answer->nlmsg_type == NLMSG_ERROR || answer->nlmsg_type == NLMSG_DONE) {
		if (answer->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
			memcpy(&code, NLMSG_DATA(answer), sizeof(code));
		take_result(talk, index, -code, answer);
		return 0;
	}
	return reader ? reader(answer, context) : 0;
}

static int send_batch(int fd, struct nl_batch *batch, uint32_t first)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	for (size_t at = 0; at < batch->len;) {
		struct nlmsghdr *message = (void *)(batch->data + at);

		message->nlmsg_seq = first++;
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	for (;;) {
		if (sendto(fd, batch->data, batch->len, 0, (const void *)&kernel, sizeof(kernel)) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

static int read_answers(int fd, struct talk *talk, nl_reader *reader, void *context)
{
	autofree unsigned char *buffer = xmalloc(ANSWER_BYTES);

	while (talk->awaited) {
		ssize_t got = recv(fd, buffer, ANSWER_BYTES, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			/* A transaction that failed is answered by its errors alone: then the other answers are not to come. */
			return talk->code ? 0 : errno == EAGAIN ? -EPROTO : -errno;
		int left = (int)got;
		for (const struct nlmsghdr *answer = (const void *)buffer; NLMSG_OK(answer, left); answer = NLMSG_NEXT(answer, left)) {
			int ret = take_answer(talk, answer, reader, context);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

int nl_talk(int fd, struct nl_batch *batch, nl_reader *reader, void *context, struct err *err, const char *object)
{
	static uint32_t next = 1; /* one thread asks; unique, so that a late answer is never taken for another's */
	struct talk talk = { .batch = batch, .first = next };
	int on = 1;

	if (!batch->count)
		return 0;
	next += batch->count;
	for (unsigned i = 0; i < batch->count; i++)
		talk.awaited += !batch->requests[i].quiet;
	/*
	 * Both only make errors shorter and clearer; cheap enough to ask for each time instead of remembering which socket has
	 * it.
	 */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	int ret = send_batch(fd, batch, talk.first);
	if (ret < 0)
		return err_set(err, -ret, "send netlink request", object);
	ret = read_answers(fd, &talk, reader, context);
	if (ret < 0)
		return err_set(err, -ret, "read netlink answer", object);
	if (!talk.code)
		return 0;
	const char *step = batch->requests[talk.worst].step;
	return err_setf(err, talk.code, step ? step : "netlink transaction", object, "%s", talk.words);
}
