/* fuzz_http_request.c: any bytes, in any pieces, give requests within the bounds, or a refusal. */
#include "http/request.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes text, size_t limit)
{
    ASSERT(text.size <= limit);
    ASSERT(text.size == 0 || text.data);
}

static void check_request(const struct http_request *request)
{
    check_inside(request->path, HTTP_HEAD_MAX);
    ASSERT(request->path.data[request->path.size] == 0);
    check_inside(request->query, HTTP_HEAD_MAX);
    check_inside(request->body, HTTP_BODY_MAX);
    ASSERT(request->header_count <= HTTP_HEADERS_MAX);
    for (unsigned i = 0; i < request->header_count; i++) {
        check_inside(request->headers[i].name, HTTP_HEAD_MAX);
        check_inside(request->headers[i].value, HTTP_HEAD_MAX);
    }
    struct bytes seconds = http_request_value(request, "seconds");
    ASSERT(seconds.size <= request->query.size);
    ASSERT(seconds.data[seconds.size] == 0);
    (void)http_request_header(request, "Accept");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct http_reader *reader = http_reader_create();
    /* The first byte says how large the pieces are, so that cuts fall everywhere. */
    size_t piece_size = data[0] ? data[0] : SIZE_MAX;
    for (size_t at = 1; at < size;) {
        size_t piece = size - at < piece_size ? size - at : piece_size, consumed;
        enum http_progress progress = http_reader_feed(reader, bytes_of(data + at, piece), &consumed);
        ASSERT(consumed <= piece);
        (void)http_reader_wants_continue(reader);
        if (progress == HTTP_REFUSED) {
            ASSERT(http_reader_refusal(reader).status >= 400 && http_reader_refusal(reader).text);
            break;
        }
        ASSERT(progress == HTTP_COMPLETE ? consumed > 0 : consumed == piece);
        if (progress == HTTP_COMPLETE)
            check_request(http_reader_request(reader));
        at += consumed;
    }
    http_reader_destroy(reader);
    return 0;
}
