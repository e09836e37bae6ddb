/* chrome.c: Chrome's JSON trace format, which chrome://tracing, Perfetto and speedscope open: an array of objects, one
 * a line. ("Trace Event Format", Google, 2016.)
 *
 * Lanes are threads, and what tasks do is asynchronous to them: objects of the same id nest. Times are in us. */
#include "trace/format.h"

#include "base/mem.h"
#include "trace/tracks.h"

#define LINE_MAX 512 /* about, of what ends a slice */

struct trace_encoder {
    struct tracks tracks;
    struct buf text;
    struct buf *out; /* while an event is taken */
    bool has_begun;
};

/* --- objects --- */

static void put_string(struct buf *out, struct bytes text)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_append(out, (uint8_t[]){'\\', text.data[i]}, 2);
        else if (text.data[i] < 0x20)
            buf_printf(out, "\\u%04x", text.data[i]);
        else
            buf_append_byte(out, text.data[i]);
    buf_append_byte(out, '"');
}

static void put_text(struct trace_encoder *encoder, const char *key, struct bytes text)
{
    buf_clear(&encoder->text);
    tracks_append_utf8(&encoder->text, text);
    buf_printf(encoder->out, "\"%s\":", key);
    put_string(encoder->out, buf_bytes(&encoder->text));
}

/* Which thread, or which asynchronous thing. */
static void put_track(struct trace_encoder *encoder, const struct track *track)
{
    if (track->kind == TRACK_LANE)
        buf_printf(encoder->out, ",\"pid\":1,\"tid\":%u", (uint32_t)track->number + 1); /* none: 0 */
    else
        buf_printf(encoder->out, ",\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x%llx\"",
                   (unsigned long long)track->number);
}

static void begin_object(struct trace_encoder *encoder, const char *phase, uint64_t time_ns)
{
    buf_append_string(encoder->out, encoder->has_begun ? ",\n" : "[\n");
    encoder->has_begun = true;
    buf_printf(encoder->out, "{\"ph\":\"%s\",\"ts\":%llu.%03u", phase, (unsigned long long)(time_ns / 1000),
               (unsigned)(time_ns % 1000));
}

static void put_name(struct trace_encoder *encoder, struct bytes name)
{
    buf_append_byte(encoder->out, ',');
    put_text(encoder, "name", name);
}

static void put_arguments(struct trace_encoder *encoder, const struct track_mark *mark)
{
    if (mark->stack == 0 && mark->value.size == 0)
        return;
    buf_append_string(encoder->out, ",\"args\":{");
    if (mark->value.size != 0)
        put_text(encoder, "value", mark->value);
    if (mark->stack != 0) {
        buf_append_string(encoder->out, mark->value.size != 0 ? ",\"at\":" : "\"at\":");
        buf_clear(&encoder->text);
        tracks_place(encoder->tracks.tables, mark->stack, &encoder->text);
        put_string(encoder->out, buf_bytes(&encoder->text));
    }
    buf_append_byte(encoder->out, '}');
}

static void end_object(struct trace_encoder *encoder)
{
    buf_append_byte(encoder->out, '}');
}

/* What is said of a thread, or of the process. */
static void begin_metadata(struct trace_encoder *encoder, const char *what, uint32_t thread)
{
    begin_object(encoder, "M", 0);
    buf_printf(encoder->out, ",\"pid\":1,\"tid\":%u,\"name\":\"%s\",\"args\":{", thread, what);
}

static void put_metadata_name(struct trace_encoder *encoder, const char *what, uint32_t thread, struct bytes name)
{
    begin_metadata(encoder, what, thread);
    put_text(encoder, "name", name);
    buf_append_byte(encoder->out, '}');
    end_object(encoder);
}

static void put_flow(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark,
                     const char *phase, const char *more)
{
    if (mark->flow == 0)
        return;
    begin_object(encoder, phase, mark->time_ns);
    put_track(encoder, track);
    buf_printf(encoder->out, ",\"cat\":\"wake\",\"name\":\"wake\",\"id\":%llu%s", (unsigned long long)mark->flow, more);
    end_object(encoder);
}

static void put_mark(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark,
                     const char *phase, const char *more)
{
    begin_object(encoder, phase, mark->time_ns);
    put_track(encoder, track);
    put_name(encoder, mark->name);
    put_arguments(encoder, mark);
    buf_append_string(encoder->out, more);
    end_object(encoder);
}

/* --- as tracks.h calls --- */

static void chrome_track(struct trace_encoder *encoder, const struct track *track)
{
    if (track->kind != TRACK_LANE)
        return;
    uint32_t thread = (uint32_t)track->number + 1;
    if (!encoder->has_begun)
        put_metadata_name(encoder, "process_name", 0, bytes_of_string("takhin"));
    put_metadata_name(encoder, "thread_name", thread, track->name);
    begin_metadata(encoder, "thread_sort_index", thread);
    buf_printf(encoder->out, "\"sort_index\":%u}", thread);
    end_object(encoder);
}

static void chrome_begin(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark)
{
    put_mark(encoder, track, mark, track->kind == TRACK_LANE ? "B" : "b", "");
    put_flow(encoder, track, mark, "f", ",\"bp\":\"e\"");
}

/* What is asynchronous is found by its name. */
static void chrome_end(struct trace_encoder *encoder, const struct track *track, uint64_t time_ns, struct bytes name)
{
    begin_object(encoder, track->kind == TRACK_LANE ? "E" : "e", time_ns);
    put_track(encoder, track);
    if (track->kind != TRACK_LANE)
        put_name(encoder, name);
    end_object(encoder);
}

/* A slice of no length where an arrow begins: arrows need one. */
static void chrome_instant(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark)
{
    if (track->kind == TRACK_LANE)
        put_mark(encoder, track, mark, "X", ",\"dur\":0");
    else
        put_mark(encoder, track, mark, "n", "");
    put_flow(encoder, track, mark, "s", "");
}

static void chrome_count(struct trace_encoder *encoder, const struct track *track, uint64_t time_ns, uint64_t value)
{
    begin_object(encoder, "C", time_ns);
    buf_append_string(encoder->out, ",\"pid\":1");
    put_name(encoder, track->name);
    buf_printf(encoder->out, ",\"args\":{\"value\":%llu}", (unsigned long long)value);
    end_object(encoder);
}

static const struct track_format track_format = {
    .track = chrome_track,
    .begin = chrome_begin,
    .end = chrome_end,
    .instant = chrome_instant,
    .count = chrome_count,
};

/* --- the format --- */

static struct trace_encoder *chrome_create(const struct trace_tables *tables)
{
    struct trace_encoder *encoder = MEM_NEW(struct trace_encoder);
    tracks_init(&encoder->tracks, &track_format, encoder, tables);
    buf_init(&encoder->text);
    return encoder;
}

static void chrome_event(struct trace_encoder *encoder, const struct trace_event *event, struct buf *out)
{
    encoder->out = out;
    tracks_event(&encoder->tracks, event);
}

static void chrome_finish(struct trace_encoder *encoder, uint64_t end_ns, struct buf *out)
{
    encoder->out = out;
    tracks_finish(&encoder->tracks, end_ns);
    buf_append_string(out, "\n]\n");
}

static size_t chrome_pending_bytes(const struct trace_encoder *encoder)
{
    return (tracks_open(&encoder->tracks) + COUNTER_COUNT + 1) * LINE_MAX;
}

static void chrome_destroy(struct trace_encoder *encoder)
{
    if (!encoder)
        return;
    tracks_deinit(&encoder->tracks);
    buf_deinit(&encoder->text);
    mem_free(encoder);
}

const struct trace_format trace_format_chrome = {
    .name = "chrome",
    .content_type = "application/json",
    .file_name = "trace.json",
    .create = chrome_create,
    .event = chrome_event,
    .finish = chrome_finish,
    .pending_bytes = chrome_pending_bytes,
    .destroy = chrome_destroy,
};
