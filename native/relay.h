/*
 * relay: between the pipes or the terminal of one process and any number of clients that speak the attach protocol.
 * The supervisor uses it for the container, `exec` for the program it executes.
 *
 * One thread, one poll(2) loop, nothing ever blocks. What the process writes is read in chunks, logged, and sent to every client
 * that wants it; what a socket does not take at once is queued for its client, and as long as one queue holds more than
 * RELAY_QUEUE_BYTES nothing is read from the process. What a client types stays in its socket until the process takes it
 * (the bytes are moved by splice(2), or peeked at first), so input costs no memory at all, and each client is held up by
 * its own input only. A client that breaks the protocol is dropped; the others and the process do not notice.
 *
 * The end: the process's pidfd becomes readable, it is waited for with WNOWAIT (it stays a zombie, so its pid stays
 * taken), and what the pipes still hold is read without regard to RELAY_QUEUE_BYTES: that is bounded by the size of a pipe. End of
 * file is not waited for, since a grandchild outside of the pid namespace may keep the other end for ever.
 */
#ifndef PROA_RELAY_H
#define PROA_RELAY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "journal.h"
#include "log.h"

#define RELAY_QUEUE_BYTES (256 << 10)

struct relay;

/* The ends that the process gets as 0, 1 and 2, from relay_pipes(). */
struct relay_stdio {
	int fd[3];
};

/*
 * In the process that was forked to relay: leave the foreground's terminal, job, directory and descriptors. MASK, which may
 * be NULL, is the signal mask from here on; what the foreground's user meant for it and was kept back is dropped.
 */
void relay_separate(const sigset_t *mask);

/* Make a relay without a process and clients. */
struct relay *relay_new(void);

/* End everything: descriptors, clients, memory. */
void relay_free(struct relay *relay);

/*
 * Make the pipes of a process without a terminal and keep our ends; without OPEN_STDIN its 0 is /dev/null.
 * Return: 0 with STDIO owned by the caller, or -errno with ERR.
 */
int relay_pipes(struct relay *relay, bool open_stdin, struct relay_stdio *stdio, struct err *err);
void relay_stdio_close(struct relay_stdio *stdio);

/* The process was not executed after all: close our ends. */
void relay_drop_pipes(struct relay *relay);

/*
 * Take over the process behind PIDFD and, unless CONSOLE_FD is -1, its terminal. INPUT: clients may type. STDIN_ONCE: its stdin
 * ends when a client that has it says so or leaves. LOG may be NULL and stays the caller's.
 */
void relay_process(struct relay *relay, int pidfd, int console_fd, bool input, bool stdin_once, struct log *log);

/*
 * Tell JOURNAL, which may be NULL and stays the caller's, of clients that leave on purpose. EXEC_ID, borrowed, is the session of `exec`; NULL: it is the
 * container itself, of which new sizes of the terminal are told, too.
 */
void relay_tells(struct relay *relay, const struct journal *journal, const char *exec_id);

/* Accept clients from LISTEN_FD, a listening socket that becomes the relay's. */
void relay_listen(struct relay *relay, int listen_fd);

/* Add a client on SOCKET, which becomes the relay's. WANTS: flags as those of ATTACH, 0 until it sends them. */
void relay_add_client(struct relay *relay, int socket, unsigned wants);

/* Tell every client of before relay_started() what is done without: FACTS, a JSON array of them. */
void relay_warn(struct relay *relay, const char *facts);

/* Tell every client that the process was executed. */
void relay_started(struct relay *relay);

/*
 * Something beside the process that the loop serves: the connection to netd (netclient.h), a timer, a process of its own. FD and WAKE_MS are looked at before
 * each wait, and may be changed at any time. What a client asks for is for the first guest that has the function; each of them may be NULL, READY where
 * there is neither FD nor WAKE_MS.
 */
struct relay_guest {
	int fd;           /* polled for input; -1: none */
	int64_t wake_ms;  /* of the monotonic clock; 0: never */
	void (*ready)(struct relay_guest *guest);  /* FD is readable, or WAKE_MS has passed */
	void (*reload)(struct relay_guest *guest); /* a client has asked for it; relay_reloaded() answers, now or later */
	int (*netns)(struct relay_guest *guest);   /* descriptor of N, or -1 */
	int (*pause)(struct relay_guest *guest, bool paused, struct err *err);              /* PAUSE, UNPAUSE. Return: 0, or -errno with ERR */
	int (*check)(struct relay_guest *guest, struct err *err); /* CHECK: relay_checked() answers it later. Return: 0, or -errno with ERR */
	int (*update)(struct relay_guest *guest, const char *text, size_t len, struct err *err); /* UPDATE; TEXT ends in a 0. Return: the same */
};

#define RELAY_GUESTS 8 /* at once */

/* GUEST stays the caller's, and must stay until it is removed or the relay freed. Removing one that is no guest is nothing. Both may be called by a guest. */
void relay_add_guest(struct relay *relay, struct relay_guest *guest);
void relay_remove_guest(struct relay *relay, struct relay_guest *guest);

/* A check of the container's health begins, for all who have asked up to now; its end. OUTCOME: what they are told (WIRE_CHECKED). Return: as relay_reloaded(). */
void relay_check_begins(struct relay *relay);
bool relay_checked(struct relay *relay, unsigned char outcome);

/* A reload begins: it answers those who have asked up to now, and not who asks while it is under way. */
void relay_reload_begins(struct relay *relay);

/* Answer them: RELOADED, or REFUSED with ERR where that is not NULL. Return: true when others have asked in the meantime. */
bool relay_reloaded(struct relay *relay, const struct err *err);

/*
 * Serve until the process has ended and all of its output was read. There are no guests afterwards.
 * Return: its exit status, 128 + N for signal N; *SIGNAL is N, or 0.
 */
int relay_run(struct relay *relay, int *signal_number);

/*
 * Between two processes: tell every client that the one of before has ended, EXIT with STATUS, and let them go when they have their bytes, which
 * nobody waits for. The listening socket stays; who connects from now on waits for the next process, which is given as the first one was.
 */
void relay_end_life(struct relay *relay, int status);

/* Serve clients and guests without a process, until relay_wake(). */
void relay_rest(struct relay *relay);
void relay_wake(struct relay *relay);

/* Stop listening; clients that had connected but were not served yet are clients from here on. */
void relay_unlisten(struct relay *relay);

/* Tell every client the end, EXIT with STATUS or ERROR with ERR where that is not NULL, and wait until each has all its bytes. */
void relay_finish(struct relay *relay, int status, const struct err *err);

#endif
