/* lib/lead/identity.c: each identity is a text in normal form, hashed with its kind in front. */
#include "lib/lead/identity.h"

#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/text.h"

const char *identity_word(enum identity_kind k)
{
	static const char *const words[] = {
	    [IDENTITY_NONE] = "none",
	    [IDENTITY_EMAIL] = "email",
	    [IDENTITY_LINKEDIN] = "linkedin",
	    [IDENTITY_NAME] = "name",
	    [IDENTITY_DOMAIN] = "domain",
	    [IDENTITY_COMPANY] = "company",
	};

	return words[k];
}

/* Case folded, runs of white space as one space. */
static void add_folded(struct buf *out, const struct value *v)
{
	const char *p = v->text, *end;
	size_t len = v->len, word;

	text_trim(&p, &len);
	end = p + len;
	while (p < end) {
		for (word = 0; p + word < end && strchr(" \t\r\n", p[word]) == NULL;) {
			word++;
		}
		text_fold(out, p, word);
		p += word;
		if (p < end) {
			buf_add_char(out, ' ');
		}
		while (p < end && strchr(" \t\r\n", *p) != NULL) {
			p++;
		}
	}
}

/* `linkedin.com`, with any prefix or none: www., de., m. */
static bool is_linkedin_host(const char *host, size_t len)
{
	static const char name[] = "linkedin.com";
	size_t n = sizeof(name) - 1;

	return len >= n && memcmp(host + len - n, name, n) == 0 &&
	       (len == n || host[len - n - 1] == '.');
}

/*
 * The public identifier behind /in/ or /pub/ of a folded URL. Old /pub/ pages of
 * several people share a name and differ in the three parts behind it, so those
 * belong to the identifier.
 */
static bool linkedin_id(const char *url, const char **ret, size_t *ret_len)
{
	const char *host = strstr(url, "://"), *path;
	size_t len;

	host = host != NULL ? host + 3 : url;
	path = strchr(host, '/');
	if (path == NULL || !is_linkedin_host(host, (size_t)(path - host))) {
		return false;
	}
	if (strncmp(path, "/in/", 4) == 0) {
		path += 4;
		len = strcspn(path, "/?#");
	} else if (strncmp(path, "/pub/", 5) == 0) {
		path += 5;
		len = strcspn(path, "?#");
	} else {
		return false;
	}
	while (len > 0 && path[len - 1] == '/') {
		len--;
	}
	*ret = path;
	*ret_len = len;
	return len > 0;
}

static bool add_linkedin(struct buf *out, const struct value *v)
{
	struct buf url = {0}, folded = {0};
	const char *id;
	size_t len;
	bool found;

	if (!text_percent_decode(&url, v->text, v->len, false)) {
		buf_add(&url, v->text, v->len);
	}
	add_folded(&folded, &(struct value){.len = (uint32_t)url.len, .text = url.data});
	found =
	    !url.failed && !folded.failed && folded.len > 0 && linkedin_id(folded.data, &id, &len);
	if (found) {
		buf_add(out, id, len);
	}
	buf_free(&url);
	buf_free(&folded);
	return found;
}

static bool add_name(struct buf *out, const struct record *r)
{
	struct value name = record_field(r, FIELD_FULL_NAME),
		     company = record_field(r, FIELD_COMPANY);

	if (value_is_blank(&name) || value_is_blank(&company)) {
		return false;
	}
	add_folded(out, &name);
	buf_add_char(out, '\n');
	add_folded(out, &company);
	return true;
}

size_t identity_of(const struct record *r, const struct value *normal_email, const uint8_t key[16],
    struct identity ret[3])
{
	struct value linkedin = record_field(r, FIELD_LINKEDIN);
	struct buf text = {0};
	size_t n = 0;

	for (enum identity_kind kind = IDENTITY_EMAIL; kind <= IDENTITY_NAME; kind++) {
		bool found = false;

		buf_reset(&text);
		buf_add_char(&text, (char)kind); /* so that kinds never meet */
		if (kind == IDENTITY_EMAIL && normal_email != NULL &&
		    !value_is_blank(normal_email)) {
			add_folded(&text, normal_email);
			found = true;
		} else if (kind == IDENTITY_LINKEDIN && !value_is_blank(&linkedin)) {
			found = add_linkedin(&text, &linkedin);
		} else if (kind == IDENTITY_NAME) {
			found = add_name(&text, r);
		}
		if (found && !text.failed) {
			ret[n++] = (struct identity){
			    .kind = kind, .hash = hash_keyed(key, text.data, text.len)};
		}
	}
	buf_free(&text);
	return n;
}

/* The host of what may be an URL, without `www.`; the text itself where it is none. */
static void host_of(const char **text, size_t *len)
{
	const char *scheme = memmem(*text, *len, "://", 3), *end = *text + *len;
	const char *host = scheme != NULL ? scheme + 3 : *text, *at = host;

	while (at < end && strchr("/?#:", *at) == NULL) {
		at++;
	}
	if (at - host > 4 && memcmp(host, "www.", 4) == 0) {
		host += 4;
	}
	*text = host;
	*len = (size_t)(at - host);
}

bool identity_of_company(const struct value *domain, const struct value *name, const uint8_t key[16], struct identity *ret)
{
	bool has_domain = !value_is_blank(domain) && domain->kind == VALUE_STRING;
	struct buf folded = {0}, text = {0};
	const char *host;
	size_t len;

	if (!has_domain && value_is_blank(name)) {
		return false;
	}
	ret->kind = has_domain ? IDENTITY_DOMAIN : IDENTITY_COMPANY;
	add_folded(&folded, has_domain ? domain : name);
	host = folded.data;
	len = folded.len;
	if (has_domain && host != NULL) {
		host_of(&host, &len);
	}
	buf_add_char(&text, (char)ret->kind);
	buf_add(&text, host, len);
	ret->hash = text.failed || folded.failed ? 0 : hash_keyed(key, text.data, text.len);
	buf_free(&folded);
	buf_free(&text);
	return len > 0 && ret->hash != 0;
}
