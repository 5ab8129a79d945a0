/*
 * verbs: what the helper can be told to do. Each verb gets the request already read from its descriptor
 * and checked to be a JSON object, and returns the exit status of the process (see PROTOCOL.md).
 */
#ifndef PROA_VERBS_H
#define PROA_VERBS_H

#include <jansson.h>

int verb_run(json_t *request);         /* supervisor.c */
int verb_hasten(void);                 /* cgroup_hasten.c: it has no request */
int verb_attach(json_t *request);      /* attach.c */
int verb_logs(json_t *request);        /* logs.c */
int verb_exec(json_t *request);        /* exec.c */
int verb_layer_apply(json_t *request); /* layer.c */
int verb_layer_share(json_t *request); /* share.c */
int verb_remove_tree(json_t *request); /* tree.c */
int verb_copy_tree(json_t *request);   /* tree.c */
int verb_features(json_t *request);    /* features.c */
int verb_files(json_t *request);       /* files.c */
int verb_layer_diff(json_t *request);  /* layer_diff.c */
int verb_mount_root(json_t *request);  /* mount_root.c */
int verb_unshare(json_t *request);     /* unshare.c */
int verb_netd(json_t *request);        /* net/netd.c */
int verb_netd_probe(json_t *request);  /* net/netd.c */
int verb_netd_status(json_t *request); /* netquery.c */
int verb_network_reload(json_t *request); /* netquery.c */
int verb_chown_tree(json_t *request);  /* tree_each.c */
int verb_tree_size(json_t *request);   /* tree_each.c */
int verb_usage(json_t *request);       /* usage.c */
int verb_processes(json_t *request);   /* usage.c */

#endif
