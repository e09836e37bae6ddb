/* json.c: commas, names and quoted texts. */
#include "base/json.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>

void json_writer_init(struct json_writer *json, struct buf *out)
{
    *json = (struct json_writer){.out = out};
}

static void begin_line(struct json_writer *json, unsigned depth)
{
    buf_printf(json->out, "\n%*s", 2 * (int)depth, "");
}

static void put_text(struct buf *out, const char *text)
{
    struct bytes rest = bytes_of_string(text);
    buf_append_byte(out, '"');
    while (rest.size > 0) {
        size_t size = utf8_character_size(rest);
        uint8_t byte = rest.data[0];
        if (size == 0)
            buf_append_byte(out, '?');
        else if (byte == '"' || byte == '\\')
            buf_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buf_printf(out, "\\u%04x", byte);
        else
            buf_append(out, rest.data, size);
        size_t step = size == 0 ? 1 : size;
        rest = bytes_of(rest.data + step, rest.size - step);
    }
    buf_append_byte(out, '"');
}

static void begin_value(struct json_writer *json, const char *name)
{
    if (json->has_element)
        buf_append_byte(json->out, ',');
    json->has_element = true;
    if (json->depth > 0 && json->depth <= json->line_depth)
        begin_line(json, json->depth);
    if (name != NULL) {
        put_text(json->out, name);
        buf_append_byte(json->out, ':');
    }
}

static void open_level(struct json_writer *json, const char *name, char bracket)
{
    begin_value(json, name);
    buf_append_byte(json->out, (uint8_t)bracket);
    json->has_element = false;
    json->depth++;
}

static void close_level(struct json_writer *json, char bracket)
{
    json->depth--;
    if (json->has_element && json->depth < json->line_depth)
        begin_line(json, json->depth);
    buf_append_byte(json->out, (uint8_t)bracket);
    json->has_element = true;
}

void json_open_object(struct json_writer *json, const char *name)
{
    open_level(json, name, '{');
}

void json_close_object(struct json_writer *json)
{
    close_level(json, '}');
}

void json_open_array(struct json_writer *json, const char *name)
{
    open_level(json, name, '[');
}

void json_close_array(struct json_writer *json)
{
    close_level(json, ']');
}

void json_write_string(struct json_writer *json, const char *name, const char *text)
{
    begin_value(json, name);
    if (text == NULL)
        buf_append_string(json->out, "null");
    else
        put_text(json->out, text);
}

void json_write_integer(struct json_writer *json, const char *name, int64_t number)
{
    begin_value(json, name);
    buf_printf(json->out, "%" PRId64, number);
}

void json_write_number(struct json_writer *json, const char *name, double number)
{
    begin_value(json, name);
    if (isfinite(number))
        buf_printf(json->out, "%.6g", number);
    else
        buf_append_string(json->out, "null");
}

void json_write_bool(struct json_writer *json, const char *name, bool value)
{
    begin_value(json, name);
    buf_append_string(json->out, value ? "true" : "false");
}

void json_write_copy(struct json_writer *json, const char *name, const char *value)
{
    begin_value(json, name);
    buf_append_string(json->out, value != NULL ? value : "null");
}
