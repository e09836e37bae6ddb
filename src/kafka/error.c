/* error.c: names of the error codes that responses carry. */
#include "kafka/error.h"

const char *kafka_error_name(int16_t code)
{
    switch (code) {
#define X(name, number) \
    case number: \
        return #name;
        KAFKA_ERROR_LIST(X)
#undef X
    default:
        return "UNKNOWN";
    }
}
