/*
 * See xlsx.h: the container and the way to the sheet.
 *
 *   _rels/.rels -> the workbook -> its relations: sheets, texts, styles -> the sheet that is wanted
 */
#include "lib/table/xlsx_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 10000
#define SMALL_XML ((uint64_t)16 << 20)
#define SHEET_XML ((uint64_t)2 << 30)
#define MAX_SHEETS 1000

/* `<html`, `<!DOCTYPE`, `<?xml`: a tag where the text begins. */
static bool is_markup(const char *p, size_t len)
{
	const char *end = p + len;

	p += len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
	while (p < end && *p != 0 && strchr(" \t\r\n", *p) != NULL) {
		p++;
	}
	return end - p >= 2 && *p == '<' &&
	       (p[1] == '!' || p[1] == '?' || (p[1] >= 'a' && p[1] <= 'z') || (p[1] >= 'A' && p[1] <= 'Z'));
}

enum file_kind file_kind(const void *bytes, size_t len)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum file_kind kind;
	} kinds[] = {{"PK\3\4", 4, FILE_ZIP}, {"PK\5\6", 4, FILE_ZIP},
	    {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, FILE_OLD_BOOK}, {"%PDF-", 5, FILE_OTHER},
	    {"\x1F\x8B\x08", 3, FILE_OTHER}, {"\x89PNG", 4, FILE_OTHER},
	    {"\xFF\xD8\xFF", 3, FILE_OTHER}, {"GIF8", 4, FILE_OTHER}, {"Rar!\x1A", 5, FILE_OTHER},
	    {"7z\xBC\xAF\x27\x1C", 6, FILE_OTHER}, {"{\\rtf", 5, FILE_OTHER},
	    {"\x7F"
	     "ELF",
		4, FILE_OTHER}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (len >= kinds[i].len && memcmp(bytes, kinds[i].bytes, kinds[i].len) == 0) {
			return kinds[i].kind;
		}
	}
	return is_markup(bytes, len) ? FILE_MARKUP : FILE_TEXT;
}

/* --- parts --- */

/* packed: bytes of it in the file, as far as that says the truth. */
static int pump(struct book *b, zip_file_t *f, uint64_t packed, uint64_t max, struct xml *x)
{
	static char bytes[65536];
	zip_int64_t n = 1;
	uint64_t total = 0;
	int rc = xml_open(x);

	while (rc == 0 && n > 0) {
		n = zip_fread(f, bytes, sizeof(bytes));
		total += n > 0 ? (uint64_t)n : 0;
		if (n < 0) {
			rc = lead_fail(b->err, LEAD_EINPUT,
			    "the workbook's %s cannot be unpacked: %s", x->part,
			    zip_file_strerror(f));
		} else if (total > max) {
			rc = lead_fail(b->err, LEAD_EINPUT,
			    "the workbook's %s unpacks to more than %llu MiB", x->part,
			    (unsigned long long)(max >> 20));
		} else if (total > RATIO_FROM && total / MOST_RATIO > packed) {
			rc = lead_fail(b->err, LEAD_EINPUT,
			    "the workbook's %s unpacks to more than %d times its size", x->part, MOST_RATIO);
		} else {
			rc = xml_feed(x, bytes, (size_t)n, n == 0);
		}
	}
	xml_close(x);
	return rc;
}

int book_part(struct book *b, const char *path, uint64_t max, struct xml *x)
{
	zip_int64_t index = zip_name_locate(b->zip, path, ZIP_FL_NOCASE);
	zip_file_t *f = index >= 0 ? zip_fopen_index(b->zip, (zip_uint64_t)index, 0) : NULL;
	zip_stat_t st;
	int rc;

	x->err = b->err;
	if (f == NULL) {
		return lead_fail(b->err, LEAD_EINPUT,
		    "no workbook of the kind .xlsx: %.100s is missing or locked", path);
	}
	rc = zip_stat_index(b->zip, (zip_uint64_t)index, 0, &st) == 0 && (st.valid & ZIP_STAT_COMP_SIZE) != 0
		 ? pump(b, f, st.comp_size, max, x)
		 : lead_fail(b->err, LEAD_EINPUT, "the workbook's %s has no size", x->part);
	(void)zip_fclose(f);
	return rc;
}

/* --- the way to the sheet --- */

struct relation {
	char id[64], path[256], kind[48];
};

struct sheet_name {
	char name[128], id[64];
	bool hidden;
};

struct way {
	struct book *b;
	const char *base; /* folder of the part whose relations these are, with its slash */
	struct relation *relations;
	size_t n_relations;
	struct sheet_name *sheets;
	size_t n_sheets;
};

/* Targets are relative to the part's folder, or begin at the root. */
static void set_path(char out[256], const char *base, const char *target)
{
	if (target[0] == '/') {
		(void)snprintf(out, 256, "%s", target + 1);
	} else {
		while (strncmp(target, "../", 3) == 0 || strncmp(target, "./", 2) == 0) {
			base = target[1] == '.' ? "" : base;
			target = strchr(target, '/') + 1;
		}
		(void)snprintf(out, 256, "%s%s", base, target);
	}
}

static void relation_begin(struct xml *x, const char *name, const char **pairs)
{
	struct way *w = x->arg;
	const char *id = xml_pair(pairs, "Id"), *type = xml_pair(pairs, "Type"),
		   *target = xml_pair(pairs, "Target");
	struct relation *r;

	if (strcmp(name, "Relationship") != 0 || id == NULL || type == NULL || target == NULL) {
		return;
	}
	if (w->n_relations == MAX_SHEETS + 100) {
		xml_fail(x, LEAD_EINPUT, "more than %d sheets", MAX_SHEETS);
		return;
	}
	r = &w->relations[w->n_relations++];
	type = strrchr(type, '/') != NULL ? strrchr(type, '/') + 1 : type;
	(void)snprintf(r->id, sizeof(r->id), "%s", id);
	(void)snprintf(r->kind, sizeof(r->kind), "%s", type);
	set_path(r->path, w->base, target);
}

static int read_relations(struct way *w, const char *path)
{
	struct xml x = {.part = "relations", .begin = relation_begin, .arg = w};

	w->n_relations = 0;
	return book_part(w->b, path, SMALL_XML, &x);
}

static const struct relation *relation_of(const struct way *w, const char *id, const char *kind)
{
	for (size_t i = 0; i < w->n_relations; i++) {
		const struct relation *r = &w->relations[i];

		if (strcmp(r->kind, kind) == 0 && (id == NULL || strcmp(r->id, id) == 0)) {
			return r;
		}
	}
	return NULL;
}

static void workbook_begin(struct xml *x, const char *name, const char **pairs)
{
	struct way *w = x->arg;
	const char *date = xml_pair(pairs, "date1904"), *title = xml_pair(pairs, "name"),
		   *id = xml_pair(pairs, "id");
	const char *state = xml_pair(pairs, "state");

	if (strcmp(name, "workbookPr") == 0 && date != NULL) {
		w->b->from_1904 = strcmp(date, "1") == 0 || strcmp(date, "true") == 0;
	} else if (strcmp(name, "sheet") == 0 && title != NULL && id != NULL &&
		   w->n_sheets < MAX_SHEETS) {
		struct sheet_name *s = &w->sheets[w->n_sheets++];

		(void)snprintf(s->name, sizeof(s->name), "%s", title);
		(void)snprintf(s->id, sizeof(s->id), "%s", id);
		s->hidden = state != NULL && strcmp(state, "visible") != 0;
	}
}

/* 1 .. MAX_SHEETS; 0: no number. */
static unsigned long number_of(const char *wanted)
{
	return wanted[0] != 0 && wanted[strspn(wanted, "0123456789")] == 0 && strlen(wanted) <= 4 ? strtoul(wanted, NULL, 10) : 0;
}

/* The one of that name, else of that number, else NULL; without a wish the first to see. */
static const struct sheet_name *choose_sheet(const struct way *w, const char *wanted)
{
	unsigned long number = wanted != NULL ? number_of(wanted) : 0;

	for (size_t i = 0; i < w->n_sheets; i++) {
		const struct sheet_name *s = &w->sheets[i];

		if (relation_of(w, s->id, "worksheet") != NULL && (wanted != NULL ? strcmp(s->name, wanted) == 0 : !s->hidden)) {
			return s;
		}
	}
	return number >= 1 && number <= w->n_sheets && relation_of(w, w->sheets[number - 1].id, "worksheet") != NULL ? &w->sheets[number - 1] : NULL;
}

static int find_sheet(struct way *w, const char *wanted)
{
	const struct sheet_name *s = choose_sheet(w, wanted);
	struct buf known = {0};

	if (s != NULL) {
		(void)snprintf(w->b->sheet, sizeof(w->b->sheet), "%s", s->name);
		(void)snprintf(w->b->sheet_path, sizeof(w->b->sheet_path), "%s", relation_of(w, s->id, "worksheet")->path);
		return 0;
	}
	for (size_t i = 0; i < w->n_sheets; i++) {
		buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", w->sheets[i].name);
	}
	if (wanted != NULL) {
		(void)lead_fail(w->b->err, LEAD_EINPUT, "there is no sheet '%.60s', only %.200s",
		    wanted, known.len > 0 ? known.data : "none");
	} else {
		(void)lead_fail(w->b->err, LEAD_EINPUT, "the workbook has no sheet to see");
	}
	buf_free(&known);
	return LEAD_EINPUT;
}

static int read_workbook(struct way *w, const char *path, const char *wanted)
{
	struct xml x = {.part = "list of sheets", .begin = workbook_begin, .arg = w};
	const char *slash = strrchr(path, '/'), *file = slash != NULL ? slash + 1 : path;
	char base[256], relations[600];
	const struct relation *r;
	int rc;

	(void)snprintf(base, sizeof(base), "%.*s", (int)(file - path), path);
	(void)snprintf(relations, sizeof(relations), "%s_rels/%s.rels", base, file);
	w->base = base;
	rc = book_part(w->b, path, SMALL_XML, &x);
	rc = rc == 0 ? read_relations(w, relations) : rc;
	rc = rc == 0 ? find_sheet(w, wanted) : rc;
	w->base = NULL;
	r = rc == 0 ? relation_of(w, NULL, "sharedStrings") : NULL;
	if (r != NULL) {
		(void)snprintf(w->b->strings_path, sizeof(w->b->strings_path), "%s", r->path);
	}
	r = rc == 0 ? relation_of(w, NULL, "styles") : NULL;
	if (r != NULL) {
		(void)snprintf(w->b->styles_path, sizeof(w->b->styles_path), "%s", r->path);
	}
	return rc;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

static int follow(struct way *w, const char *wanted)
{
	const struct relation *r;
	char path[256];
	int rc;

	if (zip_get_num_entries(w->b->zip, 0) > MAX_ENTRIES) {
		return lead_fail(w->b->err, LEAD_EINPUT,
		    "an archive of more than %d files is no workbook", MAX_ENTRIES);
	}
	if (zip_name_locate(w->b->zip, "META-INF/manifest.xml", 0) >= 0) {
		return lead_fail(
		    w->b->err, LEAD_EINPUT, "an OpenDocument file (.ods): save it as .xlsx or CSV");
	}
	if (zip_name_locate(w->b->zip, "[Content_Types].xml", ZIP_FL_NOCASE) < 0) {
		return lead_fail(
		    w->b->err, LEAD_EINPUT, "an archive, but no workbook of the kind .xlsx");
	}
	w->base = "";
	rc = read_relations(w, "_rels/.rels");
	r = rc == 0 ? relation_of(w, NULL, "officeDocument") : NULL;
	if (rc != 0) {
		return rc;
	}
	if (r != NULL && ends_with(r->path, ".bin")) {
		return lead_fail(w->b->err, LEAD_EINPUT,
		    "a workbook of the kind .xlsb: save it as .xlsx or CSV");
	}
	if (r == NULL || !ends_with(r->path, "workbook.xml")) {
		return lead_fail(w->b->err, LEAD_EINPUT, "an Office document, but no workbook");
	}
	(void)snprintf(path, sizeof(path), "%s", r->path);
	return read_workbook(w, path, wanted);
}

static int find(struct book *b, const char *wanted)
{
	struct way w = {.b = b,
	    .relations = calloc(MAX_SHEETS + 100, sizeof(*w.relations)),
	    .sheets = calloc(MAX_SHEETS, sizeof(*w.sheets))};
	int rc = w.relations != NULL && w.sheets != NULL
		     ? follow(&w, wanted)
		     : lead_fail(b->err, LEAD_ENOMEM, "out of memory");

	free(w.relations);
	free(w.sheets);
	return rc;
}

static int read_sheet(struct book *b, const struct xlsx_options *o, xlsx_write_fn write, void *arg)
{
	struct xml x = {.part = "sheet"};
	struct sheet *s = sheet_new(b, o != NULL ? o->max_output : 0, write, arg);
	int rc = s != NULL ? 0 : lead_fail(b->err, LEAD_ENOMEM, "out of memory");

	if (rc == 0) {
		sheet_handlers(s, &x);
		rc = book_part(b, b->sheet_path, SHEET_XML, &x);
	}
	rc = rc == 0 ? sheet_finish(s) : rc;
	sheet_free(s);
	return rc;
}

static int open_zip(const void *bytes, size_t len, zip_t **ret, struct lead_error *err)
{
	zip_error_t why;
	zip_source_t *source;

	zip_error_init(&why);
	source = zip_source_buffer_create(bytes, len, 0, &why);
	*ret = source != NULL ? zip_open_from_source(source, ZIP_RDONLY, &why) : NULL;
	if (*ret == NULL) {
		(void)lead_fail(err, LEAD_EINPUT, "the workbook cannot be opened: %s",
		    zip_error_strerror(&why));
		zip_source_free(source);
	}
	zip_error_fini(&why);
	return *ret != NULL ? 0 : LEAD_EINPUT;
}

int xlsx_to_csv(const void *bytes, size_t len, const struct xlsx_options *o, xlsx_write_fn write,
    void *arg, struct lead_error *err)
{
	struct book b = {.err = err, .len = len};
	int rc;

	if (len > XLSX_BYTES) {
		return lead_fail(
		    err, LEAD_EINPUT, "the workbook is larger than %zu MiB", XLSX_BYTES >> 20);
	}
	rc = open_zip(bytes, len, &b.zip, err);
	rc = rc == 0 ? find(&b, o != NULL ? o->sheet : NULL) : rc;
	rc = rc == 0 ? book_looks(&b) : rc;
	rc = rc == 0 ? book_strings(&b) : rc;
	rc = rc == 0 ? read_sheet(&b, o, write, arg) : rc;
	buf_free(&b.shared.text);
	buf_free(&b.shared.ends);
	buf_free(&b.looks);
	if (b.zip != NULL) {
		zip_discard(b.zip);
	}
	return rc;
}
