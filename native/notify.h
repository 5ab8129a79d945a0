/*
 * notify: telling the service manager that started us, as sd_notify(3) does.
 */
#ifndef PROA_NOTIFY_H
#define PROA_NOTIFY_H

#include <stdbool.h>

/*
 * Tell the manager at SOCKET (a path, or @name in the abstract namespace; NULL: nobody) that this process is the service's main one, and with
 * READY that the service is ready. What cannot be told is left untold: the service does not depend on it.
 */
void notify_manager(const char *socket_name, bool ready);

#endif
