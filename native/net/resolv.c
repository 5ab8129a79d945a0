#include "resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>

#include "../util.h"

#define LOOK_MS 1000
#define FILE_BYTES (64 << 10)
#define PORT 53
#define TIMEOUT_MAX 30 /* s, RES_MAXRETRANS of libc */
#define ATTEMPTS_MAX 5 /* RES_MAXRETRY of libc */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line that ends at END. Return: its length, 0 without one; *AT behind it. */
static size_t next_word(const char **at, const char *end, const char **word)
{
	while (*at < end && is_blank(**at))
		(*at)++;
	*word = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	return (size_t)(*at - *word);
}

static bool word_is(const char *word, size_t length, const char *text)
{
	return length == strlen(text) && memcmp(word, text, length) == 0;
}

static void add_server(const char *word, size_t length, struct resolv_conf *out)
{
	char text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	char *scope;
	union sockaddr_any sa = { 0 };

	if (out->n_servers == RESOLV_SERVERS || length >= sizeof(text))
		return;
	memcpy(text, word, length);
	text[length] = '\0';
	scope = strchr(text, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET, text, &sa.v4.sin_addr) == 1) {
		sa.v4.sin_family = AF_INET;
		sa.v4.sin_port = htons(PORT);
	} else if (inet_pton(AF_INET6, text, &sa.v6.sin6_addr) == 1) {
		sa.v6.sin6_family = AF_INET6;
		sa.v6.sin6_port = htons(PORT);
		if (scope)
			sa.v6.sin6_scope_id = if_nametoindex(scope);
	} else {
		return;
	}
	out->servers[out->n_servers++] = sa;
}

/* The number behind PREFIX in an option ("timeout:3"), at most MAX; 0 when it is another option or has none. */
static unsigned option_number(const char *word, size_t length, const char *prefix, unsigned max)
{
	size_t n = strlen(prefix);
	unsigned value = 0;

	if (length <= n || memcmp(word, prefix, n) != 0)
		return 0;
	for (size_t i = n; i < length && word[i] >= '0' && word[i] <= '9'; i++)
		value = value > max ? value : value * 10 + (unsigned)(word[i] - '0');
	return value > max ? max : value;
}

static void read_option(const char *word, size_t length, struct resolv_conf *out)
{
	unsigned seconds = option_number(word, length, "timeout:", TIMEOUT_MAX);
	unsigned attempts = option_number(word, length, "attempts:", ATTEMPTS_MAX);

	if (seconds > 0)
		out->timeout_ms = seconds * 1000;
	else if (attempts > 0)
		out->attempts = attempts;
	else if (word_is(word, length, "rotate"))
		out->rotate = true;
	else if (word_is(word, length, "use-vc") || word_is(word, length, "usevc"))
		out->use_vc = true;
	/* edns0, trust-ad, ndots and what else shapes a question are the asker's: its packets go on as they came. */
}

void resolv_parse(const char *text, size_t length, struct resolv_conf *out)
{
	const char *end = text + length;

	memset(out, 0, sizeof(*out));
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text)), *line_end = newline ? newline : end, *word;
		size_t n = next_word(&text, line_end, &word);

		/* A comment has # or ; in its first column; elsewhere they are no word that is known either. */
		if (word_is(word, n, "nameserver")) {
			n = next_word(&text, line_end, &word);
			add_server(word, n, out);
		} else if (word_is(word, n, "options")) {
			while ((n = next_word(&text, line_end, &word)) > 0)
				read_option(word, n, out);
		}
		if (!newline)
			break;
		text = newline + 1;
	}
	if (out->n_servers == 0)
		add_server("127.0.0.1", strlen("127.0.0.1"), out);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

const struct resolv_conf *resolv_now(struct resolv_file *file, const char *path, int64_t now_ms)
{
	struct stat now = { 0 };
	autofree char *text = NULL;
	ssize_t length;

	if (file->looked && now_ms - file->looked_ms < LOOK_MS)
		return &file->conf;
	/* A FIFO or a device in its place would hold up everyone: only a regular file is opened. */
	if (stat(path, &now) < 0 || !S_ISREG(now.st_mode))
		memset(&now, 0, sizeof(now));
	if (!file->looked || !same_file(&now, &file->seen)) {
		length = now.st_ino ? read_file_at(AT_FDCWD, path, &text, FILE_BYTES) : 0;
		resolv_parse(text ? text : "", length > 0 ? (size_t)length : 0, &file->conf);
		file->seen = now;
	}
	file->looked = true;
	file->looked_ms = now_ms;
	return &file->conf;
}
