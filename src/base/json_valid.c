/* json_valid.c: whether bytes that anybody may have written are JSON (RFC 8259). */
#include "base/json.h"

#include "base/utf8.h"

#define DEPTH_MAX 64

/* What is left to read. Each take_ function takes what it is named for off the front, or says that it is not there. */
struct reader {
    struct bytes rest;
    int depth;
};

static void skip(struct reader *reader, size_t size)
{
    reader->rest = bytes_of(reader->rest.data + size, reader->rest.size - size);
}

/* 0 at the end, which no rule of JSON accepts. */
static uint8_t next(const struct reader *reader)
{
    return reader->rest.size > 0 ? reader->rest.data[0] : 0;
}

static bool take_byte(struct reader *reader, char byte)
{
    if (next(reader) != byte || reader->rest.size == 0)
        return false;
    skip(reader, 1);
    return true;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t size = strlen(word);
    if (reader->rest.size < size || memcmp(reader->rest.data, word, size) != 0)
        return false;
    skip(reader, size);
    return true;
}

static void skip_space(struct reader *reader)
{
    while (reader->rest.size > 0 && strchr(" \t\r\n", next(reader)) != NULL && next(reader) != 0)
        skip(reader, 1);
}

static bool take_digits(struct reader *reader)
{
    size_t before = reader->rest.size;
    while (next(reader) >= '0' && next(reader) <= '9')
        skip(reader, 1);
    return reader->rest.size < before;
}

static bool take_number(struct reader *reader)
{
    take_byte(reader, '-');
    if (!take_byte(reader, '0') && !take_digits(reader))
        return false;
    if (take_byte(reader, '.') && !take_digits(reader))
        return false;
    if (!take_byte(reader, 'e') && !take_byte(reader, 'E'))
        return true;
    if (!take_byte(reader, '+'))
        take_byte(reader, '-');
    return take_digits(reader);
}

static bool take_escape(struct reader *reader)
{
    uint8_t kind = next(reader);
    if (kind == 0 || strchr("\"\\/bfnrtu", kind) == NULL)
        return false;
    skip(reader, 1);
    for (int i = 0; kind == 'u' && i < 4; i++) {
        if (next(reader) == 0 || strchr("0123456789abcdefABCDEF", next(reader)) == NULL)
            return false;
        skip(reader, 1);
    }
    return true;
}

static bool take_string(struct reader *reader)
{
    if (!take_byte(reader, '"'))
        return false;
    while (!take_byte(reader, '"')) {
        size_t size = utf8_character_size(reader->rest);
        if (size == 0 || next(reader) < 0x20)
            return false;
        bool is_escape = take_byte(reader, '\\');
        if (is_escape && !take_escape(reader))
            return false;
        if (!is_escape)
            skip(reader, size);
    }
    return true;
}

static bool take_value(struct reader *reader);

/* What is between the brackets, and the closing one. */
static bool take_elements(struct reader *reader, bool have_names, char end)
{
    skip_space(reader);
    if (take_byte(reader, end))
        return true;
    do {
        skip_space(reader);
        if (have_names) {
            if (!take_string(reader))
                return false;
            skip_space(reader);
            if (!take_byte(reader, ':'))
                return false;
        }
        if (!take_value(reader))
            return false;
    } while (take_byte(reader, ','));
    return take_byte(reader, end);
}

static bool take_value(struct reader *reader)
{
    bool is_value;
    if (++reader->depth > DEPTH_MAX)
        return false;
    skip_space(reader);
    switch (next(reader)) {
    case '{': is_value = take_byte(reader, '{') && take_elements(reader, true, '}'); break;
    case '[': is_value = take_byte(reader, '[') && take_elements(reader, false, ']'); break;
    case '"': is_value = take_string(reader); break;
    case 't': is_value = take_word(reader, "true"); break;
    case 'f': is_value = take_word(reader, "false"); break;
    case 'n': is_value = take_word(reader, "null"); break;
    default: is_value = take_number(reader); break;
    }
    skip_space(reader);
    reader->depth--;
    return is_value;
}

bool json_is_valid(struct bytes text)
{
    struct reader reader = {.rest = text};
    return take_value(&reader) && reader.rest.size == 0;
}
