/* heaviest.h: the few largest of many, in order: what a table shows of ten million. [any] */
#ifndef PPROF_HEAVIEST_H
#define PPROF_HEAVIEST_H

#include "base/check.h"

#include <stdint.h>
#include <string.h>

struct heaviest {
    void *rows; /* room for `capacity` of them; those that there are, the largest first */
    size_t row_size;
    uint32_t count, capacity; /* capacity: not 0 */
    int (*compare)(const void *left, const void *right); /* as qsort's: what is larger comes first */
};

/* Keep a copy of the row if it is one of the largest so far. */
static inline void heaviest_offer(struct heaviest *heaviest, const void *row)
{
    uint8_t *rows = heaviest->rows;
    size_t size = heaviest->row_size;
    if (heaviest->count == heaviest->capacity && heaviest->compare(row, rows + (heaviest->count - 1) * size) >= 0)
        return;
    uint32_t low = 0, high = heaviest->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (heaviest->compare(row, rows + middle * size) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    heaviest->count += heaviest->count < heaviest->capacity;
    memmove(rows + (low + 1) * size, rows + low * size, (heaviest->count - 1 - low) * size);
    memcpy(rows + low * size, row, size);
}

#endif
