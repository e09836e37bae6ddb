/* utf8.c: the shape of one character, and a copy of nothing but such. */
#include "base/utf8.h"

#include <string.h>

size_t utf8_character_size(struct bytes text)
{
    const uint8_t *c = text.data;
    if (text.size == 0)
        return 0;
    if (c[0] < 0x80)
        return 1;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    size_t size = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    if (size > text.size)
        return 0;
    /* The second byte's range is narrower where the first would allow overlong forms, surrogates, or too much. */
    uint8_t low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
    if (c[1] < low || c[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (c[i] < 0x80 || c[i] > 0xbf)
            return 0;
    return size;
}

size_t utf8_copy(char *into, size_t size, struct bytes text)
{
    size_t written = 0;
    while (text.size > 0) {
        size_t character = utf8_character_size(text), step = character > 0 ? character : 1;
        if (step > size - written)
            break;
        memcpy(into + written, character > 0 ? (const char *)text.data : "?", step);
        written += step;
        text = bytes_of(text.data + step, text.size - step);
    }
    return written;
}
