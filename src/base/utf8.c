/* utf8.c: the shape of one character. */
#include "base/utf8.h"

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
