/* hash.h: hashes that nobody can foresee who does not sit in this process.
 *
 * What goes into a table came from a client or a file. With a hash that is known, whoever sends it can choose keys that
 * all fall in one place, and looking each of them up walks past all the others: half a megabyte of profile took two
 * seconds so, and ten times as much takes a hundred times as long. Each process draws secrets at its start instead.
 *
 * A hash is another in each run: nothing that is written, sent or shown may depend on it. [any] */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/bytes.h"

/* uthash uses it too, where this header is included and not <uthash.h> itself: everywhere but in src/profiler, whose
 * keys are this program's own addresses, names and numbers. */
#define HASH_FUNCTION(key, size, hash) ((hash) = hash_finish(hash_bytes(bytes_of(key, size))))
#include <uthash.h>

/* Set before main, and never again. */
struct hash_secrets {
    uint64_t start, factor; /* the factor is odd */
};
extern struct hash_secrets hash_secrets;

/* One 64 x 64 -> 128 bit product, folded: eight bytes of text, or an id, a step. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * hash_secrets.factor;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Begin with what tells the keys of a table apart at a glance: their length, or 0. A step of its own: what was only
 * joined to the secret, the next word could take out again. Keys of which none begins with all of another need no
 * more: say how many words come wherever that differs. */
static inline uint64_t hash_begin(uint64_t first)
{
    return hash_mix(hash_secrets.start, first);
}

/* For tables whose places are 32 bits wide. */
static inline uint32_t hash_finish(uint64_t hash)
{
    return (uint32_t)(hash ^ (hash >> 32));
}

uint64_t hash_bytes(struct bytes bytes);

#endif
