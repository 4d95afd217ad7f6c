/*
 * lib/service/job.c: `job:` of a call: how its result comes when the answer is only a receipt.
 *
 *   id: .job_id          where the answer names the job
 *   poll: job_status     the call that asks for it, with parameter `job`
 *   callback: true       the request holds ${.call.callback}; what comes there is read as the
 * call's answer, or by a `map`, `outcomes` and `price` of its own
 *
 * A poll pays nothing of its own: a price in it is what the job cost.
 */
#include "lib/service/parts.h"

#include <string.h>

#include "lib/base/text.h"

#define JOB_LONGEST_US (7 * US_PER_DAY)
#define JOB_PARAM "job"

static void late_read(struct reading *r, const struct yaml_node *node, struct service_job *j)
{
	static const char *const words[] = {"in_doubt", "transient", "empty", "permanent", NULL};
	static const enum outcome_class classes[] = {
	    OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT, OUTCOME_EMPTY, OUTCOME_PERMANENT};
	int word = 0;

	yaml_read_word(r->y, node, "late", words, &word, r->p);
	j->late = classes[word];
}

#define READING 5
static const char *const reading_keys[READING] = {"answer", "map", "outcomes", "hints", "price"};

/* A reader of the callback's own: what its map says nothing of is read as in the call's answer. */
static struct reader *called_read(struct reading *r, const struct yaml_node *node,
    const struct yaml_node *call, const struct service_call *c)
{
	struct service_call scratch = {.name = c->name, .index = c->index};
	struct yaml_node both = *node, *children = reading_alloc(r, READING, sizeof *children);

	both.n = 0;
	both.first = NULL;
	for (size_t i = 0; children != NULL && i < READING; i++) {
		const struct yaml_node *child = yaml_get(node, reading_keys[i]);

		child = child != NULL ? child : yaml_get(call, reading_keys[i]);
		if (child != NULL) {
			children[i] = *child;
			children[i].next = both.first;
			both.first = &children[i];
			both.n++;
		}
	}
	if (children != NULL) {
		reader_read(r, &both, NULL, &scratch);
	}
	return scratch.answer;
}

static void callback_read(struct reading *r, const struct yaml_node *node,
    const struct yaml_node *call, struct service_call *c)
{
	static const char *const keys[] = {
	    "wait", "answer", "map", "outcomes", "hints", "price", NULL};
	struct service_job *j = c->job;

	j->called = c->answer;
	if (node == NULL || (node->kind == YAML_BOOL && !node->boolean)) {
		return;
	}
	j->callback = true;
	if (node->kind == YAML_BOOL) {
		return;
	}
	if (!yaml_only_keys(r->y, node, keys, "callback", r->p)) {
		return;
	}
	yaml_read_duration(r->y, node, "wait", US_PER_S, JOB_LONGEST_US, &j->wait_us, r->p);
	for (size_t i = 0; i < READING; i++) {
		if (yaml_get(node, reading_keys[i]) != NULL && c->batch != NULL) {
			problems_add(r->p, r->y, node, "the callback of a batch is read as its call says: by 'answers', 'join' and 'map'");
			return;
		}
		if (yaml_get(node, reading_keys[i]) != NULL) {
			j->called = called_read(r, node, call, c);
			return;
		}
	}
}

void job_spec_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	static const char *const keys[] = {
	    "id", "poll", "every", "within", "late", "callback", NULL};
	const struct yaml_node *node = yaml_get(call, "job");
	struct service_job *j;

	if (node == NULL || !yaml_only_keys(r->y, node, keys, "job", r->p)) {
		return;
	}
	j = reading_alloc(r, 1, sizeof *j);
	if (j == NULL) {
		return;
	}
	c->job = j;
	j->every_us = 30 * US_PER_S;
	j->within_us = 2 * 3600 * US_PER_S;
	j->wait_us = 10 * 60 * US_PER_S;
	j->names = c->answer->names;
	yaml_read_duration(r->y, node, "every", 100 * US_PER_MS, US_PER_DAY, &j->every_us, r->p);
	yaml_read_duration(r->y, node, "within", US_PER_S, JOB_LONGEST_US, &j->within_us, r->p);
	j->wait_us = j->wait_us < j->within_us ? j->wait_us : j->within_us;
	late_read(r, node, j);
	j->has_id = yaml_get(node, "id") != NULL;
	callback_read(r, yaml_get(node, "callback"), call, c);
	if (yaml_get(node, "poll") == NULL && !j->callback) {
		problems_add(r->p, r->y, node,
		    "a job needs 'poll', 'callback' or both: else its result never comes");
	}
	if (yaml_get(node, "poll") != NULL && !j->has_id) {
		problems_add(r->p, r->y, node,
		    "a job that is polled needs 'id', the place of its name in the answer");
	}
}

/* --- binding -------------------------------------------------------------- */

/* The poll is given the job's name, and what the call itself was given. */
static void poll_params(struct reading *r, const struct yaml_node *node,
    const struct service_call *c, const struct service_call *poll)
{
	if (!text_in(poll->params, JOB_PARAM, strlen(JOB_PARAM))) {
		problems_add(r->p, r->y, node,
		    "call '%s' does not read parameter '" JOB_PARAM "', the name of the job",
		    poll->name);
	}
	for (size_t i = 0; poll->params != NULL && poll->params[i] != NULL; i++) {
		const char *param = poll->params[i];

		if (strcmp(param, JOB_PARAM) != 0 && !text_in(poll->optional, param, strlen(param)) &&
		    !text_in(c->params, param, strlen(param))) {
			problems_add(r->p, r->y, node,
			    "call '%s' needs parameter '%s', which call '%s' does not have",
			    poll->name, param, c->name);
		}
	}
}

static void poll_bind(struct reading *r, const struct yaml_node *job, struct service_call *c)
{
	const struct yaml_node *node = yaml_get(job, "poll");
	const char *name = NULL, *names[33] = {NULL}, *near;

	if (node == NULL || !yaml_read_string(r->y, job, "poll", &name, r->p)) {
		return;
	}
	for (size_t i = 0; i < r->s->n_calls; i++) {
		names[i] = r->s->calls[i].name;
	}
	c->job->poll = service_find_call(r->s, name);
	if (c->job->poll == NULL || c->job->poll == c) {
		near = text_nearest(name, names);
		problems_add(r->p, r->y, node, "there is no other call '%s'%s%s%s", name,
		    near != NULL ? ", is '" : "", near != NULL ? near : "",
		    near != NULL ? "' meant?" : "");
		c->job->poll = NULL;
		return;
	}
	if (c->job->poll->answer == NULL) { /* broken, which was said at its own line */
		c->job->poll = NULL;
		return;
	}
	if (c->batch != NULL && c->job->poll->price_micro > 0) {
		problems_add(r->p, r->y, node, "call '%s' has a price: what a batch costs its call says itself",
		    name);
	}
	if (c->job->poll->job != NULL) {
		problems_add(r->p, r->y, node, "call '%s' has a job of its own", name);
	}
	poll_params(r, node, c, c->job->poll);
}

/* What any of the answers brings, each name once. */
static void names_join(struct reading *r, struct service_call *c)
{
	const char *const *lists[] = {c->answer->names, c->job->called->names,
	    c->job->poll != NULL ? c->job->poll->answer->names : NULL};
	size_t most = 1, n = 0;
	const char **all;

	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; lists[k] != NULL && lists[k][i] != NULL; i++) {
			most++;
		}
	}
	all = reading_alloc(r, most, sizeof *all);
	if (all == NULL) {
		return;
	}
	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; lists[k] != NULL && lists[k][i] != NULL; i++) {
			if (!text_in(all, lists[k][i], strlen(lists[k][i]))) {
				all[n++] = lists[k][i];
			}
		}
	}
	c->job->names = all;
}

static bool calls_back(const struct pieces *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].kind == PIECE_HOLE && t->v[i].hole == HOLE_CALLBACK) {
			return true;
		}
	}
	return false;
}

static bool list_calls_back(const struct named_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (calls_back(&list->v[i].value)) {
			return true;
		}
	}
	return false;
}

/* An address that is sent and not listened to, or the other way round. */
static void check_callback(
    struct reading *r, const struct yaml_node *call, const struct service_call *c)
{
	const struct request_plan *p = c->request;
	bool sent = p != NULL && (calls_back(&p->url) || list_calls_back(&p->query) ||
				     list_calls_back(&p->headers) || list_calls_back(&p->form) ||
				     calls_back(&p->body));
	bool wanted = c->job != NULL && c->job->callback;

	if (sent && !wanted) {
		problems_add(r->p, r->y, call,
		    "call '%s' sends ${.call.callback}, but has no 'job: {callback: true}'",
		    c->name);
	} else if (wanted && !sent && p != NULL) {
		problems_add(r->p, r->y, yaml_get(call, "job"),
		    "nothing in call '%s' sends ${.call.callback}", c->name);
	}
}

void job_spec_bind(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	check_callback(r, call, c);
	if (c->job == NULL || c->answer == NULL || c->job->called == NULL) {
		return;
	}
	poll_bind(r, yaml_get(call, "job"), c);
	names_join(r, c);
	if (c->job->called->price.ceiling_micro > c->price_micro) {
		c->price_micro = c->job->called->price.ceiling_micro;
	}
	if (c->job->poll != NULL && c->job->poll->price_micro > c->price_micro) {
		c->price_micro = c->job->poll->price_micro;
	}
	if (c->doubt == DOUBT_FREE && c->price_micro > 0) {
		problems_add(r->p, r->y, yaml_get(call, "job"),
		    "call '%s' has a price, so a doubtful one is not free", c->name);
	}
}

int64_t service_longest_us(const struct service_call *c)
{
	return c->total_us + (c->job != NULL ? c->job->within_us : 0);
}
