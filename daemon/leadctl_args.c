/*
 * daemon/leadctl_args.c: from the command line to a command of the table.
 *
 *   global options -> words of the command -> its positions and options -> counts checked
 *
 * A word that is none gets the nearest that is one. Options may stand anywhere behind the
 * command, as `--name VALUE` or `--name=VALUE`; `--` ends them.
 */
#include "daemon/leadctl.h"

#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int args_complain(const struct command *command, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error("%s", text);
	if (command != NULL) {
		fprintf(stderr, "usage: leadctl %s%s%s%s\n", command->name,
		    command->args[0] != '\0' ? " " : "", command->args,
		    command->options != NULL ? " [options]" : "");
		fprintf(stderr, "More: leadctl %s --help\n", command->name);
	} else {
		fprintf(stderr, "More: leadctl --help\n");
	}
	return CTL_USAGE;
}

/* --- reading back what was given --- */

static const struct given *find_given(const struct args *a, const char *option)
{
	for (size_t i = a->n_given; i > 0; i--) {
		if (strcmp(a->given[i - 1].option->name, option) == 0) {
			return &a->given[i - 1]; /* the last one counts */
		}
	}
	return NULL;
}

bool args_has(const struct args *a, const char *option)
{
	return find_given(a, option) != NULL;
}

const char *args_text(const struct args *a, const char *option)
{
	const struct given *g = find_given(a, option);

	return g != NULL ? g->text : NULL;
}

bool args_number(const struct args *a, const char *option, int64_t *ret)
{
	const struct given *g = find_given(a, option);

	if (g != NULL) {
		*ret = g->number;
	}
	return g != NULL;
}

static bool read_number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || i >= 18) {
			return false;
		}
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = n;
	return len > 0;
}

bool args_run(const struct args *a, size_t i, uint64_t *ret)
{
	const char *text = a->positions[i];

	if (read_number(text, strlen(text), ret)) {
		return true;
	}
	args_complain(a->command, "a run is a number, as in `leadctl run list`; not `%s`", text);
	return false;
}

bool args_lead(const struct args *a, size_t i, uint64_t *ret_run, uint64_t *ret_lead)
{
	const char *text = a->positions[i], *slash = strchr(text, '/');

	if (slash != NULL && read_number(text, (size_t)(slash - text), ret_run)) {
		if (strcmp(slash + 1, "run") == 0) { /* the run's own item */
			*ret_lead = UINT32_MAX - 1;
			return true;
		}
		if (read_number(slash + 1, strlen(slash + 1), ret_lead)) {
			return true;
		}
	}
	args_complain(a->command, "a lead is RUN/NUMBER, for example 17/4711, or RUN/run; not `%s`", text);
	return false;
}

/* --- options --- */

static const struct option *find_option(
    const struct option *list, const char *name, size_t len, char letter)
{
	for (; list != NULL && list->name != NULL; list++) {
		if (letter != '\0'
			? list->letter == letter
			: strlen(list->name) == len && memcmp(list->name, name, len) == 0) {
			return list;
		}
	}
	return NULL;
}

static int unknown_option(const struct command *command, const char *word)
{
	const char *names[64];
	const char *nearest;
	char name[64];
	size_t n = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (const struct option *o = command != NULL ? command->options : NULL;
	     o != NULL && o->name != NULL; o++) {
		names[n++] = o->name;
	}
	for (const struct option *o = global_options; o->name != NULL; o++) {
		names[n++] = o->name;
	}
	names[n] = NULL;
	nearest = word[1] == '-' ? text_nearest(name, names) : NULL;
	return args_complain(command, "there is no option %s%s%s%s", word[1] == '-' ? "--" : "",
	    word[1] == '-' ? name : word, nearest != NULL ? "; did you mean --" : "",
	    nearest != NULL ? nearest : "");
}

/* argv[*i] is an option of the command or a global one; *i stays at the last word used. */
static int take_option(struct args *a, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *equals = strchr(word, '=');
	bool is_long = word[1] == '-';
	size_t len = is_long ? strcspn(word + 2, "=") : 1;
	char letter = is_long ? '\0' : word[1];
	const struct option *o = NULL;
	struct given *g = &a->given[a->n_given];

	if (is_long || word[2] == '\0') {
		if (a->command != NULL) {
			o = find_option(a->command->options, word + 2, len, letter);
		}
		o = o != NULL ? o : find_option(global_options, word + 2, len, letter);
	}
	if (o == NULL) {
		return unknown_option(a->command, word);
	}
	if (a->n_given == ARGS_GIVEN) {
		return args_complain(a->command, "too many options");
	}
	*g = (struct given){.option = o};
	if (o->kind == OPTION_FLAG) {
		if (is_long && equals != NULL) {
			return args_complain(a->command, "--%s takes no value", o->name);
		}
	} else if (is_long && equals != NULL) {
		g->text = equals + 1;
	} else if (*i + 1 < argc) {
		g->text = argv[++*i];
	} else {
		return args_complain(a->command, "--%s needs a value: %s", o->name, o->arg);
	}
	if (g->text != NULL) {
		char what[64];

		snprintf(what, sizeof(what), "--%s", o->name);
		if (!check_value(what, o, g->text, &g->number)) {
			return CTL_USAGE;
		}
	}
	a->n_given++;
	return CTL_OK;
}

/* --- commands --- */

static bool is_group(const char *word)
{
	size_t len = strlen(word);

	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		if (strncmp(cmd->name, word, len) == 0 && cmd->name[len] == ' ') {
			return true;
		}
	}
	return false;
}

static const struct command *find_command(const char *first, const char *second)
{
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		size_t len = strcspn(cmd->name, " ");
		const char *rest = cmd->name[len] == ' ' ? cmd->name + len + 1 : NULL;

		if (strlen(first) == len && memcmp(first, cmd->name, len) == 0 &&
		    (rest == NULL || (second != NULL && strcmp(rest, second) == 0))) {
			return cmd;
		}
	}
	return NULL;
}

static int unknown_command(struct ctl *c, const char *group, const char *word)
{
	const char *names[64];
	const char *nearest;
	size_t n = 0, len = group != NULL ? strlen(group) : 0;

	for (const struct command *cmd = commands; cmd->name != NULL && n < 63; cmd++) {
		if (group == NULL) {
			names[n++] = arena_dup(&c->mem, cmd->name, strcspn(cmd->name, " "));
		} else if (strncmp(cmd->name, group, len) == 0 && cmd->name[len] == ' ') {
			names[n++] = cmd->name + len + 1;
		}
	}
	names[n] = NULL;
	nearest = text_nearest(word, names);
	if (nearest == NULL) {
		return args_complain(NULL, "there is no command `%s%s%s`",
		    group != NULL ? group : "", group != NULL ? " " : "", word);
	}
	return args_complain(NULL, "there is no command `%s%s%s`; did you mean `%s%s%s`?",
	    group != NULL ? group : "", group != NULL ? " " : "", word, group != NULL ? group : "",
	    group != NULL ? " " : "", nearest);
}

static size_t count_words(const char *args, bool only_required)
{
	size_t n = 0;

	for (const char *p = args; *p != '\0';) {
		size_t len = strcspn(p, " ");

		n += !only_required || *p != '[';
		p += len + strspn(p + len, " ");
	}
	return n;
}

static int check_counts(const struct args *a)
{
	const struct command *cmd = a->command;
	size_t least = count_words(cmd->args, true), most = count_words(cmd->args, false);

	if (strstr(cmd->args, "...") != NULL) {
		most = ARGS_POSITIONS;
	}
	if (a->n_positions < least) {
		return args_complain(cmd, "%s is missing", cmd->args);
	}
	if (a->n_positions > most) {
		return args_complain(cmd, "`%s` is one word too many", a->positions[most]);
	}
	for (const struct option *o = cmd->options; o != NULL && o->name != NULL; o++) {
		if (o->required && !args_has(a, o->name)) {
			return args_complain(
			    cmd, "--%s %s is missing: %s", o->name, o->arg, o->help);
		}
	}
	return CTL_OK;
}

/* The words that name the command; *i comes to stand behind them. */
static int take_command(
    struct ctl *c, int argc, char **argv, int *i, struct args *a, const char **ret_group)
{
	const char *first = argv[*i], *second = *i + 1 < argc ? argv[*i + 1] : NULL;

	a->command = find_command(first, second);
	if (a->command != NULL) {
		*i += strchr(a->command->name, ' ') != NULL ? 2 : 1;
		return CTL_OK;
	}
	if (!is_group(first)) {
		return unknown_command(c, NULL, first);
	}
	*ret_group = first;
	*i += 1;
	if (second != NULL && second[0] != '-') {
		return unknown_command(c, first, second);
	}
	return CTL_OK;
}

/* What the global options ask for; *ret_done when that was all. */
static void apply_globals(struct ctl *c, const struct args *a, const char *group, bool *ret_done)
{
	*ret_done = true;
	if (args_has(a, "version")) {
		printf("leadctl %s\n", LEADD_VERSION);
		return;
	}
	if (args_has(a, "help")) {
		if (a->command != NULL) {
			help_command(a->command);
		} else if (group != NULL) {
			help_group(group);
		} else {
			help_overview();
		}
		return;
	}
	*ret_done = false;
	c->socket = args_has(a, "socket") ? args_text(a, "socket") : c->socket;
	c->json = args_has(a, "json");
	c->color = c->color && !args_has(a, "no-color");
}

int args_parse(struct ctl *c, int argc, char **argv, struct args *a, bool *ret_done)
{
	const char *group = NULL;
	bool no_more_options = false;
	int rc = CTL_OK;

	for (int i = 1; i < argc && rc == CTL_OK; i++) {
		const char *word = argv[i];

		if (!no_more_options && strcmp(word, "--") == 0) {
			no_more_options = true;
		} else if (!no_more_options && word[0] == '-' && word[1] != '\0') {
			rc = take_option(a, argc, argv, &i);
		} else if (a->command == NULL && group == NULL) {
			rc = take_command(c, argc, argv, &i, a, &group);
			i--;
		} else if (a->n_positions == ARGS_POSITIONS || a->command == NULL) {
			rc = args_complain(a->command, "`%s` is one word too many", word);
		} else {
			a->positions[a->n_positions++] = word;
		}
	}
	if (rc != CTL_OK) {
		return rc;
	}
	apply_globals(c, a, group, ret_done);
	if (*ret_done) {
		return CTL_OK;
	}
	if (a->command == NULL) {
		*ret_done = true;
		if (group != NULL) {
			help_group(group);
		} else {
			help_overview();
		}
		return CTL_USAGE;
	}
	return check_counts(a);
}
