/*
 * nft: transactions of nf_tables, one message or expression a function, on top of netlink.h. Only what rules.c needs.
 *
 * A transaction is nft_begin(), changes, nft_commit(): all of it happens or nothing. A rule is nft_rule(), expressions,
 * nft_rule_end(). An expression that tests ends the rule for packets that do not pass it. Values go from one expression to the
 * next in 32 bit registers.
 */
#ifndef PROA_NET_NFT_H
#define PROA_NET_NFT_H

#include <netinet/in.h> /* before the kernel's own, which then leaves out what both have */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink.h"

/* Where a transaction's changes go. */
struct nft {
	struct nl_batch batch;
	uint8_t family; /* NFPROTO_IPV4, NFPROTO_IPV6 */
	const char *table;
	size_t list;    /* of expressions, while a rule is open */
	uint32_t sets;  /* made in this transaction */
};

void nft_free(struct nft *nft);
#define autonft __attribute__((cleanup(nft_free)))

void nft_begin(struct nft *nft);
/* Return: 0, or -errno with ERR and nothing changed. */
int nft_commit(struct nft *nft, int fd, struct err *err);

/* FIRST: fails with EEXIST. */
void nft_add_table(struct nft *nft, bool first);
void nft_delete_table(struct nft *nft);

struct nft_set {
	const char *name;
	uint32_t key_type; /* nft's (the program's) own number, for listings: NFT_KEY() */
	uint32_t key_len;  /* bytes; each part of a key begins at a multiple of 4 */
	bool dynamic;      /* rules add to it; elements go after a minute without use */
	uint32_t size;     /* at most so many elements; 0: any */
};
#define NFT_KEY_IPV4 7
#define NFT_KEY_IPV6 8
#define NFT_KEY_ETHER 9
#define NFT_KEY_IFINDEX 20
#define NFT_KEY(a, b) ((uint32_t)(a) << 6 | (b))

void nft_add_set(struct nft *nft, const struct nft_set *set);
void nft_add_element(struct nft *nft, const char *set, const void *key, size_t len);
/* Fails with ENOENT. */
void nft_delete_element(struct nft *nft, const char *set, const void *key, size_t len);

/* A chain that packets enter at HOOK (NF_INET_…) in order of PRIORITY, and leave accepted; HOOK -1: one to be jumped to. */
void nft_add_chain(struct nft *nft, const char *chain, int hook, int priority);

void nft_rule(struct nft *nft, const char *chain);
void nft_rule_end(struct nft *nft);

/* Registers, each of 4 bytes: 0 to 15. */
void nft_load_meta(struct nft *nft, uint32_t key, unsigned reg);
void nft_load_payload(struct nft *nft, uint32_t base, uint32_t offset, uint32_t len, unsigned reg);
void nft_load_value(struct nft *nft, unsigned reg, const void *value, size_t len);
/* The device that packets to the packet's destination go out by; 0 when that is none. */
void nft_load_way_out(struct nft *nft, unsigned reg);
/* REG = (REG & MASK) ^ FLIP, of LEN bytes. FLIP may be NULL: nothing. */
void nft_mask(struct nft *nft, unsigned reg, const void *mask, const void *flip, size_t len);
/* Go on when register REG is (or with OP NFT_CMP_NEQ is not) VALUE. */
void nft_compare(struct nft *nft, unsigned reg, uint32_t op, const void *value, size_t len);
/* Go on when the key at REG is (with INVERT: is not) in SET. */
void nft_lookup(struct nft *nft, const char *set, unsigned reg, bool invert);
/* Go on for packets above RATE a second, counted for each key at REG in the dynamic SET. */
void nft_above(struct nft *nft, const char *set, unsigned reg, uint64_t rate, uint32_t burst);

/* NF_ACCEPT, NF_DROP, or NFT_JUMP with a CHAIN. */
void nft_verdict(struct nft *nft, int verdict, const char *chain);
/* NFT_REJECT_TCP_RST, or NFT_REJECT_ICMP_UNREACH with the family's own CODE. */
void nft_reject(struct nft *nft, uint32_t type, uint8_t code);
/* 1 in REG where a transparent socket of N would get the packet as it is; the rule ends where no socket would. */
void nft_load_transparent(struct nft *nft, unsigned reg);
/* Hand to the transparent socket that listens on the port (network order) in REG; goes on when there is one. */
void nft_tproxy(struct nft *nft, unsigned reg);
/*
 * Hold for whoever serves queue NUMBER; dropped when nobody does. By nft's own expression, or by the xtables target of the same
 * use.
 */
void nft_queue(struct nft *nft, uint16_t number);
void nft_queue_xt(struct nft *nft, uint16_t number);

#endif
