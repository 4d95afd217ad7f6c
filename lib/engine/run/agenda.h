/* lib/engine/run/agenda.h: campaigns that begin runs by themselves. */
#pragma once

struct engine;

/* Runs whose time has come. */
void agendas_step(struct engine *e);
