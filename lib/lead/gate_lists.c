/* lib/lead/gate_lists.c: the list files of one folder, and the system's public suffix list. */
#include "lib/lead/gates.h"

#include <libpsl.h>
#include <stdio.h>

static int load(const char *dir, const char *name, struct word_list **ret, struct lead_error *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path)) {
		return lead_fail(err, LEAD_EINPUT, "%s: path too long", dir);
	}
	return word_list_load(path, ret, err);
}

int gate_lists_load(const char *dir, struct gate_lists *ret, struct lead_error *err)
{
	struct gate_lists l = {0};
	const struct {
		const char *name;
		struct word_list **list;
	} files[] = {{"role.txt", &l.role}, {"noreply.txt", &l.noreply},
	    {"disposable.txt", &l.disposable}, {"portal.txt", &l.portal},
	    {"name-words.txt", &l.name_words}};
	int rc = 0;

	*ret = l;
	for (size_t i = 0; rc == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
		rc = load(dir, files[i].name, files[i].list, err);
	}
	if (rc == 0) {
		/* The newer of the file that the system keeps and the one built into libpsl. */
		l.psl = psl_latest(NULL);
		if (l.psl == NULL) {
			rc = lead_fail(
			    err, LEAD_EINPUT, "no public suffix list: is publicsuffix installed?");
		}
	}
	if (rc != 0) {
		gate_lists_free(&l);
		return rc;
	}
	*ret = l;
	return 0;
}

void gate_lists_free(struct gate_lists *l)
{
	word_list_free(l->role);
	word_list_free(l->noreply);
	word_list_free(l->disposable);
	word_list_free(l->portal);
	word_list_free(l->name_words);
	psl_free((psl_ctx_t *)l->psl); /* the built-in one is left alone */
	*l = (struct gate_lists){0};
}
