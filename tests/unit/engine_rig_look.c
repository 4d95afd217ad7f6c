/* tests/unit/engine_rig_look.c: what a test sees of items, calls, money and the store. See engine_rig.h. */
#include "engine_rig.h"

#include <signal.h>
#include <sys/resource.h>

#include "lib/store/check.h"

static struct txn *reading(struct rig *r)
{
	struct txn *t = NULL;

	assert_int_equal(txn_begin(r->store, false, &t, NULL), 0);
	return t;
}

struct item rig_item(struct rig *r, uint32_t run, uint32_t number)
{
	struct txn *t = reading(r);
	struct item i;

	if (!item_read(t, run, number, &i)) {
		fail_msg("there is no lead %u/%u", run, number);
	}
	txn_abort(t);
	return i;
}

const char *rig_state(struct rig *r, uint32_t run, uint32_t number)
{
	static char text[80];
	struct item i = rig_item(r, run, number);
	const char *word =
	    i.outcome != ITEM_OPEN ? item_outcome_word(i.outcome) : item_status_word(i.status);

	(void)snprintf(text, sizeof(text), "%s%s%s", word, i.reason[0] != 0 ? " " : "", i.reason);
	return text;
}

struct field_arg {
	const char *name;
	char *out;
	size_t size;
};

static void on_column(void *arg, const char *name, const struct value *v)
{
	struct field_arg *a = arg;
	struct buf text = {0};

	if (strcmp(name, a->name) == 0) {
		value_write_text(&text, v);
		(void)snprintf(a->out, a->size, "%s", text.data != NULL ? text.data : "");
		buf_free(&text);
	}
}

const char *rig_field(struct rig *r, uint32_t run, uint32_t number, const char *name)
{
	static char text[512];
	struct field_arg a = {.name = name, .out = text, .size = sizeof(text)};
	struct txn *t = reading(r);

	text[0] = 0;
	show_columns(r->engine, t, run, LEVEL_LEAD, number, UINT64_MAX, on_column, &a);
	txn_abort(t);
	return text;
}

static bool on_fact(void *arg, const struct fact *f)
{
	static const char *const kinds[] = {"call", "gate", "template", "operator", "unchanged", "warning", "ask", "cached", "reused"};
	struct buf *b = arg;

	buf_printf(b, "%s%s", b->len > 0 ? "; " : "", kinds[f->kind]);
	if (f->kind == FACT_CALL || f->kind == FACT_CACHED) {
		buf_printf(b, " %s", outcome_word((enum outcome_class)f->outcome));
	}
	if (f->reason[0] != 0) {
		buf_printf(b, " %s", f->reason);
	}
	return true;
}

const char *rig_facts(struct rig *r, uint32_t run, uint32_t number)
{
	static char text[1024];
	struct buf b = {0};
	struct txn *t = reading(r);

	fact_walk(t, run, number, on_fact, &b);
	txn_abort(t);
	(void)snprintf(text, sizeof(text), "%s", b.data != NULL ? b.data : "");
	buf_free(&b);
	return text;
}

struct call_row rig_row(struct rig *r, size_t call)
{
	struct txn *t = reading(r);
	struct call_row row;

	assert_true(call < r->n_calls && call_read(t, r->calls[call].id, &row) && call_unpack(&row));
	free(r->calls[call].parts);
	r->calls[call].parts = row.more;
	txn_abort(t);
	return row;
}

struct balance rig_balance(struct rig *r, enum account_kind kind, uint32_t owner)
{
	struct txn *t = reading(r);
	struct balance b;

	(void)account_read(t, (struct account_id){.kind = kind, .owner = owner}, &b);
	txn_abort(t);
	return b;
}

const struct run_row *rig_run_row(struct rig *r, uint32_t run)
{
	const struct run_row *row = show_run_row(r->engine, run);

	assert_non_null(row);
	return row;
}

struct counting {
	enum item_outcome outcome;
	size_t n;
};

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct counting *c = arg;
	struct item i;

	assert_true(item_decode(key, value, &i));
	c->n += i.level == LEVEL_LEAD && i.outcome == c->outcome ? 1 : 0;
	return true;
}

size_t rig_count(struct rig *r, uint32_t run, enum item_outcome o)
{
	struct counting c = {.outcome = o};
	struct txn *t = reading(r);

	txn_walk(t, TABLE_STATE, run_prefix(run), run_prefix(run), on_item, &c);
	txn_abort(t);
	assert_int_equal(c.n, rig_run_row(r, run)->outcomes[o]);
	return c.n;
}

/* The window that ends as call i arrives at the earliest: whatever may have arrived within counts.
 */
void rig_check_window(struct rig *r, size_t most, int64_t length_us)
{
	for (size_t i = 0; i < r->n_calls; i++) {
		int64_t end = r->calls[i].early_us;
		size_t n = 0;

		for (size_t k = 0; k < r->n_calls; k++) {
			n += r->calls[k].early_us <= end && r->calls[k].late_us > end - length_us;
		}
		if (n > most) {
			for (size_t k = i > 8 ? i - 8 : 0; k <= i; k++) {
				print_error("call %zu: arrived %.3f to %.3f s\n", k,
				    (double)r->calls[k].early_us / 1e6,
				    (double)r->calls[k].late_us / 1e6);
			}
			fail_msg(
			    "%zu calls in a window of %lld s", n, (long long)(length_us / SEC));
		}
	}
}

static bool on_hash(void *arg, struct slice key, struct slice value)
{
	uint64_t *h = arg,
		 parts[3] = {*h, hash_plain(key.data, key.len), hash_plain(value.data, value.len)};

	*h = hash_plain(parts, sizeof(parts));
	return true;
}

uint64_t rig_hash(struct rig *r)
{
	struct txn *t = reading(r);
	uint64_t h = 0;

	for (int table = 0; table < TABLE_N; table++) {
		h += (uint64_t)table;
		txn_walk(t, (enum store_table)table, key_of(), key_of(), on_hash, &h);
	}
	assert_int_equal(txn_error(t), 0);
	txn_abort(t);
	return h;
}

static void on_problem(void *arg, const char *problem)
{
	(void)arg;
	print_error("%s\n", problem);
}

void rig_check(struct rig *r)
{
	struct check_counts counts;

	assert_int_equal(store_check(r->store, on_problem, NULL, &counts, NULL), 0);
	assert_int_equal(counts.problems, 0);
}

void rig_disk_full(bool full)
{
	struct rlimit l;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = full ? 0 : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}
