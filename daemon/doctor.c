/* Pre-flight: is everything there that a night needs? Configuration, disk, and for the services that a campaign uses, credentials and
 * somebody behind every address. */
#include "daemon/leadd.h"
#include "lib/engine/run/payment.h"
#include "lib/engine/show/show.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct doctor {
	struct leadd *l;
	struct http_request *r;
	struct json_object *items;
	unsigned waiting;
};

struct probe {
	struct doctor *d;
	char service[64];
};

static void add(struct json_object *items, const char *check, const char *subject, bool ok, const char *format, ...) PRINTF(5, 6);
static void add(struct json_object *items, const char *check, const char *subject, bool ok, const char *format, ...)
{
	struct json_object *o = json_object_new_object();
	char text[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_object_object_add(o, "check", json_object_new_string(check));
	json_object_object_add(o, "subject", json_object_new_string(subject));
	json_object_object_add(o, "ok", json_object_new_boolean(ok));
	json_object_object_add(o, "detail", json_object_new_string(text));
	json_object_array_add(items, o);
}

static void check_configuration(struct leadd *l, const struct config *fresh, const struct problems *problems, struct json_object *items)
{
	if (fresh != NULL) {
		add(items, "configuration", l->config_file, true, "%zu services, %zu pipelines, %zu campaigns", fresh->n_services, fresh->n_pipelines,
		    fresh->n_campaigns);
	}
	for (struct problem *p = problems->first; p != NULL; p = p->next) {
		add(items, "configuration", l->config_file, false, "%s", p->text);
	}
}

static void check_credential(struct config *c, const char *name, struct json_object *items)
{
	bool there = config_secret(c, name) != NULL;

	add(items, "credential", name, there, "%s",
	    there ? "present" : "missing: put it into the credentials folder (secrets_dir, or LoadCredential in the unit)");
}

/* Of webhooks that come in: each would be refused under a key that was copied wrong. */
static void check_verify(struct config *c, const struct verify *v, struct json_object *items)
{
	const struct secret *s = config_secret(c, v->secret);

	if (s == NULL || v->rule.key != SIGNATURE_KEY_HEX || (s->len % 2 == 0 && strspn(s->text, "0123456789abcdefABCDEF") == s->len)) {
		check_credential(c, v->secret, items);
	} else {
		add(items, "credential", v->secret, false, "not in hex digits, as webhooks signed in the way of %s need it (or 'verify: {key: text}')",
		    signature_words[v->rule.scheme]);
	}
}

/* Whether a night can need it: more services are described than most people have. */
static bool is_used(const struct config *c, const struct service *s)
{
	for (size_t i = 0; i < c->n_campaigns; i++) {
		const struct pipeline *p = c->campaigns[i].pipeline;

		for (size_t k = 0; p != NULL && k < p->n_stages; k++) {
			for (size_t n = 0; n < p->stages[k].n_steps; n++) {
				if (p->stages[k].steps[n].service == s) {
					return true;
				}
			}
		}
	}
	return false;
}

static void check_credentials(struct config *c, struct json_object *items)
{
	for (size_t i = 0; i < c->n_services; i++) {
		for (size_t k = 0; is_used(c, c->services[i]) && k < c->services[i]->n_keys; k++) {
			if (c->services[i]->keys[k].secret != NULL) {
				check_credential(c, c->services[i]->keys[k].secret, items);
			}
		}
	}
	if (c->notify.mail.secret != NULL) {
		check_credential(c, c->notify.mail.secret, items);
	}
	if (c->notify.webhook.secret != NULL) {
		check_credential(c, c->notify.webhook.secret, items);
	}
	for (size_t i = 0; i < c->n_payments; i++) {
		check_verify(c, &c->payments[i].verify, items);
	}
	for (size_t i = 0; i < c->n_tokens; i++) {
		check_credential(c, c->tokens[i].secret, items);
	}
	for (size_t i = 0; i < c->n_intakes; i++) {
		check_verify(c, &c->intakes[i].verify, items);
	}
}

static void check_disk(struct config *c, struct json_object *items)
{
	struct statvfs st;
	bool writable = access(c->state_dir, W_OK) == 0;

	add(items, "state", c->state_dir, writable, "%s", writable ? "writable" : "cannot be written");
	if (statvfs(c->state_dir, &st) == 0) {
		unsigned long long mib = (unsigned long long)st.f_bavail * st.f_frsize >> 20;

		add(items, "disk", c->state_dir, mib >= 1024, "%llu MiB free", mib);
	}
}

static void finish(struct doctor *d)
{
	struct json_object *o;

	if (d->waiting > 0) {
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "items", d->items);
	http_reply_json(d->r, 200, o);
	free(d);
}

static void on_probed(void *arg, int status, const char *output)
{
	struct probe *p = arg;

	add(p->d->items, "reachable", p->service, status == 0, "%s", output);
	p->d->waiting--;
	finish(p->d);
	free(p);
}

/* scheme://host[:port][/path] */
static bool split_base(const char *base, char host[256], char port[8])
{
	const char *at = strstr(base, "://");
	size_t len;

	if (at == NULL) {
		return false;
	}
	(void)snprintf(port, 8, "%s", strncmp(base, "https", 5) == 0 ? "443" : strncmp(base, "smtps", 5) == 0 ? "465" : base[0] == 's' ? "25" : "80");
	at += 3;
	len = strcspn(at, "/");
	if (at[0] == '[') {
		size_t end = strcspn(at, "]");

		(void)snprintf(host, 256, "%.*s", (int)(end - 1), at + 1);
		if (at[end] == ']' && at[end + 1] == ':') {
			(void)snprintf(port, 8, "%.*s", (int)(len - end - 2), at + end + 2);
		}
		return true;
	}
	if (memchr(at, ':', len) != NULL) {
		size_t name = strcspn(at, ":");

		(void)snprintf(port, 8, "%.*s", (int)(len - name - 1), at + name + 1);
		len = name;
	}
	(void)snprintf(host, 256, "%.*s", (int)len, at);
	return len > 0;
}

static void probe(struct leadd *l, struct doctor *d, const char *subject, const char *base)
{
	struct probe *p = calloc(1, sizeof(*p));
	char host[256], port[8];
	const char *args[] = {"leadd", "--probe", host, port, NULL};
	struct lead_error err;

	if (p == NULL) {
		abort();
	}
	p->d = d;
	(void)snprintf(p->service, sizeof(p->service), "%s", subject);
	if (l->draining || !split_base(base, host, port) || child_start(l, args, on_probed, p, &err) != 0) {
		add(d->items, "reachable", p->service, false, "cannot be probed");
		free(p);
		return;
	}
	d->waiting++;
}

/* Is everything there that messages need, and did they arrive so far? */
static void check_notify(struct leadd *l, struct config *c, struct doctor *d)
{
	struct json_object *o;
	struct txn *t = NULL;
	int64_t given_up;

	if (c->notify.mail.server != NULL) {
		probe(l, d, "mail", c->notify.mail.server);
	}
	if (c->notify.webhook.url != NULL) {
		probe(l, d, "webhook", c->notify.webhook.url);
	}
	if ((c->notify.mail.server == NULL && c->notify.webhook.url == NULL) || txn_begin(l->store, false, &t, NULL) != 0) {
		return;
	}
	o = outbox_show(t);
	txn_abort(t);
	given_up = json_object_get_int64(json_object_object_get(o, "given_up"));
	add(d->items, "notify", "outbox", given_up == 0, "%lld waiting, %lld given up within a week%s%s",
	    (long long)json_object_get_int64(json_object_object_get(o, "waiting")), (long long)given_up,
	    json_object_object_get(o, "last_failure") != NULL ? "; " : "",
	    json_object_object_get(o, "last_failure") != NULL ? json_object_get_string(json_object_object_get(o, "last_failure")) : "");
	json_object_put(o);
}

static void on_configured(void *arg, struct config *fresh, const struct problems *problems)
{
	struct doctor *d = arg;
	struct leadd *l = d->l;
	struct config *c = engine_config(l->engine);

	check_configuration(l, fresh, problems, d->items);
	config_unref(fresh);
	check_credentials(c, d->items);
	check_disk(c, d->items);
	for (size_t i = 0; i < c->n_services; i++) {
		if (is_used(c, c->services[i])) {
			probe(l, d, c->services[i]->name, c->services[i]->base);
		} else {
			add(d->items, "reachable", c->services[i]->name, true, "not asked: no campaign uses it");
		}
	}
	check_notify(l, c, d);
	d->waiting--;
	finish(d);
}

void doctor_open(void *app, struct http_request *r)
{
	struct doctor *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		abort();
	}
	*d = (struct doctor){.l = app, .r = r, .items = json_object_new_array(), .waiting = 1};
	reload_read(app, on_configured, d);
}
