/* See parcel.h. */
#include "tests/sim/parcel.h"

#include <stdlib.h>
#include <string.h>

static char *put(char **at, const char *text, size_t len)
{
	char *start = *at;

	memcpy(start, text, len);
	start[len] = '\0';
	*at += len + 1;
	return start;
}

void parcel_pack(struct parcel *p, const struct request *q)
{
	const char *host = strstr(q->url, "://") + 3, *path = strchr(host, '/'), *query = strchr(path, '?');
	size_t len = strlen(q->method) + strlen(host) + q->body_len + 16;
	char *at;

	for (size_t i = 0; i < q->n_headers; i++) {
		len += strlen(q->headers[i].name) + strlen(q->headers[i].value) + 2;
	}
	at = p->bytes = malloc(len);
	p->host = put(&at, host, (size_t)(path - host));
	p->request.method = put(&at, q->method, strlen(q->method));
	p->request.path = put(&at, path, query != NULL ? (size_t)(query - path) : strlen(path));
	p->request.query = query != NULL ? put(&at, query + 1, strlen(query + 1)) : NULL;
	p->request.body = q->body != NULL ? put(&at, q->body, q->body_len) : NULL;
	p->request.body_len = q->body_len;
	for (size_t i = 0; i < q->n_headers; i++) {
		p->headers[i].name = put(&at, q->headers[i].name, strlen(q->headers[i].name));
		p->headers[i].value = put(&at, q->headers[i].value, strlen(q->headers[i].value));
	}
	p->request.headers = p->headers;
	p->request.n_headers = q->n_headers;
}

void parcel_answer(struct parcel *p, const struct world_plan *plan)
{
	size_t len = plan->body_len + 1;
	char *at;

	for (size_t i = 0; i < plan->n_headers; i++) {
		len += strlen(plan->headers[i].name) + strlen(plan->headers[i].value) + 2;
	}
	at = p->answer = malloc(len);
	(void)put(&at, plan->body != NULL ? plan->body : "", plan->body_len);
	p->answer_len = plan->body_len;
	for (size_t i = 0; i < plan->n_headers; i++) {
		p->got[i].name = put(&at, plan->headers[i].name, strlen(plan->headers[i].name));
		p->got[i].value = put(&at, plan->headers[i].value, strlen(plan->headers[i].value));
	}
	p->n_got = plan->n_headers;
	p->status = plan->status;
	p->token = plan->token;
}

void parcel_open(struct parcel *p, struct http_answer *ret)
{
	ret->status = p->status;
	ret->headers = p->got;
	ret->n_headers = p->n_got;
	ret->body = p->answer;
	ret->body_len = p->answer_len;
	p->answer = NULL;
}

void parcel_fini(struct parcel *p)
{
	free(p->bytes);
	free(p->answer);
}
