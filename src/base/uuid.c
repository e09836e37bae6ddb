/* uuid.c: random ids and their base64url text. */
#include "base/uuid.h"

#include "base/error.h"

#include <string.h>
#include <sys/random.h>

#define TEXT_CHARACTERS (UUID_TEXT_BYTES - 1)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct uuid uuid_random(void)
{
    struct uuid uuid;
    char text[UUID_TEXT_BYTES];
    do {
        ASSERT(getrandom(uuid.bytes, sizeof uuid.bytes, 0) == (ssize_t)sizeof uuid.bytes);
        uuid.bytes[6] = (uuid.bytes[6] & 0x0f) | 0x40;
        uuid.bytes[8] = (uuid.bytes[8] & 0x3f) | 0x80;
        uuid_format(&uuid, text);
    } while (text[0] == '-');
    return uuid;
}

void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_BYTES])
{
    uint32_t bits = 0;
    unsigned bit_count = 0, length = 0;
    for (unsigned i = 0; i < sizeof uuid->bytes; i++) {
        bits = bits << 8 | uuid->bytes[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6)
            text[length++] = alphabet[bits >> (bit_count - 6) & 0x3f];
    }
    text[length++] = alphabet[bits << (6 - bit_count) & 0x3f];
    text[length] = '\0';
}

int uuid_parse(struct bytes text, struct uuid *uuid)
{
    if (text.size != TEXT_CHARACTERS)
        return ERR_MALFORMED;
    uint32_t bits = 0;
    unsigned bit_count = 0, length = 0;
    for (unsigned i = 0; i < TEXT_CHARACTERS; i++) {
        const char *character = memchr(alphabet, text.data[i], sizeof alphabet - 1);
        if (!character)
            return ERR_MALFORMED;
        bits = bits << 6 | (uint32_t)(character - alphabet);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            uuid->bytes[length++] = (uint8_t)(bits >> bit_count);
        }
    }
    /* 22 characters hold 132 bits; the last four belong to nobody. */
    return (bits & 0x0f) == 0 ? 0 : ERR_MALFORMED;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
