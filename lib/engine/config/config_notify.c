/* See config_notify.h. */
#include "lib/engine/config/config_notify.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const words[] = {
    [NOTICE_RUN_DONE] = "run-done",
    [NOTICE_RUN_FAILED] = "run-failed",
    [NOTICE_QUOTA] = "quota",
    [NOTICE_KEY] = "key",
    [NOTICE_OVERBILLED] = "overbilled",
    [NOTICE_BREAKER] = "breaker",
    [NOTICE_BUDGET] = "budget",
    [NOTICE_STORE] = "store-full",
    [NOTICE_APPROVAL] = "approval",
    [NOTICE_TEST] = "test",
    [NOTICES] = NULL,
};

const char *notice_word(enum notice n)
{
	return n < NOTICES ? words[n] : "none";
}

/* Goes into a command of SMTP as it is: one visible word around one @. */
static bool is_address(const char *text)
{
	const char *at = strchr(text, '@');

	for (const char *p = text; *p != 0; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("<>,;:\"\\()[]", *p) != NULL) {
			return false;
		}
	}
	return at != NULL && at != text && at[1] != 0 && strchr(at + 1, '@') == NULL && strlen(text) < 250;
}

static bool is_url(const char *text, const char *const schemes[])
{
	for (size_t i = 0; schemes[i] != NULL; i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(text, schemes[i], len) == 0) {
			for (const char *p = text + len; *p != 0; p++) {
				if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '@' || *p == '#' || *p == '\\') {
					return false;
				}
			}
			return text[len] != 0 && text[len] != '/' && text[len] != ':';
		}
	}
	return false;
}

size_t notify_read_addresses(const struct yaml *y, const struct yaml_node *map, const char *key, const char ***ret, struct problems *p)
{
	size_t n = yaml_get(map, key) != NULL ? yaml_read_strings(y, map, key, ret, p) : 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_address((*ret)[i])) {
			problems_add(p, y, yaml_get(map, key), "'%s' is no mail address: write it plain, such as night@example.com", (*ret)[i]);
		}
	}
	return n;
}

/* A mail server has no folders: smtp://host:port. */
static void read_mail(struct config *c, const struct yaml_node *notify, struct problems *p)
{
	static const char *const keys[] = {"server", "from", "to", "user", "secret", "starttls", NULL};
	static const char *const schemes[] = {"smtp://", "smtps://", NULL};
	const struct yaml_node *node = yaml_get(notify, "mail");
	struct notify_mail *m = &c->notify.mail;
	const struct yaml *y = c->yaml;

	if (node == NULL || !yaml_only_keys(y, node, keys, "mail setting", p)) {
		return;
	}
	(void)yaml_read_string(y, node, "server", &m->server, p);
	(void)yaml_read_string(y, node, "from", &m->from, p);
	(void)yaml_read_string(y, node, "user", &m->user, p);
	(void)yaml_read_string(y, node, "secret", &m->secret, p);
	(void)yaml_read_bool(y, node, "starttls", &m->starttls, p);
	m->n_to = notify_read_addresses(y, node, "to", &m->to, p);
	if (m->server == NULL || m->from == NULL || m->n_to == 0) {
		problems_add(p, y, node, "mail needs 'server', 'from' and 'to'");
		return;
	}
	if (!is_url(m->server, schemes) || strchr(strstr(m->server, "://") + 3, '/') != NULL) {
		problems_add(p, y, yaml_get(node, "server"), "'server' is smtp://host:port, or smtps:// for TLS from the first byte");
	}
	if (!is_address(m->from)) {
		problems_add(p, y, yaml_get(node, "from"), "'%s' is no mail address: write it plain, such as leadd@example.com", m->from);
	}
	if ((m->user != NULL) != (m->secret != NULL)) {
		problems_add(p, y, node, "'user' and 'secret' (the credential with the password) come together");
	}
	if (m->user != NULL && !m->starttls && strncasecmp(m->server, "smtp://", 7) == 0) {
		problems_add(p, y, yaml_get(node, "user"), "a password only goes over TLS: set 'starttls: true', or use smtps://");
	}
}

static void read_webhook(struct config *c, const struct yaml_node *notify, struct problems *p)
{
	static const char *const keys[] = {"url", "secret", NULL};
	static const char *const schemes[] = {"http://", "https://", NULL};
	const struct yaml_node *node = yaml_get(notify, "webhook");
	struct notify_webhook *w = &c->notify.webhook;

	if (node == NULL || !yaml_only_keys(c->yaml, node, keys, "webhook setting", p)) {
		return;
	}
	(void)yaml_read_string(c->yaml, node, "url", &w->url, p);
	(void)yaml_read_string(c->yaml, node, "secret", &w->secret, p);
	if (w->url == NULL || w->secret == NULL) {
		problems_add(p, c->yaml, node, "webhook needs 'url' and 'secret' (the credential to sign with)");
	} else if (!is_url(w->url, schemes)) {
		problems_add(p, c->yaml, yaml_get(node, "url"), "'url' is an http or https URL, without a user name");
	}
}

static void read_on(struct config *c, const struct yaml_node *notify, struct problems *p)
{
	const struct yaml_node *node = yaml_get(notify, "on");
	const char *const known[] = {"run-done", "run-failed", "quota", "key", "overbilled", "breaker", "budget", "store-full", "approval", NULL};
	const char **list = NULL;
	size_t n = node != NULL ? yaml_read_strings(c->yaml, notify, "on", &list, p) : 0;

	c->notify.on = node != NULL ? 0 : (1u << NOTICE_TEST) - 1;
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (known[k] != NULL && strcmp(list[i], words[k]) != 0) {
			k++;
		}
		if (known[k] == NULL) {
			const char *nearest = text_nearest(list[i], known);

			problems_add(p, c->yaml, node, "there is no event '%s'%s%s%s", list[i], nearest != NULL ? ", did you mean '" : "",
			    nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
		} else {
			c->notify.on |= 1u << k;
		}
	}
}

void notify_read(struct config *c, const struct yaml_node *root, struct problems *p)
{
	static const char *const keys[] = {"mail", "webhook", "on", NULL};
	const struct yaml_node *node = yaml_get(root, "notify");

	if (node != NULL && yaml_only_keys(c->yaml, node, keys, "notify setting", p)) {
		read_mail(c, node, p);
		read_webhook(c, node, p);
		read_on(c, node, p);
	}
}

/* --- what a reload changes --- */

static void write_addresses(struct buf *out, const char *const *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s%s", i > 0 ? " " : "", to[i]);
	}
}

static void write_mail(struct buf *out, const struct notify_mail *m)
{
	if (m->server == NULL) {
		buf_add_text(out, "none");
		return;
	}
	buf_printf(out, "%s%s from %s to ", m->server, m->starttls ? " with starttls" : "", m->from);
	write_addresses(out, m->to, m->n_to);
	if (m->user != NULL) {
		buf_printf(out, " as %s by credential %s", m->user, m->secret);
	}
}

static void write_webhook(struct buf *out, const struct notify_webhook *w)
{
	if (w->url == NULL) {
		buf_add_text(out, "none");
	} else {
		buf_printf(out, "%s signed by credential %s", w->url, w->secret);
	}
}

static void write_on(struct buf *out, uint32_t on)
{
	const char *between = "";

	for (unsigned n = 0; n < NOTICE_TEST; n++) {
		if ((on >> n & 1) != 0) {
			buf_printf(out, "%s%s", between, words[n]);
			between = " ";
		}
	}
	if (on == 0) {
		buf_add_text(out, "none");
	}
}

static void diff(const char *what, struct buf *from, struct buf *to, struct buf *out)
{
	if (from->len != to->len || (to->len > 0 && memcmp(from->data, to->data, to->len) != 0)) {
		buf_printf(out, "%s: %s -> %s\n", what, from->len > 0 ? from->data : "none", to->len > 0 ? to->data : "none");
	}
	buf_free(from);
	buf_free(to);
}

static void diff_org(const struct config *from, const struct org *org, struct buf *out)
{
	struct buf a = {0}, b = {0};
	char what[160];

	for (size_t i = 0; i < from->n_orgs; i++) {
		if (strcmp(from->orgs[i].name, org->name) == 0) {
			write_addresses(&a, from->orgs[i].mail_to, from->orgs[i].n_mail_to);
		}
	}
	write_addresses(&b, org->mail_to, org->n_mail_to);
	(void)snprintf(what, sizeof(what), "organisation %.120s: mail_to", org->name);
	diff(what, &a, &b, out);
}

void notify_diff(const struct config *from, const struct config *to, struct buf *out)
{
	struct buf a = {0}, b = {0};

	write_mail(&a, &from->notify.mail);
	write_mail(&b, &to->notify.mail);
	diff("notify: mail", &a, &b, out);
	write_webhook(&a, &from->notify.webhook);
	write_webhook(&b, &to->notify.webhook);
	diff("notify: webhook", &a, &b, out);
	write_on(&a, from->notify.on);
	write_on(&b, to->notify.on);
	diff("notify: on", &a, &b, out);
	for (size_t i = 0; i < to->n_orgs; i++) {
		diff_org(from, &to->orgs[i], out);
	}
}
