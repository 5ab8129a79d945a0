/*
 * unpack: the entries of a layer, or of any archive, become files below a directory, whatever the archive tries.
 *
 * Every name is cleaned (no "..", not absolute) and its directory opened with openat2(RESOLVE_IN_ROOT), so that links in the layer lead nowhere
 * but into the layer; the last component is never followed. The caller is root of the user namespace whose maps are given. Nobody else works in the
 * directory of a layer; where files are copied to a container that runs, whatever it does meanwhile leads nowhere but below the directory.
 */
#ifndef PROA_UNPACK_H
#define PROA_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "request.h"
#include "tar.h"

/* Whose the files become. */
enum unpack_owners {
	UNPACK_ENTRY, /* as the archive says */
	UNPACK_ROOT,  /* 0:0 */
	UNPACK_MINE,  /* the caller's: nothing is given away, and what only root may set is left out */
};

struct unpack_options {
	int target;                 /* descriptor of the directory, open for reading */
	bool overlay;               /* whiteouts become overlay's; otherwise they delete what lies below */
	enum unpack_owners owners;
	const struct id_maps *maps; /* for UNPACK_ENTRY */
	/*
	 * Files are copied, this is no layer: ".wh." means nothing, the target itself stays as it is (the entry "./"), and a directory gives way to something else, or the
	 * other way round, only with REPLACE.
	 */
	bool copy, replace;
	bool top; /* with COPY: the entry "./" is for the target, all the same */
};

struct unpack;

/* Prepare for a layer. Return: 0 with *OUT, or -errno with ERR. */
int unpack_begin(const struct unpack_options *options, struct unpack **out, struct err *err);

/* Apply ENTRY, reading its data from TAR. Return: 0 or -errno with ERR. */
int unpack_entry(struct unpack *unpack, struct tar *tar, const struct tar_entry *entry, struct err *err);

/* What can only be done at the end: times of directories, the mode of the target. Return: 0 or -errno with ERR. */
int unpack_finish(struct unpack *unpack, struct err *err);

/* Devices that were left out, because nobody in a user namespace can make them. */
uint64_t unpack_skipped_devices(const struct unpack *unpack);

void unpack_free(struct unpack *unpack);

#endif
