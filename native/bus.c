#include "bus.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util.h"

#define OUT_BYTES 4096 /* of a message of ours */
#define STOP_SECONDS 10 /* from SIGTERM to SIGKILL when the manager ends (a logout, a shutdown): as `stop` has it */
#define LOOK_MS 100    /* between two looks at the client: after words of it that are no end, and while there is always something to read */
#define RETRY_MS 5     /* between two attempts to connect */
#define NAME_BYTES 256 /* of an error, a unit, a job's path; longer ones are cut */

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define DBUS "org.freedesktop.DBus"
#define MATCH "type='signal',sender='" SYSTEMD "',interface='" MANAGER "',member='JobRemoved',path='" MANAGER_PATH "'"

enum kind { CALL = 1, RETURN = 2, ERROR = 3, SIGNAL = 4 };
enum field { FIELD_PATH = 1, FIELD_INTERFACE, FIELD_MEMBER, FIELD_ERROR_NAME, FIELD_REPLY_SERIAL, FIELD_DESTINATION, FIELD_SENDER, FIELD_SIGNATURE };
#define NO_REPLY 1

/* A message of ours on its way, in the byte order of this machine. */
struct out {
	unsigned char data[OUT_BYTES];
	size_t len;
	bool full;
};

/* In pages of its own, which go with it: the supervisor keeps nothing of it, on no stack either. */
struct bus {
	int fd;
	uint32_t serial;              /* of the last message of ours */
	uint32_t scope_serial;        /* of the one that has asked for a scope */
	int patience_ms;
	int64_t until_ms;
	int heeded;                   /* or -1 */
	int (*interruption)(int fd);
	int64_t looked_ms;            /* when it was asked for the last time that was not for want of anything else */
	bool connected;
	bool authenticated;           /* the other side has said OK */
	char path[108];               /* for errors */
	char job[NAME_BYTES];         /* of the scope that was asked for; "": not told yet */
	char removed[NAME_BYTES];     /* the last job of that unit that has ended, */
	char result[32];              /* and how */
	struct out body, call, out;   /* of what is being said: arguments, the message, everything that goes out at once */
	size_t from, have;            /* what was not consumed: HAVE bytes of IN */
	unsigned char in[BUS_MESSAGE_BYTES];
};

static void put(struct out *out, const void *data, size_t len)
{
	if (out->full || len > sizeof(out->data) - out->len) {
		out->full = true;
		return;
	}
	memcpy(out->data + out->len, data, len);
	out->len += len;
}

static void align(struct out *out, size_t to)
{
	static const unsigned char zeros[8];

	put(out, zeros, (to - out->len % to) % to);
}

static void put32(struct out *out, uint32_t value)
{
	align(out, 4);
	put(out, &value, sizeof(value));
}

static void put_text(struct out *out, const char *text)
{
	put32(out, (uint32_t)strlen(text));
	put(out, text, strlen(text) + 1);
}

static void put_signature(struct out *out, const char *signature)
{
	unsigned char len = (unsigned char)strlen(signature);

	put(out, &len, 1);
	put(out, signature, (size_t)len + 1);
}

/* Begin an array, of elements aligned TO. Return: where its length stands. */
static size_t begin_array(struct out *out, size_t to)
{
	size_t at;

	put32(out, 0);
	at = out->len - 4;
	align(out, to);
	return at;
}

static void end_array(struct out *out, size_t at, size_t to)
{
	size_t first = at + 4 + (to - (at + 4) % to) % to;
	uint32_t len = (uint32_t)(out->len - first);

	if (!out->full)
		memcpy(out->data + at, &len, sizeof(len));
}

static void put_field(struct out *out, enum field field, const char *signature, const char *value)
{
	unsigned char code = (unsigned char)field;

	align(out, 8);
	put(out, &code, 1);
	put_signature(out, signature);
	if (*signature == 'g')
		put_signature(out, value);
	else
		put_text(out, value);
}

static struct out *empty(struct out *out)
{
	out->len = 0;
	out->full = false;
	return out;
}

/* Append a method call with BODY (NULL: no arguments) to what goes out. Return: its serial. */
static uint32_t put_call(struct bus *bus, unsigned char flags, const char *to, const char *path, const char *interface,
			 const char *member, const char *signature, const struct out *body)
{
	const uint16_t one = 1;
	unsigned char start[4] = { *(const unsigned char *)&one ? 'l' : 'B', CALL, flags, 1 };
	struct out *message = empty(&bus->call); /* apart: alignment counts from its start */
	size_t fields;

	put(message, start, sizeof(start));
	put32(message, body ? (uint32_t)body->len : 0);
	put32(message, ++bus->serial);
	fields = begin_array(message, 8);
	put_field(message, FIELD_PATH, "o", path);
	put_field(message, FIELD_DESTINATION, "s", to);
	put_field(message, FIELD_INTERFACE, "s", interface);
	put_field(message, FIELD_MEMBER, "s", member);
	if (body)
		put_field(message, FIELD_SIGNATURE, "g", signature);
	end_array(message, fields, 8);
	align(message, 8);
	if (body)
		put(message, body->data, body->len);
	put(&bus->out, message->data, message->len);
	if (message->full || (body && body->full))
		bus->out.full = true;
	return bus->serial;
}

static int broken(const struct bus *bus, const char *why, struct err *err)
{
	err_setf(err, EPROTO, BUS_STEP, bus->path, "%s", why);
	return -EPROTO;
}

static int late(const struct bus *bus, struct err *err)
{
	return err_setf(err, ETIMEDOUT, BUS_STEP, bus->path, "no answer in %d s", bus->patience_ms / 1000);
}

/* What the client says. Return: 0 to go on, or -EINTR with ERR. */
static int listen_to_client(const struct bus *bus, struct err *err)
{
	const int end = bus->heeded >= 0 ? bus->interruption(bus->heeded) : 0;

	if (end == 0)
		return 0;
	err_setf(err, 0, BUS_STEP, bus->path, end < 0 ? "the client has gone" : "the start was interrupted");
	if (err && end > 0)
		err->exit = end;
	return -EINTR;
}

/* Between two steps that do not wait: the time and the client. Return: 0 to go on, or -errno with ERR. */
static int look(struct bus *bus, struct err *err)
{
	const int64_t now = monotonic_ms();

	if (now > bus->until_ms)
		return late(bus, err);
	if (now - bus->looked_ms < LOOK_MS)
		return 0;
	bus->looked_ms = now;
	return listen_to_client(bus, err);
}

/* Wait for EVENTS, to the end of the bus's time. Return: 0, or -errno with ERR. */
static int await(const struct bus *bus, short events, struct err *err)
{
	bool heard = false;

	for (;;) {
		struct pollfd slots[] = { { .fd = bus->fd, .events = events }, { .fd = heard ? -1 : bus->heeded, .events = POLLIN } };
		int64_t left = bus->until_ms - monotonic_ms();
		int n = listen_to_client(bus, err);

		if (n < 0)
			return n;
		/* What was said and is no interruption stays there, to be looked at again when there may be more of it. */
		n = left <= 0 ? 0 : poll(slots, 2, heard && left > LOOK_MS ? LOOK_MS : (int)left);
		if (n > 0 && slots[0].revents)
			return 0;
		if (n > 0)
			heard = true;
		if (n > 0 || (n == 0 && heard && left > LOOK_MS))
			continue;
		if (n == 0)
			return late(bus, err);
		if (errno != EINTR)
			return err_set(err, errno, BUS_STEP, bus->path);
	}
}

static int connect_once(const struct bus *bus)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, bus->path);
	return connect(bus->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* Nothing tells when there is room again in the queue of those who wait to be accepted. */
static int connect_at_last(struct bus *bus, struct err *err)
{
	int r;

	while ((r = connect_once(bus)) == -EAGAIN || r == -EINTR) {
		r = look(bus, err);
		if (r < 0)
			return r;
		poll(NULL, 0, RETRY_MS);
	}
	bus->connected = r == 0;
	return r < 0 ? err_set(err, -r, BUS_STEP, bus->path) : 0;
}

static int send_out(struct bus *bus, struct err *err)
{
	struct out *out = &bus->out;
	size_t done = 0;

	if (out->full)
		return err_setf(err, ENAMETOOLONG, BUS_STEP, bus->path, "a name is too long");
	if (!bus->connected) {
		int r = connect_at_last(bus, err);

		if (r < 0)
			return r;
	}
	while (done < out->len) {
		ssize_t n = send(bus->fd, out->data + done, out->len - done, MSG_NOSIGNAL);
		int r = 0;

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			r = await(bus, POLLOUT, err);
		else if (errno != EINTR)
			r = err_set(err, errno, BUS_STEP, bus->path);
		if (r < 0)
			return r;
	}
	empty(out);
	return 0;
}

/* Everything up to the first request. */
static void greet(struct bus *bus)
{
	struct out *out = empty(&bus->out), *match = empty(&bus->body);
	char uid[16], line[64] = "";
	int n = 0;

	snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
	for (const char *c = uid; *c; c++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%02x", (unsigned char)*c);
	put(out, "\0AUTH EXTERNAL ", 15);
	put(out, line, strlen(line));
	put(out, "\r\nBEGIN\r\n", 9);
	put_call(bus, NO_REPLY, DBUS, "/org/freedesktop/DBus", DBUS, "Hello", "", NULL);
	put_text(match, MATCH);
	put_call(bus, NO_REPLY, DBUS, "/org/freedesktop/DBus", DBUS, "AddMatch", "s", match);
}

int bus_open(const char *path, int patience_ms, struct bus **out, struct err *err)
{
	struct bus *bus;
	int r;

	*out = NULL;
	if (strlen(path) >= sizeof(bus->path)) /* as an address has it */
		return err_set(err, ENAMETOOLONG, BUS_STEP, path);
	bus = mmap(NULL, sizeof(*bus), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bus == MAP_FAILED)
		return err_set(err, errno, BUS_STEP, path);
	strcpy(bus->path, path);
	bus->patience_ms = patience_ms;
	bus->until_ms = monotonic_ms() + patience_ms;
	bus->heeded = -1;
	bus->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = bus->fd < 0 ? -errno : connect_once(bus);
	bus->connected = r == 0;
	if (r == 0 || r == -EAGAIN || r == -EINTR) {
		greet(bus);
		r = bus->connected ? send_out(bus, err) : 0;
	} else {
		r = err_set(err, -r, BUS_STEP, path);
	}
	if (r < 0)
		bus_close(bus);
	else
		*out = bus;
	return r;
}

void bus_heed(struct bus *bus, int fd, int (*interruption)(int fd))
{
	bus->heeded = fd;
	bus->interruption = interruption;
}

void bus_close(struct bus *bus)
{
	if (!bus)
		return;
	close_fd(&bus->fd);
	munmap(bus, sizeof(*bus));
}

/* ---- what comes back ---- */

/* A message of theirs. Strings are copied and cut. */
struct heard {
	unsigned char kind;
	uint32_t reply_serial;
	char member[64], signature[32], error[NAME_BYTES];
	const unsigned char *body;
	size_t body_len;
};

/* A reader of what is aligned to START. */
struct in {
	const unsigned char *start;
	size_t at, len;
	bool bad;
};

static void skip_to(struct in *in, size_t to)
{
	in->at += (to - in->at % to) % to;
	if (in->at > in->len)
		in->bad = true;
}

static const unsigned char *get(struct in *in, size_t len)
{
	const unsigned char *data = in->start + in->at;

	if (in->bad || len > in->len - in->at) {
		in->bad = true;
		return NULL;
	}
	in->at += len;
	return data;
}

static uint32_t get32(struct in *in)
{
	const unsigned char *data;
	uint32_t value = 0;

	skip_to(in, 4);
	data = get(in, 4);
	if (data)
		memcpy(&value, data, sizeof(value));
	return value;
}

/* A string, or with SHORT a signature, into OUT of SIZE bytes (NULL: passed over). */
static void get_text(struct in *in, bool brief, char *out, size_t size)
{
	const unsigned char *len = brief ? get(in, 1) : NULL, *data;
	size_t n = brief ? (len ? *len : 0) : get32(in);

	data = in->bad || n >= in->len ? NULL : get(in, n + 1);
	if (!data) {
		in->bad = true;
		n = 0;
	}
	if (!out)
		return;
	if (n >= size)
		n = size - 1;
	if (data)
		memcpy(out, data, n);
	out[n] = '\0';
}

static void parse_field(struct in *in, struct heard *heard)
{
	const unsigned char *code;
	char signature[4];

	skip_to(in, 8);
	code = get(in, 1);
	get_text(in, true, signature, sizeof(signature));
	if (in->bad)
		return;
	if (strcmp(signature, "u") == 0) {
		uint32_t value = get32(in);

		if (*code == FIELD_REPLY_SERIAL)
			heard->reply_serial = value;
	} else if (strcmp(signature, "g") == 0) {
		get_text(in, true, *code == FIELD_SIGNATURE ? heard->signature : NULL, sizeof(heard->signature));
	} else if (strcmp(signature, "s") == 0 || strcmp(signature, "o") == 0) {
		char *to = *code == FIELD_MEMBER ? heard->member : *code == FIELD_ERROR_NAME ? heard->error : NULL;

		get_text(in, false, to, *code == FIELD_MEMBER ? sizeof(heard->member) : sizeof(heard->error));
	} else {
		in->bad = true; /* nobody has another kind of field */
	}
}

/* Take a message from what has come. Return: its length, 0 where it is not there yet, or -errno with ERR. */
static ssize_t parse(const struct bus *bus, struct heard *heard, struct err *err)
{
	const uint16_t one = 1;
	const unsigned char order = *(const unsigned char *)&one ? 'l' : 'B';
	struct in in = { .start = bus->in + bus->from, .at = 4, .len = bus->have };
	uint32_t body, fields;
	size_t total, end;

	if (bus->have < 16)
		return 0;
	if (in.start[0] != order || in.start[3] != 1)
		return broken(bus, "an answer that is no message of D-Bus", err);
	body = get32(&in);
	get32(&in); /* its serial */
	fields = get32(&in);
	if (body > BUS_MESSAGE_BYTES || fields > BUS_MESSAGE_BYTES)
		return broken(bus, "a message that is too long", err);
	end = 16 + (size_t)fields;
	total = (end + 7) / 8 * 8 + body;
	if (total > BUS_MESSAGE_BYTES)
		return broken(bus, "a message that is too long", err);
	if (bus->have < total)
		return 0;
	*heard = (struct heard){ .kind = in.start[1], .body = in.start + total - body, .body_len = body };
	in.len = end;
	while (in.at < end && !in.bad)
		parse_field(&in, heard);
	return in.bad ? broken(bus, "a malformed message", err) : (ssize_t)total;
}

/* The line that answers AUTH. Return: its length, 0 where it is not there yet, or -errno with ERR. */
static ssize_t parse_line(struct bus *bus, struct err *err)
{
	const unsigned char *start = bus->in + bus->from, *end = memmem(start, bus->have, "\r\n", 2);
	char line[80];

	if (!end)
		return bus->have > 1024 ? broken(bus, "an answer that is no message of D-Bus", err) : 0;
	snprintf(line, sizeof(line), "%.*s", (int)(end - start), (const char *)start);
	if (strncmp(line, "REJECTED", 8) == 0 || strncmp(line, "ERROR", 5) == 0)
		return err_setf(err, EACCES, BUS_STEP, bus->path, "%s", line);
	if (strncmp(line, "OK", 2) != 0)
		return broken(bus, "an answer that is no message of D-Bus", err);
	bus->authenticated = true;
	return end + 2 - start;
}

static void consume(struct bus *bus, size_t len)
{
	bus->have -= len;
	bus->from = bus->have ? bus->from + len : 0;
}

static void first_text(const struct heard *heard, char *out, size_t size)
{
	struct in in = { .start = heard->body, .len = heard->body_len };

	out[0] = '\0';
	if (heard->signature[0] == 's' || heard->signature[0] == 'o')
		get_text(&in, false, out, size);
	if (in.bad)
		out[0] = '\0';
}

/* A job has ended: u id, o job, s unit, s result. */
static void note_job(struct bus *bus, const struct heard *heard, const char *unit)
{
	struct in in = { .start = heard->body, .len = heard->body_len };
	char job[NAME_BYTES], name[NAME_BYTES], result[sizeof(bus->result)];

	if (strcmp(heard->signature, "uoss") != 0)
		return;
	get32(&in);
	get_text(&in, false, job, sizeof(job));
	get_text(&in, false, name, sizeof(name));
	get_text(&in, false, result, sizeof(result));
	if (in.bad || strncmp(name, unit, NAME_BYTES - 1) != 0)
		return;
	if (bus->job[0] && strcmp(job, bus->job) != 0)
		return; /* of another unit by that name, before */
	strcpy(bus->removed, job);
	strcpy(bus->result, result);
}

/* Facts of an error that was answered. UnitExists is -EEXIST. */
static int refused(const char *unit, const struct heard *heard, struct err *err)
{
	char words[200];
	int code = 0;

	first_text(heard, words, sizeof(words));
	if (strcmp(heard->error, SYSTEMD ".UnitExists") == 0)
		code = EEXIST;
	else if (strcmp(heard->error, DBUS ".Error.AccessDenied") == 0)
		code = EACCES;
	err_setf(err, code, BUS_STEP, unit, "%s: %s", heard->error, words);
	return code ? -code : -EINVAL;
}

/* The next message, whatever it is. Return: 1 with HEARD, whose body stays until the next call, or -errno with ERR. *USED is to be consumed. */
static int next(struct bus *bus, struct heard *heard, size_t *used, struct err *err)
{
	for (;;) {
		ssize_t n = look(bus, err); /* who always has something to say is not waited for */

		if (n < 0)
			return (int)n;
		n = bus->have == 0 ? 0 : bus->authenticated ? parse(bus, heard, err) : parse_line(bus, err);
		bool was_line = n > 0 && heard->kind == 0;

		if (n < 0)
			return (int)n;
		if (n > 0 && was_line) {
			consume(bus, (size_t)n);
			continue;
		}
		if (n > 0) {
			*used = (size_t)n;
			return 1;
		}
		if (bus->from + bus->have == BUS_MESSAGE_BYTES) {
			memmove(bus->in, bus->in + bus->from, bus->have);
			bus->from = 0;
		}
		n = recv(bus->fd, bus->in + bus->from + bus->have, BUS_MESSAGE_BYTES - bus->from - bus->have, 0);
		if (n > 0) {
			bus->have += (size_t)n;
			continue;
		}
		if (n == 0)
			return err_setf(err, ECONNRESET, BUS_STEP, bus->path, "the connection was closed");
		if (errno == EAGAIN) {
			int r = await(bus, POLLIN, err);

			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return err_set(err, errno, BUS_STEP, bus->path);
		}
	}
}

/* Until SERIAL is answered. UNIT is what it is about; the first string of the answer goes into FIRST, which may be NULL. Return: 0, or -errno with ERR. */
static int await_reply(struct bus *bus, uint32_t serial, const char *unit, char first[NAME_BYTES], struct err *err)
{
	for (;;) {
		struct heard heard = { .kind = 0 };
		size_t used = 0;
		int r = next(bus, &heard, &used, err);
		bool done = false;

		if (r < 0)
			return r;
		r = 0;
		if (heard.kind == SIGNAL && strcmp(heard.member, "JobRemoved") == 0) {
			note_job(bus, &heard, unit);
		} else if (heard.kind == RETURN && heard.reply_serial == serial) {
			done = true;
			if (first)
				first_text(&heard, first, NAME_BYTES);
		} else if (heard.kind == ERROR && heard.reply_serial == serial) {
			done = true;
			r = refused(unit, &heard, err);
		}
		consume(bus, used);
		if (done)
			return r;
	}
}

/* Until a job of UNIT has ended that is bus->job. Return: 0, or -errno with ERR. */
static int await_job(struct bus *bus, const char *unit, struct err *err)
{
	while (!bus->removed[0] || strcmp(bus->removed, bus->job) != 0) {
		struct heard heard = { .kind = 0 };
		size_t used = 0;
		int r = next(bus, &heard, &used, err);

		if (r < 0)
			return r;
		if (heard.kind == SIGNAL && strcmp(heard.member, "JobRemoved") == 0)
			note_job(bus, &heard, unit);
		consume(bus, used);
	}
	return strcmp(bus->result, "done") == 0 ? 0 : err_setf(err, 0, BUS_STEP, unit, "the job has ended as \"%s\"", bus->result);
}

/* ---- what is asked ---- */

static void begin_property(struct out *body, const char *name, const char *signature)
{
	align(body, 8);
	put_text(body, name);
	put_signature(body, signature);
}

static void put_text_property(struct out *body, const char *name, const char *value)
{
	begin_property(body, name, "s");
	put_text(body, value);
}

static void put_number_property(struct out *out, const char *name, uint64_t value)
{
	begin_property(out, name, "t");
	align(out, 8);
	put(out, &value, sizeof(value));
}

int bus_start_scope(struct bus *bus, const struct bus_scope *scope, struct err *err)
{
	struct out *body = empty(&bus->body);
	size_t properties, pids;

	put_text(body, scope->name);
	put_text(body, "fail");
	properties = begin_array(body, 8);
	put_text_property(body, "Description", scope->description);
	begin_property(body, "PIDs", "au");
	pids = begin_array(body, 4);
	for (size_t i = 0; i < scope->n_pids; i++)
		put32(body, (uint32_t)scope->pids[i]);
	end_array(body, pids, 4);
	begin_property(body, "Delegate", "b");
	put32(body, 1);
	put_text_property(body, "CollectMode", "inactive-or-failed");
	/* The manager's default would be a limit that nobody has asked for. */
	put_number_property(body, "TasksMax", UINT64_MAX);
	put_number_property(body, "TimeoutStopUSec", STOP_SECONDS * UINT64_C(1000000));
	if (scope->slice[0])
		put_text_property(body, "Slice", scope->slice);
	end_array(body, properties, 8);
	end_array(body, begin_array(body, 8), 8); /* no auxiliary units */
	bus->job[0] = bus->removed[0] = '\0';
	bus->scope_serial = put_call(bus, 0, SYSTEMD, MANAGER_PATH, MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", body);
	return send_out(bus, err);
}

int bus_await_scope(struct bus *bus, const char *name, struct err *err)
{
	int r = await_reply(bus, bus->scope_serial, name, bus->job, err);

	return r < 0 ? r : await_job(bus, name, err);
}

int bus_attach(struct bus *bus, const char *unit, const char *subgroup, pid_t pid, struct err *err)
{
	struct out *body = empty(&bus->body);
	size_t pids;
	uint32_t serial;
	int r;

	put_text(body, unit);
	put_text(body, subgroup);
	pids = begin_array(body, 4);
	put32(body, (uint32_t)pid);
	end_array(body, pids, 4);
	serial = put_call(bus, 0, SYSTEMD, MANAGER_PATH, MANAGER, "AttachProcessesToUnit", "ssau", body);
	r = send_out(bus, err);
	return r < 0 ? r : await_reply(bus, serial, unit, NULL, err);
}
