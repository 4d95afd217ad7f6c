/* See names.h. A few dozen names: a plain array each way is enough. */
#include "lib/store/names.h"

#include "lib/store/pack.h"

#include <stdlib.h>
#include <string.h>

struct names {
	struct {
		char **text; /* number - 1 */
		size_t n;
		size_t kept; /* the first so many are in the store */
	} kinds[NAME_N];
};

static int names_set(struct names *n, enum name_kind kind, uint32_t number, const char *text, size_t len)
{
	char **list = n->kinds[kind].text;

	if (number > n->kinds[kind].n) {
		list = realloc(list, number * sizeof(*list));
		if (list == NULL) {
			return LEAD_ENOMEM;
		}
		memset(list + n->kinds[kind].n, 0, (number - n->kinds[kind].n) * sizeof(*list));
		n->kinds[kind].text = list;
		n->kinds[kind].n = number;
	}
	free(list[number - 1]);
	list[number - 1] = strndup(text, len);
	return list[number - 1] != NULL ? 0 : LEAD_ENOMEM;
}

struct loading {
	struct names *names;
	int rc;
};

static bool on_name(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	struct unpack u = unpack_of(value);
	uint32_t number = unpack_u32(&u);
	struct slice text = unpack_bytes(&u);

	if (key.data[0] < NAME_N && number > 0 && number <= UINT16_MAX && !u.bad) {
		l->rc = names_set(l->names, key.data[0], number, (const char *)text.data, text.len);
	}
	return l->rc == 0;
}

int names_load(struct store *s, struct names **ret, struct lead_error *err)
{
	struct names *n = calloc(1, sizeof(*n));
	struct loading l = {.names = n};
	struct txn *t = NULL;
	int rc;

	if (n == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	rc = txn_begin(s, false, &t, err);
	if (rc == 0) {
		txn_walk(t, TABLE_NAME, key_of(), key_of(), on_name, &l);
		names_kept(n);
		rc = l.rc != 0 ? l.rc : txn_error(t);
		txn_abort(t);
	}
	if (rc != 0) {
		names_free(n);
		return lead_fail(err, rc, "cannot read the names of the store");
	}
	*ret = n;
	return 0;
}

void names_free(struct names *n)
{
	if (n == NULL) {
		return;
	}
	for (int k = 0; k < NAME_N; k++) {
		for (size_t i = 0; i < n->kinds[k].n; i++) {
			free(n->kinds[k].text[i]);
		}
		free(n->kinds[k].text);
	}
	free(n);
}

uint16_t names_find(const struct names *n, enum name_kind kind, const char *name)
{
	for (size_t i = 0; i < n->kinds[kind].n; i++) {
		if (n->kinds[kind].text[i] != NULL && strcmp(n->kinds[kind].text[i], name) == 0) {
			return (uint16_t)(i + 1);
		}
	}
	return 0;
}

int names_number(struct names *n, enum name_kind kind, const char *name, uint16_t *ret, struct lead_error *err)
{
	size_t count = n->kinds[kind].n;
	uint16_t known = names_find(n, kind, name);

	if (known != 0) {
		*ret = known;
		return 0;
	}
	if (count >= UINT16_MAX) {
		return lead_fail(err, LEAD_EINPUT, "too many different names: '%s' is one too many", name);
	}
	if (names_set(n, kind, (uint32_t)count + 1, name, strlen(name)) != 0) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	*ret = (uint16_t)(count + 1);
	return 0;
}

void names_write(const struct names *n, struct txn *t)
{
	for (int k = 0; k < NAME_N; k++) {
		for (size_t i = n->kinds[k].kept; i < n->kinds[k].n; i++) {
			struct buf *b = txn_buf(t);

			pack_u32(b, (uint32_t)i + 1);
			pack_text(b, n->kinds[k].text[i]);
			txn_put(t, TABLE_NAME, key_u32(key_u8(key_of(), (uint8_t)k), (uint32_t)i + 1), b->data, b->len);
		}
	}
}

void names_kept(struct names *n)
{
	for (int k = 0; k < NAME_N; k++) {
		n->kinds[k].kept = n->kinds[k].n;
	}
}

const char *names_text(const struct names *n, enum name_kind kind, uint16_t number)
{
	if (number == 0 || number > n->kinds[kind].n || n->kinds[kind].text[number - 1] == NULL) {
		return "?";
	}
	return n->kinds[kind].text[number - 1];
}
