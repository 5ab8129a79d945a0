/*
 * bundle: config.json of the OCI runtime specification, parsed once, checked, and kept as it is needed.
 */
#ifndef PROA_BUNDLE_H
#define PROA_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>

#include "err.h"
#include "request.h"

struct bundle {
	json_t *config;        /* the whole document, owned */
	json_t *process;       /* borrowed from config */
	char *dir;             /* absolute path of the bundle */
	char *root;            /* absolute path that the rootfs is mounted at */
	bool root_readonly;
	bool terminal;         /* process.terminal */
	int rows, columns;     /* process.consoleSize, 0 when absent */
	struct id_maps maps;   /* linux.uidMappings, gidMappings */
};

/* Load DIR/config.json. Return: 0 with *OUT owned by the caller, or -errno with ERR. */
int bundle_load(const char *dir, struct bundle **out, struct err *err);
void bundle_free(struct bundle *bundle);

#endif
