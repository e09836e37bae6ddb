/* json_check.h: whether what we write is JSON, as a reader that is not ours sees it. */
#ifndef SUPPORT_JSON_CHECK_H
#define SUPPORT_JSON_CHECK_H

#include "base/bytes.h"

#include <jansson.h>
#include <stdbool.h>

static inline bool json_is_valid(struct bytes text)
{
    json_t *root = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    bool is_valid = root != NULL;
    json_decref(root);
    return is_valid;
}

#endif
