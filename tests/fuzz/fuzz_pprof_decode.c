/* fuzz_pprof_decode.c: any bytes as a profile; what is accepted must encode, decode to the same, and have a table. */
#include "base/buf.h"
#include "pprof/decode.h"
#include "pprof/encode.h"
#include "pprof/top.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct profile_limits limits = {.plain_bytes = (size_t)1 << 20, .memory_bytes = (size_t)16 << 20};
    struct profile *profile, *again;
    const char *problem;
    if (profile_decode(bytes_of(data, size), limits, &profile, &problem) != 0) {
        ASSERT(profile == NULL && problem != NULL);
        return 0;
    }
    struct buf first, second, table;
    buf_init(&first);
    buf_init(&second);
    buf_init(&table);
    profile_encode(profile, &first);
    limits.plain_bytes *= 64; /* a default written out may be longer than what was read */
    limits.memory_bytes *= 64;
    int result = profile_decode(buf_bytes(&first), limits, &again, &problem);
    ASSERT(result == 0);
    profile_encode(again, &second);
    ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    if (profile_top(profile, size % 7, &table) == 0)
        ASSERT(table.size > 0);
    profile_destroy(again);
    profile_destroy(profile);
    buf_deinit(&table);
    buf_deinit(&second);
    buf_deinit(&first);
    return 0;
}
