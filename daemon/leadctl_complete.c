/*
 * daemon/leadctl_complete.c: the bash completion, written from the command table.
 *
 * The script finds the command's name among the words so far. Behind an option that takes a
 * value it offers that option's words or files; elsewhere the next word of the command, its
 * options, and files where one is an argument.
 */
#include "daemon/leadctl.h"

#include <stdio.h>
#include <string.h>

static const char head[] =
    "# bash completion for leadctl; written by `leadctl completion bash`\n"
    "_leadctl()\n"
    "{\n"
    "\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "\tlocal words='' files='' name='' i\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tcase ${COMP_WORDS[i]} in\n"
    "\t\t--socket) ((i++)) ;;\n"
    "\t\t-*) ;;\n"
    "\t\t*) [[ $name == *' '* ]] || name+=${name:+ }${COMP_WORDS[i]} ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tcase \"$name $before\" in\n";

static const char tail[] = "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
			   "\t[[ -z $files ]] || COMPREPLY+=($(compgen -f -- \"$current\"))\n"
			   "}\n"
			   "complete -F _leadctl leadctl\n";

/* What may stand behind one option. */
static void put_value(const char *command, const struct option *o)
{
	if (o->kind == OPTION_FLAG) {
		return;
	}
	printf("\t'%s --%s') ", command, o->name);
	if (o->kind == OPTION_FILE) {
		fputs("files=1 ", stdout);
	} else if (o->kind == OPTION_CHOICE || o->kind == OPTION_LIST) {
		fputs("words='", stdout);
		for (const char *p = o->arg; *p != '\0'; p++) {
			putchar(*p == '|' ? ' ' : *p);
		}
		fputs("' ", stdout);
	}
	puts(";;");
}

static bool same_group(const struct command *a, const struct command *b)
{
	size_t len = strcspn(a->name, " ");

	return len == strcspn(b->name, " ") && memcmp(a->name, b->name, len) == 0;
}

/* Commands of a group stand together in the table: first is where one begins. */
static bool begins_group(const struct command *cmd)
{
	return cmd == commands || !same_group(cmd - 1, cmd);
}

/* `run`: its second words. */
static void put_group(const struct command *first)
{
	printf("\t\t%.*s) words='", (int)strcspn(first->name, " "), first->name);
	for (const struct command *cmd = first; cmd->name != NULL && same_group(first, cmd);
	     cmd++) {
		printf("%s ", cmd->name + strcspn(cmd->name, " ") + 1);
	}
	puts("' ;;");
}

static void put_command(const struct command *cmd)
{
	if (strchr(cmd->name, ' ') != NULL) {
		printf("\t\t'%s') words='", cmd->name);
	} else {
		printf("\t\t%s|'%s '*) words='%s", cmd->name, cmd->name,
		    strcmp(cmd->args, "SHELL") == 0 ? "bash " : "");
	}
	for (const struct option *o = cmd->options; o != NULL && o->name != NULL; o++) {
		printf("--%s ", o->name);
	}
	puts(strstr(cmd->args, "FILE") != NULL ? "' files=1 ;;" : "' ;;");
}

int cmd_completion(struct ctl *c, const struct args *a)
{
	(void)c;
	if (strcmp(a->positions[0], "bash") != 0) {
		return args_complain(
		    a->command, "`%s` is not known; nearest: bash", a->positions[0]);
	}
	fputs(head, stdout);
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		for (const struct option *o = cmd->options; o != NULL && o->name != NULL; o++) {
			put_value(cmd->name, o);
		}
	}
	fputs("\t*' --socket') files=1 ;;\n\t*)\n\t\tcase $name in\n\t\t'') words='", stdout);
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		if (begins_group(cmd)) {
			printf("%.*s ", (int)strcspn(cmd->name, " "), cmd->name);
		}
	}
	puts("' ;;");
	for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
		if (begins_group(cmd) && strchr(cmd->name, ' ') != NULL) {
			put_group(cmd);
		}
		put_command(cmd);
	}
	fputs("\t\tesac\n\t\twords+='", stdout);
	for (const struct option *o = global_options; o->name != NULL; o++) {
		printf(" --%s", o->name);
	}
	fputs("' ;;\n\tesac\n", stdout);
	fputs(tail, stdout);
	return CTL_OK;
}
