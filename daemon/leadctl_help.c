/*
 * daemon/leadctl_help.c: what people read of the command table: the overview, the help of a group
 * and of a command, and the command section of the man page.
 */
#include "daemon/leadctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool in_group(const struct command *cmd, const char *group)
{
	size_t len = strlen(group);

	return strncmp(cmd->name, group, len) == 0 &&
	       (cmd->name[len] == ' ' || cmd->name[len] == '\0');
}

static void put_option(const struct option *o)
{
	char text[96];
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), "%s%c%s--%s%s%s", o->letter != '\0' ? "-" : "  ",
	    o->letter != '\0' ? o->letter : ' ', o->letter != '\0' ? ", " : " ", o->name,
	    o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
	if (len > 28) {
		printf("  %s\n  %-28s  %s\n", text, "", o->help);
	} else {
		printf("  %-28s  %s\n", text, o->help);
	}
}

static void put_options(const char *title, const struct option *o)
{
	if (o == NULL) {
		return;
	}
	printf("\n%s\n", title);
	for (; o->name != NULL; o++) {
		put_option(o);
	}
}

static void put_commands(const char *group)
{
	char text[96];

	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		if (group == NULL || in_group(cmd, group)) {
			snprintf(text, sizeof(text), "%s %s", cmd->name, cmd->args);
			printf("  %-30s %s\n", text, cmd->help);
		}
	}
}

void help_overview(void)
{
	puts("usage: leadctl [global options] COMMAND [arguments] [options]\n\n"
	     "Controls leadd, the lead pipeline daemon, over its socket.\n\ncommands");
	put_commands(NULL);
	put_options("global options", global_options);
	puts("\nHelp for one: leadctl COMMAND --help. Exit codes and examples: man leadctl.");
}

void help_group(const char *group)
{
	printf("usage: leadctl %s COMMAND [arguments] [options]\n\ncommands\n", group);
	put_commands(group);
}

/* Broken into lines of a terminal. */
static void put_paragraph(const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (column > 0 && column + 1 + len > 78) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)len, text);
		text += len + strspn(text + len, " ");
	}
	putchar('\n');
}

void help_command(const struct command *command)
{
	printf("usage: leadctl %s%s%s%s\n\n%s\n", command->name,
	    command->args[0] != '\0' ? " " : "", command->args,
	    command->options != NULL ? " [options]" : "", command->help);
	if (command->more != NULL) {
		putchar('\n');
		put_paragraph(command->more);
	}
	put_options("options", command->options);
	put_options("global options", global_options);
}

/* --- the man page --- */

/* scdoc reads * and _ as marks, and a backslash takes that from them. */
static void put_escaped(const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("*_\\<>[]#`", *text) != NULL) {
			putchar('\\');
		}
		putchar(*text);
	}
}

static void scdoc_options(const struct option *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		if (o->letter != '\0') {
			printf("\t*-%c*, ", o->letter);
		} else {
			putchar('\t');
		}
		fputs("*--", stdout);
		put_escaped(o->name);
		putchar('*');
		if (o->arg != NULL) {
			fputs(" _", stdout);
			put_escaped(o->arg);
			putchar('_');
		}
		fputs("\n\t\t", stdout);
		put_escaped(o->help);
		fputs("\n\n", stdout);
	}
}

static void scdoc_commands(void)
{
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		printf("*%s*", cmd->name);
		if (cmd->args[0] != '\0') {
			fputs(" _", stdout);
			put_escaped(cmd->args);
			putchar('_');
		}
		fputs("\n\t", stdout);
		put_escaped(cmd->help);
		fputs(".", stdout);
		if (cmd->more != NULL) {
			putchar(' ');
			put_escaped(cmd->more);
		}
		fputs("\n\n", stdout);
		scdoc_options(cmd->options);
	}
}

/* The template, with the lines @COMMANDS@ and @OPTIONS@ replaced. */
static int scdoc(const char *file)
{
	FILE *f = fopen(file, "re");
	char line[1024];

	if (f == NULL) {
		print_error("%s: %s", file, strerror(errno));
		return CTL_USAGE;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strcmp(line, "@COMMANDS@\n") == 0) {
			scdoc_commands();
		} else if (strcmp(line, "@OPTIONS@\n") == 0) {
			scdoc_options(global_options);
		} else {
			fputs(line, stdout);
		}
	}
	(void)fclose(f);
	return CTL_OK;
}

int cmd_help(struct ctl *c, const struct args *a)
{
	char name[64];

	(void)c;
	if (args_has(a, "scdoc")) {
		return scdoc(args_text(a, "scdoc"));
	}
	if (a->n_positions == 0) {
		help_overview();
		return CTL_OK;
	}
	snprintf(name, sizeof(name), "%s%s%s", a->positions[0], a->n_positions > 1 ? " " : "",
	    a->n_positions > 1 ? a->positions[1] : "");
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		if (strcmp(cmd->name, name) == 0) {
			help_command(cmd);
			return CTL_OK;
		}
	}
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		if (in_group(cmd, name)) {
			help_group(name);
			return CTL_OK;
		}
	}
	return args_complain(a->command, "there is no command `%s`", name);
}
