#include "notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

void notify_manager(const char *socket_name, bool ready)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = socket_name ? strlen(socket_name) : 0;
	autoclose int fd = -1;
	autofree char *text = NULL;

	if (len < 2 || len >= sizeof(address.sun_path) || (socket_name[0] != '/' && socket_name[0] != '@'))
		return;
	memcpy(address.sun_path, socket_name, len);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	text = xasprintf("MAINPID=%d%s", (int)getpid(), ready ? "\nREADY=1" : "");
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}
