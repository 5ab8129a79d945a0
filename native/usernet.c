#include "usernet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "request.h"
#include "util.h"

#define READY_MS 10000     /* until its interface is up; it takes tens of milliseconds */
#define ANSWER_BYTES 4096  /* of slirp4netns to a request: one small object */
#define ARGS_LIMIT 4096    /* two a published port, and the options */
#define API_SOCKET "slirp4netns.sock"
#define PASTA_PID "pasta.pid"

struct usernet {
	struct container_network hooks;
	bool is_pasta;
	const char *run_dir;
	char *kind, *program, *guest;
	json_t *args, *ports;
	pid_t pid;        /* our child; 0: none */
	int pidfd;
	int dir;          /* the run directory: paths of sockets in it could be too long */
	int netns, userns;
	pid_t stand_in;   /* a process in them, while they are looked for; 0: none */
	int words;        /* what it writes to stderr, until it is ready */
	int ready;        /* readable when it is up: a pipe, of pasta a FIFO */
	int exit;         /* slirp4netns ends when this is closed */
};

/* The ends that the program gets. */
struct ends {
	int words, ready, exit;
};

static int begin(struct container_network *hooks, struct err *err);
static int attach(struct container_network *hooks, int netns, int netlink, struct err *err);
static int await(struct container_network *hooks, struct err *err);

static int check(const struct usernet *usernet, struct err *err)
{
	json_t *value;
	size_t i;

	if (!usernet->is_pasta && strcmp(usernet->kind, "slirp4netns") != 0)
		return err_setf(err, 0, "read request", "usernet", "unknown kind \"%s\"", usernet->kind);
	if (usernet->program[0] != '/')
		return err_setf(err, 0, "read request", "usernet", "program is not an absolute path");
	if (!json_is_array(usernet->args) || !json_is_array(usernet->ports) || json_array_size(usernet->args) > ARGS_LIMIT)
		return err_setf(err, 0, "read request", "usernet", "args or ports is no list, or too long");
	json_array_foreach(usernet->args, i, value) {
		if (!json_is_string(value))
			return err_setf(err, 0, "read request", "usernet", "args holds something else than strings");
	}
	return 0;
}

int usernet_parse(json_t *request, const char *run_dir, struct usernet **out, struct err *err)
{
	const char *kind, *program, *guest;
	struct usernet *usernet;
	json_t *args, *ports;
	int r;

	*out = NULL;
	if (!request || json_is_null(request))
		return 0;
	r = request_unpack(request, err, "usernet", "{s:s,s:s,s:o,s:o,s:s!}", "kind", &kind, "program", &program, "args", &args, "ports",
			   &ports, "guestAddress", &guest);
	if (r < 0)
		return r;
	usernet = xcalloc(1, sizeof(*usernet));
	*usernet = (struct usernet){
		.hooks = { .begin = begin, .attach = attach, .await = await }, .is_pasta = strcmp(kind, "pasta") == 0, .run_dir = run_dir,
		.kind = xstrdup(kind), .program = xstrdup(program), .guest = xstrdup(guest), .args = json_incref(args),
		.ports = json_incref(ports), .pidfd = -1, .dir = -1, .netns = -1, .userns = -1, .words = -1, .ready = -1, .exit = -1,
	};
	r = check(usernet, err);
	if (r < 0)
		usernet_free(usernet);
	else
		*out = usernet;
	return r;
}

struct container_network *usernet_network(struct usernet *usernet)
{
	return usernet ? &usernet->hooks : NULL;
}

static struct usernet *of(struct container_network *hooks)
{
	return (struct usernet *)((char *)hooks - offsetof(struct usernet, hooks));
}

static int begin(struct container_network *hooks, struct err *err)
{
	(void)hooks; /* its program needs the namespace first */
	(void)err;
	return 0;
}

static int fail(const struct usernet *usernet, int code, struct err *err)
{
	return err_set(err, code, "start network program", usernet->program);
}

/* A pipe whose ends are *OURS to read and *THEIRS to write, or the other way round. */
static int open_pipe(int *reader, int *writer, int flags)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | flags) < 0)
		return -1;
	*reader = ends[0];
	*writer = ends[1];
	return 0;
}

static int open_ends(struct usernet *usernet, struct ends *ends)
{
	usernet->dir = open(usernet->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (usernet->dir < 0 || open_pipe(&usernet->words, &ends->words, O_NONBLOCK) < 0)
		return -1;
	if (usernet->is_pasta) {
		/* pasta opens the file by its name when it begins, and writes to it when it is done */
		unlinkat(usernet->dir, PASTA_PID, 0);
		if (mkfifoat(usernet->dir, PASTA_PID, 0600) < 0)
			return -1;
		usernet->ready = openat(usernet->dir, PASTA_PID, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		return usernet->ready < 0 ? -1 : 0;
	}
	unlinkat(usernet->dir, API_SOCKET, 0); /* of one that was killed */
	return open_pipe(&usernet->ready, &ends->ready, 0) < 0 || open_pipe(&ends->exit, &usernet->exit, 0) < 0 ? -1 : 0;
}

static int keep(int fd)
{
	return fcntl(fd, F_SETFD, 0);
}

/* In the child: what both need before they are executed. */
static int settle_child(const struct usernet *usernet, const struct ends *ends, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	if (!usernet->is_pasta)
		signal(SIGPIPE, SIG_IGN); /* nobody reads its words when it is up. pasta ignores it itself, and takes it for a failure that it was */
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* the terminal's signals are for the container */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (getppid() != parent)
		_exit(0); /* the supervisor has died before it could be watched */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(ends->words, 2) < 0 || chdir("/") < 0)
		return -1;
	if (usernet->is_pasta)
		return 0;
	return keep(ends->ready) < 0 || keep(ends->exit) < 0 || keep(usernet->dir) < 0 ? -1 : 0;
}

/* argv: its name, the options of the request, and those that are known now. */
static char **arguments(const struct usernet *usernet, const struct ends *ends)
{
	char **argv = xcalloc(json_array_size(usernet->args) + 16, sizeof(*argv));
	json_t *value;
	size_t i, n = 0;

	argv[n++] = xstrdup(usernet->kind);
	json_array_foreach(usernet->args, i, value) {
		argv[n++] = xstrdup(json_string_value(value));
	}
	if (usernet->is_pasta) {
		argv[n++] = xstrdup("--foreground");
		argv[n++] = xstrdup("--no-netns-quit"); /* there is no file that would go; it is killed */
		argv[n++] = xstrdup("--pid");
		argv[n++] = xasprintf("%s/%s", usernet->run_dir, PASTA_PID);
		argv[n++] = xasprintf("%d", (int)usernet->stand_in);
		return argv;
	}
	argv[n++] = xasprintf("--ready-fd=%d", ends->ready);
	argv[n++] = xasprintf("--exit-fd=%d", ends->exit);
	if (json_array_size(usernet->ports) > 0)
		argv[n++] = xasprintf("--api-socket=/proc/self/fd/%d/%s", usernet->dir, API_SOCKET);
	argv[n++] = xasprintf("%d", (int)usernet->stand_in);
	argv[n++] = xstrdup("tap0");
	return argv;
}

static void free_arguments(char **argv)
{
	for (char **each = argv; *each; each++)
		free(*each);
	free(argv);
}

/*
 * Both programs are told of namespaces best by a process that is in them. pasta enters the user namespace first, and could then neither open a descriptor
 * of ours by its path nor keep one that it has inherited, which it closes; slirp4netns makes its sandbox only in the user namespace of a process. The
 * container's own process is in another network where a runtime of its own makes that.
 */
static int start_stand_in(struct usernet *usernet, struct err *err)
{
	int told[2], code = 0;
	pid_t parent = getpid();

	if (pipe2(told, O_CLOEXEC) < 0)
		return fail(usernet, errno, err);
	usernet->stand_in = fork();
	if (usernet->stand_in == 0) {
		if (setns(usernet->userns, CLONE_NEWUSER) < 0 || setns(usernet->netns, CLONE_NEWNET) < 0 ||
		    prctl(PR_SET_DUMPABLE, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			code = errno;
		if (getppid() != parent || write_all(told[1], &code, sizeof(code)) < 0 || code)
			_exit(1);
		for (;;)
			pause();
	}
	close(told[1]);
	if (usernet->stand_in < 0) {
		usernet->stand_in = 0;
		code = errno;
	} else if (read_all(told[0], &code, sizeof(code)) != sizeof(code)) {
		code = EIO;
	}
	close(told[0]);
	return code ? fail(usernet, code, err) : 0;
}

static void end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL); /* our child, and not reaped: its number cannot be another's */
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/* Fork and execute it. */
static int spawn(struct usernet *usernet, const struct ends *ends, struct err *err)
{
	char **argv = arguments(usernet, ends);
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		if (settle_child(usernet, ends, parent) == 0)
			execv(usernet->program, argv);
		dprintf(ends->words, "%s\n", strerror(errno));
		_exit(127);
	}
	free_arguments(argv);
	if (pid < 0)
		return fail(usernet, errno, err);
	usernet->pid = pid;
	usernet->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return usernet->pidfd < 0 ? fail(usernet, errno, err) : 0;
}

static int attach(struct container_network *hooks, int netns, int netlink, struct err *err)
{
	struct usernet *usernet = of(hooks);

	close(netlink); /* the programs make their own */
	usernet->netns = netns;
	usernet->userns = ioctl(netns, NS_GET_USERNS);
	return usernet->userns < 0 || fcntl(usernet->userns, F_SETFD, FD_CLOEXEC) < 0 ? fail(usernet, errno, err) : 0;
}

/* Start the program. Not before the container is about to be executed: both take up root's id in its user namespace, which must be mapped. */
static int start(struct usernet *usernet, struct err *err)
{
	struct ends ends = { -1, -1, -1 };
	int r = open_ends(usernet, &ends) < 0 ? fail(usernet, errno, err) : 0;

	if (r == 0)
		r = start_stand_in(usernet, err);
	if (r == 0)
		r = spawn(usernet, &ends, err);
	if (ends.words >= 0)
		close(ends.words);
	if (ends.ready >= 0)
		close(ends.ready);
	if (ends.exit >= 0)
		close(ends.exit);
	return r;
}

/* Put its words into ERR, one line of them. Without any, WHY. */
static int failed(const struct usernet *usernet, const char *why, struct err *err)
{
	char text[ANSWER_BYTES];
	ssize_t length = read(usernet->words, text, sizeof(text) - 1);

	text[length > 0 ? length : 0] = '\0';
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
		text[--length] = '\0';
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return err_setf(err, 0, "start network program", usernet->program, "%s", *text ? text : why);
}

static int await_ready(const struct usernet *usernet, struct err *err)
{
	struct pollfd fds[] = { { usernet->ready, POLLIN, 0 }, { usernet->pidfd, POLLIN, 0 } };
	int64_t end = monotonic_ms() + READY_MS;

	for (;;) {
		int64_t left = end - monotonic_ms();
		int n = poll(fds, 2, left > 0 ? (int)left : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return failed(usernet, "it is not ready after 10 seconds", err);
		if (fds[0].revents & POLLIN)
			return 0;
		return failed(usernet, "it has ended", err);
	}
}

/* Ask slirp4netns on a connection of its own, as it wants it. Takes QUESTION. */
static int ask(const struct usernet *usernet, json_t *question, const char *object, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	autofree char *text = question ? json_dumps(question, JSON_COMPACT) : NULL;
	struct timeval patience = { .tv_sec = READY_MS / 1000 };
	char answer[ANSWER_BYTES];
	const char *why = NULL;
	json_t *reply;
	ssize_t length;
	int r = 0;

	json_decref(question);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", usernet->dir, API_SOCKET);
	if (!text || fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || write_all(fd, text, strlen(text)) < 0 ||
	    shutdown(fd, SHUT_WR) < 0)
		return err_set(err, errno, "publish port", object);
	length = read_all(fd, answer, sizeof(answer));
	if (length < 0)
		return err_set(err, (int)-length, "publish port", object);
	reply = json_loadb(answer, (size_t)length, 0, NULL);
	json_unpack(reply, "{s:{s:s}}", "error", "desc", &why);
	if (why)
		r = err_setf(err, 0, "publish port", object, "slirp4netns: %s", why);
	else if (!json_object_get(reply, "return"))
		r = err_setf(err, 0, "publish port", object, "slirp4netns gave no answer");
	json_decref(reply);
	return r;
}

static int forward(const struct usernet *usernet, json_t *port, struct err *err)
{
	const char *protocol, *host;
	int outside, inside;
	int r = request_unpack(port, err, "usernet.ports", "{s:s,s:s,s:i,s:i!}", "protocol", &protocol, "hostAddress", &host, "hostPort",
			       &outside, "containerPort", &inside);

	if (r < 0)
		return r;
	autofree char *object = xasprintf("%s:%d/%s", *host ? host : "*", outside, protocol);
	return ask(usernet, json_pack("{s:s,s:{s:s,s:s,s:i,s:s,s:i}}", "execute", "add_hostfwd", "arguments", "proto", protocol, "host_addr",
				      *host ? host : "0.0.0.0", "host_port", outside, "guest_addr", usernet->guest, "guest_port", inside),
		   object, err);
}

static int await(struct container_network *hooks, struct err *err)
{
	struct usernet *usernet = of(hooks);
	json_t *port;
	size_t i;
	int r = start(usernet, err);

	if (r == 0)
		r = await_ready(usernet, err);
	json_array_foreach(usernet->ports, i, port) {
		if (r == 0)
			r = forward(usernet, port, err);
	}
	end(&usernet->stand_in);
	if (r < 0)
		return r;
	if (usernet->is_pasta)
		unlinkat(usernet->dir, PASTA_PID, 0);
	/* It holds the rest by itself. */
	close(steal_fd(&usernet->words));
	close(steal_fd(&usernet->ready));
	close(steal_fd(&usernet->netns));
	close(steal_fd(&usernet->userns));
	return 0;
}

void usernet_free(struct usernet *usernet)
{
	if (!usernet)
		return;
	if (usernet->exit >= 0)
		close(usernet->exit);
	end(&usernet->stand_in);
	end(&usernet->pid);
	if (usernet->dir >= 0 && !usernet->is_pasta)
		unlinkat(usernet->dir, API_SOCKET, 0);
	const int fds[] = { usernet->pidfd, usernet->dir, usernet->netns, usernet->userns, usernet->words, usernet->ready };
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	json_decref(usernet->args);
	json_decref(usernet->ports);
	free(usernet->kind);
	free(usernet->program);
	free(usernet->guest);
	free(usernet);
}
