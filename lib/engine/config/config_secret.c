/* Credentials: each is a file of its own, read once, wiped when it is freed. Which there are follows from all that names one. */
#include "lib/engine/config/config_read.h"

#include "lib/engine/run/payment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Something in its place, which goes nowhere. */
static void pretend_secret(struct config_reading *r, const char *name)
{
	struct secret *s = &r->c->secrets[r->c->n_secrets];

	for (size_t i = 0; r->o.missing != NULL && r->o.missing[i] != NULL; i++) {
		if (strcmp(r->o.missing[i], name) == 0) {
			return;
		}
	}
	if (config_secret(r->c, name) == NULL && (s->text = strdup("-")) != NULL) {
		s->name = name;
		s->len = 1;
		r->c->n_secrets++;
	}
}

static void read_secret(struct config_reading *r, const char *name)
{
	const char *dir = r->c->secrets_dir != NULL ? config_resolve(r, r->c->secrets_dir) : getenv("CREDENTIALS_DIRECTORY");
	struct secret *s = &r->c->secrets[r->c->n_secrets];
	char path[4096], text[4096];
	ssize_t n;
	int fd;

	if (dir == NULL || config_secret(r->c, name) != NULL ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path)) {
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return; /* doctor names it */
	}
	n = read(fd, text, sizeof(text));
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
		n--;
	}
	if (n > 0 && n < (ssize_t)sizeof(text)) {
		s->text = strndup(text, (size_t)n);
		s->name = name;
		s->len = (size_t)n;
		r->c->n_secrets += s->text != NULL ? 1 : 0;
	}
	explicit_bzero(text, sizeof(text));
}

static void one_secret(struct config_reading *r, const char *name)
{
	if (name != NULL && r->c->secrets != NULL) {
		(r->o.no_secrets ? pretend_secret : read_secret)(r, name);
	}
}

void config_read_secrets(struct config_reading *r)
{
	struct config *c = r->c;
	size_t most = c->n_tokens + c->n_payments + c->n_intakes + 2;

	for (size_t i = 0; i < c->n_services; i++) {
		most += c->services[i]->n_keys;
	}
	c->secrets = calloc(most, sizeof(*c->secrets));
	for (size_t i = 0; i < c->n_services; i++) {
		for (size_t k = 0; k < c->services[i]->n_keys; k++) {
			one_secret(r, c->services[i]->keys[k].secret);
		}
	}
	for (size_t i = 0; i < c->n_payments; i++) {
		one_secret(r, c->payments[i].verify.secret);
	}
	for (size_t i = 0; i < c->n_tokens; i++) {
		one_secret(r, c->tokens[i].secret);
	}
	for (size_t i = 0; i < c->n_intakes; i++) {
		one_secret(r, c->intakes[i].verify.secret);
	}
	one_secret(r, c->notify.mail.secret);
	one_secret(r, c->notify.webhook.secret);
}

const struct secret *config_secret(const struct config *c, const char *name)
{
	for (size_t i = 0; name != NULL && i < c->n_secrets; i++) {
		if (strcmp(c->secrets[i].name, name) == 0) {
			return &c->secrets[i];
		}
	}
	return NULL;
}

void config_free_secrets(struct config *c)
{
	for (size_t i = 0; i < c->n_secrets; i++) {
		explicit_bzero(c->secrets[i].text, c->secrets[i].len);
		free(c->secrets[i].text);
	}
	free(c->secrets);
}
