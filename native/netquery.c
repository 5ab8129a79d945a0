/* netquery: the verbs that ask netd, or a supervisor, about networks. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "netreach.h"
#include "request.h"
#include "supervisor.h"
#include "util.h"
#include "verbs.h"
#include "wire.h"

#define RELOAD_SECONDS 40 /* a supervisor says after 20 s that netd does not answer; before that it may have to find it */

int verb_netd_status(json_t *request)
{
	static const char question[] = "{\"v\":1,\"do\":\"status\"}";
	autofree char *text = NULL;
	autoclose int connection = -1, fd = -1;
	const struct timeval patience = { .tv_sec = 5 };
	struct err err = { 0 };
	const char *path;
	json_t *reply;
	int r = request_unpack(request, &err, "netd-status", "{s:s!}", "socket", &path);

	if (r < 0)
		return reply_error(&err);
	connection = netreach_connect(path, SOCK_SEQPACKET);
	if (netreach_is_nobody(connection))
		return reply_ok(json_null());
	if (connection < 0) {
		err_set(&err, -connection, "connect to netd", path);
		return reply_error(&err);
	}
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	r = send(connection, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0 ? 0 : netreach_answer(connection, 0, &reply, &fd, &err);
	if (r == 0)
		return reply_ok(json_null()); /* it left just now */
	if (r == -EAGAIN)
		err_setf(&err, ETIMEDOUT, "ask netd", path, "it does not answer");
	if (r < 0)
		return reply_error(&err);
	json_decref(reply);
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0 || read_fd(fd, &text, REQUEST_LIMIT) < 0 || !(reply = json_loads(text, 0, NULL))) {
		err_setf(&err, EPROTO, "ask netd", path, "its answer is not understood");
		return reply_error(&err);
	}
	return reply_ok(reply);
}

/* Read LEN bytes of a frame's payload into a fresh string. Return: NULL at the end of the stream. */
static char *read_payload(int fd, size_t len)
{
	char *text = xcalloc(len + 1, 1);

	if (read_all(fd, text, len) == (ssize_t)len)
		return text;
	free(text);
	return NULL;
}

/* Wait for the answer to RELOAD. Return: 0, or -errno with ERR. */
static int await_reloaded(int fd, const char *run_dir, struct err *err)
{
	const struct timeval patience = { .tv_sec = RELOAD_SECONDS };
	unsigned char header[WIRE_HEADER_BYTES];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((n = read_all(fd, header, sizeof(header))) == sizeof(header)) {
		size_t len = wire_get32(header + 4);
		autofree char *payload = len <= WIRE_LIMIT_BYTES ? read_payload(fd, len) : NULL;

		if (!payload)
			break;
		if (header[0] == WIRE_RELOADED)
			return 0;
		if (header[0] == WIRE_REFUSED) {
			json_t *facts = json_loads(payload, 0, NULL);

			netreach_facts(facts, err);
			json_decref(facts);
			return err->code ? -err->code : -EINVAL;
		}
		if (header[0] != WIRE_STARTED)
			break;
	}
	if (n == -EAGAIN)
		return err_setf(err, ETIMEDOUT, "reload networks", run_dir, "the container's supervisor does not answer");
	return err_setf(err, 0, "reload networks", run_dir, "the container has ended");
}

int verb_network_reload(json_t *request)
{
	static const unsigned char question[WIRE_HEADER_BYTES] = { WIRE_RELOAD };
	autofree char *path = NULL;
	autoclose int fd = -1;
	struct err err = { 0 };
	const char *run_dir;
	int r = request_unpack(request, &err, "network-reload", "{s:s!}", "runDir", &run_dir);

	if (r == 0) {
		path = xasprintf("%s/" SUPERVISOR_SOCKET, run_dir);
		fd = netreach_connect(path, SOCK_STREAM);
		if (fd < 0)
			r = err_set(&err, -fd, "reload networks", run_dir);
		else if (send(fd, question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
			r = err_set(&err, errno, "reload networks", run_dir);
	}
	if (r == 0)
		r = await_reloaded(fd, run_dir, &err);
	return r < 0 ? reply_error(&err) : reply_ok(json_object());
}
