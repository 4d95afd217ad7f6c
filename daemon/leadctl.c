/*
 * daemon/leadctl.c: main of the control program: looks at the terminal, lets args_parse find the
 * command and runs it. Its result is the exit code.
 */
#include "daemon/leadctl.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#define DEFAULT_SOCKET "/run/leadd.sock"

volatile sig_atomic_t ctl_interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	ctl_interrupted = 1;
}

void ctl_catch_interrupt(void)
{
	struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: waiting ends */

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && value[0] != '\0';
}

static void look_at_terminal(struct ctl *c)
{
	const char *term = getenv("TERM");
	struct winsize size;

	/* Only the character set: numbers are never written the local way. */
	(void)setlocale(LC_CTYPE, "");
	c->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!c->utf8) {
		(void)setlocale(LC_CTYPE, "C.UTF-8"); /* the widths of what files hold */
	}
	tzset();
	c->tty = isatty(STDOUT_FILENO) == 1;
	if (c->tty) {
		bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;

		c->width = known ? size.ws_col : 80;
	}
	c->color = c->tty && !is_set("NO_COLOR") && term != NULL && strcmp(term, "dumb") != 0;
}

int main(int argc, char **argv)
{
	struct ctl c = {.socket = is_set("LEADD_SOCKET") ? getenv("LEADD_SOCKET") : DEFAULT_SOCKET};
	struct args a = {0};
	bool done = false;
	int rc;

	look_at_terminal(&c);
	rc = args_parse(&c, argc, argv, &a, &done);
	if (rc == CTL_OK && !done) {
		rc = a.command->run(&c, &a);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		print_error("cannot write to standard output");
		rc = rc == CTL_OK ? CTL_USAGE : rc;
	}
	curl_easy_cleanup(c.curl);
	arena_free(&c.mem);
	return rc;
}
