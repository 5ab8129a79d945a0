/*
 * attach: a further client of a running container, from another terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "request.h"
#include "supervisor.h"
#include "util.h"
#include "verbs.h"
#include "wire.h"

static int connect_to(int run_dir_fd, const char *run_dir, int *out, struct err *err)
{
	struct sockaddr_un address;
	socklen_t len = wire_address(run_dir_fd, SUPERVISOR_SOCKET, &address);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(err, errno, "create socket", "");
	if (connect(fd, (struct sockaddr *)&address, len) < 0)
		return errno == ENOENT || errno == ECONNREFUSED
			       ? err_setf(err, 0, "attach to container", run_dir, "it is not running")
			       : err_set(err, errno, "attach to container", run_dir);
	if (!wire_peer_allowed(fd))
		return err_setf(err, EPERM, "attach to container", run_dir, "its supervisor belongs to another user");
	*out = steal_fd(&fd);
	return 0;
}

static int connect_both(const char *run_dir, const struct client_options *options, struct client_connection *out, struct err *err)
{
	autoclose int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct wire_queue queue = { 0 };
	unsigned char wants = (unsigned char)client_wants(options);

	if (dir < 0)
		return errno == ENOENT ? err_setf(err, 0, "attach to container", run_dir, "it is not running")
				       : err_set(err, errno, "open run directory", run_dir);
	int r = connect_to(dir, run_dir, &out->control, err);
	if (r < 0)
		return r;
	r = connect_to(dir, run_dir, &out->data, err);
	if (r < 0)
		return r;
	/* A fresh socket takes nine bytes at once. When the other side has left, that is found out by reading. */
	wire_send(out->data, &queue, WIRE_ATTACH, &wants, 1);
	wire_queue_free(&queue);
	return 0;
}

int verb_attach(json_t *request)
{
	struct client_options options = { .redraws = true };
	struct client_connection connection = { -1, -1 };
	struct err err = { 0 };
	const char *proa = NULL, *run_dir;
	json_t *attach;
	sigset_t before;
	int terminal;
	int r = request_unpack(request, &err, "attach", "{s:s,s:s,s:o,s:b!}", "proa", &proa, "runDir", &run_dir, "attach",
			       &attach, "terminal", &terminal);

	if (r == 0)
		r = client_parse(attach, &options, &err);
	if (r == 0) {
		options.terminal = terminal;
		options.object = run_dir;
		r = connect_both(run_dir, &options, &connection, &err);
	}
	if (r == 0) {
		client_block_signals(&before);
		r = client_run(&options, &connection, &err);
	}
	return r < 0 ? report_failure(proa, "attach", &err) : r;
}
