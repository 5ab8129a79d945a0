/*
 * supervisor: the one process that stays with a container, from before its start until after its end.
 *
 * `run` forks it off the foreground. States, each with what has been done when it begins:
 *
 *   starting   in a session of its own, on /dev/null, holding the lock; the first client's connections are open, nothing else; netd is found or
 *              started while the container is being made, and has connected it before the process is executed (netclient.h)
 *   running    the process was executed, state.json and attach.sock exist, the clients were told STARTED; what was needed
 *              for starting is freed: an idle supervisor is a poll(2) loop (relay.h) and next to no memory
 *   ended      the process is a zombie that we keep (its pid stays taken), all output is read and logged
 *   resting    only where it is to be started again (life.h): state.json says "restarting", the process is reaped, its clients were told its end;
 *              from here back to starting, with the lock and attach.sock as they are
 *   recorded   exit.json is written, or lies in a tree that is removed; attach.sock and state.json are gone
 *   unlocked   nobody takes the container for alive any more; only now the clients hear the end, and we leave
 *
 * A failed start goes from starting straight to recorded. Killed by SIGKILL in any state, the supervisor leaves a free lock and no
 * exit record, and the container dies with it (container.c: PR_SET_PDEATHSIG).
 */
#ifndef PROA_SUPERVISOR_H
#define PROA_SUPERVISOR_H

#include "verbs.h"

#define SUPERVISOR_SOCKET "attach.sock" /* in the run directory */

#endif
