/*
 * request: JSON in and out of the seam. The records are those of PROTOCOL.md.
 */
#ifndef PROA_REQUEST_H
#define PROA_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define REQUEST_LIMIT (16 << 20) /* bytes of a request or a bundle's config.json */

/* Read one JSON object from FD to its end. Return: 0 with *OUT owned by the caller, or -errno with ERR filled. */
int request_read(int fd, json_t **out, struct err *err);

/*
 * Keep FD, which a request was read from, for another reading of it, close-on-exec. Return: false where it cannot be read
 * again (a pipe).
 */
bool request_keep(int fd);

/* The descriptor that was kept, or a new one with the text of REQUEST; -1 where there is none to be had. */
int request_kept(json_t *request);

/*
 * Unpack OBJECT by jansson's json_unpack_ex format, strictly: an unknown key is an error ("!" is appended by the caller's format).
 * Return: 0 or -EINVAL with ERR filled, naming WHAT.
 */
int request_unpack(json_t *object, struct err *err, const char *what, const char *format, ...);

/* One line of an id map. */
struct id_map {
	uint32_t inside, outside, size;
};

/* MAPPINGS: at most 340 lines each (the kernel's limit). */
struct id_maps {
	struct id_map *uid, *gid;
	size_t n_uid, n_gid;
};

int request_mappings(json_t *object, struct id_maps *out, struct err *err);
void id_maps_free(struct id_maps *maps);

/* Print {"ok":REPLY} (REPLY is stolen) or {"error":FACTS} as one line on stdout. Return: the exit status, 0 or 1. */
int reply_ok(json_t *reply);
int reply_error(const struct err *err);

/*
 * For verbs that Bun became: execute `PROA __report VERB FACTS`, so that TypeScript words the failure.
 * Return: only when that failed too, after a bare line on stderr: the exit status of ERR.
 */
int report_failure(const char *proa, const char *verb, const struct err *err);

#endif
