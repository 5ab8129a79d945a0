/*
 * path: names in a rootfs, which is hostile: its symbolic links, also the absolute ones, lead nowhere but below ROOT.
 */
#ifndef PROA_PATH_H
#define PROA_PATH_H

#include <stdbool.h>
#include <sys/types.h>

/* Symbolic links are followed inside the root, or refused with ELOOP. */
enum path_links { PATH_FOLLOW, PATH_NO_LINKS };

/*
 * Open PATH below ROOT, a descriptor of its top, with open(2)'s FLAGS (O_CLOEXEC is added).
 * Links of /proc that lead to open files are never followed. Return: the descriptor, or -errno.
 */
int path_open(int root, const char *path, int flags, enum path_links links);

/*
 * Make sure that PATH is there below ROOT: a directory, or (DIRECTORY false) anything else but a directory; what is
 * missing is created, also where a symbolic link of the image points at something that is not there yet.
 * Return: an O_PATH descriptor of it, or -errno (ENOTDIR, EISDIR: it is there as something else).
 */
int path_make(int root, const char *path, bool directory, mode_t mode, enum path_links links);

#endif
