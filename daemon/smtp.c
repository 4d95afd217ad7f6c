/*
 * See smtp.h.
 *
 * libcurl waits for the answer to its QUIT where it stands (smtp_disconnect, 7.88), up to its answer timeout: a server that
 * stays silent there would hold the loop. So reading ends with the server's last word: the QUIT goes out, its answer is not
 * waited for.
 */
#include "daemon/smtp.h"

#include "daemon/transfer.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKETS 8

struct smtp {
	bool over; /* the server has said what becomes of the mail: */
	int code;
	char *from, *user, *password;
	struct curl_slist to; /* one */
	bool starttls;
	int sockets[SOCKETS], n_sockets, fd; /* fd: -1 before it is known */
	size_t given;                        /* of the text */
};

void smtp_free(struct smtp *s)
{
	if (s == NULL) {
		return;
	}
	if (s->password != NULL) {
		explicit_bzero(s->password, strlen(s->password));
	}
	free(s->from);
	free(s->user);
	free(s->password);
	free(s->to.data);
	free(s);
}

struct smtp *smtp_new(const struct fetch_mail *m)
{
	struct smtp *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return NULL;
	}
	s->fd = -1;
	s->starttls = m->starttls;
	s->from = strdup(m->from);
	s->to.data = strdup(m->to);
	s->user = m->user != NULL ? strdup(m->user) : NULL;
	s->password = m->password != NULL ? strdup(m->password) : NULL;
	if (s->from == NULL || s->to.data == NULL || (m->user != NULL && s->user == NULL) ||
	    (m->password != NULL && s->password == NULL)) {
		smtp_free(s);
		return NULL;
	}
	return s;
}

void smtp_socket(struct smtp *s, int fd)
{
	if (s->n_sockets < SOCKETS) {
		s->sockets[s->n_sockets++] = fd;
	}
}

static int port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
		return -1;
	}
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port
					      : ((struct sockaddr_in *)(void *)&a)->sin_port);
}

void smtp_begin(struct smtp *s, int local_port)
{
	for (int i = 0; i < s->n_sockets; i++) {
		s->fd = port_of(s->sockets[i]) == local_port ? s->sockets[i] : s->fd;
	}
}

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t left = t->body_len - t->smtp->given, len = left < size * n ? left : size * n;

	memcpy(to, t->body + t->smtp->given, len);
	t->smtp->given += len;
	return len;
}

/* Kept is the last line about the mail, without its end: not what comes after it, such as the answer to QUIT. */
static size_t on_line(char *line, size_t size, size_t len, void *arg)
{
	struct transfer *t = arg;
	size_t text = len;

	(void)size;
	if (t->smtp->over) {
		return len;
	}
	while (text > 0 && (line[text - 1] == '\r' || line[text - 1] == '\n')) {
		text--;
	}
	buf_reset(&t->incoming.body);
	buf_add(&t->incoming.body, line, text);
	/* of the whole: the text has its answer, or a command of the mail was refused */
	t->smtp->over = text >= 3 && (text == 3 || line[3] == ' ') && (t->smtp->given == t->body_len || line[0] >= '4');
	t->smtp->code = t->smtp->over ? atoi(line) : 0;
	if (t->smtp->over && t->smtp->fd >= 0) {
		(void)shutdown(t->smtp->fd, SHUT_RD);
	}
	return len;
}

CURLcode smtp_options(struct transfer *t, CURL *easy)
{
	struct smtp *s = t->smtp;
	CURLcode rc = CURLE_OK;

#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(easy, option, value) : rc
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_HTTPHEADER, NULL);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_USE_SSL, s->starttls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	SET(CURLOPT_MAIL_FROM, s->from);
	SET(CURLOPT_MAIL_RCPT, &s->to);
	if (s->user != NULL) {
		SET(CURLOPT_USERNAME, s->user);
		SET(CURLOPT_PASSWORD, s->password);
	}
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->body_len);
	SET(CURLOPT_HEADERFUNCTION, on_line);
	SET(CURLOPT_HEADERDATA, t);
#undef SET
	return rc;
}

bool smtp_verdict(const struct smtp *s, CURL *easy, CURLcode result, struct http_answer *ret)
{
	long code = s->code;

	if (code == 0) { /* else libcurl's may be that of the answer to QUIT */
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	}
	ret->status = (int)code;
	if (result == CURLE_OK || code >= 400) {
		ret->transport = TRANSPORT_ANSWERED;
		ret->status = result == CURLE_OK && code < 200 ? 250 : (int)code;
		return true;
	}
	return false;
}
