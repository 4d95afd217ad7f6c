/*
 * The API on TCP: the addresses of `listen:`, and who somebody with a token is.
 */
#include "daemon/leadd.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

static uint32_t rights_of(const struct token *t)
{
	static const enum http_right of[TOKEN_RIGHTS] = {
	    [TOKEN_READ] = HTTP_READ,
	    [TOKEN_OPERATE] = HTTP_OPERATE,
	    [TOKEN_ADMIN] = HTTP_ADMIN,
	    [TOKEN_APPROVE] = HTTP_APPROVE,
	    [TOKEN_INTAKE] = HTTP_INTAKE,
	};
	uint32_t rights = 0;

	for (unsigned i = 0; i < TOKEN_RIGHTS; i++) {
		rights |= (t->rights >> i & 1) << of[i];
	}
	return rights;
}

/*
 * Digests are compared, and all of them: neither how long a token is nor how much of it is right shows in the time taken.
 * ret_name: of the first that fits; may be NULL.
 */
static bool token_find(void *app, const char *token, size_t len, uint32_t *ret_rights, const char **ret_name)
{
	const struct config *c = engine_config(((struct leadd *)app)->engine);
	unsigned char asked[crypto_generichash_BYTES], known[crypto_generichash_BYTES];
	bool found = false;

	crypto_generichash(asked, sizeof(asked), (const unsigned char *)token, len, NULL, 0);
	for (size_t i = 0; i < c->n_tokens; i++) {
		const struct secret *s = config_secret(c, c->tokens[i].secret);

		if (s == NULL) {
			continue; /* doctor names it */
		}
		crypto_generichash(known, sizeof(known), (const unsigned char *)s->text, s->len, NULL, 0);
		if (sodium_memcmp(asked, known, sizeof(asked)) == 0) {
			*ret_rights |= rights_of(&c->tokens[i]);
			if (ret_name != NULL && !found) {
				*ret_name = c->tokens[i].name;
			}
			found = true;
		}
	}
	sodium_memzero(known, sizeof(known));
	return found;
}

bool access_token(void *app, const char *token, size_t len, uint32_t *ret_rights)
{
	return token_find(app, token, len, ret_rights, NULL);
}

void access_who(struct leadd *l, struct http_request *r, char *out, size_t size)
{
	const char *token = http_bearer(r), *name = NULL;
	uid_t uid = http_peer_uid(r);
	uint32_t rights = 0;

	if (uid != (uid_t)-1) {
		(void)snprintf(out, size, "uid %lu", (unsigned long)uid);
	} else if (token != NULL && token_find(l, token, strlen(token), &rights, &name)) {
		(void)snprintf(out, size, "token %s", name);
	} else {
		(void)snprintf(out, size, "nobody known");
	}
}

int access_listen(struct leadd *l, struct lead_error *err)
{
	const struct config *c = engine_config(l->engine);

	l->listening = calloc(c->n_listen + 1, sizeof(*l->listening));
	if (l->listening == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < c->n_listen; i++) {
		struct endpoint at = c->listen[i];
		char text[ENDPOINT_TEXT];
		int rc = http_listen_tcp(l->http, &at, &at.port, err);

		if (rc != 0) {
			return rc;
		}
		l->listening[l->n_listening++] = at;
		endpoint_write(&at, text);
		log_line(LOG_NOTE_, "the API is served on %s too, to %zu token%s", text, c->n_tokens, c->n_tokens == 1 ? "" : "s");
	}
	return 0;
}

void access_put(const struct leadd *l, struct json_object *o)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->n_listening; i++) {
		char text[ENDPOINT_TEXT];

		endpoint_write(&l->listening[i], text);
		json_object_array_add(list, json_object_new_string(text));
	}
	json_object_object_add(o, "listen", list);
}
