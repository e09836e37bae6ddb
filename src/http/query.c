/* query.c: percent-encoding, and values of a query, decoded as Go's url.ParseQuery decodes them. */
#include "http/request.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_percent_decode(struct arena *arena, struct bytes text, bool is_query, struct bytes *decoded)
{
    uint8_t *out = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        out[size++] = c;
    }
    *decoded = bytes_of(out, size);
    return true;
}

/* The text up to the separator; *rest is what follows it. */
static struct bytes cut(struct bytes text, char separator, struct bytes *rest)
{
    const uint8_t *found = text.size > 0 ? memchr(text.data, separator, text.size) : NULL;
    size_t size = found ? (size_t)(found - text.data) : text.size;
    size_t skipped = found ? size + 1 : size;
    *rest = text.size > 0 ? bytes_of(text.data + skipped, text.size - skipped) : text;
    return bytes_of(text.data, size);
}

struct bytes http_request_value(const struct http_request *request, const char *name)
{
    struct bytes rest = request->query;
    while (rest.size > 0) {
        struct bytes encoded_value, key, value;
        struct bytes pair = cut(rest, '&', &rest);
        bool has_semicolon = pair.size > 0 && memchr(pair.data, ';', pair.size);
        struct bytes encoded_key = cut(pair, '=', &encoded_value);
        if (!has_semicolon && http_percent_decode(request->arena, encoded_key, true, &key) &&
            bytes_equal_string(key, name) && http_percent_decode(request->arena, encoded_value, true, &value))
            return value;
    }
    return bytes_of("", 0);
}
