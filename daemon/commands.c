/* Commands of the API on their way to the engine, and their answers back, after the commit. See leadd.h. */
#include "daemon/leadd.h"

#include <stdlib.h>

struct waiting {
	struct leadd *l;
	struct http_request *r;
	void (*reply)(struct leadd *l, struct http_request *r, struct command *c);
};

static void on_command_done(void *ctx, struct command *c)
{
	struct waiting *w = ctx;

	w->reply(w->l, w->r, c);
	free(w);
}

struct command *command_new(enum command_kind kind)
{
	struct command *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		abort();
	}
	c->kind = kind;
	return c;
}

void command_send(struct leadd *l, struct command *c, struct http_request *r,
    void (*reply)(struct leadd *l, struct http_request *r, struct command *c))
{
	struct waiting *w = reply != NULL ? malloc(sizeof(*w)) : NULL;

	if (reply != NULL && w == NULL) {
		abort();
	}
	if (w != NULL) {
		*w = (struct waiting){.l = l, .r = r, .reply = reply};
		c->done = on_command_done;
		c->ctx = w;
	}
	engine_command(l->engine, c);
	loop_poke(l);
}

void command_problem(struct http_request *r, const struct command *c)
{
	switch (c->rc) {
	case 1:
		http_reply_problem(r, 404, "not-found", "%s", c->err.text);
		break;
	case 2:
		http_reply_problem(r, 409, "wrong-state", "%s", c->err.text);
		break;
	case LEAD_EFULL:
		http_reply_problem(r, 507, "store-full", "%s", c->err.text);
		break;
	default:
		http_reply_error(r, &c->err);
		break;
	}
}
