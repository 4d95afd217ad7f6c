/*
 * tests/fuzz/replay.c: gives a fuzz target the files named on the command line, or all files of a
 * folder. So every target is also a test of known inputs, in builds without a fuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LARGEST_BYTES (1 << 20)

static unsigned files;

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *data = malloc(LARGEST_BYTES);

	if (f == NULL || data == NULL) {
		perror(path);
		exit(1);
	}
	(void)LLVMFuzzerTestOneInput(data, fread(data, 1, LARGEST_BYTES, f));
	(void)fclose(f);
	free(data);
	files++;
}

static void replay(const char *path)
{
	char file[4096];
	struct dirent *e;
	struct stat s;
	DIR *d;

	if (stat(path, &s) != 0 || !S_ISDIR(s.st_mode)) {
		replay_file(path);
		return;
	}
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' &&
		    (size_t)snprintf(file, sizeof(file), "%s/%s", path, e->d_name) < sizeof(file)) {
			replay(file);
		}
	}
	if (d != NULL) {
		closedir(d);
	}
}

int main(int argc, char **argv)
{
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		replay(argv[i]);
	}
	printf("%u files\n", files);
	return files > 0 ? 0 : 1;
}
