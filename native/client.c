#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "request.h"
#include "util.h"
#include "wire.h"

#define CHUNK_BYTES (64 << 10)     /* read at once from stdin and the relay */
#define STEPS 64                   /* frames in a row before signals and stdin get a turn */

/* One of our stdout and stderr. */
struct sink {
	int fd;
	enum { SINK_FILE, SINK_PIPE, SINK_SOCKET } kind;
	bool wanted;               /* false: nobody reads it any more, or never did */
};

struct foreground {
	const struct client_options *options;
	struct client_connection relay;
	int signal_fd;
	int stdin_fd;
	bool stdin_is_socket, stdin_open;
	struct sink sinks[2];
	struct wire_input in;
	struct wire_queue out, control_out;
	struct sink *waits_for;    /* the sink that the current frame, or what is in CHUNK, waits for */
	size_t chunk_start, chunk_end;
	struct detach_scan keys;
	bool started, raw;
	struct termios saved;
	int status;                /* of the process, once >= 0 */
	int failed;                /* errno of output that could not be written (a full disk), or 0 */
	unsigned char chunk[CHUNK_BYTES];
	unsigned char typed[CHUNK_BYTES];
	unsigned char scanned[CHUNK_BYTES + DETACH_KEYS_LIMIT];
};

/* Signals that a user means for the process, as far as they can be caught; not those of job control and of bugs. */
static const int forwarded[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXCPU,
};

int client_parse(json_t *attach, struct client_options *options, struct err *err)
{
	int in, out, error, proxy;
	json_t *keys, *key;
	size_t i;
	int r = request_unpack(attach, err, "attach", "{s:b,s:b,s:b,s:o,s:b!}", "stdin", &in, "stdout", &out,
			       "stderr", &error, "detachKeys", &keys, "sigProxy", &proxy);

	if (r < 0)
		return r;
	options->wants_stdin = in;
	options->wants_stdout = out;
	options->wants_stderr = error;
	options->sig_proxy = proxy;
	if (!json_is_array(keys) || json_array_size(keys) > DETACH_KEYS_LIMIT)
		return err_setf(err, 0, "read request", "detachKeys", "not a list of at most %d bytes", DETACH_KEYS_LIMIT);
	json_array_foreach(keys, i, key) {
		json_int_t byte = json_is_integer(key) ? json_integer_value(key) : -1;

		if (byte < 0 || byte > 255)
			return err_setf(err, 0, "read request", "detachKeys", "number %zu is no byte", i + 1);
		options->keys.keys[i] = (unsigned char)byte;
	}
	options->keys.count = json_array_size(keys);
	return 0;
}

unsigned client_wants(const struct client_options *options)
{
	return (options->wants_stdin ? WIRE_WANTS_STDIN : 0u) | (options->wants_stdout ? WIRE_WANTS_STDOUT : 0u) |
	       (options->wants_stderr ? WIRE_WANTS_STDERR : 0u);
}

int client_pair(struct client_connection *ours, struct client_connection *theirs, struct err *err)
{
	int data[2], control[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) < 0)
		return err_set(err, errno, "create socket pair", "");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0) {
		int code = errno;

		close(data[0]);
		close(data[1]);
		return err_set(err, code, "create socket pair", "");
	}
	*ours = (struct client_connection){ data[0], control[0] };
	*theirs = (struct client_connection){ data[1], control[1] };
	return 0;
}

void client_close(struct client_connection *connection)
{
	close(connection->data);
	close(connection->control);
}

/* The signals that client_run() reads. One that was ignored when we were started (nohup, `&` in a script) stays so. */
static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGWINCH);
	sigaddset(set, SIGCONT);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++) {
		struct sigaction action;

		if (sigaction(forwarded[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, forwarded[i]);
	}
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaddset(set, number);
}

void client_block_signals(sigset_t *before)
{
	sigset_t set;

	signal_set(&set);
	sigprocmask(SIG_BLOCK, &set, before);
}

/* Fill ERR from FACTS. Return: a -errno. */
static int parse_facts(const char *text, size_t len, const char *object, struct err *err)
{
	const char *step, *on, *symbol, *detail;
	int status, code = 0;
	json_t *facts = json_loadb(text, len, 0, NULL);

	if (!facts || json_unpack(facts, "{s:s,s:s,s:s,s:s,s:i}", "step", &step, "object", &on, "errno", &symbol,
				  "detail", &detail, "exit", &status) < 0) {
		json_decref(facts);
		return err_setf(err, EPROTO, "read error of supervisor", object, "not as agreed");
	}
	if (*symbol)
		for (int i = 1; i < 4096 && code == 0; i++)
			if (strcmp(err_name(i), symbol) == 0)
				code = i;
	int r = err_setf(err, code, step, on, "%s", detail);
	if (err)
		err->exit = status;
	json_decref(facts);
	return r;
}

static int report_lost(const char *object, struct err *err)
{
	return err_setf(err, 0, "wait for container", object, "its supervisor is gone");
}

/* Read the payload of a control frame whole, waiting for it. Return: 0 or -errno. */
static int read_payload(int fd, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = recv(fd, (char *)buf + done, len - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLIN };

			poll(&wait, 1, -1);
			continue;
		}
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

static const char *reporter; /* proa */

void client_warns_by(const char *proa)
{
	reporter = proa;
}

/* FACTS: a JSON array. What is being started goes on whether or not this can be said. */
static void report_warnings(const char *facts)
{
	pid_t pid = reporter && reporter[0] == '/' ? fork() : -1;

	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(reporter, reporter, "__report", "warning", facts, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * Act on a frame of the relay other than output. Return: 0 after WARNINGS, 1 after STARTED, 2 after EXIT with *STATUS, or -errno with
 * ERR: the one reported, or a protocol that is broken.
 */
static int take_control_frame(int fd, struct wire_input *in, const char *object, int *status, struct err *err)
{
	size_t len = in->left;
	uint8_t type = in->type;
	autofree unsigned char *payload = xmalloc(len + 1);
	int r = read_payload(fd, payload, len);

	if (r < 0)
		return report_lost(object, err);
	wire_consumed(in, len);
	switch (type) {
	case WIRE_STARTED:
		return 1;
	case WIRE_WARNINGS:
		payload[len] = '\0';
		report_warnings((char *)payload);
		return 0;
	case WIRE_EXIT:
		if (len != 4)
			break;
		*status = (int)(wire_get32(payload) & 0xff);
		return 2;
	case WIRE_ERROR:
		return parse_facts((char *)payload, len, object, err);
	default:
		break;
	}
	return err_setf(err, EPROTO, "talk to supervisor", object, "unexpected frame %d of %zu bytes", type, len);
}

int client_wait_started(const struct client_connection *connection, const char *object, struct err *err)
{
	struct wire_input in = { 0 };
	struct pollfd wait = { .fd = connection->data, .events = POLLIN };
	int status, r;

	do {
		while ((r = wire_read_header(connection->data, &in)) == 0)
			poll(&wait, 1, -1);
		if (r < 0)
			return report_lost(object, err);
		r = take_control_frame(connection->data, &in, object, &status, err);
	} while (r == 0);
	return r < 0 ? r : 0;
}

/* Open FD once more, with a file description of our own that does not block; where that is refused the old one will do. */
static int reopen(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return again >= 0 ? again : fd;
}

static void open_sink(struct sink *sink, int fd, bool wanted)
{
	struct stat st;

	*sink = (struct sink){ .fd = fd, .kind = SINK_FILE, .wanted = wanted };
	if (fstat(fd, &st) < 0)
		sink->wanted = false;
	else if (S_ISFIFO(st.st_mode))
		sink->kind = SINK_PIPE;
	else if (S_ISSOCK(st.st_mode))
		sink->kind = SINK_SOCKET;
	else if (S_ISCHR(st.st_mode))
		sink->fd = reopen(fd, O_WRONLY);
}

static void open_stdin(struct foreground *front)
{
	struct stat st;

	front->stdin_open = front->options->wants_stdin;
	front->stdin_fd = STDIN_FILENO;
	if (fstat(STDIN_FILENO, &st) < 0)
		return; /* closed: read(2) will say so */
	front->stdin_is_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		front->stdin_fd = reopen(STDIN_FILENO, O_RDONLY);
}

/* Say something out of the order of the data; a relay that is gone is noticed elsewhere. */
static void send_control(struct foreground *front, enum wire_type type, const void *payload, size_t len)
{
	if (wire_send(front->relay.control, &front->control_out, type, payload, len) < 0)
		wire_queue_free(&front->control_out);
}

static void send_size(struct foreground *front, int taller)
{
	unsigned char size[4];
	int rows, columns;

	if (tty_size(STDOUT_FILENO, &rows, &columns) < 0 && tty_size(STDIN_FILENO, &rows, &columns) < 0)
		return;
	if (rows == 0 && columns == 0)
		return; /* a terminal that does not know its size */
	rows += taller;
	size[0] = (unsigned char)(rows >> 8);
	size[1] = (unsigned char)rows;
	size[2] = (unsigned char)(columns >> 8);
	size[3] = (unsigned char)columns;
	send_control(front, WIRE_RESIZE, size, sizeof(size));
}

static void begin(struct foreground *front)
{
	front->started = true;
	if (!front->options->terminal)
		return;
	if (front->options->redraws)
		send_size(front, 1);
	send_size(front, 0);
	if (front->stdin_open && tty_raw(STDIN_FILENO, &front->saved) == 0)
		front->raw = true;
}

static void restore(struct foreground *front)
{
	if (front->raw)
		tty_restore(STDIN_FILENO, &front->saved);
	front->raw = false;
}

/* Leave without waiting for the process. */
static void leave(struct foreground *front)
{
	wire_flush(front->relay.control, &front->control_out);
	/* Behind what was typed; where that still waits for a process that does not read, beside it. */
	if (wire_pending(&front->out) == 0)
		wire_send(front->relay.data, &front->out, WIRE_DETACH, NULL, 0);
	else
		send_control(front, WIRE_DETACH, NULL, 0);
}

/* End by signal NUMBER, as if it had never been caught. */
static void die_by(struct foreground *front, int number)
{
	sigset_t set;

	leave(front);
	restore(front);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + number);
}

static void hang_up(struct foreground *front)
{
	if (front->options->hangs_up)
		send_control(front, WIRE_HANGUP, NULL, 0);
	die_by(front, SIGHUP);
}

static void take_signals(struct foreground *front)
{
	struct signalfd_siginfo info;

	while (read(front->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;
		unsigned char payload[4];
		struct termios ignored;

		if (number == SIGWINCH || number == SIGCONT) {
			if (number == SIGCONT && front->raw)
				tty_raw(STDIN_FILENO, &ignored); /* the shell took the terminal meanwhile */
			if (front->options->terminal)
				send_size(front, 0);
		} else if (number == SIGHUP && front->options->terminal) {
			hang_up(front);
		} else if (front->options->sig_proxy) {
			wire_put32(payload, (uint32_t)number);
			send_control(front, WIRE_SIGNAL, payload, sizeof(payload));
		} else {
			die_by(front, number);
		}
	}
}

static void send_input(struct foreground *front, const unsigned char *data, size_t len)
{
	/* Where the relay went away its last frames are still to be read: what they say counts, not this. */
	if (len > 0 && wire_send(front->relay.data, &front->out, WIRE_STDIN, data, len) < 0)
		front->stdin_open = false;
}

static void end_of_input(struct foreground *front)
{
	unsigned char kept[DETACH_KEYS_LIMIT];

	send_input(front, kept, detach_scan_end(&front->keys, kept));
	front->stdin_open = false;
	if (wire_send(front->relay.data, &front->out, WIRE_STDIN, NULL, 0) < 0)
		wire_queue_free(&front->out);
}

/* Read stdin once. Return: true when the user typed the detach keys. */
static bool take_stdin(struct foreground *front, bool hung_up)
{
	bool detached = false;
	ssize_t n = front->stdin_is_socket ? recv(front->stdin_fd, front->typed, CHUNK_BYTES, MSG_DONTWAIT)
					   : read(front->stdin_fd, front->typed, CHUNK_BYTES);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0 && front->raw && (n == 0 || hung_up))
		hang_up(front); /* a raw terminal has no other end */
	if (n <= 0) {
		end_of_input(front);
		return false;
	}
	if (!front->options->terminal) {
		send_input(front, front->typed, (size_t)n);
		return false;
	}
	size_t len = detach_scan(&front->keys, front->typed, (size_t)n, front->scanned, &detached);
	for (size_t at = 0; at < len; at += CHUNK_BYTES)
		send_input(front, front->scanned + at, len - at < CHUNK_BYTES ? len - at : CHUNK_BYTES);
	return detached;
}

/* Nobody reads the output any more: the process is told as its pipe or terminal would, or we end as a program of its own would. */
static void reader_is_gone(struct foreground *front, const struct sink *sink)
{
	unsigned char stream = sink == &front->sinks[0] ? WIRE_WANTS_STDOUT : WIRE_WANTS_STDERR;

	if (front->options->owns_output && front->options->terminal)
		send_control(front, WIRE_HANGUP, NULL, 0);
	else if (front->options->owns_output)
		send_control(front, WIRE_CLOSE, &stream, 1);
	else if (!front->failed)
		die_by(front, SIGPIPE);
}

/* After a failed write: wait, or give the sink up. */
static void sink_failed(struct foreground *front, struct sink *sink)
{
	if (errno == EAGAIN) {
		front->waits_for = sink;
		return;
	}
	if (errno == EINTR)
		return;
	if (errno != EPIPE)
		front->failed = errno;
	sink->wanted = false;
	front->chunk_start = front->chunk_end = 0;
	reader_is_gone(front, sink);
}

/* Write what is in the chunk to SINK. */
static void write_chunk(struct foreground *front, struct sink *sink)
{
	while (front->chunk_start < front->chunk_end && front->waits_for == NULL) {
		const unsigned char *data = front->chunk + front->chunk_start;
		size_t len = front->chunk_end - front->chunk_start;
		ssize_t n = sink->kind == SINK_SOCKET ? send(sink->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
						      : write(sink->fd, data, len);

		if (n < 0)
			sink_failed(front, sink);
		else
			front->chunk_start += (size_t)n;
	}
}

/* Move output of the current frame without copying. Return: 1 when something moved, 0 when not now, or -EPIPE at the end. */
static int splice_output(struct foreground *front, struct sink *sink)
{
	int waiting = 0;
	ssize_t n = splice(front->relay.data, NULL, sink->fd, NULL, front->in.left, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n > 0) {
		wire_consumed(&front->in, (size_t)n);
		return 1;
	}
	if (n == 0)
		return -EPIPE;
	if (errno == EINVAL) {
		sink->kind = SINK_FILE; /* a pipe opened for appending cannot be spliced to */
		return 1;
	}
	if (errno != EAGAIN) {
		sink_failed(front, sink);
		return 1;
	}
	if (ioctl(front->relay.data, FIONREAD, &waiting) == 0 && waiting > 0)
		front->waits_for = sink;
	return 0;
}

/* Move output of the current frame. Return: as splice_output(). */
static int take_output(struct foreground *front)
{
	struct sink *sink = &front->sinks[front->in.type == WIRE_STDOUT ? 0 : 1];
	size_t len = front->in.left < CHUNK_BYTES ? front->in.left : CHUNK_BYTES;

	if (front->in.left == 0) {
		wire_consumed(&front->in, 0);
		return 1;
	}
	if (sink->wanted && sink->kind == SINK_PIPE)
		return splice_output(front, sink);
	ssize_t n = recv(front->relay.data, front->chunk, len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
	if (n == 0)
		return -EPIPE;
	wire_consumed(&front->in, (size_t)n);
	if (sink->wanted) {
		front->chunk_start = 0;
		front->chunk_end = (size_t)n;
		write_chunk(front, sink);
	}
	return 1;
}

/* Read frames of the relay. Return: 0 to go on, 2 after EXIT, or -errno with ERR. */
static int take_frames(struct foreground *front, struct err *err)
{
	const char *object = front->options->object;

	for (int i = 0; i < STEPS && !front->waits_for; i++) {
		int r = wire_read_header(front->relay.data, &front->in);

		if (r == 0)
			return 0;
		if (r == -EPROTO)
			return err_setf(err, EPROTO, "talk to supervisor", object, "malformed frame");
		if (r > 0 && (front->in.type == WIRE_STDOUT || front->in.type == WIRE_STDERR)) {
			r = take_output(front);
			if (r == 0)
				return 0;
		} else if (r > 0) {
			r = take_control_frame(front->relay.data, &front->in, object, &front->status, err);
			if (r < 0 || r == 2)
				return r;
			if (r == 1 && !front->started)
				begin(front);
		}
		if (r < 0)
			return report_lost(object, err);
	}
	return 0;
}

enum { SLOT_DATA, SLOT_CONTROL, SLOT_SIGNAL, SLOT_STDIN, SLOT_SINK, SLOT_COUNT };

/* A descriptor without an event to wait for is left out: its hang-up would be told again and again. */
static struct pollfd slot(int fd, short events)
{
	return (struct pollfd){ .fd = events ? fd : -1, .events = events };
}

static void prepare_poll(const struct foreground *front, struct pollfd *slots)
{
	bool can_send = wire_pending(&front->out) == 0;
	bool takes_stdin = front->started && front->stdin_open && can_send;

	slots[SLOT_DATA] = slot(front->relay.data, (short)((front->waits_for ? 0 : POLLIN) | (can_send ? 0 : POLLOUT)));
	slots[SLOT_CONTROL] = slot(front->relay.control, wire_pending(&front->control_out) > 0 ? POLLOUT : 0);
	slots[SLOT_SIGNAL] = slot(front->signal_fd, POLLIN);
	slots[SLOT_STDIN] = slot(front->stdin_fd, takes_stdin ? POLLIN : 0);
	slots[SLOT_SINK] = slot(front->waits_for ? front->waits_for->fd : -1, POLLOUT);
}

/* Return: 0 to go on, 1 after the detach keys, 2 after EXIT, or -errno with ERR. */
static int turn(struct foreground *front, struct err *err)
{
	struct pollfd slots[SLOT_COUNT];

	prepare_poll(front, slots);
	if (poll(slots, SLOT_COUNT, -1) < 0)
		return 0;
	if (slots[SLOT_SIGNAL].revents)
		take_signals(front);
	if ((slots[SLOT_CONTROL].revents) && wire_flush(front->relay.control, &front->control_out) < 0)
		wire_queue_free(&front->control_out);
	if ((slots[SLOT_DATA].revents & (POLLOUT | POLLERR)) && wire_flush(front->relay.data, &front->out) < 0) {
		wire_queue_free(&front->out);
		front->stdin_open = false;
	}
	if (slots[SLOT_STDIN].revents && take_stdin(front, slots[SLOT_STDIN].revents & (POLLHUP | POLLERR)))
		return 1;
	if (slots[SLOT_SINK].revents) {
		struct sink *sink = front->waits_for;

		front->waits_for = NULL;
		write_chunk(front, sink);
	}
	if (front->failed && !front->options->owns_output)
		return err_set(err, front->failed, "write output", "standard streams");
	if (front->waits_for == NULL && (slots[SLOT_SINK].revents || (slots[SLOT_DATA].revents & ~POLLOUT)))
		return take_frames(front, err);
	return 0;
}

int client_run(const struct client_options *options, const struct client_connection *connection, struct err *err)
{
	struct foreground *front = xcalloc(1, sizeof(*front));
	sigset_t set;
	int r;

	front->options = options;
	front->relay = *connection;
	front->keys = options->keys;
	signal_set(&set);
	front->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (front->signal_fd < 0) {
		r = err_set(err, errno, "receive signals", "");
		free(front);
		return r;
	}
	signal(SIGPIPE, SIG_IGN);
	fcntl(connection->data, F_SETFL, fcntl(connection->data, F_GETFL) | O_NONBLOCK);
	open_stdin(front);
	open_sink(&front->sinks[0], STDOUT_FILENO, options->wants_stdout);
	open_sink(&front->sinks[1], STDERR_FILENO, options->wants_stderr);
	while ((r = turn(front, err)) == 0)
		;
	restore(front);
	if (r == 1) {
		leave(front);
		if (write(STDERR_FILENO, "read escape sequence\n", 21) < 0)
			r = 1; /* nobody there to read it */
	}
	if (r == 2 && front->failed)
		r = err_set(err, front->failed, "write output", "standard streams");
	r = r == 2 ? front->status : r == 1 ? 0 : r;
	close(front->signal_fd);
	free(front);
	/* What is executed next, if anything, starts as we did. */
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return r;
}
