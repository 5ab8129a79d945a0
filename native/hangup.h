/*
 * hangup: what a terminal's end does to the first process of a pid namespace.
 *
 * The kernel sends SIGHUP to the session of a terminal that goes away, and who does not care about signals dies of it. The first process of a pid
 * namespace does not: the default actions are not taken for it (pid_namespaces(7)). `proa run -it … sleep 1000` would live on unseen after its window
 * was closed.
 */
#ifndef PROA_HANGUP_H
#define PROA_HANGUP_H

/* The terminal of the process behind PIDFD is gone: end it where SIGHUP would end any other, that is where it neither catches nor ignores it. */
void hangup_end(int pidfd);

#endif
