/* analysis_text.c: what was gathered, for people: first what was worst and why, then the figures. */
#include "trace/analysis_facts.h"

#include "trace/analysis_table.h"
#include "trace/analysis_words.h"

#include <inttypes.h>

#define LANE_ROWS 8

static void write_span(const struct trace_analysis *analysis, struct buf *text)
{
    buf_printf(text, "\nTrace: %.3f s; events: %" PRIu64 "; tasks: %" PRIu32 "; requests: %" PRIu64,
               words_seconds(analysis->end_ns), analysis->event_count, analysis->task_count - 1,
               analysis->request_count);
    if (analysis->open_count > 0)
        buf_printf(text, ", and %" PRIu64 " not finished at its end", analysis->open_count);
    if (analysis->sample_count > 0)
        buf_printf(text, "; CPU samples: %zu", analysis->sample_count);
    for (unsigned i = 0; i < analysis->note_count; i++) {
        buf_append_string(text, i > 0 ? "; " : "\nIt says: ");
        words_write_name(text, words_text(analysis, analysis->notes[i].key));
        buf_append_byte(text, ' ');
        words_write_name(text, words_text(analysis, analysis->notes[i].value));
    }
    buf_append_byte(text, '\n');
}

/* --- the slowest requests --- */

static void write_request_head(const struct trace_analysis *analysis, struct buf *text, const struct request *request,
                               unsigned rank)
{
    buf_printf(text, "%u. ", rank);
    words_write_actor(analysis, text, &request->who);
    buf_printf(text, " at %.6f s%s", words_seconds(request->start_ns), request->is_open ? ", not finished" : "");
    for (unsigned i = 0; i < request->log_count; i++) {
        buf_append_string(text, ", ");
        words_write_name(text, words_text(analysis, request->logs[i].key));
        buf_append_byte(text, ' ');
        words_write_name(text, words_text(analysis, request->logs[i].value));
    }
    buf_printf(text, "\n   %.3f ms =", words_ms(request->end_ns - request->start_ns));
    bool is_first = true;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++) {
        if (request->split_ns[i] == 0)
            continue;
        buf_printf(text, "%s ", is_first ? "" : " +");
        words_write_name(text, words_activity_name(analysis, (enum activity)i));
        buf_printf(text, " %.3f", words_ms(request->split_ns[i]));
        is_first = false;
    }
    buf_append_byte(text, '\n');
}

static void write_piece(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece)
{
    buf_append_string(text, "   - ");
    words_write_duration(text, deed_ns(&piece->deed));
    buf_append_byte(text, ' ');
    words_write_activity(analysis, text, &piece->deed);
    words_write_deed_place(analysis, text, &piece->deed);
    buf_append_byte(text, '\n');
    size_t before = text->size;
    words_write_cause(analysis, text, piece, "       ");
    buf_append_string(text, text->size > before ? "\n" : "");
}

static void write_slowest(const struct trace_analysis *analysis, struct buf *text)
{
    if (analysis->slowest_count == 0)
        return;
    buf_append_string(text, "\nSlowest requests (waits for data, which clients ask for, do not count), their split in "
                            "ms and longest pieces\n");
    for (unsigned i = 0; i < analysis->slowest_count; i++) {
        const struct request *request = &analysis->slowest[i];
        write_request_head(analysis, text, request, i + 1);
        for (unsigned j = 0; j < PIECES_COUNT; j++)
            if (facts_piece_matters(request, &request->pieces[j]))
                write_piece(analysis, text, &request->pieces[j]);
    }
}

/* --- reactors --- */

static void write_held(const struct trace_analysis *analysis, const struct facts *facts, struct buf *text)
{
    for (unsigned i = 0; i < facts->held_count; i++) {
        buf_printf(text, "%s%u. ", i == 0 ? "\nLongest times that a task held its reactor\n" : "", i + 1);
        findings_write_held(analysis, text, facts->held[i]);
        buf_append_byte(text, '\n');
    }
}

static void write_lane(const struct trace_analysis *analysis, struct buf *text, const struct analyzed_lane *lane)
{
    double span_ns = (double)analysis->end_ns;
    size_t start = text->size;
    words_write_lane(analysis, text, (uint32_t)(lane - analysis->lanes));
    while (text->size < start + 20)
        buf_append_byte(text, ' ');
    buf_printf(text, "%8" PRId32 " %8.1f%% %8.1f%% %12.3f %9" PRIu64 "\n", lane->thread_id,
               100 * (double)lane->busy_ns / span_ns, 100 * (double)lane->running_ns / span_ns,
               words_ms(lane->longest_ns), lane->start_count);
}

static void write_lanes(const struct trace_analysis *analysis, const struct facts *facts, struct buf *text)
{
    if (analysis->lane_count == 0 || analysis->end_ns == 0)
        return;
    buf_printf(text, "\n%-20s%8s %9s %9s %12s %9s\n", "Reactors, workers", "thread", "busy", "in tasks", "longest ms",
               "starts");
    for (uint32_t i = 0; i < facts->lane_count && i < LANE_ROWS; i++)
        write_lane(analysis, text, facts->lanes[i]);
    if (facts->lane_count > LANE_ROWS)
        buf_printf(text, "and %" PRIu32 " that were less busy\n", facts->lane_count - LANE_ROWS);
}

void trace_analysis_write(struct trace_analysis *analysis, struct buf *text)
{
    struct facts facts;
    facts_init(&facts, analysis);
    buf_append_bytes(text, buf_bytes(&facts.findings));
    write_span(analysis, text);
    analysis_table_write(analysis, &facts, text);
    write_slowest(analysis, text);
    write_held(analysis, &facts, text);
    write_lanes(analysis, &facts, text);
    facts_deinit(&facts);
}
