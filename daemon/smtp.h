/*
 * daemon/smtp.h: what a mail has besides a request: its envelope and login, and the server's last word. Internal to fetch.
 */
#pragma once

#include "daemon/fetch.h"

#include <curl/curl.h>

struct smtp;
struct transfer;

/* Copies all of m but its text, which is the request's body. NULL: out of memory. */
struct smtp *smtp_new(const struct fetch_mail *m);
void smtp_free(struct smtp *s); /* wipes the password; NULL is fine */
/* What mail needs over transfer_options. */
CURLcode smtp_options(struct transfer *t, CURL *easy);
/* A socket was opened for it; the mail goes over the one with that local port. */
void smtp_socket(struct smtp *s, int fd);
void smtp_begin(struct smtp *s, int local_port);
/* The server's own word, where it gave one; false when there is none and the transport decides. */
bool smtp_verdict(const struct smtp *s, CURL *easy, CURLcode result, struct http_answer *ret);
