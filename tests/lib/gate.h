/* gate: keeps every thread of the pool that work_run uses, so that whoever asks for work waits
 * until the gate is open. Work is done in the order in which it was asked for. */
#ifndef TESTS_LIB_GATE_H
#define TESTS_LIB_GATE_H

#include <semaphore.h>

#include "common/loop/fiber.h"

struct gate {
	sem_t opened;
	struct scope scope;
};

WAITS void gate_close(struct gate *g);
WAITS void gate_open(struct gate *g);

/* Until some fiber waits for what is called so; false: none did for a long time. */
WAITS bool gate_somebody_waits(const char *name);

#endif
