/*
 * The native protocol of systemd's journal: one datagram an entry, FIELD=value lines, or FIELD, a 64 bit length and the value where that
 * may hold a newline (systemd's "Journal Native Protocol"). The fields are those that Docker and podman write.
 */
#include "log_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

#define PATIENCE_MS 2000 /* for a journal that takes nothing; after that its share is lost until it takes something again */
#define TRIES 20         /* of one entry: others may fill the room that was waited for */
#define ID_BYTES 80

struct log_journal {
	int fd;
	bool non_blocking, stuck;
	struct sockaddr_un address;
	char *fields;            /* encoded, the same for every entry */
	size_t fields_len;
	unsigned long long line[2]; /* lines with parts so far, of each stream: they number a line's parts together */
	unsigned part[2];
	char id[ID_BYTES];       /* of the container, shortened, and of this life */
};

static void put_field(FILE *out, const char *name, const char *value)
{
	uint64_t len = strlen(value);

	if (!strchr(value, '\n')) {
		fprintf(out, "%s=%s\n", name, value);
		return;
	}
	fprintf(out, "%s\n", name);
	for (int i = 0; i < 8; i++)
		fputc((int)(len >> (8 * i) & 0xff), out);
	fprintf(out, "%s\n", value);
}

int log_journal_open(const struct log_options *options, struct log_journal **out, struct err *err)
{
	struct log_journal *journal = xcalloc(1, sizeof(*journal));
	FILE *fields = open_memstream(&journal->fields, &journal->fields_len);
	const char *name, *id = "";
	json_t *value;

	if (!fields) {
		free(journal);
		return err_set(err, ENOMEM, "open log", "journald");
	}
	json_object_foreach(options->fields, name, value) {
		if (!json_is_string(value))
			continue;
		put_field(fields, name, json_string_value(value));
		if (strcmp(name, "CONTAINER_ID") == 0)
			id = json_string_value(value);
	}
	fclose(fields);
	snprintf(journal->id, sizeof(journal->id), "%.32s-%llx", id, (unsigned long long)now_ms());
	journal->non_blocking = options->non_blocking;
	journal->address.sun_family = AF_UNIX;
	int code = strlen(options->socket) < sizeof(journal->address.sun_path) ? 0 : ENAMETOOLONG;
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (code == 0 && journal->fd < 0)
		code = errno;
	if (code == 0) {
		strcpy(journal->address.sun_path, options->socket);
		if (connect(journal->fd, (struct sockaddr *)&journal->address, sizeof(journal->address)) < 0)
			code = errno;
	}
	if (code) {
		log_journal_close(journal);
		return err_set(err, code, "connect to journal", options->socket);
	}
	if (options->buffer > 0) {
		int bytes = options->buffer > INT32_MAX / 2 ? INT32_MAX / 2 : (int)options->buffer;
		setsockopt(journal->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	}
	*out = journal;
	return 0;
}

/* What says that RECORD is a part of a line. Return: the length of TEXT. */
static size_t parts_of(struct log_journal *journal, const struct log_record *record, char *text, size_t room)
{
	enum log_stream stream = record->stream;

	text[0] = '\0';
	if (record->ends && !record->more)
		return 0;
	if (!record->more) {
		journal->line[stream]++;
		journal->part[stream] = 0;
	}
	int n = snprintf(text, room,
			 "%sCONTAINER_PARTIAL_ID=%s-%d-%llu\nCONTAINER_PARTIAL_ORDINAL=%u\nCONTAINER_PARTIAL_LAST=%s\n",
			 record->ends ? "" : "CONTAINER_PARTIAL_MESSAGE=true\n", journal->id, (int)stream, journal->line[stream],
			 ++journal->part[stream], record->ends ? "true" : "false");
	return (size_t)n;
}

/* Send again: the journal was restarted, and listens anew; or it is full, and is waited for. Return: whether to try once more. */
static bool wait_for_journal(struct log_journal *journal, int code)
{
	if (code == ECONNREFUSED || code == ENOTCONN || code == EPIPE)
		return connect(journal->fd, (struct sockaddr *)&journal->address, sizeof(journal->address)) == 0;
	if (code != EAGAIN && code != ENOBUFS)
		return false;
	if (journal->non_blocking || journal->stuck)
		return false;
	struct pollfd pollfd = { .fd = journal->fd, .events = POLLOUT };
	return poll(&pollfd, 1, PATIENCE_MS) > 0;
}

bool log_journal_add(struct log_journal *journal, const struct log_record *record)
{
	static const char *const priorities[] = { [LOG_STDOUT] = "PRIORITY=6\nMESSAGE\n", [LOG_STDERR] = "PRIORITY=3\nMESSAGE\n" };
	const char *priority = priorities[record->stream];
	unsigned char length[8];
	char parts[256], newline = '\n';
	size_t n_parts = parts_of(journal, record, parts, sizeof(parts));
	size_t len = record->len - (record->ends ? 1 : 0);
	struct iovec iov[] = {
		{ journal->fields, journal->fields_len }, { parts, n_parts },         { (void *)(uintptr_t)priority, strlen(priority) },
		{ length, sizeof(length) },               { (void *)(uintptr_t)record->data, len }, { &newline, 1 },
	};
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = sizeof(iov) / sizeof(*iov) };

	for (size_t i = 0; i < sizeof(length); i++)
		length[i] = (unsigned char)((uint64_t)len >> (8 * i));
	for (int tries = 0; tries < TRIES; tries++) {
		if (sendmsg(journal->fd, &message, MSG_NOSIGNAL) >= 0) {
			journal->stuck = false;
			return true;
		}
		if (errno != EINTR && !wait_for_journal(journal, errno))
			break;
	}
	journal->stuck = true;
	return false;
}

void log_journal_close(struct log_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal->fields);
	free(journal);
}
