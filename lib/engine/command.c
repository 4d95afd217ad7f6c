/*
 * What people ask for, applied within a turn and answered after its commit: which command is whose. Those that touch many items
 * become tasks (task.c).
 */
#include "lib/engine/command.h"

#include "lib/engine/call/job.h"
#include "lib/engine/item/inbox.h"
#include "lib/engine/item/suppress.h"
#include "lib/engine/run/payment.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/outbox.h"

void command_answer(struct engine *e, struct command *c)
{
	c->next = e->answered;
	e->answered = c;
}

void command_refuse(struct engine *e, struct command *c, int rc, const char *why)
{
	c->rc = rc;
	(void)lead_fail(&c->err, rc < 0 ? (enum lead_err)rc : LEAD_EINPUT, "%s", why);
	command_answer(e, c);
}

void command_apply(struct engine *e, struct command *c)
{
	switch (c->kind) {
	case COMMAND_START:
		command_start(e, c);
		break;
	case COMMAND_UPLOAD:
		upload_write(e->txn, &c->upload);
		command_answer(e, c);
		break;
	case COMMAND_RELOAD:
		command_reload(e, c);
		break;
	case COMMAND_SENT:
		outbox_settle(e, c);
		command_answer(e, c);
		break;
	case COMMAND_SERVICE_PAUSE:
	case COMMAND_SERVICE_RESUME:
	case COMMAND_SERVICE_RESET:
	case COMMAND_SERVICE_LIMIT:
		command_service(e, c);
		break;
	case COMMAND_PAYMENT:
		command_payment(e, c);
		break;
	case COMMAND_CALLBACK:
		job_callback(e, c);
		break;
	case COMMAND_INTAKE:
		inbox_take(e, c);
		break;
	case COMMAND_SUPPRESS:
		command_suppress(e, c);
		break;
	default:
		command_run(e, c);
		break;
	}
}
