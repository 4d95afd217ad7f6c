/* See body.h. */
#include "lib/store/body.h"

#include "lib/store/pack.h"

#include <string.h>
#include <strings.h>

#define FLAG_CUT 1

static struct key body_key(uint64_t call)
{
	return key_u64(key_of(), call);
}

/* A session that is over means nothing to anybody. */
static bool is_kept(const struct body_header *h)
{
	return strcasecmp(h->name, "set-cookie") != 0;
}

/* How many of the headers have room; *ret_kept: without those that are left out on purpose. */
static size_t fitting(const struct body_row *r, size_t *ret_kept)
{
	size_t bytes = 0, i = 0;

	*ret_kept = 0;
	for (; i < r->n_headers; i++) {
		if (!is_kept(&r->headers[i])) {
			continue;
		}
		bytes += strlen(r->headers[i].name) + strlen(r->headers[i].value);
		if (bytes > BODY_HEADER_BYTES) {
			break;
		}
		++*ret_kept;
	}
	return i;
}

/* With its NUL, so that a reader needs no copy. */
static void pack_cstr(struct buf *b, const char *text)
{
	pack_bytes(b, text, strlen(text) + 1);
}

static const char *unpack_cstr(struct unpack *u)
{
	struct slice s = unpack_bytes(u);

	if (s.len == 0 || s.data[s.len - 1] != 0) {
		u->bad = true;
		return "";
	}
	return (const char *)s.data;
}

void body_head_write(const struct body_row *r, struct buf *out)
{
	size_t kept, n = fitting(r, &kept);

	pack_u8(out, 0);
	pack_u8(out, r->transport);
	pack_u16(out, r->status);
	pack_var(out, (uint64_t)(r->first_us > 0 ? r->first_us : 0));
	pack_var(out, (uint64_t)(r->end_us > 0 ? r->end_us : 0));
	pack_text(out, r->why);
	pack_var(out, kept);
	for (size_t i = 0; i < n; i++) {
		if (is_kept(&r->headers[i])) {
			pack_cstr(out, r->headers[i].name);
			pack_cstr(out, r->headers[i].value);
		}
	}
}

void body_write(struct txn *t, uint64_t call, struct slice head, struct slice body)
{
	uint8_t flags = 0;
	struct slice pieces[3];

	if (body.len > BODY_BYTES) {
		flags |= FLAG_CUT;
		body.len = BODY_BYTES;
	}
	pieces[0] = (struct slice){&flags, 1};
	pieces[1] = (struct slice){head.data + 1, head.len - 1};
	pieces[2] = body;
	txn_append_pieces(t, TABLE_BODY, body_key(call), pieces, 3);
}

bool body_decode(struct slice value, struct body_row *ret)
{
	struct unpack u = unpack_of(value);

	memset(ret, 0, sizeof(*ret));
	ret->cut = (unpack_u8(&u) & FLAG_CUT) != 0;
	ret->transport = unpack_u8(&u);
	ret->status = unpack_u16(&u);
	ret->first_us = (int64_t)unpack_var(&u);
	ret->end_us = (int64_t)unpack_var(&u);
	unpack_text(&u, ret->why, sizeof(ret->why));
	ret->n_headers = (size_t)unpack_var(&u);
	if (ret->n_headers > BODY_HEADERS) {
		return false;
	}
	for (size_t i = 0; i < ret->n_headers; i++) {
		ret->headers[i].name = unpack_cstr(&u);
		ret->headers[i].value = unpack_cstr(&u);
	}
	ret->bytes = (struct slice){u.at, (size_t)(u.end - u.at)};
	return !u.bad;
}

bool body_read(struct txn *t, uint64_t call, struct body_row *ret)
{
	struct slice value;

	return txn_get(t, TABLE_BODY, body_key(call), &value) && body_decode(value, ret);
}

uint64_t body_oldest(struct txn *t)
{
	struct slice key, value;

	return txn_first(t, TABLE_BODY, key_of(), key_of(), &key, &value) ? key_get_u64(key.data) : 0;
}

unsigned body_expire(struct txn *t, uint64_t before, unsigned most)
{
	unsigned n = 0;
	uint64_t call;

	while (n < most && (call = body_oldest(t)) != 0 && call < before) {
		txn_delete(t, TABLE_BODY, body_key(call));
		n++;
	}
	return n;
}
