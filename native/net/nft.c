#include "nft.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <string.h>

#define DYNAMIC_TIMEOUT_MS 60000

void nft_free(struct nft *nft)
{
	nl_free(&nft->batch);
}

static void frame(struct nft *nft, uint16_t type)
{
	const struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin_quiet(&nft->batch, NULL, type, 0, &header, sizeof(header));
}

static void change(struct nft *nft, const char *step, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg header = { .nfgen_family = nft->family, .version = NFNETLINK_V0 };

	/* The whole is acknowledged once: with its last change. */
	nl_begin_quiet(&nft->batch, step, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &header, sizeof(header));
}

void nft_begin(struct nft *nft)
{
	frame(nft, NFNL_MSG_BATCH_BEGIN);
}

int nft_commit(struct nft *nft, int fd, struct err *err)
{
	nl_acknowledge(&nft->batch);
	frame(nft, NFNL_MSG_BATCH_END);
	return nl_talk(fd, &nft->batch, NULL, NULL, err, nft->table);
}

void nft_add_table(struct nft *nft, bool first)
{
	change(nft, "add table", NFT_MSG_NEWTABLE, first ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE);
	nl_put_text(&nft->batch, NFTA_TABLE_NAME, nft->table);
}

void nft_delete_table(struct nft *nft)
{
	change(nft, "delete table", NFT_MSG_DELTABLE, 0);
	nl_put_text(&nft->batch, NFTA_TABLE_NAME, nft->table);
}

void nft_add_set(struct nft *nft, const struct nft_set *set)
{
	struct nl_batch *batch = &nft->batch;

	change(nft, "add set", NFT_MSG_NEWSET, NLM_F_CREATE);
	nl_put_text(batch, NFTA_SET_TABLE, nft->table);
	nl_put_text(batch, NFTA_SET_NAME, set->name);
	nl_put_be32(batch, NFTA_SET_ID, ++nft->sets);
	nl_put_be32(batch, NFTA_SET_KEY_TYPE, set->key_type);
	nl_put_be32(batch, NFTA_SET_KEY_LEN, set->key_len);
	if (set->dynamic) {
		nl_put_be32(batch, NFTA_SET_FLAGS, NFT_SET_EVAL | NFT_SET_TIMEOUT);
		nl_put_be64(batch, NFTA_SET_TIMEOUT, DYNAMIC_TIMEOUT_MS);
	}
	if (set->size) {
		size_t desc = nl_nest(batch, NFTA_SET_DESC);
		nl_put_be32(batch, NFTA_SET_DESC_SIZE, set->size);
		nl_nest_end(batch, desc);
	}
}

/* DATA as an attribute of TYPE in the form that nf_tables has for values. */
static void put_value(struct nl_batch *batch, uint16_t type, const void *data, size_t len)
{
	size_t nest = nl_nest(batch, type);

	nl_put(batch, NFTA_DATA_VALUE, data, len);
	nl_nest_end(batch, nest);
}

static void change_element(struct nft *nft, const char *step, uint16_t type, uint16_t flags, const char *set, const void *key,
	size_t len)
{
	struct nl_batch *batch = &nft->batch;

	change(nft, step, type, flags);
	nl_put_text(batch, NFTA_SET_ELEM_LIST_TABLE, nft->table);
	nl_put_text(batch, NFTA_SET_ELEM_LIST_SET, set);
	size_t list = nl_nest(batch, NFTA_SET_ELEM_LIST_ELEMENTS);
	size_t element = nl_nest(batch, NFTA_LIST_ELEM);
	put_value(batch, NFTA_SET_ELEM_KEY, key, len);
	nl_nest_end(batch, element);
	nl_nest_end(batch, list);
}

void nft_add_element(struct nft *nft, const char *set, const void *key, size_t len)
{
	change_element(nft, "add element", NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, key, len);
}

void nft_delete_element(struct nft *nft, const char *set, const void *key, size_t len)
{
	change_element(nft, "delete element", NFT_MSG_DELSETELEM, 0, set, key, len);
}

void nft_add_chain(struct nft *nft, const char *chain, int hook, int priority)
{
	struct nl_batch *batch = &nft->batch;

	change(nft, "add chain", NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_put_text(batch, NFTA_CHAIN_TABLE, nft->table);
	nl_put_text(batch, NFTA_CHAIN_NAME, chain);
	if (hook < 0)
		return;
	size_t where = nl_nest(batch, NFTA_CHAIN_HOOK);
	nl_put_be32(batch, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
	nl_put_be32(batch, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nl_nest_end(batch, where);
	nl_put_be32(batch, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nl_put_text(batch, NFTA_CHAIN_TYPE, "filter");
}

void nft_rule(struct nft *nft, const char *chain)
{
	change(nft, "add rule", NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nl_put_text(&nft->batch, NFTA_RULE_TABLE, nft->table);
	nl_put_text(&nft->batch, NFTA_RULE_CHAIN, chain);
	nft->list = nl_nest(&nft->batch, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft *nft)
{
	nl_nest_end(&nft->batch, nft->list);
}

/* An expression that is being written. */
struct expression {
	size_t element, data;
};

static struct expression begin(struct nft *nft, const char *name)
{
	struct expression out = { .element = nl_nest(&nft->batch, NFTA_LIST_ELEM) };

	nl_put_text(&nft->batch, NFTA_EXPR_NAME, name);
	out.data = nl_nest(&nft->batch, NFTA_EXPR_DATA);
	return out;
}

static void end(struct nft *nft, struct expression expression)
{
	nl_nest_end(&nft->batch, expression.data);
	nl_nest_end(&nft->batch, expression.element);
}

static void put_register(struct nft *nft, uint16_t type, unsigned reg)
{
	nl_put_be32(&nft->batch, type, NFT_REG32_00 + reg);
}

void nft_load_meta(struct nft *nft, uint32_t key, unsigned reg)
{
	struct expression e = begin(nft, "meta");

	put_register(nft, NFTA_META_DREG, reg);
	nl_put_be32(&nft->batch, NFTA_META_KEY, key);
	end(nft, e);
}

void nft_load_payload(struct nft *nft, uint32_t base, uint32_t offset, uint32_t len, unsigned reg)
{
	struct expression e = begin(nft, "payload");

	put_register(nft, NFTA_PAYLOAD_DREG, reg);
	nl_put_be32(&nft->batch, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(&nft->batch, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(&nft->batch, NFTA_PAYLOAD_LEN, len);
	end(nft, e);
}

void nft_load_value(struct nft *nft, unsigned reg, const void *value, size_t len)
{
	struct expression e = begin(nft, "immediate");

	put_register(nft, NFTA_IMMEDIATE_DREG, reg);
	put_value(&nft->batch, NFTA_IMMEDIATE_DATA, value, len);
	end(nft, e);
}

void nft_load_way_out(struct nft *nft, unsigned reg)
{
	struct expression e = begin(nft, "fib");

	put_register(nft, NFTA_FIB_DREG, reg);
	nl_put_be32(&nft->batch, NFTA_FIB_RESULT, NFT_FIB_RESULT_OIF);
	nl_put_be32(&nft->batch, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end(nft, e);
}

void nft_mask(struct nft *nft, unsigned reg, const void *mask, const void *flip, size_t len)
{
	const unsigned char zero[16] = { 0 };
	struct expression e = begin(nft, "bitwise");

	put_register(nft, NFTA_BITWISE_SREG, reg);
	put_register(nft, NFTA_BITWISE_DREG, reg);
	nl_put_be32(&nft->batch, NFTA_BITWISE_LEN, (uint32_t)len);
	put_value(&nft->batch, NFTA_BITWISE_MASK, mask, len);
	put_value(&nft->batch, NFTA_BITWISE_XOR, flip ? flip : zero, len);
	end(nft, e);
}

void nft_compare(struct nft *nft, unsigned reg, uint32_t op, const void *value, size_t len)
{
	struct expression e = begin(nft, "cmp");

	put_register(nft, NFTA_CMP_SREG, reg);
	nl_put_be32(&nft->batch, NFTA_CMP_OP, op);
	put_value(&nft->batch, NFTA_CMP_DATA, value, len);
	end(nft, e);
}

void nft_lookup(struct nft *nft, const char *set, unsigned reg, bool invert)
{
	struct expression e = begin(nft, "lookup");

	nl_put_text(&nft->batch, NFTA_LOOKUP_SET, set);
	put_register(nft, NFTA_LOOKUP_SREG, reg);
	if (invert)
		nl_put_be32(&nft->batch, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	end(nft, e);
}

void nft_above(struct nft *nft, const char *set, unsigned reg, uint64_t rate, uint32_t burst)
{
	struct expression e = begin(nft, "dynset");

	nl_put_text(&nft->batch, NFTA_DYNSET_SET_NAME, set);
	nl_put_be32(&nft->batch, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	put_register(nft, NFTA_DYNSET_SREG_KEY, reg);
	nl_put_be64(&nft->batch, NFTA_DYNSET_TIMEOUT, DYNAMIC_TIMEOUT_MS);
	size_t limit = nl_nest(&nft->batch, NFTA_DYNSET_EXPR);
	nl_put_text(&nft->batch, NFTA_EXPR_NAME, "limit");
	size_t data = nl_nest(&nft->batch, NFTA_EXPR_DATA);
	nl_put_be64(&nft->batch, NFTA_LIMIT_RATE, rate);
	nl_put_be64(&nft->batch, NFTA_LIMIT_UNIT, 1); /* s */
	nl_put_be32(&nft->batch, NFTA_LIMIT_BURST, burst);
	nl_put_be32(&nft->batch, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nl_put_be32(&nft->batch, NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	nl_nest_end(&nft->batch, data);
	nl_nest_end(&nft->batch, limit);
	end(nft, e);
}

void nft_verdict(struct nft *nft, int verdict, const char *chain)
{
	struct expression e = begin(nft, "immediate");

	nl_put_be32(&nft->batch, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	size_t data = nl_nest(&nft->batch, NFTA_IMMEDIATE_DATA);
	size_t inside = nl_nest(&nft->batch, NFTA_DATA_VERDICT);
	nl_put_be32(&nft->batch, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		nl_put_text(&nft->batch, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(&nft->batch, inside);
	nl_nest_end(&nft->batch, data);
	end(nft, e);
}

void nft_reject(struct nft *nft, uint32_t type, uint8_t code)
{
	struct expression e = begin(nft, "reject");

	nl_put_be32(&nft->batch, NFTA_REJECT_TYPE, type);
	nl_put_u8(&nft->batch, NFTA_REJECT_ICMP_CODE, code);
	end(nft, e);
}

void nft_tproxy(struct nft *nft, unsigned reg)
{
	struct expression e = begin(nft, "tproxy");

	nl_put_be32(&nft->batch, NFTA_TPROXY_FAMILY, nft->family);
	put_register(nft, NFTA_TPROXY_REG_PORT, reg);
	end(nft, e);
}

void nft_load_transparent(struct nft *nft, unsigned reg)
{
	struct expression e = begin(nft, "socket");

	nl_put_be32(&nft->batch, NFTA_SOCKET_KEY, NFT_SOCKET_TRANSPARENT);
	put_register(nft, NFTA_SOCKET_DREG, reg);
	end(nft, e);
}

void nft_queue(struct nft *nft, uint16_t number)
{
	struct expression e = begin(nft, "queue");

	nl_put_u16(&nft->batch, NFTA_QUEUE_NUM, htons(number));
	nl_put_u16(&nft->batch, NFTA_QUEUE_TOTAL, htons(1));
	nl_put_u16(&nft->batch, NFTA_QUEUE_FLAGS, 0);
	end(nft, e);
}

void nft_queue_xt(struct nft *nft, uint16_t number)
{
	/* The target's data in the form that it has in memory, with the alignment of xtables. */
	struct xt_NFQ_info_v3 info __attribute__((aligned(8))) = { .queuenum = number, .queues_total = 1 };
	unsigned char data[(sizeof(info) + 7) & ~7UL] = { 0 };
	struct expression e = begin(nft, "target");

	memcpy(data, &info, sizeof(info));
	nl_put_text(&nft->batch, NFTA_TARGET_NAME, "NFQUEUE");
	nl_put_be32(&nft->batch, NFTA_TARGET_REV, 3);
	nl_put(&nft->batch, NFTA_TARGET_INFO, data, sizeof(data));
	end(nft, e);
}
