/* The configuration of such a night: the shipped files behind a leadd.yaml of its own. */
#include "tests/sim/conf.h"
#include "tests/sim/systems_night.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct config *configs[SYSTEMS][2];

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "systems: %s: %s\n", what, why);
	exit(2);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
		die(path, "cannot be written");
	}
}

/* The shipped pipeline, with workflows that answer by jobs in place of those that keep the line. */
static void write_jobs(const char *to)
{
	static const char *const calls[] = {"n8n.enrich_company", "n8n.discover_contacts", "n8n.enrich_contact", "n8n.discover"};
	struct buf out = {0};
	char line[1024];
	FILE *f = fopen(SOURCE_ROOT "/etc/pipelines/property-management.yaml", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *at = NULL;
		size_t len = 0;

		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && at == NULL; i++) {
			at = strstr(line, calls[i]);
			len = strlen(calls[i]);
		}
		if (at != NULL) {
			buf_add(&out, line, (size_t)(at - line) + len);
			buf_add_text(&out, "_later");
			buf_add_text(&out, at + len);
		} else {
			buf_add_text(&out, line);
		}
	}
	if (f == NULL || out.data == NULL) {
		die("property-management.yaml", "cannot be read");
	}
	(void)fclose(f);
	write_file(to, out.data);
	buf_free(&out);
}

static void write_settings(const struct system_plan *p, const char *dir, const char *file)
{
	static const struct {
		const char *name, *path;
	} bases[] = {{"zerobounce", "/zerobounce/v2"}, {"perplexity", "/perplexity"}, {"openai", "/openai/v1"}, {"instantly", "/instantly/api/v2"},
	    {"apollo", "/apollo/api/v1"}, {"apify", "/apify/v2"}, {"hubspot", "/hubspot"}, {"supabase", "/supabase/rest/v1"}, {"n8n", "/n8n"}, {"n8n-verifier", "/n8n"},
	    {"close", "/close/api/v1"}, {"hunter", "/hunter/v2"}};
	struct buf b = {0};
	char path[256];

	buf_printf(&b, "services_dir: %s/etc/services\npipelines_dir: %s\nlists_dir: %s/etc/lists\n", SOURCE_ROOT, p->jobs ? "pipelines" : SOURCE_ROOT "/etc/pipelines",
	    SOURCE_ROOT);
	buf_add_text(&b, "allow_private: true\nsecrets_dir: secrets\ncallback_url: http://127.0.0.1:1\nservices:\n");
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		buf_printf(&b, "  %s: {base: \"http://127.0.0.1:1%s\"}\n", bases[i].name, bases[i].path);
		(void)snprintf(path, sizeof(path), "%s/secrets/%s", dir, bases[i].name);
		write_file(path, "key\n");
	}
	buf_add_text(&b, "campaigns:\n");
	for (size_t i = 0; i < SYSTEM_RUNS; i++) {
		buf_printf(&b, "  c%zu: {pipeline: %s, budget: 1000, vars: {offer: We help., create_campaigns: %s}}\n", i + 1, system_pipeline(p->system),
		    p->system == SYSTEM_CRM && p->seed % 2 == 0 ? "true" : "false");
	}
	if (p->system == SYSTEM_CRM) {
		(void)snprintf(path, sizeof(path), "%s/secrets/close-webhook", dir);
		write_file(path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
		buf_add_text(&b, "listen: 127.0.0.1:0\nintakes:\n  close:\n    verify: {scheme: close, secret: close-webhook}\n    id: .event.id\n"
				 "    when: .event.action == \"created\"\n    campaign: {from: .event.data.text, after: \"Instantly: \"}\n    run: c1\n"
				 "    idle: 10min\n    fields: {crm_lead: \"${.event.lead_id}\", company: \"${.event.data.lead_name}\"}\n");
	}
	write_file(file, b.data);
	buf_free(&b);
}

struct config *system_config(const struct system_plan *p)
{
	unsigned kind = p->system == SYSTEM_CRM ? p->seed % 2 == 0 : p->jobs;
	struct config **c = &configs[p->system][kind];
	char dir[128], file[192], path[192];
	struct problems problems;

	if (*c != NULL) {
		return *c;
	}
	(void)snprintf(dir, sizeof(dir), "%s-%s-%u", conf_store_dir(), system_word(p->system), kind);
	(void)mkdir(dir, 0700);
	(void)snprintf(path, sizeof(path), "%s/secrets", dir);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/pipelines", dir);
	(void)mkdir(path, 0700);
	if (p->jobs) {
		(void)snprintf(path, sizeof(path), "%s/pipelines/property-management.yaml", dir);
		write_jobs(path);
	}
	(void)snprintf(file, sizeof(file), "%s/leadd.yaml", dir);
	write_settings(p, dir, file);
	problems_init(&problems);
	if (config_load(file, (uint64_t)p->system * 2 + kind + 1, &problems, c) != 0 || *c == NULL) {
		die(file, problems.first != NULL ? problems.first->text : "out of memory");
	}
	problems_fini(&problems);
	return *c;
}

void system_config_end(void)
{
	for (size_t i = 0; i < SYSTEMS; i++) {
		config_unref(configs[i][0]);
		config_unref(configs[i][1]);
	}
}
