/*
 * lib/base/expr_scan.c: reads a jq program word by word, without understanding it.
 *
 * jq would let a program read our environment, our input and any file. So each
 * word of it is looked up before libjq sees the text. A word counts when it can
 * be a function or a variable: `.input` and `{input: 1}` are names of fields,
 * the text of a string is nothing, but what stands in `\( )` inside a string is
 * program again. A stack of open brackets and strings keeps track of that.
 */
#include "lib/base/expr_internal.h"

#include "lib/base/text.h"

#include <string.h>

#define DEEPEST 64

/* Open things that are no plain brackets. */
#define IN_STRING '"'
#define IN_SPLIT 's' /* the parameters of split */

struct scan {
	const char *p;
	char open[DEEPEST];
	size_t depth;
	char before;   /* last byte of the program that was no white space */
	bool term;     /* p follows a value without a gap: a dot here goes on with its path */
	bool is_split; /* the last word was split */
	bool slow;
	void (*reads)(void *arg, const char *name, size_t len);
	void *arg;
	struct lead_error *err;
};

/* They read the process, a clock or another file, or end the program. */
static const char *const FORBIDDEN[] = {"import", "include", "module", "modulemeta", "env", "input",
    "inputs", "input_line_number", "input_filename", "debug", "stderr", "halt", "halt_error",
    "get_search_list", "get_jq_origin", "get_prog_origin", "now", "localtime", "strflocaltime",
    NULL};
static const char *const FORBIDDEN_VARIABLES[] = {"ENV", "__loc__", "__prog_args", NULL};
/* Their cost grows faster than their input and no timer can stop them. */
static const char *const SLOW[] = {"test", "match", "capture", "scan", "splits", "sub", "gsub",
    "sort", "sort_by", "group_by", "unique", "unique_by", NULL};
/* Words after which a path begins. */
static const char *const KEYWORDS[] = {
    "and", "or", "if", "then", "elif", "else", "as", "reduce", "foreach", "try", "catch", NULL};

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
	return is_word_start(c) || (c >= '0' && c <= '9');
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char innermost(const struct scan *s)
{
	return s->depth > 0 ? s->open[s->depth - 1] : '\0';
}

static int push(struct scan *s, char what)
{
	if (s->depth == DEEPEST) {
		return lead_fail(s->err, LEAD_EINPUT, "nested deeper than %d", DEEPEST);
	}
	s->open[s->depth++] = what;
	return 0;
}

static void pop(struct scan *s)
{
	if (s->depth > 0) { /* a bracket too many: jq will say so */
		s->depth--;
	}
}

static void step(struct scan *s, size_t bytes, bool term)
{
	s->before = s->p[bytes - 1];
	s->p += bytes;
	s->term = term;
}

static void report(const struct scan *s, const char *name, size_t len)
{
	if (s->reads != NULL && len > 0) {
		s->reads(s->arg, name, len);
	}
}

/* Within a string: its end, an escaped byte, or a piece of program. */
static int scan_string(struct scan *s)
{
	if (*s->p == '"') {
		pop(s);
		step(s, 1, true);
	} else if (s->p[0] == '\\' && s->p[1] == '(') {
		step(s, 2, false);
		return push(s, '(');
	} else {
		s->p += s->p[0] == '\\' && s->p[1] != '\0' ? 2 : 1;
	}
	return 0;
}

/* `.name`, `."name"` and `.["name"]` read a field of the input where no value stands before the
 * dot. */
static void scan_dot(struct scan *s)
{
	bool begins = !s->term;
	const char *name = s->p + 1;
	size_t len = 0;

	if (is_word_start(*name)) {
		while (is_word(name[len])) {
			len++;
		}
		if (begins) {
			report(s, name, len);
		}
		step(s, 1 + len, true);
		return;
	}
	name += *name == '[';
	if (begins && *name == '"') {
		name++;
		len = strcspn(name, "\"\\");
		if (name[len] == '"') {
			report(s, name, len);
		}
	}
	step(s, 1, true);
}

/* `{name}` and `{name, other}` are short for {name: .name}. */
static void scan_key(struct scan *s, size_t len)
{
	const char *after = s->p + len;

	while (is_space(*after)) {
		after++;
	}
	if (*after == ',' || *after == '}') {
		report(s, s->p, len);
	}
	step(s, len, true);
}

static int scan_word(struct scan *s)
{
	bool variable = s->before == '$';
	size_t len = 0;

	while (is_word(s->p[len])) {
		len++;
	}
	if (innermost(s) == '{' && (s->before == '{' || s->before == ',')) {
		scan_key(s, len);
		return 0;
	}
	if (variable ? text_in(FORBIDDEN_VARIABLES, s->p, len)
		     : *s->p == '_' || text_in(FORBIDDEN, s->p, len)) {
		return lead_fail(s->err, LEAD_EINPUT, "'%s%.*s' is not allowed in an expression",
		    variable ? "$" : "", (int)(len < 64 ? len : 64), s->p);
	}
	s->slow = s->slow || (!variable && text_in(SLOW, s->p, len));
	s->is_split = !variable && len == 5 && memcmp(s->p, "split", 5) == 0;
	step(s, len, !text_in(KEYWORDS, s->p, len));
	return 0;
}

static int scan_sign(struct scan *s)
{
	bool is_split = s->is_split;
	char c = *s->p;

	s->is_split = false;
	switch (c) {
	case '"':
	case '[':
	case '{':
		step(s, 1, false);
		return push(s, c);
	case '(':
		step(s, 1, false);
		return push(s, is_split ? IN_SPLIT : '(');
	case ')':
	case ']':
	case '}':
		pop(s);
		step(s, 1, true);
		return 0;
	case ';':
		s->slow =
		    s->slow || innermost(s) == IN_SPLIT; /* split/2 takes a regular expression */
		break;
	case '@':
		while (is_word(s->p[1])) {
			s->p++;
		}
		break;
	default:
		break;
	}
	step(s, 1, c == '?' || c == '.');
	return 0;
}

static int scan_one(struct scan *s)
{
	if (innermost(s) == IN_STRING) {
		return scan_string(s);
	}
	if (is_space(*s->p)) {
		s->p++;
		s->term = false;
		return 0;
	}
	if (*s->p == '#') {
		s->p += strcspn(s->p, "\n");
		return 0;
	}
	if (is_word_start(*s->p)) {
		return scan_word(s);
	}
	if (*s->p == '.' && s->p[1] != '.') {
		s->is_split = false;
		scan_dot(s);
		return 0;
	}
	return scan_sign(s);
}

int expr_scan(const char *text, struct expr_words *ret,
    void (*reads)(void *arg, const char *name, size_t len), void *arg, struct lead_error *err)
{
	struct scan s = {.p = text, .reads = reads, .arg = arg, .err = err};

	while (*s.p != '\0') {
		int rc = scan_one(&s);

		if (rc != 0) {
			return rc;
		}
	}
	*ret = (struct expr_words){.slow = s.slow};
	return 0;
}
