/* hash.c: the secrets, and the hash of a text. */
#include "base/hash.h"

#include "base/check.h"

#include <sys/random.h>

struct hash_secrets hash_secrets;

/* Before other constructors, which may fill tables. */
#define FIRST_PRIORITY 101

static __attribute__((constructor(FIRST_PRIORITY))) void draw_secrets(void)
{
    ASSERT(getrandom(&hash_secrets, sizeof(hash_secrets), 0) == (ssize_t)sizeof(hash_secrets));
    hash_secrets.factor |= 1; /* it loses nothing of what it multiplies */
}

uint64_t hash_bytes(struct bytes bytes)
{
    uint64_t hash = hash_begin(bytes.size), word = 0;
    size_t at = 0;
    for (; bytes.size - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, bytes.data + at, sizeof(word));
        hash = hash_mix(hash, word);
    }
    word = 0;
    if (at < bytes.size)
        memcpy(&word, bytes.data + at, bytes.size - at);
    return hash_mix(hash, word);
}
