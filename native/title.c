#include "title.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

/* Fields 48 to 51 of proc(5)'s stat: arg_start, arg_end, env_start, env_end. Return: 0 or -1. */
static int find_area(unsigned long *area)
{
	char text[1024];
	autoclose int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_all(fd, text, sizeof(text) - 1);
	char *at;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strrchr(text, ')'); /* the end of field 2, which may hold anything */
	for (int field = 3; at && field <= 48; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -1;
	for (int i = 0; i < 4; i++)
		area[i] = strtoul(at, &at, 10);
	return area[0] == 0 || area[3] == 0 ? -1 : 0;
}

void title_set(const char *name, const char *argument)
{
	unsigned long area[4];
	char title[128];

	if (find_area(area) < 0 || area[1] <= area[0])
		return;
	/* The kernel shows more than the arguments' room only where their last byte is not 0, and then up to the next 0. */
	size_t room = area[1] - area[0];
	size_t all = area[2] == area[1] ? area[3] - area[0] : room;
	char *start = (char *)area[0]; // NOLINT(performance-no-int-to-ptr): that is what the kernel tells
	int len = snprintf(title, sizeof(title), "%s %s", name, argument);

	if (len < 0 || (size_t)len >= sizeof(title))
		return;
	memset(start, 0, all);
	if ((size_t)len < all)
		memcpy(start, title, (size_t)len);
	else
		memcpy(start, title, all - 1);
	if ((size_t)len < room) {
		/* Fits: words apart as arguments are. */
		start[strlen(name)] = '\0';
	} else if (all > room && start[room - 1] == '\0') {
		start[room - 1] = ' ';
	}
}
