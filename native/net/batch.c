#include "batch.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>

#include "../util.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77
#endif
#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif

#define SLOT_BYTES (65536 + 1088) /* the largest datagram; not a power of two, or the heads of all slots would share a few cache lines */
#define CONTROL_BYTES 256
#define RUN_SEGMENTS 64  /* UDP_MAX_SEGMENTS of older kernels */
#define RUN_BYTES 65000  /* below 65507, the most that one UDP datagram holds */
#define USUAL_HOPS 64    /* net.ipv4.ip_default_ttl */

struct run {
	size_t first, n;   /* datagrams */
	uint32_t bytes;
	uint16_t segment;  /* 0: a single datagram */
};

struct batch {
	unsigned char *slots;
	bool used;
	struct datagram datagrams[BATCH_DATAGRAMS];
	struct mmsghdr messages[BATCH_DATAGRAMS];
	struct iovec vectors[BATCH_DATAGRAMS];
	_Alignas(struct cmsghdr) unsigned char controls[BATCH_DATAGRAMS][CONTROL_BYTES];
	/* sending */
	struct mmsghdr out[BATCH_DATAGRAMS];
	struct iovec out_vectors[BATCH_DATAGRAMS];
	struct run runs[BATCH_DATAGRAMS];
	_Alignas(struct cmsghdr) unsigned char out_controls[BATCH_DATAGRAMS][CONTROL_BYTES];
};

struct batch *batch_new(void)
{
	/* Mapped, not allocated: what is never used stays address space, and it goes back as a whole. */
	void *memory = mmap(NULL, sizeof(struct batch), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

bool batch_rest(struct batch *batch)
{
	bool used = batch->used;

	batch->used = false;
	if (!used && batch->slots) {
		munmap(batch->slots, (size_t)BATCH_DATAGRAMS * SLOT_BYTES);
		madvise(batch, sizeof(*batch), MADV_DONTNEED); /* all zero again, as from batch_new() */
	}
	return used;
}

static int map_slots(struct batch *batch)
{
	void *memory = mmap(NULL, (size_t)BATCH_DATAGRAMS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	madvise(memory, (size_t)BATCH_DATAGRAMS * SLOT_BYTES, MADV_NOHUGEPAGE); /* the first page of each slot is all that most traffic needs */
	batch->slots = memory;
	for (size_t i = 0; i < BATCH_DATAGRAMS; i++) {
		struct msghdr *header = &batch->messages[i].msg_hdr;

		batch->vectors[i].iov_base = batch->slots + i * SLOT_BYTES;
		batch->vectors[i].iov_len = 65536;
		header->msg_iov = &batch->vectors[i];
		header->msg_iovlen = 1;
		header->msg_control = batch->controls[i];
	}
	return 0;
}

static int int_of(const struct cmsghdr *c)
{
	int value = 0;

	memcpy(&value, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) < sizeof(value) ? c->cmsg_len - CMSG_LEN(0) : sizeof(value));
	return value;
}

static void read_ipv4(struct datagram *d, const struct cmsghdr *c)
{
	struct in_pktinfo info;

	switch (c->cmsg_type) {
	case IP_TOS: d->traffic = *CMSG_DATA(c); break;
	case IP_RECVFRAGSIZE: d->divided = true; break;
	case IP_TTL: d->hops = (int16_t)int_of(c); break;
	case IP_ORIGDSTADDR: memcpy(&d->to.v4, CMSG_DATA(c), sizeof(d->to.v4)); break;
	case IP_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		d->ifindex = info.ipi_ifindex;
		d->local = (struct address){ .family = AF_INET, .v4 = info.ipi_spec_dst };
		break;
	}
}

static void read_ipv6(struct datagram *d, const struct cmsghdr *c)
{
	struct in6_pktinfo info;

	switch (c->cmsg_type) {
	case IPV6_TCLASS: d->traffic = (uint8_t)int_of(c); break;
	case IPV6_RECVFRAGSIZE: d->divided = true; break;
	case IPV6_HOPLIMIT: d->hops = (int16_t)int_of(c); break;
	case IPV6_ORIGDSTADDR: memcpy(&d->to.v6, CMSG_DATA(c), sizeof(d->to.v6)); break;
	case IPV6_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		d->ifindex = (int)info.ipi6_ifindex;
		d->local = (struct address){ .family = AF_INET6, .v6 = info.ipi6_addr };
		break;
	}
}

static int receive(struct batch *batch, int fd, bool named, struct datagram **out)
{
	int n;

	if (!batch->slots) {
		int code = map_slots(batch);

		if (code < 0)
			return code;
	}
	batch->used = true;
	for (size_t i = 0; i < BATCH_DATAGRAMS; i++) {
		batch->messages[i].msg_hdr.msg_name = named ? &batch->datagrams[i].from : NULL;
		batch->messages[i].msg_hdr.msg_namelen = named ? sizeof(union sockaddr_any) : 0;
		batch->messages[i].msg_hdr.msg_controllen = CONTROL_BYTES;
	}
	n = recvmmsg(fd, batch->messages, BATCH_DATAGRAMS, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct datagram *d = &batch->datagrams[i];
		struct msghdr *header = &batch->messages[i].msg_hdr;

		d->data = batch->vectors[i].iov_base;
		d->len = batch->messages[i].msg_len;
		d->segment = 0;
		d->hops = -1;
		d->traffic = 0;
		d->divided = false;
		d->ifindex = 0;
		d->to.any.sa_family = 0;
		d->local.family = 0;
		if (header->msg_namelen == 0)
			d->from.any.sa_family = 0;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
			if (c->cmsg_level == IPPROTO_IP)
				read_ipv4(d, c);
			else if (c->cmsg_level == IPPROTO_IPV6)
				read_ipv6(d, c);
			else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
				d->segment = (uint16_t)int_of(c);
		}
		if (d->segment >= d->len)
			d->segment = 0;
	}
	*out = batch->datagrams;
	return n;
}

void batch_ask_divided(int fd, sa_family_t family)
{
	bool v6 = family == AF_INET6;

	socket_on(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVFRAGSIZE : IP_RECVFRAGSIZE);
}

void batch_widen(int fd, int share)
{
	int bytes = BATCH_BUFFER_BYTES / share;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

int batch_receive(struct batch *batch, int fd, struct datagram **out)
{
	return receive(batch, fd, true, out);
}

int batch_receive_connected(struct batch *batch, int fd, struct datagram **out)
{
	return receive(batch, fd, false, out);
}

/* Whether B may travel in one run behind A: the kernel gives all of a run the same header. */
static bool alike(const struct datagram *a, const struct datagram *b)
{
	return a->traffic == b->traffic && a->hops == b->hops;
}

/* The longest run that begins at FIRST. */
static struct run run_from(const struct outgoing *out, const struct datagram *d, size_t first, size_t n)
{
	struct run run = { .first = first, .n = 1, .bytes = d[first].len, .segment = d[first].segment };
	uint32_t unit = datagram_unit(&d[first]);
	uint16_t limit = out->segment_limit ? *out->segment_limit : 0;

	if (unit == 0 || unit >= limit)
		return run;
	for (size_t i = first + 1; i < n && run.bytes % unit == 0; i++) {
		if (d[i].len == 0 || datagram_unit(&d[i]) > unit || (d[i].segment && d[i].segment != unit) || !alike(&d[first], &d[i]))
			break;
		if (run.bytes + d[i].len > RUN_BYTES || (run.bytes + d[i].len + unit - 1) / unit > RUN_SEGMENTS)
			break;
		run.bytes += d[i].len;
		run.n++;
	}
	if (run.bytes > unit)
		run.segment = (uint16_t)unit;
	return run;
}

/* Append a control message. Return: bytes it takes. */
static size_t put(unsigned char *at, int level, int type, const void *data, size_t len)
{
	struct cmsghdr c = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };

	memset(at, 0, CMSG_SPACE(len));
	memcpy(at, &c, sizeof(c));
	memcpy(at + CMSG_LEN(0), data, len);
	return CMSG_SPACE(len);
}

static size_t write_control(unsigned char *at, const struct outgoing *out, const struct datagram *d, uint16_t segment)
{
	bool v6 = out->family == AF_INET6;
	size_t used = 0;
	int value;

	if (segment)
		used += put(at + used, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (out->local && out->local->family == AF_INET && !v6) {
		struct in_pktinfo info = { .ipi_spec_dst = out->local->v4 };

		used += put(at + used, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (out->local && out->local->family == AF_INET6 && v6) {
		struct in6_pktinfo info = { .ipi6_addr = out->local->v6 };

		used += put(at + used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (d->traffic) {
		value = d->traffic;
		used += put(at + used, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &value, sizeof(value));
	}
	if (out->keep_hops && d->hops > 1 && d->hops != USUAL_HOPS) {
		value = d->hops - 1;
		used += put(at + used, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL, &value, sizeof(value));
	}
	return used;
}

static void fill_header(struct msghdr *header, const struct outgoing *out, unsigned char *control, const struct datagram *d, uint16_t segment)
{
	size_t used = write_control(control, out, d, segment);

	*header = (struct msghdr){
		.msg_name = (void *)out->to,
		.msg_namelen = out->to ? sockaddr_len(out->to) : 0,
		.msg_control = used ? control : NULL,
		.msg_controllen = used,
	};
}

/* Send D, or each datagram of the run that it is, by itself. */
static void send_single(const struct outgoing *out, const struct datagram *d)
{
	_Alignas(struct cmsghdr) unsigned char control[CONTROL_BYTES];
	uint32_t unit = datagram_unit(d), at = 0;
	struct msghdr header;

	fill_header(&header, out, control, d, 0);
	do {
		struct datagram part = *d;
		struct iovec vector = { d->data + at, d->len - at < unit ? d->len - at : unit };

		header.msg_iov = &vector;
		header.msg_iovlen = 1;
		part.data = vector.iov_base;
		part.len = (uint32_t)vector.iov_len;
		part.segment = 0;
		for (int tries = 0; tries < 3 && sendmsg(out->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0; tries++)
			if (errno == EAGAIN || errno == ENOBUFS || !out->failed || !out->failed(out->context, &part, errno))
				break;
		at += unit;
	} while (at < d->len);
}

/* What a whole run is refused for where its datagrams may go one by one: larger than the path, no checksums by the device, no such option. */
static bool is_refused_run(int code)
{
	return code == EINVAL || code == EIO || code == EMSGSIZE || code == EOPNOTSUPP || code == ENOPROTOOPT;
}

static void send_run_apart(const struct outgoing *out, const struct datagram *d, const struct run *run)
{
	for (size_t i = 0; i < run->n; i++)
		send_single(out, &d[run->first + i]);
}

/* RUN could not be sent for CODE. Return: whether to try it again. */
static bool run_failed(const struct outgoing *out, const struct datagram *d, const struct run *run, int code)
{
	if (code == EAGAIN || code == ENOBUFS || code == EINTR)
		return false; /* the way is full: datagrams are lost there, as on any router */
	if (run->segment && is_refused_run(code)) {
		if (code != EMSGSIZE && out->segment_limit && run->segment < *out->segment_limit)
			*out->segment_limit = run->segment;
		send_run_apart(out, d, run);
		return false;
	}
	return out->failed && out->failed(out->context, &d[run->first], code);
}

void batch_send(struct batch *batch, const struct outgoing *out, const struct datagram *d, size_t n)
{
	unsigned n_runs = 0, sent = 0, tries = 0;

	if (n > BATCH_DATAGRAMS)
		n = BATCH_DATAGRAMS;
	batch->used = true;
	for (size_t i = 0; i < n; n_runs++) {
		struct run run = run_from(out, d, i, n);

		if (run.segment && out->segment_limit && run.segment >= *out->segment_limit) {
			/* a run as it came, on a way that takes none */
			run.segment = 0;
		}
		batch->runs[n_runs] = run;
		fill_header(&batch->out[n_runs].msg_hdr, out, batch->out_controls[n_runs], &d[i], run.segment);
		batch->out[n_runs].msg_hdr.msg_iov = &batch->out_vectors[i];
		batch->out[n_runs].msg_hdr.msg_iovlen = run.n;
		for (size_t k = i; k < i + run.n; k++)
			batch->out_vectors[k] = (struct iovec){ d[k].data, d[k].len };
		i += run.n;
	}
	while (sent < n_runs) {
		const struct run *run = &batch->runs[sent];
		int done;

		if (!run->segment && d[run->first].segment) {
			send_run_apart(out, d, run);
			sent++;
			continue;
		}
		/* up to the next one that must go apart */
		done = 1;
		while (sent + (unsigned)done < n_runs && (batch->runs[sent + (unsigned)done].segment || !d[batch->runs[sent + (unsigned)done].first].segment))
			done++;
		done = sendmmsg(out->fd, &batch->out[sent], (unsigned)done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done > 0) {
			sent += (unsigned)done;
			tries = 0;
		} else if (!run_failed(out, d, run, errno) || ++tries == 3) {
			sent++;
			tries = 0;
		}
	}
}
