/* See child_kit.h. */
#include "daemon/child_kit.h"

#include "daemon/leadd.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define MISSING_MOST 1024
#define NICE 10

void child_bound(unsigned cpu_s, uint64_t memory_bytes)
{
	const struct rlimit cpu = {cpu_s, cpu_s}, memory = {memory_bytes, memory_bytes}, core = {0, 0};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)setrlimit(RLIMIT_CPU, &cpu);
	(void)setrlimit(RLIMIT_CORE, &core);
#ifdef __SANITIZE_ADDRESS__
	(void)memory; /* its own bookkeeping takes terabytes */
#else
	(void)setrlimit(RLIMIT_DATA, &memory);
#endif
}

int child_config(const char *file, struct json_object *missing, struct config **ret, struct lead_error *err)
{
	const char *names[MISSING_MOST] = {NULL};
	const struct config_options o = {.no_secrets = true, .missing = missing != NULL ? names : NULL};
	struct problems problems;
	int rc;

	for (size_t i = 0; missing != NULL && i < json_object_array_length(missing) && i < MISSING_MOST - 1; i++) {
		names[i] = json_object_get_string(json_object_array_get_idx(missing, i));
	}
	problems_init(&problems);
	rc = config_load_with(file, 1, &o, &problems, ret);
	if (rc == 0 && *ret == NULL) {
		rc = lead_fail(err, LEAD_EINPUT, "the configuration's files have a mistake now: %.400s", problems.first != NULL ? problems.first->text : "");
	}
	problems_fini(&problems);
	return rc;
}
