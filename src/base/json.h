/* json.h: a JSON text written from front to back. [any]
 *
 * The writer puts the commas; nesting is the caller's to get right. RFC 8259. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct json_writer {
    struct buf *out;
    bool has_element;     /* at this level: a comma comes first */
    unsigned depth;       /* levels that are open */
    unsigned line_depth;  /* the caller's: what stands at most so deep has a line of its own; 0: all is one line */
};

void json_writer_init(struct json_writer *json, struct buf *out);

/* name: of a member of an object; NULL for an element of an array or the outermost value. */
void json_open_object(struct json_writer *json, const char *name);
void json_close_object(struct json_writer *json);
void json_open_array(struct json_writer *json, const char *name);
void json_close_array(struct json_writer *json);
/* What is no UTF-8 becomes "?"; NULL is null. */
void json_write_string(struct json_writer *json, const char *name, const char *text);
void json_write_integer(struct json_writer *json, const char *name, int64_t number);
/* Six significant digits; what is no number is null. */
void json_write_number(struct json_writer *json, const char *name, double number);
void json_write_bool(struct json_writer *json, const char *name, bool value);
/* One JSON value that another writer wrote, as it is; NULL is null. */
void json_write_copy(struct json_writer *json, const char *name, const char *value);

#endif
