/* analysis_json.c: what was gathered, for scripts. */
#include "trace/analysis_facts.h"

#include "base/mem.h"
#include "trace/analysis_words.h"

/* What a writer of words says, as a string; null where it says nothing. */
struct words {
    struct buf text;
    struct json_writer *json;
    const char *name;
};

static struct buf *begin_words(struct words *words, struct json_writer *json, const char *name)
{
    *words = (struct words){.json = json, .name = name};
    buf_init(&words->text);
    return &words->text;
}

/* Words that go on behind others begin with ", ". */
static void end_words(struct words *words)
{
    const char *text = buf_string(&words->text);
    text += strncmp(text, ", ", 2) == 0 ? 2 : 0;
    json_write_string(words->json, words->name, *text != '\0' ? text : NULL);
    buf_deinit(&words->text);
}

static void write_ns(struct json_writer *json, const char *name, uint64_t ns)
{
    json_write_integer(json, name, (int64_t)ns);
}

static void write_split(const struct trace_analysis *analysis, struct json_writer *json, const uint64_t *split_ns)
{
    json_open_object(json, "split_ns");
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        if (split_ns[i] > 0)
            write_ns(json, words_activity_name(analysis, (enum activity)i), split_ns[i]);
    json_close_object(json);
}

static void write_pair(const struct trace_analysis *analysis, struct json_writer *json, uint32_t key, uint32_t value)
{
    json_open_object(json, NULL);
    json_write_string(json, "key", words_text(analysis, key));
    json_write_string(json, "value", words_text(analysis, value));
    json_close_object(json);
}

static void write_span(const struct trace_analysis *analysis, struct json_writer *json)
{
    write_ns(json, "span_ns", analysis->end_ns);
    json_write_integer(json, "events", (int64_t)analysis->event_count);
    json_write_integer(json, "tasks", analysis->task_count - 1);
    json_write_integer(json, "requests", (int64_t)analysis->request_count);
    json_write_integer(json, "open_requests", (int64_t)analysis->open_count);
    json_write_integer(json, "cpu_samples", (int64_t)analysis->sample_count);
    json_open_array(json, "notes");
    for (unsigned i = 0; i < analysis->note_count; i++)
        write_pair(analysis, json, analysis->notes[i].key, analysis->notes[i].value);
    json_close_array(json);
}

static void write_findings(struct facts *facts, struct json_writer *json)
{
    json_open_array(json, "findings");
    const char *line = buf_string(&facts->findings), *end;
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *finding = mem_copy_bytes(bytes_of(line, (size_t)(end - line)));
        json_write_string(json, NULL, finding);
        mem_free(finding);
    }
    json_close_array(json);
}

static void write_silence(const struct silence *silence, struct json_writer *json)
{
    if (silence->end_ns == silence->start_ns) {
        json_write_string(json, "silence", NULL);
        return;
    }
    json_open_object(json, "silence");
    write_ns(json, "start_ns", silence->start_ns);
    write_ns(json, "duration_ns", silence->end_ns - silence->start_ns);
    json_close_object(json);
}

static void write_apis(const struct trace_analysis *analysis, const struct facts *facts, struct json_writer *json)
{
    json_open_array(json, "apis");
    for (uint32_t i = 0; i < facts->api_count; i++) {
        const struct api *api = facts->apis[i];
        json_open_object(json, NULL);
        json_write_string(json, "api", words_text(analysis, api->name));
        json_write_integer(json, "count", (int64_t)api->count);
        write_ns(json, "mean_ns", api->total_ns / api->count);
        write_ns(json, "p50_ns", facts_percentile_ns(api, 50));
        write_ns(json, "p99_ns", facts_percentile_ns(api, 99));
        write_ns(json, "max_ns", facts_percentile_ns(api, 100));
        write_split(analysis, json, api->split_ns);
        json_close_object(json);
    }
    json_close_array(json);
}

static void write_piece(const struct trace_analysis *analysis, struct json_writer *json, const struct piece *piece)
{
    struct words words;
    json_open_object(json, NULL);
    write_ns(json, "duration_ns", deed_ns(&piece->deed));
    json_write_string(json, "activity", words_activity_name(analysis, piece->deed.activity));
    words_write_activity(analysis, begin_words(&words, json, "what"), &piece->deed);
    end_words(&words);
    words_write_deed_place(analysis, begin_words(&words, json, "place"), &piece->deed);
    end_words(&words);
    words_write_cause(analysis, begin_words(&words, json, "cause"), piece, "");
    end_words(&words);
    json_close_object(json);
}

static void write_request(const struct trace_analysis *analysis, struct json_writer *json,
                          const struct request *request)
{
    json_open_object(json, NULL);
    json_write_string(json, "api", words_text(analysis, request->who.api));
    json_write_integer(json, "request", (int64_t)request->who.request);
    json_write_string(json, "task", words_text(analysis, request->who.task_name));
    write_ns(json, "start_ns", request->start_ns);
    write_ns(json, "duration_ns", request->end_ns - request->start_ns);
    json_write_bool(json, "finished", !request->is_open);
    json_open_array(json, "facts");
    for (unsigned i = 0; i < request->log_count; i++)
        write_pair(analysis, json, request->logs[i].key, request->logs[i].value);
    json_close_array(json);
    write_split(analysis, json, request->split_ns);
    json_open_array(json, "pieces");
    for (unsigned i = 0; i < PIECES_COUNT; i++)
        if (facts_piece_matters(request, &request->pieces[i]))
            write_piece(analysis, json, &request->pieces[i]);
    json_close_array(json);
    json_close_object(json);
}

static void write_held(const struct trace_analysis *analysis, struct json_writer *json, const struct stretch *stretch)
{
    const struct deed *deed = &stretch->longest;
    struct words words;
    json_open_object(json, NULL);
    words_write_lane(analysis, begin_words(&words, json, "reactor"), stretch->lane);
    end_words(&words);
    write_ns(json, "start_ns", stretch->start_ns);
    write_ns(json, "duration_ns", stretch_ns(stretch));
    struct buf *by = begin_words(&words, json, "by");
    if (deed_ns(deed) > 0)
        words_write_actor(analysis, by, &deed->who);
    end_words(&words);
    struct buf *what = begin_words(&words, json, "what");
    if (deed_ns(deed) > 0) {
        words_write_activity(analysis, what, deed);
        words_write_deed_place(analysis, what, deed);
    }
    end_words(&words);
    json_close_object(json);
}

static void write_lane(const struct trace_analysis *analysis, struct json_writer *json,
                       const struct analyzed_lane *lane)
{
    struct words words;
    json_open_object(json, NULL);
    words_write_lane(analysis, begin_words(&words, json, "name"), (uint32_t)(lane - analysis->lanes));
    end_words(&words);
    json_write_integer(json, "thread", lane->thread_id);
    write_ns(json, "busy_ns", lane->busy_ns);
    write_ns(json, "in_tasks_ns", lane->running_ns);
    write_ns(json, "longest_ns", lane->longest_ns);
    json_write_integer(json, "starts", (int64_t)lane->start_count);
    json_close_object(json);
}

void trace_analysis_write_json(struct trace_analysis *analysis, struct json_writer *json)
{
    struct facts facts;
    facts_init(&facts, analysis);
    write_span(analysis, json);
    write_findings(&facts, json);
    write_silence(&analysis->silence, json);
    write_apis(analysis, &facts, json);
    json_open_array(json, "slowest");
    for (unsigned i = 0; i < analysis->slowest_count; i++)
        write_request(analysis, json, &analysis->slowest[i]);
    json_close_array(json);
    json_open_array(json, "held");
    for (unsigned i = 0; i < facts.held_count; i++)
        write_held(analysis, json, facts.held[i]);
    json_close_array(json);
    json_open_array(json, "lanes");
    for (uint32_t i = 0; i < facts.lane_count; i++)
        write_lane(analysis, json, facts.lanes[i]);
    json_close_array(json);
    facts_deinit(&facts);
}
