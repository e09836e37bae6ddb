/* perfetto.c: Perfetto's protobuf, for ui.perfetto.dev: one TracePacket after the other, as fields of a Trace.
 *
 * Field numbers are from Perfetto's protos/perfetto/trace: trace.proto, trace_packet.proto, and in track_event those of
 * events, descriptors and interned data. Names are interned: the packet that needs one first says its number. */
#include "trace/format.h"

#include "base/mem.h"
#include "trace/index_map.h"
#include "trace/tracks.h"
#include "trace/varint.h"

#define PACKET_SIZE 48 /* about, of what ends a slice */

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

enum {
    TRACE_PACKET = 1,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_INTERNED_DATA = 12,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_TRACK_DESCRIPTOR = 60,
    DESCRIPTOR_UUID = 1,
    DESCRIPTOR_NAME = 2,
    DESCRIPTOR_PROCESS = 3,
    DESCRIPTOR_PARENT = 5,
    DESCRIPTOR_COUNTER = 8,
    PROCESS_PID = 1,
    PROCESS_NAME = 6,
    COUNTER_UNIT = 3,
    INTERNED_EVENT_NAMES = 2,
    INTERNED_ID = 1,
    INTERNED_NAME = 2,
    EVENT_ANNOTATION = 4,
    EVENT_TYPE = 9,
    EVENT_NAME = 10,
    EVENT_TRACK = 11,
    EVENT_COUNTER_VALUE = 30,
    EVENT_FLOW = 47,
    EVENT_FLOW_END = 48,
    ANNOTATION_STRING = 6,
    ANNOTATION_NAME = 10,
};
enum { TYPE_BEGIN = 1, TYPE_END = 2, TYPE_INSTANT = 3, TYPE_COUNTER = 4 };
enum { UNIT_COUNT = 2, UNIT_BYTES = 3 };
enum { SEQUENCE_CLEARED = 1, SEQUENCE_NEEDED = 2 }; /* which names are known: none; those from before */

#define SEQUENCE 1 /* all is one */
#define PROCESS_UUID 1

struct trace_encoder {
    struct tracks tracks;
    struct index_map name_ids; /* of a text's address and size: texts stay where they are */
    struct buf packet, event, interned, part, text;
    struct buf *out; /* while an event is taken */
    bool has_begun;
};

/* --- protobuf --- */

static void put_number(struct buf *out, unsigned field, uint64_t value)
{
    varint_append(out, field << 3 | WIRE_VARINT);
    varint_append(out, value);
}

static void put_fixed(struct buf *out, unsigned field, uint64_t value)
{
    varint_append(out, field << 3 | WIRE_FIXED64);
    for (unsigned i = 0; i < 8; i++)
        buf_append_byte(out, (uint8_t)(value >> 8 * i));
}

static void put_bytes(struct buf *out, unsigned field, struct bytes value)
{
    varint_append(out, field << 3 | WIRE_BYTES);
    varint_append(out, value.size);
    buf_append_bytes(out, value);
}

/* A message as a field, which is then empty again. */
static void put_message(struct buf *out, unsigned field, struct buf *message)
{
    put_bytes(out, field, buf_bytes(message));
    buf_clear(message);
}

static void put_text(struct trace_encoder *encoder, struct buf *out, unsigned field, struct bytes text)
{
    buf_clear(&encoder->text);
    tracks_append_utf8(&encoder->text, text);
    put_bytes(out, field, buf_bytes(&encoder->text));
}

/* --- packets --- */

static void end_packet(struct trace_encoder *encoder)
{
    put_number(&encoder->packet, PACKET_SEQUENCE, SEQUENCE);
    put_number(&encoder->packet, PACKET_SEQUENCE_FLAGS,
               encoder->has_begun ? SEQUENCE_NEEDED : SEQUENCE_CLEARED | SEQUENCE_NEEDED);
    encoder->has_begun = true;
    put_message(encoder->out, TRACE_PACKET, &encoder->packet);
}

static void end_event_packet(struct trace_encoder *encoder, uint64_t time_ns)
{
    put_number(&encoder->packet, PACKET_TIMESTAMP, time_ns);
    if (encoder->interned.size != 0)
        put_message(&encoder->packet, PACKET_INTERNED_DATA, &encoder->interned);
    put_message(&encoder->packet, PACKET_TRACK_EVENT, &encoder->event);
    end_packet(encoder);
}

static uint64_t uuid_of(const struct track *track)
{
    static const uint64_t first[] = {
        [TRACK_LANE] = 1ull << 32, [TRACK_TASK] = 1ull << 62, [TRACK_COUNTER] = PROCESS_UUID + 1};
    return first[track->kind] + track->number;
}

static void begin_event(struct trace_encoder *encoder, const struct track *track, unsigned type)
{
    put_number(&encoder->event, EVENT_TYPE, type);
    put_number(&encoder->event, EVENT_TRACK, uuid_of(track));
}

static void put_name(struct trace_encoder *encoder, struct bytes name)
{
    bool is_new;
    uint32_t id = index_map_number(&encoder->name_ids, (uint64_t)(uintptr_t)name.data, name.size, &is_new);
    if (is_new) {
        put_number(&encoder->part, INTERNED_ID, id);
        put_text(encoder, &encoder->part, INTERNED_NAME, name);
        put_message(&encoder->interned, INTERNED_EVENT_NAMES, &encoder->part);
    }
    put_number(&encoder->event, EVENT_NAME, id);
}

static void put_annotation(struct trace_encoder *encoder, const char *name, struct bytes value)
{
    put_bytes(&encoder->part, ANNOTATION_NAME, bytes_of_string(name));
    put_bytes(&encoder->part, ANNOTATION_STRING, value);
    put_message(&encoder->event, EVENT_ANNOTATION, &encoder->part);
}

static void put_mark(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark,
                     unsigned type, unsigned flow_field)
{
    begin_event(encoder, track, type);
    put_name(encoder, mark->name);
    if (mark->value.size != 0) {
        buf_clear(&encoder->text);
        tracks_append_utf8(&encoder->text, mark->value);
        put_annotation(encoder, "value", buf_bytes(&encoder->text));
    }
    if (mark->stack != 0) {
        buf_clear(&encoder->text);
        tracks_place(encoder->tracks.tables, mark->stack, &encoder->text);
        put_annotation(encoder, "at", buf_bytes(&encoder->text));
    }
    if (mark->flow != 0)
        put_fixed(&encoder->event, flow_field, mark->flow);
    end_event_packet(encoder, mark->time_ns);
}

/* --- as tracks.h calls --- */

static void perfetto_process(struct trace_encoder *encoder)
{
    struct buf *descriptor = &encoder->event;
    put_number(&encoder->part, PROCESS_PID, 1);
    put_bytes(&encoder->part, PROCESS_NAME, bytes_of_string("takhin"));
    put_number(descriptor, DESCRIPTOR_UUID, PROCESS_UUID);
    put_message(descriptor, DESCRIPTOR_PROCESS, &encoder->part);
    put_message(&encoder->packet, PACKET_TRACK_DESCRIPTOR, descriptor);
    end_packet(encoder);
}

static void perfetto_track(struct trace_encoder *encoder, const struct track *track)
{
    struct buf *descriptor = &encoder->event;
    if (!encoder->has_begun)
        perfetto_process(encoder);
    put_number(descriptor, DESCRIPTOR_UUID, uuid_of(track));
    put_text(encoder, descriptor, DESCRIPTOR_NAME, track->name);
    put_number(descriptor, DESCRIPTOR_PARENT, PROCESS_UUID);
    if (track->kind == TRACK_COUNTER) {
        put_number(&encoder->part, COUNTER_UNIT, track->number >= COUNTER_HEAP ? UNIT_BYTES : UNIT_COUNT);
        put_message(descriptor, DESCRIPTOR_COUNTER, &encoder->part);
    }
    put_message(&encoder->packet, PACKET_TRACK_DESCRIPTOR, descriptor);
    end_packet(encoder);
}

static void perfetto_begin(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark)
{
    put_mark(encoder, track, mark, TYPE_BEGIN, EVENT_FLOW_END);
}

static void perfetto_end(struct trace_encoder *encoder, const struct track *track, uint64_t time_ns,
                         struct bytes name)
{
    (void)name; /* the innermost slice is meant */
    begin_event(encoder, track, TYPE_END);
    end_event_packet(encoder, time_ns);
}

static void perfetto_instant(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark)
{
    put_mark(encoder, track, mark, TYPE_INSTANT, EVENT_FLOW);
}

static void perfetto_count(struct trace_encoder *encoder, const struct track *track, uint64_t time_ns, uint64_t value)
{
    begin_event(encoder, track, TYPE_COUNTER);
    put_number(&encoder->event, EVENT_COUNTER_VALUE, value);
    end_event_packet(encoder, time_ns);
}

static const struct track_format track_format = {
    .track = perfetto_track,
    .begin = perfetto_begin,
    .end = perfetto_end,
    .instant = perfetto_instant,
    .count = perfetto_count,
};

/* --- the format --- */

static struct trace_encoder *perfetto_create(const struct trace_tables *tables)
{
    struct trace_encoder *encoder = MEM_NEW(struct trace_encoder);
    tracks_init(&encoder->tracks, &track_format, encoder, tables);
    return encoder;
}

static void perfetto_event(struct trace_encoder *encoder, const struct trace_event *event, struct buf *out)
{
    encoder->out = out;
    tracks_event(&encoder->tracks, event);
}

static void perfetto_finish(struct trace_encoder *encoder, uint64_t end_ns, struct buf *out)
{
    encoder->out = out;
    tracks_finish(&encoder->tracks, end_ns);
}

static size_t perfetto_pending_bytes(const struct trace_encoder *encoder)
{
    return (tracks_open(&encoder->tracks) + 2 * COUNTER_COUNT) * PACKET_SIZE;
}

static void perfetto_destroy(struct trace_encoder *encoder)
{
    if (!encoder)
        return;
    tracks_deinit(&encoder->tracks);
    index_map_deinit(&encoder->name_ids);
    buf_deinit(&encoder->packet);
    buf_deinit(&encoder->event);
    buf_deinit(&encoder->interned);
    buf_deinit(&encoder->part);
    buf_deinit(&encoder->text);
    mem_free(encoder);
}

const struct trace_format trace_format_perfetto = {
    .name = "perfetto",
    .content_type = "application/octet-stream",
    .file_name = "trace.pftrace",
    .create = perfetto_create,
    .event = perfetto_event,
    .finish = perfetto_finish,
    .pending_bytes = perfetto_pending_bytes,
    .destroy = perfetto_destroy,
};
