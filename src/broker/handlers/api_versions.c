/* api_versions.c: ApiVersions: what we serve, straight from the table. */
#include "broker/handlers.h"

#include "broker/request.h"
#include "kafka/api.h"

void kafka_handler_api_versions(struct request *request)
{
    api_list_versions(request->arena, request->out);
}
