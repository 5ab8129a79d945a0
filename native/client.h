/*
 * client: the foreground of run, attach and exec: the user's terminal or pipes on one side, a relay (relay.h) on the other.
 *
 * Two connections lead to the relay. Over the first go the bytes of stdin, stdout and stderr; where the process does not
 * read its stdin, that connection stands still. Signals, sizes and the end of the terminal therefore go over the second,
 * on which this client never attached: they always get through.
 *
 * What is inherited as 0, 1 and 2 is shared with other processes, so O_NONBLOCK is never set on it. A pipe is written by splice(2), a
 * socket by MSG_DONTWAIT; a terminal is opened again; a file does not make one wait.
 */
#ifndef PROA_CLIENT_H
#define PROA_CLIENT_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "err.h"
#include "tty.h"

struct client_options {
	bool wants_stdin, wants_stdout, wants_stderr;
	bool sig_proxy;           /* signals go to the process, not to us */
	bool terminal;            /* the process has one */
	bool hangs_up;            /* when our terminal goes, so does the process's */
	bool redraws;             /* joined later: have the process draw its screen again */
	bool owns_output;         /* it is kept nowhere else: when its reader goes, the process is to see a broken pipe, or a hang-up */
	struct detach_scan keys;  /* used with a terminal only: elsewhere every byte is data */
	const char *object;       /* what is talked to, for errors */
};

/* Read `attach` of a request into the fields of the same names. Return: 0 or -errno with ERR. */
int client_parse(json_t *attach, struct client_options *options, struct err *err);

/* Flags of ATTACH that these options ask for. */
unsigned client_wants(const struct client_options *options);

/* Both connections to a relay. */
struct client_connection {
	int data, control;
};

/* Make both connections before a fork. Return: 0 with OURS and THEIRS, or -errno with ERR. */
int client_pair(struct client_connection *ours, struct client_connection *theirs, struct err *err);
void client_close(struct client_connection *connection);

/* Keep signals back until client_run() handles them, from before the fork on, so that none is lost. BEFORE gets the old mask. */
void client_block_signals(sigset_t *before);

/* Warnings of the other side are put into words by `PROA __report warning FACTS`, before the process is seen to run; without this they are dropped. */
void client_warns_by(const char *proa);

/*
 * Wait until the process was executed. Return: 0, or -errno with ERR as the other side reported it.
 */
int client_wait_started(const struct client_connection *connection, const char *object, struct err *err);

/*
 * Be the foreground until the process has ended or the user leaves; client_block_signals() came before.
 * Return: the exit status (0 after the detach keys), or -errno with ERR: as reported, or that the other side is gone.
 * Ends this process by the signal that ended it where that was not for the process in the container; by SIGPIPE where nobody reads
 * the output any more and the process is not to know (`run | head` of a container that lives on with its log).
 */
int client_run(const struct client_options *options, const struct client_connection *connection, struct err *err);

#endif
