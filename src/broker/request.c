/* request.c: what is to be given back when a request is over. */
#include "broker/request.h"

struct request_cleanup {
    struct request_cleanup *next;
    void (*run)(void *argument);
    void *argument;
};

void request_defer(struct request *request, void (*run)(void *argument), void *argument)
{
    struct request_cleanup *cleanup = arena_alloc(request->arena, sizeof *cleanup);
    *cleanup = (struct request_cleanup){request->cleanups, run, argument};
    request->cleanups = cleanup;
}

void request_finish(struct request *request)
{
    while (request->cleanups) {
        struct request_cleanup *cleanup = request->cleanups;
        request->cleanups = cleanup->next;
        cleanup->run(cleanup->argument);
    }
}
