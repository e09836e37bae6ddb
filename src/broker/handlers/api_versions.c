/* api_versions.c: ApiVersions: what we serve, straight from the table. */
#include "broker/handlers.h"

#include "base/trace.h"
#include "broker/request.h"
#include "kafka/api.h"

void kafka_handler_api_versions(struct request *request)
{
    trace_region_next("list_versions");
    api_list_versions(request->arena, request->out);
}
