/* inflate.c: zlib, a step at a time. */
#include "pprof/inflate.h"

#include "base/error.h"

#include <zlib.h>

#define STEP_BYTES ((size_t)64 << 10)

static int fail(const char **problem, int code, const char *text)
{
    *problem = text;
    return code;
}

bool gzip_is(struct bytes bytes)
{
    return bytes.size >= 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b; /* RFC 1952, section 2.3.1 */
}

static int inflate_members(z_stream *stream, size_t plain_limit, struct buf *plain, const char **problem)
{
    for (;;) {
        size_t room = plain_limit + 1 - plain->size; /* one more than allowed, to see that it was too much */
        if (room > STEP_BYTES)
            room = STEP_BYTES;
        stream->next_out = buf_reserve(plain, room);
        stream->avail_out = (uInt)room;
        int status = inflate(stream, Z_NO_FLUSH);
        plain->size += room - stream->avail_out;
        if (plain->size > plain_limit)
            return fail(problem, ERR_TOO_LARGE, "the profile is larger than the limit once decompressed");
        if (status == Z_STREAM_END) {
            if (stream->avail_in == 0)
                return 0;
            status = inflateReset(stream); /* another member follows */
        }
        if (status == Z_BUF_ERROR)
            return fail(problem, ERR_TRUNCATED, "the profile ends too early: its gzip stream is cut off");
        if (status != Z_OK)
            return fail(problem, ERR_CORRUPT, "the profile is damaged: its gzip stream does not decompress");
    }
}

int gzip_inflate(struct bytes encoded, size_t plain_limit, struct buf *plain, const char **problem)
{
    z_stream stream = {.next_in = (Bytef *)encoded.data, .avail_in = (uInt)encoded.size};
    int status = inflateInit2(&stream, 15 + 16); /* gzip only */
    ASSERT(status == Z_OK);
    int result = inflate_members(&stream, plain_limit, plain, problem);
    inflateEnd(&stream);
    return result;
}
