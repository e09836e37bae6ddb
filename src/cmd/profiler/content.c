/* content.c: what bytes are, by how they begin: what is read here, and what is often given in its place. */
#include "cmd/profiler/content.h"

#include "pprof/fields.h"
#include "pprof/wire.h"

#define TEXT_FORM "that is the text form of a profile: fetch it without debug=1"
#define GPERFTOOLS "that is gperftools' own format: convert it with `go tool pprof -proto PROGRAM FILE > profile.pb.gz`"
#define PACKED "unpack it first: of packed files, those of gzip are read"

static const struct beginning {
    const char *bytes;
    size_t size;
    const char *hint;
} beginnings[] = {
#define BEGINNING(bytes, hint) {bytes, sizeof(bytes) - 1, hint}
    /* https://github.com/google/pprof profile/legacy_profile.go */
    BEGINNING("goroutine profile: ", TEXT_FORM),
    BEGINNING("goroutineleak profile: ", TEXT_FORM),
    BEGINNING("threadcreate profile: ", TEXT_FORM),
    BEGINNING("heap profile: ", TEXT_FORM),
    BEGINNING("--- contention:\n", TEXT_FORM),
    BEGINNING("--- mutex:\n", TEXT_FORM),
    BEGINNING("goroutine ", "these are stacks as text: fetch the profile without debug=2"),
    BEGINNING("\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", GPERFTOOLS),
    BEGINNING("--- symbol\n", GPERFTOOLS),
    BEGINNING("<", "that is a web page: was that the address of the debug port?"),
    BEGINNING("{", "that is JSON, such as a trace for Chrome: fetch it without format="),
    BEGINNING("PERFILE2", "that is perf's format: convert it with perf_to_profile, or collect with takhin-profiler"),
    BEGINNING("\x7f" "ELF", "that is a program: name profiles only, as the names of functions are in them"),
    BEGINNING("PK\3\4", PACKED),
    BEGINNING("\x28\xb5\x2f\xfd", PACKED),
    BEGINNING("\xfd" "7zXZ", PACKED),
    BEGINNING("BZh", PACKED),
#undef BEGINNING
};

static bool begins_with(struct bytes bytes, const char *beginning, size_t size)
{
    return bytes.size >= size && memcmp(bytes.data, beginning, size) == 0;
}

/* Perfetto's traces are protobuf, too: packets, all of field 1, which in a profile are its sample types. */
static bool is_perfetto(struct bytes bytes)
{
    struct wire wire = wire_of(bytes);
    struct wire_field field;
    unsigned packet_count = 0;
    while (wire_next(&wire, &field)) {
        if (field.number != PROFILE_SAMPLE_TYPE || field.type != WIRE_TYPE_LENGTH)
            return false;
        packet_count++;
    }
    return packet_count > 0;
}

const struct profiler_content *profiler_content_of(struct bytes bytes)
{
    static const char go_trace[] = "go 1."; /* no protobuf begins so */
    return begins_with(bytes, go_trace, sizeof(go_trace) - 1) ? &profiler_content_trace : &profiler_content_profile;
}

const char *profiler_content_hint(struct bytes bytes)
{
    for (size_t i = 0; i < ARRAY_COUNT(beginnings); i++)
        if (begins_with(bytes, beginnings[i].bytes, beginnings[i].size))
            return beginnings[i].hint;
    return is_perfetto(bytes) ? "that looks like a trace for Perfetto: fetch it without format=" : NULL;
}
