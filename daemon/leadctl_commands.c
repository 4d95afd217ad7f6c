/*
 * daemon/leadctl_commands.c: every command and option once. Dispatch, checks, help, the shell
 * completion and the man page all read this table.
 */
#include "daemon/leadctl.h"

#define OUTCOMES "ready|delivered|confirmed|rejected|suppressed|duplicate|failed|parked|recalled"

const char *const outcome_names[] = {"ready", "delivered", "confirmed", "rejected", "suppressed",
    "duplicate", "failed", "parked", "recalled", NULL};

const struct option global_options[] = {
    {"socket", OPTION_FILE, "PATH",
	"the daemon's socket (default: $LEADD_SOCKET, else /run/leadd.sock)"},
    {"json", OPTION_FLAG, NULL, "print the API's answer as JSON"},
    {"no-color", OPTION_FLAG, NULL, "no colours (as with $NO_COLOR set, or without a terminal)"},
    {"help", OPTION_FLAG, NULL, "help for a command or a group of them", .letter = 'h'},
    {"version", OPTION_FLAG, NULL, "the version of leadctl"},
    {NULL},
};

/* --- options that several commands take --- */

/* how a file of leads is read */
#define FILE_OPTIONS \
	{"map", OPTION_MAP, "FIELD=HEADER", "which column holds a field, when its name does not tell; may be repeated"}, \
	    {"sheet", OPTION_TEXT, "NAME|N", "of a workbook: which sheet (default: the first that is not hidden)"}, \
	    {"encoding", OPTION_TEXT, "NAME", "the file's character encoding: utf-8, utf-16le, utf-16be, windows-1252, latin1, mixed (default: found out)"}, \
	    {"delimiter", OPTION_TEXT, "CHAR", \
		"what separates the columns: a comma, a semicolon, a bar, or `tab` (default: found out)"}

/* a run's place beside others */
#define SHARE_OPTIONS \
	{"priority", OPTION_NUMBER, "N", "0 to 255; lower goes first (default 100)", .max = 255}, \
	    {"share", OPTION_NUMBER, "N", "turns relative to other runs of the same priority (default 1)", .min = 1, \
		.max = 1000}, \
	    {"limit", OPTION_NUMBER, "N", "only the first N rows", .min = 1, .max = 1000000000}

#define LIMIT_OPTION \
	{"limit", OPTION_NUMBER, "N", "at most N rows (default 50)", .min = 1, .max = 1000000, .letter = 'n'}, \
	    {"all", OPTION_FLAG, NULL, "all rows"}

#define CALL_OPTIONS \
	{"service", OPTION_TEXT, "NAME", "only calls to this service"}, \
	    {"state", OPTION_CHOICE, "reserved|sent|settled|refunded|in-doubt", "only calls in this state"}, LIMIT_OPTION

/* --- options --- */

static const struct option start_options[] = {
    {"campaign", OPTION_TEXT, "NAME", "the campaign to run", .required = true, .letter = 'c'},
    FILE_OPTIONS,
    {"budget", OPTION_MONEY, "MONEY", "spend at most this much, reservations included"},
    {"by", OPTION_TIME, "TIME",
	"start no lead that could not be finished by then: 07:00, 8h, or 2026-11-28T07:00+01:00"},
    SHARE_OPTIONS,
    {"sample", OPTION_NUMBER, "N",
	"the first N leads go all the way, the others wait for `run approve`", .min = 1,
	.max = 1000000000},
    {"preview", OPTION_FLAG, NULL, "buy nothing until `run approve`: free calls are made"},
    {"param", OPTION_PAIR, "NAME=VALUE", "a setting that the pipeline asks for; may be repeated"},
    {"quantity", OPTION_NUMBER, "N", "without a file: how many it should find", .min = 1, .max = 2000000000},
    {"paused", OPTION_FLAG, NULL, "import, but start nothing until `run resume`"},
    {"watch", OPTION_FLAG, NULL, "go on with `run watch`", .letter = 'w'},
    {NULL},
};

static const struct option plan_options[] = {
    {"campaign", OPTION_TEXT, "NAME", "the campaign to plan for", .required = true, .letter = 'c'},
    {"by", OPTION_TIME, "TIME", "what will be done by then: 07:00, 8h, or a date and time"},
    {"budget", OPTION_MONEY, "MONEY", "with this budget of the run"},
    {"what-if", OPTION_TEXT, "NAME.WORD=VALUE",
	"another limit, concurrency or price of a service or stage, or `budget=60`; may be "
	"repeated"},
    FILE_OPTIONS,
    SHARE_OPTIONS,
    {NULL},
};

static const struct option prompt_options[] = {
    {"row", OPTION_NUMBER, "N", "the row of the file; the header is row 1", .min = 2, .max = UINT32_MAX},
    {"file", OPTION_FILE, "FILE", "CSV or a workbook (default: the leads of the campaign's newest run)"},
    {"run", OPTION_NUMBER, "RUN", "a lead of this run, with what its stages gave so far", .min = 1, .max = UINT32_MAX},
    {"lead", OPTION_NUMBER, "N", "the lead, in place of --row", .min = 1, .max = UINT32_MAX},
    {"stage", OPTION_TEXT, "NAME", "the stage (default: the first that has a prompt)"},
    {"step", OPTION_NUMBER, "N", "of the stage's chain (default 0, the first)", .max = 99},
    FILE_OPTIONS,
    {NULL},
};

static const struct option list_options[] = {LIMIT_OPTION, {NULL}};

static const struct option approve_options[] = {
    {"stage", OPTION_TEXT, "NAME",
	"only this approval stage, or `sample`, `preview`, `cost`; may be given before anything "
	"waits there"},
    {NULL},
};

static const struct option retry_options[] = {
    {"outcome", OPTION_LIST, OUTCOMES, "leads with these outcomes (default: failed,parked)"},
    {"lead", OPTION_NUMBER, "N", "only this lead of the run", .max = INT64_MAX},
    {"budget", OPTION_MONEY, "MONEY", "the run's budget from now on, what it has spent included"},
    {"by", OPTION_TIME, "TIME",
	"the run's time from now on (default: as it was, none when that is over)"},
    {NULL},
};

static const struct option export_options[] = {
    {"format", OPTION_CHOICE, "csv|jsonl|xlsx", "default: as FILE is called, else csv"},
    {"outcome", OPTION_LIST, OUTCOMES, "only leads with these outcomes"},
    {"output", OPTION_FILE, "FILE", "write here instead of to standard output", .letter = 'o'},
    {NULL},
};

static const struct option output_options[] = {
    {"output", OPTION_FILE, "FILE", "write here instead of to standard output", .letter = 'o'},
    {NULL},
};

static const struct option lead_options[] = {
    {"outcome", OPTION_CHOICE, OUTCOMES, "only leads with this outcome"},
    {"stage", OPTION_TEXT, "NAME", "only leads in this stage"},
    {"level", OPTION_CHOICE, "lead|company|run", "companies, or the run's own item, in place of leads"},
    LIMIT_OPTION,
    {NULL},
};

static const struct option service_limit_options[] = {
    {"of", OPTION_TEXT, "LIMIT",
	"only this limit, as `service show` names it (default: every one with a window of that "
	"length)"},
    {NULL},
};

static const struct option ledger_options[] = {
    {"run", OPTION_NUMBER, "RUN", "only calls for this run", .min = 1, .max = INT64_MAX},
    CALL_OPTIONS,
    {NULL},
};

static const struct option ledger_run_options[] = {
    CALL_OPTIONS,
    {NULL},
};

static const struct option summary_options[] = {
    {"run", OPTION_NUMBER, "RUN", "only calls for this run", .min = 1, .max = INT64_MAX},
    {NULL},
};

static const struct option audit_options[] = {
    {"since", OPTION_DURATION, "TIME", "how far to look back: 90s, 30min, 24h, 7d (default 24h)"},
    {NULL},
};

static const struct option replay_options[] = {
    {"with", OPTION_FILE, "CONFIG",
	"the leadd.yaml to replay with, or its folder (default: the daemon's own files)"},
    {"limit", OPTION_NUMBER, "N", "at most N differing leads (default 50)", .max = 20000,
	.letter = 'n'},
    {"output", OPTION_FILE, "FILE",
	"the differing leads as CSV into this file (default: the first 20,000)", .letter = 'o'},
    {NULL},
};

static const struct option verify_options[] = {
    {"repair", OPTION_FLAG, NULL, "push again what is missing"},
    {"csv", OPTION_FILE, "FILE", "write the findings here, as CSV"},
    {NULL},
};

static const struct option recall_options[] = {
    {"unsent-only", OPTION_FLAG, NULL,
	"look at each lead first, and leave those to whom something was sent already"},
    {"dry-run", OPTION_FLAG, NULL, "only list what would go, and what stays and why"},
    {"watch", OPTION_FLAG, NULL, "go on with `run watch`", .letter = 'w'},
    {NULL},
};

static const struct option reload_options[] = {
    {"check", OPTION_FLAG, NULL, "only say what would change"},
    {NULL},
};

static const struct option suppress_options[] = {
    {"source", OPTION_TEXT, "TEXT",
	"where the entries come from, for `suppress list` (default: operator, or the file's name)"},
    {"reason", OPTION_TEXT, "WORD", "why, such as opt-out"},
    {NULL},
};

static const struct option help_options[] = {
    {"scdoc", OPTION_FILE, "FILE", "print the man page's source, with the commands put into FILE"},
    {NULL},
};

static const struct option intake_options[] = {
    {"state", OPTION_CHOICE, "pending|running|success|failure", "only events in this state"},
    LIMIT_OPTION,
    {NULL},
};

static const struct option task_options[] = {
    {"plain", OPTION_FLAG, NULL, "with what is personal; else it is masked"},
    {NULL},
};

const struct command commands[] = {
    {"status", "", NULL, cmd_status, "the daemon, its runs and services at a glance", NULL},
    {"metrics", "", NULL, cmd_metrics, "what a monitoring system reads, in the Prometheus text format",
	NULL},
    {"plan", "FILE", plan_options, cmd_plan,
	"what a run over these leads would take, cost and bring",
	"Plays the night with the daemon's own scheduler, from its windows, quotas and other runs "
	"as "
	"they are now, and with what it has learned of the services; nothing is called. Changes "
	"are "
	"written --what-if zerobounce.limit=2/3s, --what-if copy.concurrency=8, --what-if "
	"openai.price=0.004, --what-if budget=60. The configuration's files count as they stand, "
	"loaded or not. The late case: at most one night of twenty ends later or costs more."},
    {"prompt", "CAMPAIGN", prompt_options, cmd_prompt,
	"the request that would be made for one lead; nobody is called",
	"Shows the texts with everything filled in, what is missing for them, the most the call may "
	"cost, and the gates that will look at the answer; the credential is shown as ***. The "
	"configuration's files count as they stand, loaded or not, so that a prompt can be tried "
	"before `reload`."},
    {"run start", "[FILE]", start_options, cmd_run_start, "start a run, over a file of leads or what its pipeline finds",
	"Without FILE the campaign's pipeline finds its leads itself, as --param and --quantity say. FILE is CSV text, or a workbook (.xlsx) of which the first sheet, or --sheet, is taken; - reads "
	"standard input. An upload that breaks off goes on where the "
	"daemon "
	"has it. The run's number is printed when the daemon has it on disk. Near the end of --by or "
	"--budget no more leads are begun than can be finished; the others end as parked, "
	"not-started, "
	"and `run retry` takes them up again."},
    {"run list", "", list_options, cmd_run_list, "runs, newest first", NULL},
    {"run show", "RUN", NULL, cmd_run_show, "one run: outcomes, money, stages", NULL},
    {"run watch", "RUN", NULL, cmd_run_watch, "follow a run until it ends",
	"One bar for each stage on a terminal, one line every 5 seconds elsewhere. Connects again "
	"by "
	"itself. Ctrl-C ends the watching, not the run. With --json: one run object a line."},
    {"run pause", "RUN", NULL, cmd_run_pause, "start no further calls of a run",
	"What is in flight is finished and kept."},
    {"run resume", "RUN", NULL, cmd_run_resume, "go on with a paused run", NULL},
    {"run cancel", "RUN", NULL, cmd_run_cancel, "end a run for good",
	"What is in flight is finished and kept; leads without an outcome become parked."},
    {"run approve", "RUN", approve_options, cmd_run_approve, "release what waits for a person",
	"Whatever of the run waits now: the leads beyond a sample, a preview, an approval stage of "
	"the pipeline, a run that may cost more than its campaign's approve_above; while the sample "
	"itself waits, only what that waits for. `run show` says what it is and what it will cost. It "
	"goes on where it was; who released it is kept."},
    {"run retry", "RUN", retry_options, cmd_run_retry,
	"put leads back to the stage where they ended", NULL},
    {"run export", "RUN", export_options, cmd_run_export, "the results as of now",
	"A file appears under its name only when it is whole. In a workbook (xlsx) every value is "
	"text but for the columns lead and spent."},
    {"run rejects", "RUN", output_options, cmd_run_rejects,
	"rows that were not imported, and why, as CSV", NULL},
    {"lead list", "RUN", lead_options, cmd_lead_list, "leads of a run", NULL},
    {"lead show", "RUN/LEAD", NULL, cmd_lead_show, "one lead: fields and everything that happened",
	NULL},
    {"why lead", "RUN/LEAD", NULL, cmd_why_lead,
	"what a lead waits for, and until when at the earliest", NULL},
    {"why run", "RUN", NULL, cmd_why_run, "what a run's leads wait for", NULL},
    {"why service", "SERVICE", NULL, cmd_why_service, "what keeps a service from being called",
	NULL},
    {"service list", "", NULL, cmd_service_list, "services: state, load, success, limits", NULL},
    {"service show", "SERVICE", NULL, cmd_service_show, "one service: keys, breaker, windows",
	NULL},
    {"service pause", "SERVICE", NULL, cmd_service_pause,
	"call a service no more until `service resume`", NULL},
    {"service resume", "SERVICE", NULL, cmd_service_resume, "call a paused service again", NULL},
    {"service reset", "SERVICE", NULL, cmd_service_reset, "close the breaker and free parked keys",
	NULL},
    {"service limit", "SERVICE WINDOW", service_limit_options, cmd_service_limit,
	"change a limit until the next reload",
	"WINDOW is a number and a time: 40/60s, 1/3s, 10000/day."},
    {"ledger run", "RUN", ledger_run_options, cmd_ledger_run, "what a run has cost, call by call",
	NULL},
    {"ledger list", "", ledger_options, cmd_ledger_list, "paid calls, newest first", NULL},
    {"ledger summary", "", summary_options, cmd_ledger_summary, "money by state and service", NULL},
    {"receipt run", "RUN", NULL, cmd_receipt_run,
	"what a run bought, wasted and saved, and what needs a person",
	"Bought: money of leads that came through. Wasted: of those that did not. Saved: calls "
	"that would have been made else, at their list price: the first paid call of each lead "
	"that a free check or its twin in the list stopped, and repeats that a look-up made "
	"needless."},
    {"waste run", "RUN", NULL, cmd_waste_run,
	"money spent on leads that died of what could have been known earlier",
	"Only what the leads' own facts prove: a missing input, a free check that the pipeline "
	"does not make or lets pass, a stage that could have stood before dearer ones. EXTRA is "
	"what the leads that died in between would have cost more in that order."},
    {"limits audit", "", audit_options, cmd_limits_audit,
	"count every window again from the ledger",
	"Exits with 7 when a window held more calls than allowed."},
    {"replay run", "RUN", replay_options, cmd_replay_run,
	"play a run again on another configuration, without calling anybody",
	"Takes the answers that were kept of the run (answers: keep in leadd.yaml) and says which "
	"leads would have ended differently, and for how much. A question that was not asked then "
	"has no answer: its lead counts as missing. Limits and waits take no time here, budgets "
	"begin anew. CONFIG goes to the daemon with the services, pipelines and lists it names, "
	"without credentials."},
    {"campaign list", "", NULL, cmd_campaign_list,
	"what can be started, and what starts by itself and when", NULL},
    {"campaign show", "CAMPAIGN", NULL, cmd_campaign_show, "one campaign with its schedule", NULL},
    {"verify run", "RUN", verify_options, cmd_verify_run,
	"read the destination back as a whole and compare it with what the run pushed",
	"Page by page, under the limits of the service and over restarts; Ctrl-C ends the waiting, not "
	"the reading. Missing: it was pushed and is not there. Doubled: it is there more than once. "
	"Changed: a field is not as it was pushed. Foreign: it is there, but no run of the same "
	"destination brought it, or it was recalled. Exits with 0 only when nothing was found, else "
	"with 7; what --repair sends back is confirmed like any push."},
    {"recall run", "RUN", recall_options, cmd_recall_run,
	"take out of the destination what a run pushed",
	"Only what is there because of this run: a lead that was there before it stays. The run must "
	"have ended or been cancelled. Its leads become recalled as the calls are answered, under "
	"the limits of the service and over restarts; one that could not be taken out stays what it "
	"was, with the reason. `run retry RUN --outcome recalled` pushes them again."},
    {"suppress add", "ORG ENTRY...", suppress_options, cmd_suppress_add,
	"never write to somebody in the name of an organisation",
	"ENTRY is an address, a domain with all its subdomains, or the SHA-256 of a lower-case "
	"address. Kept are keyed hashes: nobody can read the list. It holds for rows that come in "
	"and for leads under way: the last look is taken as a push is granted. Exits with 1 when "
	"an entry is none; the others count all the same."},
    {"suppress import", "ORG FILE", suppress_options, cmd_suppress_import,
	"add a list: CSV, or one entry a line",
	"Of a CSV the column of addresses counts, else that of SHA-256 sums, else that of domains. "
	"Rejected lines are told with their numbers, and the exit status is 1; all others count. "
	"A list that was cut off can be sent again: what is there already is only counted as "
	"known."},
    {"suppress remove", "ORG ENTRY...", NULL, cmd_suppress_remove,
	"take entries off the list", NULL},
    {"suppress check", "ORG ADDRESS", NULL, cmd_suppress_check,
	"is somebody on the list, by address or domain, and since when", NULL},
    {"suppress list", "ORG", NULL, cmd_suppress_list,
	"how many entries the list has, by where they come from", NULL},
    {"intake list", "", NULL, cmd_intake_list, "where webhooks come in, and how many did", NULL},
    {"intake show", "INTAKE", intake_options, cmd_intake_show, "one of them, and its events, newest first",
	"An event that made no lead says why: those that failed are listed with --state failure until they are "
	"forgotten (inbox: keep in leadd.yaml)."},
    {"task show", "TASK", task_options, cmd_task_show, "what became of a webhook: its lead, and how far its run is",
	"TASK is what the sender was answered with."},
    {"doctor", "", NULL, cmd_doctor, "check services, keys, store and clock",
	"Exits with 7 when a check fails."},
    {"notify test", "", NULL, cmd_notify_test, "send a test message over mail and webhook",
	"To every address and the webhook under notify in leadd.yaml, and says what each receiver "
	"answered. Exits with 7 when one did not take it."},
    {"reload", "", reload_options, cmd_reload, "read the configuration again",
	"An error in it changes nothing."},
    {"backup", "", NULL, cmd_backup, "write a copy of the store",
	"It goes into the backups folder of the daemon\'s state directory, named by the time."},
    {"store check", "", NULL, cmd_store_check, "check that the store agrees with itself",
	"Compares queues, states, facts, ledger, balances and counters at one moment, also while "
	"work goes on. Exits with 7 when something disagrees. Without a daemon: leadd "
	"--store-check "
	"DIR."},
    {"completion", "SHELL", NULL, cmd_completion, "the completion script for a shell",
	"SHELL is bash."},
    {"help", "[COMMAND]...", help_options, cmd_help, "help for a command or a group of them", NULL},
    {NULL},
};
