/*
 * Configurations: the files of tests/data/sim with the words in capitals filled in, one folder for
 * each shape and variant, read once and shared by all nights of this process (they are immutable
 * and counted).
 */
#include "tests/sim/conf.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64], store_dir[80];
static struct config *configs[16][CONF_VARIANTS];

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "nights: %s: %s\n", what, why);
	exit(2);
}

static struct buf read_file(const char *path)
{
	struct buf b = {0};
	char part[4096];
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		die(path, "cannot be read");
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(&b, part, n);
	}
	(void)fclose(f);
	return b;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
		die(path, "cannot be written");
	}
}

/* --- words in capitals --- */

struct word {
	const char *name;
	char text[256];
};

static size_t words_of(unsigned shape, unsigned variant, struct word *ret)
{
	static const char *const limits[SERVICES] = {
	    "VERIFY_LIMITS", "RESEARCH_LIMITS", "COPY_LIMITS", "MAIL_LIMITS"};
	bool tight = (variant & CONF_TIGHT) != 0;
	size_t n = 0;

	for (unsigned s = 0; s < SERVICES; s++, n++) {
		size_t len = 0;

		ret[n].name = limits[s];
		for (unsigned w = 0; w < WINDOWS; w++) {
			const struct window_plan *p = &shapes[shape].windows[s][w];
			unsigned max = (variant & CONF_LOW) != 0 ? p->max / 2 : p->max;

			if (p->max > 0) {
				len += (size_t)snprintf(ret[n].text + len,
				    sizeof(ret[n].text) - len, "%s%u/%lldms", w > 0 ? ", " : "",
				    max, (long long)(p->length_us / US_PER_MS));
			}
		}
	}
#define WORD(word, ...)                                                                            \
	do {                                                                                       \
		ret[n].name = word;                                                                \
		(void)snprintf(ret[n++].text, sizeof(ret[0].text), __VA_ARGS__);                   \
	} while (0)
	WORD("LISTS", "%s/etc/lists", SOURCE_ROOT);
	WORD("PIPELINE", "%s", shapes[shape].pipeline);
	WORD("VERIFY_DAY", "%g", tight ? TIGHT_VERIFY_DAY / 1e6 : 100000);
	WORD("NORTH_TOTAL", "%g", tight ? TIGHT_NORTH_TOTAL / 1e6 : 100000);
	WORD("ONE_TOTAL", "%g", tight ? TIGHT_ONE_TOTAL / 1e6 : 100000);
	WORD("ONE_DAY", "%d", 100000);
#undef WORD
	return n;
}

static void fill_in(const struct word *words, size_t n, const char *from, const char *to)
{
	struct buf text = read_file(from), out = {0};

	for (const char *p = text.data; p != NULL && *p != '\0';) {
		size_t i = 0;

		while (i < n && strncmp(p, words[i].name, strlen(words[i].name)) != 0) {
			i++;
		}
		if (i < n) {
			buf_add_text(&out, words[i].text);
			p += strlen(words[i].name);
		} else {
			buf_add_char(&out, *p++);
		}
	}
	write_file(to, out.data);
	buf_free(&text);
	buf_free(&out);
}

static void write_folder(unsigned shape, unsigned variant, const char *dir)
{
	static const char *const files[] = {"leadd.yaml", "services/verify.yaml",
	    "services/research.yaml", "services/copy.yaml", "services/mail.yaml",
	    "pipelines/short.yaml", "pipelines/long.yaml", "pipelines/group.yaml",
	    "pipelines/later.yaml"};
	static const char *const secrets[] = {"verify-1", "verify-2", "research", "copy", "mail"};
	struct word words[16];
	size_t n = words_of(shape, variant, words);
	char from[512], to[512];

	(void)mkdir(dir, 0700);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(to, sizeof(to), "%s/%s", dir,
		    i == 0   ? "services"
		    : i == 1 ? "pipelines"
			     : "secrets");
		(void)mkdir(to, 0700);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(from, sizeof(from), "%s/tests/data/sim/%s", SOURCE_ROOT, files[i]);
		(void)snprintf(to, sizeof(to), "%s/%s", dir, files[i]);
		fill_in(words, n, from, to);
	}
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		(void)snprintf(to, sizeof(to), "%s/secrets/%s", dir, secrets[i]);
		write_file(to, secrets[i]);
	}
}

struct config *conf_get(unsigned shape, unsigned variant)
{
	struct config **c = &configs[shape][variant];
	struct problems problems;
	char dir[128], file[160];

	if (*c != NULL) {
		return *c;
	}
	(void)snprintf(dir, sizeof(dir), "%s/%u-%u", root, shape, variant);
	(void)snprintf(file, sizeof(file), "%s/leadd.yaml", dir);
	write_folder(shape, variant, dir);
	problems_init(&problems);
	if (config_load(file, shape * CONF_VARIANTS + variant + 1, &problems, c) != 0 ||
	    *c == NULL) {
		die(file, problems.first != NULL ? problems.first->text : "out of memory");
	}
	problems_fini(&problems);
	return *c;
}

/* --- the folder --- */

void conf_begin(void)
{
	(void)snprintf(root, sizeof(root), "%s/nights-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(root) == NULL) {
		die(root, "cannot be made");
	}
	(void)snprintf(store_dir, sizeof(store_dir), "%s/store", root);
	(void)mkdir(store_dir, 0700);
}

const char *conf_store_dir(void)
{
	return store_dir;
}

void conf_clear_store(void)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[160];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", store_dir, files[i]);
		(void)unlink(path);
	}
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

void conf_end(void)
{
	for (size_t s = 0; s < sizeof(configs) / sizeof(configs[0]); s++) {
		for (size_t v = 0; v < CONF_VARIANTS; v++) {
			config_unref(configs[s][v]);
			configs[s][v] = NULL;
		}
	}
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
