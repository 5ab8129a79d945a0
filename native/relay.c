#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include "idle.h"
#include "hangup.h"
#include "relay_internal.h"
#include "util.h"

#define BUFFER_BYTES (64 << 10)      /* a pipe's default size: one read empties it */
#define SPLICE_FROM_BYTES (16 << 10) /* less than this is copied sooner than spliced */
#define TYPED_BYTES 4096             /* given to a terminal at once; what the line discipline takes */
#define LEFTOVER_BYTES (2 << 20)     /* read after the end at most; the largest pipe is 1 MiB */
#define CLIENT_STEPS 16              /* frames of one client in a row, so that none starves the others */
#define IDLE_MS 500                  /* quiet for so long: give memory back */
#define CLIENTS_LIMIT 512

static void set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

struct relay *relay_new(void)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->stdin_fd = relay->out_fd[0] = relay->out_fd[1] = -1;
	relay->console_fd = relay->slave_fd = relay->pidfd = relay->listen_fd = -1;
	relay->buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (relay->buffer == MAP_FAILED)
		abort();
	return relay;
}

void relay_separate(const sigset_t *mask)
{
	static const int keyboard[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (size_t i = 0; i < sizeof(keyboard) / sizeof(*keyboard); i++)
		signal(keyboard[i], SIG_IGN); /* drops what is pending */
	if (mask)
		sigprocmask(SIG_SETMASK, mask, NULL);
	for (size_t i = 0; i < sizeof(keyboard) / sizeof(*keyboard); i++)
		signal(keyboard[i], SIG_DFL);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	umask(022);
	if (chdir("/") < 0)
		return; /* then we keep a directory busy, and no more */
}

static void client_free(struct client *client)
{
	close(client->fd);
	wire_queue_free(&client->out);
	free(client->text);
	free(client);
}

void relay_free(struct relay *relay)
{
	while (relay->clients) {
		struct client *client = relay->clients;

		relay->clients = client->next;
		client_free(client);
	}
	close_fd(&relay->stdin_fd);
	close_fd(&relay->out_fd[0]);
	close_fd(&relay->out_fd[1]);
	close_fd(&relay->console_fd);
	close_fd(&relay->slave_fd);
	close_fd(&relay->pidfd);
	close_fd(&relay->listen_fd);
	munmap(relay->buffer, BUFFER_BYTES);
	free(relay->poll);
	free(relay);
}

/* One pipe; OURS is non-blocking, which the process cannot see: the two ends are two open file descriptions. */
static int make_pipe(bool we_read, int *ours, int *theirs, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, errno, "create pipe", "");
	*ours = ends[we_read ? 0 : 1];
	*theirs = ends[we_read ? 1 : 0];
	set_nonblocking(*ours);
	/* A process that is not root in the container opens /dev/stdout by this inode, which we own. */
	fchmod(*theirs, 0666);
	return 0;
}

int relay_pipes(struct relay *relay, bool open_stdin, struct relay_stdio *stdio, struct err *err)
{
	int r = 0;

	*stdio = (struct relay_stdio){ { -1, -1, -1 } };
	if (open_stdin) {
		r = make_pipe(false, &relay->stdin_fd, &stdio->fd[0], err);
	} else {
		stdio->fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (stdio->fd[0] < 0)
			r = err_set(err, errno, "open", "/dev/null");
	}
	for (int i = 0; r == 0 && i < 2; i++)
		r = make_pipe(true, &relay->out_fd[i], &stdio->fd[i + 1], err);
	if (r < 0)
		relay_stdio_close(stdio);
	return r;
}

void relay_stdio_close(struct relay_stdio *stdio)
{
	for (int i = 0; i < 3; i++)
		close_fd(&stdio->fd[i]);
}

void relay_drop_pipes(struct relay *relay)
{
	close_fd(&relay->stdin_fd);
	close_fd(&relay->out_fd[0]);
	close_fd(&relay->out_fd[1]);
}

void relay_process(struct relay *relay, int pidfd, int console_fd, bool input, bool stdin_once, struct log *log)
{
	struct termios modes;

	relay->pidfd = pidfd;
	relay->console_fd = console_fd;
	relay->input = input;
	relay->stdin_once = stdin_once;
	relay->log = log;
	if (console_fd < 0)
		return;
	set_nonblocking(console_fd);
	relay->slave_fd = ioctl(console_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	relay->veof = tcgetattr(console_fd, &modes) == 0 ? modes.c_cc[VEOF] : 4;
}

void relay_tells(struct relay *relay, const struct journal *journal, const char *exec_id)
{
	relay->journal = journal;
	relay->exec_id = exec_id;
}

void relay_listen(struct relay *relay, int listen_fd)
{
	set_nonblocking(listen_fd);
	relay->listen_fd = listen_fd;
}

void relay_add_client(struct relay *relay, int socket, unsigned wants)
{
	struct client *client = xcalloc(1, sizeof(*client));

	set_nonblocking(socket);
	client->fd = socket;
	client->wants = wants;
	client->next = relay->clients;
	relay->clients = client;
	relay->n_clients++;
	if (relay->started && wire_send(client->fd, &client->out, WIRE_STARTED, NULL, 0) < 0)
		client->gone = true;
}

static void accept_clients(struct relay *relay)
{
	while (relay->n_clients < CLIENTS_LIMIT) {
		int fd = accept4(relay->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN)
				relay->listen_pause = 1;
			return;
		}
		if (wire_peer_allowed(fd))
			relay_add_client(relay, fd, 0);
		else
			close(fd);
	}
}

/* A peer that does not read any more still may have sent input, which counts. */
static void stop_output(struct client *client)
{
	client->wants &= ~(unsigned)(WIRE_WANTS_STDOUT | WIRE_WANTS_STDERR);
	wire_queue_free(&client->out);
}

static void send_output(struct relay *relay, int stream, const unsigned char *data, size_t len)
{
	unsigned want = stream == LOG_STDOUT ? WIRE_WANTS_STDOUT : WIRE_WANTS_STDERR;
	enum wire_type type = stream == LOG_STDOUT ? WIRE_STDOUT : WIRE_STDERR;

	for (struct client *client = relay->clients; client; client = client->next)
		if (!client->gone && (client->wants & want) && wire_send(client->fd, &client->out, type, data, len) < 0)
			stop_output(client);
}

/* The client that output of STREAM goes to, where it is the only one and nothing else is done with it; or NULL. */
static struct client *only_reader(const struct relay *relay, enum log_stream stream)
{
	unsigned want = stream == LOG_STDOUT ? WIRE_WANTS_STDOUT : WIRE_WANTS_STDERR;
	struct client *found = NULL;

	if (relay->log || relay->ended)
		return NULL;
	for (struct client *client = relay->clients; client; client = client->next) {
		if (client->gone || !(client->wants & want))
			continue;
		if (found || wire_pending(&client->out) > 0)
			return NULL;
		found = client;
	}
	return found;
}

/*
 * Send what pipe FD holds to its only reader without copying it: the length is known, since nobody else reads the pipe.
 * What the socket does not take after it took the header is owed, and queued.
 * Return: true when this was the way, though it may have to wait for the socket.
 */
static bool splice_output(struct relay *relay, int fd, enum log_stream stream)
{
	struct client *client = only_reader(relay, stream);
	struct pollfd socket = { .fd = client ? client->fd : -1, .events = POLLOUT };
	int waiting = 0;
	size_t done = 0, len;

	if (!client || ioctl(fd, FIONREAD, &waiting) < 0 || waiting < SPLICE_FROM_BYTES)
		return false;
	/* Writable means that most of its buffer is free: hardly anything will be owed. */
	client->full = poll(&socket, 1, 0) == 0;
	if (client->full)
		return true;
	len = (size_t)waiting < WIRE_LIMIT_BYTES ? (size_t)waiting : WIRE_LIMIT_BYTES;
	if (wire_send_header(client->fd, stream == LOG_STDOUT ? WIRE_STDOUT : WIRE_STDERR, len) < 0)
		return false;
	while (done < len) {
		ssize_t n = splice(fd, NULL, client->fd, NULL, len - done, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	while (done < len) {
		ssize_t n = read(fd, relay->buffer, len - done < BUFFER_BYTES ? len - done : BUFFER_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			client->gone = true; /* cannot be; a stream out of step would be worse */
			break;
		}
		wire_queue_bytes(&client->out, relay->buffer, (size_t)n);
		done += (size_t)n;
	}
	return true;
}

/* Read once from FD and pass it on; close it at its end. Return: bytes read, 0 when there were none or they were spliced. */
static size_t read_output(struct relay *relay, int *fd, enum log_stream stream)
{
	ssize_t n;

	if (*fd != relay->console_fd && splice_output(relay, *fd, stream))
		return 0;
	do {
		n = read(*fd, relay->buffer, BUFFER_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		close_fd(fd);
		return 0;
	}
	if (relay->log)
		log_write(relay->log, stream, relay->buffer, (size_t)n);
	send_output(relay, (int)stream, relay->buffer, (size_t)n);
	return (size_t)n;
}

/* End of input to a terminal that nobody sits at: what a user would type. Twice where a line is open: the first only ends that. */
static void type_end_of_file(struct relay *relay)
{
	unsigned char keys[2];
	struct termios modes;

	if (tcgetattr(relay->console_fd, &modes) == 0)
		relay->veof = modes.c_cc[VEOF];
	memset(keys, relay->veof, sizeof(keys));
	if (write(relay->console_fd, keys, relay->line_open ? 2 : 1) < 0)
		return; /* its input is full and nobody reads: no end would be seen either */
}

static void end_input(struct relay *relay)
{
	if (!relay->stdin_once)
		return;
	if (relay->console_fd >= 0 && relay->input)
		type_end_of_file(relay);
	close_fd(&relay->stdin_fd);
}

/* The client leaves, on purpose or not. A terminal's input does not end with the one who typed. */
static void client_leave(struct relay *relay, struct client *client)
{
	if ((client->wants & WIRE_WANTS_STDIN) && relay->stdin_once)
		close_fd(&relay->stdin_fd);
	client->wants = 0;
	client->gone = true;
}

/* Drop up to COUNT bytes of the client's input. Return: as recv(2). */
static ssize_t discard(struct relay *relay, struct client *client, size_t count)
{
	return recv(client->fd, relay->buffer, count < BUFFER_BYTES ? count : BUFFER_BYTES, MSG_DONTWAIT);
}

/* Move up to COUNT bytes from the client to the terminal: peeked at first, and taken as far as they fitted. */
static ssize_t type_input(struct relay *relay, struct client *client, size_t count)
{
	unsigned char *typed = relay->buffer;
	ssize_t n = recv(client->fd, typed, count < TYPED_BYTES ? count : TYPED_BYTES, MSG_PEEK | MSG_DONTWAIT);

	if (n <= 0)
		return n;
	n = write(relay->console_fd, typed, (size_t)n);
	if (n < 0 && errno == EIO)
		return discard(relay, client, count);
	if (n <= 0)
		return n;
	relay->line_open = typed[n - 1] != '\n' && typed[n - 1] != '\r';
	return discard(relay, client, (size_t)n);
}

static ssize_t splice_input(struct relay *relay, struct client *client, size_t count)
{
	ssize_t n = splice(client->fd, NULL, relay->stdin_fd, NULL, count, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n < 0 && errno == EPIPE) { /* the process closed its stdin: what comes now is for nobody */
		close_fd(&relay->stdin_fd);
		return discard(relay, client, count);
	}
	return n;
}

/* Move what can be moved of the current STDIN frame. Return: 1 when something was, 0 to come back later, or -errno. */
static int take_input(struct relay *relay, struct client *client)
{
	bool accepted = relay->input && (client->wants & WIRE_WANTS_STDIN);
	size_t left = client->in.left;
	ssize_t n;
	int waiting = 0;

	if (accepted && relay->stdin_fd >= 0)
		n = splice_input(relay, client, left);
	else if (accepted && relay->console_fd >= 0)
		n = type_input(relay, client, left);
	else
		n = discard(relay, client, left);
	if (n > 0) {
		wire_consumed(&client->in, (size_t)n);
		return 1;
	}
	if (n == 0)
		return -EPIPE;
	if (errno == EINTR)
		return 1;
	if (errno != EAGAIN)
		return -errno;
	/* Either nothing has come, or the process does not read: only then is the client held up. */
	client->blocked = ioctl(client->fd, FIONREAD, &waiting) == 0 && waiting > 0;
	return 0;
}

/* PAYLOAD: rows and columns of the terminal. */
static void resize(struct relay *relay, const unsigned char *payload)
{
	struct winsize size = {
		.ws_row = (unsigned short)(payload[0] << 8 | payload[1]),
		.ws_col = (unsigned short)(payload[2] << 8 | payload[3]),
	};

	if (relay->console_fd < 0 || ioctl(relay->console_fd, TIOCSWINSZ, &size) < 0 || relay->exec_id)
		return;
	autofree char *height = xasprintf("%u", size.ws_row);
	autofree char *width = xasprintf("%u", size.ws_col);
	journal_write(relay->journal, "container", "resize", "height", height, "width", width, (char *)NULL);
}

static void tell_detached(const struct relay *relay)
{
	if (relay->exec_id)
		journal_write(relay->journal, "container", "exec_detach", "execID", relay->exec_id, (char *)NULL);
	else
		journal_write(relay->journal, "container", "detach", (char *)NULL);
}

static int handle_control(struct relay *relay, struct client *client, uint8_t type, size_t len)
{
	const unsigned char *payload = client->control;

	switch (type) {
	case WIRE_ATTACH:
		if (len != 1 || payload[0] > 7)
			return -EPROTO;
		client->wants = client->leaving ? 0 : payload[0];
		return 0;
	case WIRE_RESIZE:
		if (len != 4)
			return -EPROTO;
		resize(relay, payload);
		return 0;
	case WIRE_SIGNAL: {
		uint32_t number = len == 4 ? wire_get32(payload) : 0;

		if (number < 1 || number > 64)
			return -EPROTO;
		if (relay->pidfd >= 0)
			syscall(SYS_pidfd_send_signal, relay->pidfd, (int)number, NULL, 0);
		return 0;
	}
	case WIRE_HANGUP:
		if (len != 0)
			return -EPROTO;
		close_fd(&relay->slave_fd);
		close_fd(&relay->console_fd);
		if (relay->pidfd >= 0)
			hangup_end(relay->pidfd);
		return 0;
	case WIRE_DETACH:
		if (len != 0)
			return -EPROTO;
		tell_detached(relay);
		return -EPIPE;
	case WIRE_CLOSE:
		if (len != 1 || (payload[0] & ~(WIRE_WANTS_STDOUT | WIRE_WANTS_STDERR)))
			return -EPROTO;
		for (int i = 0; i < 2; i++)
			if (payload[0] & (i == 0 ? WIRE_WANTS_STDOUT : WIRE_WANTS_STDERR))
				close_fd(&relay->out_fd[i]);
		return 0;
	case WIRE_RELOAD:
		return len == 0 ? relay_ask_reload(relay, client) : -EPROTO;
	case WIRE_NETNS:
		return len == 0 ? relay_tell_netns(relay, client) : -EPROTO;
	case WIRE_PAUSE:
	case WIRE_UNPAUSE:
		return len == 0 ? relay_ask_pause(relay, client, type == WIRE_PAUSE) : -EPROTO;
	case WIRE_CHECK:
		return len == 0 ? relay_ask_check(relay, client) : -EPROTO;
	case WIRE_UPDATE:
		return relay_ask_update(relay, client, (const char *)client->text, len);
	default:
		return -EPROTO;
	}
}

/* Collect the payload of a control frame and act on it. Return: as take_input(). */
static int take_control(struct relay *relay, struct client *client)
{
	struct wire_input *in = &client->in;
	size_t len = wire_get32(in->header + 4);
	uint8_t type = in->type;

	if (len > (type == WIRE_UPDATE ? WIRE_UPDATE_BYTES : WIRE_CONTROL_BYTES))
		return -EPROTO;
	if (type == WIRE_UPDATE && !client->text)
		client->text = xcalloc(1, WIRE_UPDATE_BYTES + 1); /* only while it comes */
	if (in->left > 0) {
		unsigned char *payload = type == WIRE_UPDATE ? client->text : client->control;
		ssize_t n = recv(client->fd, payload + (len - in->left), in->left, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
		if (n == 0)
			return -EPIPE;
		wire_consumed(in, (size_t)n);
		if (in->in_payload)
			return 1;
	} else {
		wire_consumed(in, 0);
	}
	int r = handle_control(relay, client, type, len);
	free(client->text);
	client->text = NULL;
	return r < 0 ? r : 1;
}

static void serve_client(struct relay *relay, struct client *client)
{
	int r = 1;

	client->blocked = false;
	for (int i = 0; r > 0 && i < CLIENT_STEPS; i++) {
		r = wire_read_header(client->fd, &client->in);
		if (r <= 0)
			break;
		if (client->in.type != WIRE_STDIN) {
			r = take_control(relay, client);
		} else if (client->in.left > 0) {
			r = take_input(relay, client);
		} else {
			wire_consumed(&client->in, 0);
			if (client->wants & WIRE_WANTS_STDIN)
				end_input(relay);
		}
	}
	if (r < 0)
		client_leave(relay, client);
}

static void remove_gone(struct relay *relay)
{
	for (struct client **at = &relay->clients; *at;) {
		struct client *client = *at;

		if (!client->gone) {
			at = &client->next;
			continue;
		}
		*at = client->next;
		relay->n_clients--;
		client_free(client);
	}
}

static bool is_congested(const struct relay *relay)
{
	for (const struct client *client = relay->clients; client; client = client->next)
		if (!client->leaving && (client->full || wire_pending(&client->out) > RELAY_QUEUE_BYTES))
			return true;
	return false;
}

static size_t prepare_poll(struct relay *relay)
{
	size_t n = SLOT_CLIENTS;
	bool wants_input = false;
	bool read_more = !is_congested(relay);

	if (relay->poll_size < SLOT_CLIENTS + relay->n_clients) {
		relay->poll_size = SLOT_CLIENTS + relay->n_clients + 4;
		relay->poll = xrealloc(relay->poll, relay->poll_size * sizeof(*relay->poll));
	}
	for (struct client *client = relay->clients; client; client = client->next) {
		short events = client->full || wire_pending(&client->out) > 0 ? POLLOUT : 0;

		wants_input = wants_input || client->blocked;
		if (!client->blocked)
			events |= POLLIN;
		/* One that is held up and has nothing to get is left out: its hang-up would be told again and again. */
		relay->poll[n++] = (struct pollfd){ .fd = events ? client->fd : -1, .events = events };
	}
	bool full = relay->n_clients >= CLIENTS_LIMIT || relay->listen_pause > 0;
	int input_fd = relay->stdin_fd >= 0 ? relay->stdin_fd : relay->console_fd;

	relay->poll[SLOT_END] = (struct pollfd){ .fd = relay->pidfd, .events = POLLIN };
	relay->poll[SLOT_LISTEN] = (struct pollfd){ .fd = full ? -1 : relay->listen_fd, .events = POLLIN };
	relay->poll[SLOT_OUT] = (struct pollfd){ .fd = read_more ? relay->out_fd[0] : -1, .events = POLLIN };
	relay->poll[SLOT_ERR] = (struct pollfd){ .fd = read_more ? relay->out_fd[1] : -1, .events = POLLIN };
	relay->poll[SLOT_CONSOLE] = (struct pollfd){ .fd = read_more ? relay->console_fd : -1, .events = POLLIN };
	relay->poll[SLOT_STDIN] = (struct pollfd){ .fd = wants_input ? input_fd : -1, .events = POLLOUT };
	relay_poll_guests(relay);
	return n;
}

static void serve_clients(struct relay *relay, const struct pollfd *slots)
{
	bool takes_input = slots[SLOT_STDIN].revents != 0;
	size_t n = SLOT_CLIENTS;

	for (struct client *client = relay->clients; client; client = client->next, n++) {
		short events = slots[n].revents;

		if (events)
			client->full = false;
		if ((events & POLLOUT) && wire_flush(client->fd, &client->out) < 0)
			stop_output(client);
		client->gone = client->gone || (client->leaving && wire_pending(&client->out) == 0);
		/* POLLHUP alone: serve_client() finds the end of the stream. */
		if (client->blocked ? takes_input : (events & (POLLIN | POLLHUP | POLLERR)) != 0)
			serve_client(relay, client);
		else if (events & POLLERR)
			stop_output(client);
		/* Its input cannot be waited for any more where it went to was closed. */
		if (client->blocked && relay->stdin_fd < 0 && relay->console_fd < 0)
			client->blocked = false;
	}
}

static void give_buffers_back(struct relay *relay)
{
	madvise(relay->buffer, BUFFER_BYTES, MADV_DONTNEED);
	if (relay->log)
		log_idle(relay->log);
}

/* What is still in the pipes when the process is gone. */
static void drain(struct relay *relay, int *fd, enum log_stream stream)
{
	size_t n, total = 0;

	while (*fd >= 0 && total < LEFTOVER_BYTES && (n = read_output(relay, fd, stream)) > 0)
		total += n;
	close_fd(fd);
}

static int wait_status(struct relay *relay, int *signal_number)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)relay->pidfd, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	*signal_number = info.si_code == CLD_EXITED ? 0 : info.si_status;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void relay_warn(struct relay *relay, const char *facts)
{
	for (struct client *client = relay->clients; client; client = client->next)
		if (wire_send(client->fd, &client->out, WIRE_WARNINGS, facts, strlen(facts)) < 0)
			stop_output(client);
}

void relay_started(struct relay *relay)
{
	relay->started = true;
	for (struct client *client = relay->clients; client; client = client->next)
		if (wire_send(client->fd, &client->out, WIRE_STARTED, NULL, 0) < 0)
			stop_output(client);
}

/*
 * One round of the loop. DIRTY: memory was used since it was last given back, as it is once nothing happens for a while. Return: true
 * when the process has ended.
 */
static bool serve(struct relay *relay, bool *dirty)
{
	size_t n = prepare_poll(relay);
	int patience = relay_guest_patience(relay), ready;

	if ((*dirty || relay->listen_pause) && (patience < 0 || patience > IDLE_MS))
		patience = IDLE_MS;
	ready = *dirty ? poll(relay->poll, n, patience) : idle_poll(relay->poll, n, patience);
	if (ready < 0)
		return false; /* EINTR, or no memory in the kernel for now */
	relay->listen_pause = 0;
	if (relay_serve_guests(relay) && ready == 0) {
		*dirty = true;
		return false;
	}
	if (ready == 0) {
		if (*dirty)
			give_buffers_back(relay);
		*dirty = false;
		return false;
	}
	*dirty = true;
	struct pollfd *slots = relay->poll;
	if (slots[SLOT_OUT].revents)
		read_output(relay, &relay->out_fd[0], LOG_STDOUT);
	if (slots[SLOT_ERR].revents)
		read_output(relay, &relay->out_fd[1], LOG_STDERR);
	if (slots[SLOT_CONSOLE].revents)
		read_output(relay, &relay->console_fd, LOG_STDOUT);
	serve_clients(relay, slots);
	if (slots[SLOT_LISTEN].revents)
		accept_clients(relay);
	remove_gone(relay);
	return slots[SLOT_END].revents != 0;
}

int relay_run(struct relay *relay, int *signal_number)
{
	bool dirty = true;

	while (!serve(relay, &dirty))
		;
	int status = wait_status(relay, signal_number);

	relay->ended = true;
	memset(relay->guests, 0, sizeof(relay->guests));
	drain(relay, &relay->out_fd[0], LOG_STDOUT);
	drain(relay, &relay->out_fd[1], LOG_STDERR);
	drain(relay, &relay->console_fd, LOG_STDOUT);
	close_fd(&relay->slave_fd);
	close_fd(&relay->stdin_fd);
	return status;
}

void relay_rest(struct relay *relay)
{
	bool dirty = true;

	relay->woken = false;
	while (!relay->woken)
		serve(relay, &dirty);
}

void relay_wake(struct relay *relay)
{
	relay->woken = true;
}

void relay_unlisten(struct relay *relay)
{
	if (relay->listen_fd < 0)
		return;
	accept_clients(relay);
	close_fd(&relay->listen_fd);
}

static void send_end(struct client *client, int status, const struct err *err)
{
	if (err) {
		relay_send_facts(client, WIRE_ERROR, err);
	} else {
		unsigned char code[4];

		wire_put32(code, (uint32_t)status);
		wire_send(client->fd, &client->out, WIRE_EXIT, code, sizeof(code));
	}
}

void relay_end_life(struct relay *relay, int status)
{
	for (struct client *client = relay->clients; client; client = client->next) {
		if (client->leaving)
			continue;
		send_end(client, status, NULL);
		client->leaving = true;
		client->wants = 0;
		client->gone = client->gone || wire_pending(&client->out) == 0;
	}
	remove_gone(relay);
	close_fd(&relay->pidfd);
	relay->log = NULL;
	relay->line_open = relay->started = relay->ended = false;
}

void relay_finish(struct relay *relay, int status, const struct err *err)
{
	for (struct client *client = relay->clients; client; client = client->next)
		if (!client->leaving)
			send_end(client, status, err);
	while (relay->clients) {
		for (struct client *client = relay->clients; client; client = client->next)
			if (wire_flush(client->fd, &client->out) < 0 || wire_pending(&client->out) == 0)
				client->gone = true;
		remove_gone(relay);
		if (!relay->clients)
			break;
		size_t n = prepare_poll(relay);
		for (size_t i = 0; i < n; i++)
			relay->poll[i].events &= POLLOUT;
		poll(relay->poll, n, -1);
	}
}
