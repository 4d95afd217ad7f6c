/*
 * tests/bench/bare.c: the least that the same libraries can do for a call, as a measure for leadd.
 *
 *   bench_bare URL IN-FLIGHT DIR      runs until killed
 *
 * Each of the calls in flight is an easy handle that never rests:
 *
 *   begin: json-c tree of the request, serialised ----> curl multi on libevent
 *     ^                                                        |
 *     '--- ten fields appended to one LMDB table <--- end: answer read into a json-c tree
 *
 * and every 20 ms what was appended is committed (fsync). Nothing is decided, checked or retried:
 * no limits, breaker, prices or queue, and a result may be lost that was paid for. Handles are
 * prepared once (parsed URL included), and there is a multi handle for every 128 in flight, since
 * one multi handle with a thousand transfers costs a quarter more: what a careful author of such a
 * loop would do.
 */
#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <json-c/json.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMIT_MS 20
#define MAP_BYTES ((size_t)16 << 30)
#define ANSWER_BYTES 16384
#define PER_MULTI 128
#define MAX_MULTIS 16
#define MAX_FILES 4096

struct shard {
	CURLM *multi;
	struct event timer;
};

struct call {
	CURL *easy;
	struct shard *shard;
	struct json_object *request; /* owns the text that is being sent */
	size_t len;
	char answer[ANSWER_BYTES];
};

struct watch {
	struct event event;
	int action; /* CURL_POLL_*; 0: none yet */
};

static struct event_base *loop;
static struct watch watches[MAX_FILES];
static struct json_tokener *tokener;
static struct json_object *system_message; /* the same in every request */
static struct shard shards[MAX_MULTIS];
static MDB_env *env;
static MDB_txn *txn;
static MDB_dbi table;
static uint64_t begun, appended;

static const char system_text[] = "You write first letters for a planning desk that haulers and "
				  "forwarders use. Write to one person, in plain and "
				  "friendly English, as a colleague would who knows the trade. "
				  "Begin with one thing that is true of the company "
				  "today and that you were told below: never guess, never flatter, "
				  "never mention how you came to know it. Then say "
				  "in two sentences what the planning desk does for a company of "
				  "that size: it reads the orders as they come, sees "
				  "which of them will be late and tells the customer before he "
				  "asks. Name one figure from the list of references, "
				  "and only one. Close with an easy question that can be answered "
				  "in one line, and offer a page to read instead of "
				  "a talk. Between ninety and a hundred and thirty words; no "
				  "subject line; no bold type, lists, links or "
				  "placeholders; no exclamation marks; no words such as "
				  "revolutionary, seamless or game-changing; British spelling. "
				  "Do not sign: the signature is added later. If what you were "
				  "told is not enough for an honest first sentence, "
				  "answer with the single word SKIP. References: a hauler with 180 "
				  "lorries cut its calls about late deliveries by a "
				  "third within a quarter; a forwarder in the north moved two "
				  "people from the telephone to planning; a cold store "
				  "saves forty minutes a day on its morning list.";

static const char *const fields[][4] = {{"status"}, {"score"}, {"person", "first_name"},
    {"person", "title"}, {"company", "name"}, {"company", "domain"}, {"company", "size"},
    {"company", "city"}, {"choices", "0", "message", "content"}, {"usage", "cost"}};

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_bare: %s failed\n", what);
		exit(1);
	}
}

/* --- libcurl on libevent --- */

static void call_end(struct call *c);

static void act(struct shard *s, curl_socket_t fd, int flags)
{
	CURLMsg *m;
	int n;

	must(curl_multi_socket_action(s->multi, fd, flags, &n) == CURLM_OK, "socket_action");
	while ((m = curl_multi_info_read(s->multi, &n)) != NULL) {
		struct call *c;

		must(m->data.result == CURLE_OK, curl_easy_strerror(m->data.result));
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
		call_end(c);
	}
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	act(arg, fd,
	    ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	struct shard *s = arg;
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)multi;
	return ms < 0 ? event_del(&s->timer) : event_add(&s->timer, &wait);
}

/*
 * Between two transfers of a connection libcurl says REMOVE and then IN again: the watch for
 * reading simply stays, which saves two system calls per call. No connection ends while the loop
 * runs.
 */
static int on_watch(CURL *easy, curl_socket_t fd, int action, void *arg, void *socket)
{
	struct watch *w = &watches[fd];
	short mask = EV_PERSIST;

	(void)easy;
	(void)socket;
	must(fd < MAX_FILES, "too many files:");
	if (action == CURL_POLL_REMOVE || action == w->action) {
		return 0;
	}
	if (w->action != 0) {
		event_del(&w->event);
	}
	w->action = action;
	mask |= (action & CURL_POLL_IN) != 0 ? EV_READ : 0;
	mask |= (action & CURL_POLL_OUT) != 0 ? EV_WRITE : 0;
	event_assign(&w->event, loop, fd, mask, on_ready, arg);
	return event_add(&w->event, NULL);
}

/* --- one call --- */

/* The keys are constants and stand there once: nothing to copy, nothing to look for. */
static void add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add_ex(
	    o, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static struct json_object *message(const char *role, const char *text)
{
	struct json_object *m = json_object_new_object();

	add(m, "role", json_object_new_string(role));
	add(m, "content", json_object_new_string(text));
	return m;
}

static struct json_object *make_request(uint64_t n)
{
	struct json_object *r = json_object_new_object(), *lead = json_object_new_object();
	struct json_object *messages = json_object_new_array();
	char text[400], email[128], domain[64];

	snprintf(domain, sizeof(domain), "company-%llu.example", (unsigned long long)n);
	snprintf(email, sizeof(email), "ada.berg.%llu@%s", (unsigned long long)n, domain);
	snprintf(text, sizeof(text),
	    "Write to Ada Berg (Head of Sales) of Company %llu, %s. What we know: they opened two "
	    "cold stores on the coast this year and promise to answer within the hour.",
	    (unsigned long long)n, domain);
	add(r, "model", json_object_new_string("bench-1"));
	json_object_array_add(messages, json_object_get(system_message));
	json_object_array_add(messages, message("user", text));
	add(r, "messages", messages);
	add(r, "max_tokens", json_object_new_int(400));
	add(r, "temperature", json_object_new_double_s(0.2, "0.2"));
	add(r, "stream", json_object_new_boolean(false));
	add(lead, "email", json_object_new_string(email));
	add(lead, "first_name", json_object_new_string("Ada"));
	add(lead, "last_name", json_object_new_string("Berg"));
	add(lead, "title", json_object_new_string("Head of Sales"));
	add(lead, "domain", json_object_new_string(domain));
	add(lead, "country", json_object_new_string("DE"));
	add(r, "lead", lead);
	return r;
}

static void call_begin(struct call *c)
{
	const char *text;
	size_t len;

	c->request = make_request(begun++);
	text = json_object_to_json_string_length(
	    c->request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	c->len = 0;
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)len);
	must(curl_multi_add_handle(c->shard->multi, c->easy) == CURLM_OK, "add_handle");
}

static const char *read_field(struct json_object *o, const char *const path[4])
{
	for (int i = 0; i < 4 && path[i] != NULL; i++) {
		o = json_object_is_type(o, json_type_array)
			? json_object_array_get_idx(o, (size_t)atoi(path[i]))
			: json_object_object_get(o, path[i]);
	}
	return json_object_get_string(o);
}

/* The fields, each with its closing NUL, as one value at the end of the table. */
static void append(struct json_object *answer)
{
	char value[4096];
	MDB_val k = {.mv_size = 8}, v = {.mv_data = value};
	uint64_t key = __builtin_bswap64(++appended);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *text = read_field(answer, fields[i]);
		size_t len = strlen(text) + 1;

		must(v.mv_size + len <= sizeof(value), "value");
		memcpy(value + v.mv_size, text, len);
		v.mv_size += len;
	}
	k.mv_data = &key;
	must(mdb_put(txn, table, &k, &v, MDB_APPEND) == 0, "put");
}

static void call_end(struct call *c)
{
	struct json_object *answer = json_tokener_parse_ex(tokener, c->answer, (int)c->len);

	must(answer != NULL, "parse");
	append(answer);
	json_object_put(answer);
	json_tokener_reset(tokener);
	json_object_put(c->request);
	curl_multi_remove_handle(c->shard->multi, c->easy);
	call_begin(c);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	(void)size;
	must(c->len + n <= sizeof(c->answer), "answer");
	memcpy(c->answer + c->len, bytes, n);
	c->len += n;
	return n;
}

/* --- store --- */

static void txn_open(void)
{
	must(mdb_txn_begin(env, NULL, 0, &txn) == 0, "begin");
}

static void on_commit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	must(mdb_txn_commit(txn) == 0, "commit");
	txn_open();
}

static void store_open(const char *dir)
{
	must(mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, MAP_BYTES) == 0 &&
		 mdb_env_set_maxdbs(env, 4) == 0 && mdb_env_open(env, dir, 0, 0600) == 0,
	    "open");
	txn_open();
	must(mdb_dbi_open(txn, "result", MDB_CREATE, &table) == 0, "dbi_open");
}

/* The commit comes first whenever it is due, however many sockets are ready. */
static void loop_open(void)
{
	struct event_config *config = event_config_new();
	struct timeval every = {.tv_usec = COMMIT_MS * 1000};
	struct event *commit;

	event_config_set_max_dispatch_interval(config, &every, -1, 1);
	loop = event_base_new_with_config(config);
	event_config_free(config);
	event_base_priority_init(loop, 2);
	commit = event_new(loop, -1, EV_PERSIST, on_commit, NULL);
	event_priority_set(commit, 0);
	event_add(commit, &every);
}

static void shard_open(struct shard *s, long connections)
{
	s->multi = curl_multi_init();
	evtimer_assign(&s->timer, loop, on_timer, s);
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, connections);
}

static void call_new(struct shard *s, CURLU *url, struct curl_slist *headers)
{
	struct call *c = calloc(1, sizeof(*c));

	must(c != NULL && (c->easy = curl_easy_init()) != NULL, "call");
	c->shard = s;
	curl_easy_setopt(c->easy, CURLOPT_CURLU, url);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	/* allocated anew for each transfer: the default of 64 KiB costs a walk over all free memory
	 */
	curl_easy_setopt(c->easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(c->easy, CURLOPT_BUFFERSIZE, 8192L);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	call_begin(c);
}

int main(int argc, char **argv)
{
	int in_flight = argc == 4 ? atoi(argv[2]) : 0,
	    multis = (in_flight + PER_MULTI - 1) / PER_MULTI;
	struct curl_slist *headers = NULL;
	CURLU *url = curl_url();

	must(in_flight > 0 && multis <= MAX_MULTIS, "usage: bench_bare URL IN-FLIGHT DIR:");
	must(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK &&
		 curl_url_set(url, CURLUPART_URL, argv[1], 0) == CURLUE_OK,
	    "curl");
	loop_open();
	tokener = json_tokener_new();
	system_message = message("system", system_text);
	store_open(argv[3]);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	for (int i = 0; i < multis; i++) {
		shard_open(&shards[i], in_flight + 1);
	}
	for (int i = 0; i < in_flight; i++) {
		call_new(&shards[i % multis], url, headers);
	}
	event_base_dispatch(loop);
	return 0;
}
