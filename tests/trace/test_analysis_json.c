/* test_analysis_json.c: what scripts are told of a trace, to the byte. */
#include "trace/analysis.h"

#include "story.h"

/* The whole object; for reading's sake, apostrophes stand for quotes. */
static const char *object(struct story *story)
{
    struct json_writer json;
    json_writer_init(&json, &story->text);
    json_open_object(&json, NULL);
    trace_analysis_write_json(story->analysis, &json);
    json_close_object(&json);
    for (size_t i = 0; i < story->text.size; i++)
        if (story->text.data[i] == '"')
            story->text.data[i] = '\'';
    return buf_string(&story->text);
}

static void everything_is_told(void **state)
{
    (void)state;
    struct story story = begin_story();
    add(&story, (struct trace_event){.type = TRACE_EVENT_LOG, .lane = TRACE_NO_LANE,
                                     .text = trace_string_of(story.tables, "rate"),
                                     .value = trace_string_of(story.tables, "\"1\"")});
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    add(&story, (struct trace_event){.type = TRACE_EVENT_LOG, .lane = 0, .task = 1, .request = 5,
                                     .text = trace_string_of(story.tables, "topic"),
                                     .value = trace_string_of(story.tables, "orders")});
    pass(&story, 2000);
    park(&story, 0, TRACE_EVENT_WAIT_SYNC, "mutex lock");
    resume(&story, 0, 2);
    pass(&story, 8000);
    wake(&story, 0, 1);
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    start(&story, 0, 1);
    end_request(&story, 0);
    pass(&story, 1000);
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    lane_stops(&story, 0);

    assert_string_equal(object(&story),
                        "{'span_ns':11001000,'events':23,'tasks':5,'requests':1,'open_requests':0,'cpu_samples':0,"
                        "'notes':[{'key':'rate','value':'\\'1\\''}],"
                        "'findings':['Slowest: Produce #5 took 10.0 ms, 8.00 ms of it waiting for a lock (mutex lock), "
                        "in storage_log_append storage/log.c:231.',"
                        "'That was let go by kafka connection in let_go storage/log.c:260, "
                        "which meanwhile was running for 8.00 ms.'],"
                        "'silence':null,"
                        "'apis':[{'api':'Produce','count':1,'mean_ns':10000000,'p50_ns':10000000,'p99_ns':10000000,"
                        "'max_ns':10000000,'split_ns':{'running':2000000,'lock':8000000}}],"
                        "'slowest':[{'api':'Produce','request':5,'task':'kafka connection','start_ns':1000,"
                        "'duration_ns':10000000,'finished':true,'facts':[{'key':'topic','value':'orders'}],"
                        "'split_ns':{'running':2000000,'lock':8000000},"
                        "'pieces':[{'duration_ns':8000000,'activity':'lock','what':'waiting for a lock (mutex lock)',"
                        "'place':'in storage_log_append storage/log.c:231',"
                        "'cause':'let go by kafka connection in let_go storage/log.c:260, "
                        "which meanwhile was running for 8.00 ms'},"
                        "{'duration_ns':2000000,'activity':'running','what':'running',"
                        "'place':'after serve broker/connection.c:150 and before storage_log_append storage/log.c:231',"
                        "'cause':null}]}],"
                        "'held':[{'reactor':'reactor-0','start_ns':2001000,'duration_ns':8000000,"
                        "'by':'kafka connection',"
                        "'what':'running, before storage_log_append storage/log.c:231'},"
                        "{'reactor':'reactor-0','start_ns':1000,'duration_ns':2000000,'by':'Produce #5',"
                        "'what':'running, after serve broker/connection.c:150 and before storage_log_append "
                        "storage/log.c:231'},"
                        "{'reactor':'reactor-0','start_ns':10001000,'duration_ns':1000000,'by':'kafka connection',"
                        "'what':'running, after storage_log_append storage/log.c:231 and before storage_log_append "
                        "storage/log.c:231'}],"
                        "'lanes':[{'name':'reactor-0','thread':100,'busy_ns':11000000,'in_tasks_ns':11000000,"
                        "'longest_ns':8000000,'starts':3}]}");
    end_story(&story);
}

static void nothing_is_told_of_an_empty_trace(void **state)
{
    (void)state;
    struct story story = {.tables = trace_tables_create()};
    story.analysis = trace_analysis_create(story.tables);
    event_rules_init(&story.rules, story.tables);
    buf_init(&story.text);

    assert_string_equal(object(&story),
                        "{'span_ns':0,'events':0,'tasks':0,'requests':0,'open_requests':0,'cpu_samples':0,'notes':[],"
                        "'findings':['No request is in this trace: nothing at all is.',"
                        "'Put load on takhin while you collect, or collect for longer: "
                        "takhin-profiler -type trace -duration 30s'],"
                        "'silence':null,'apis':[],'slowest':[],'held':[],'lanes':[]}");
    end_story(&story);
}

static void silence_and_what_is_not_finished_are_told(void **state)
{
    (void)state;
    struct story story = begin_story();
    for (unsigned i = 0; i < 5; i++) {
        add(&story, (struct trace_event){.type = TRACE_EVENT_HEAP, .lane = TRACE_NO_LANE, .bytes = 5,
                                         .limit_bytes = 9});
        pass(&story, i < 4 ? 100000 : 350000);
    }
    add(&story, (struct trace_event){.type = TRACE_EVENT_HEAP, .lane = TRACE_NO_LANE, .bytes = 5, .limit_bytes = 9});
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Fetch");
    pass(&story, 10);
    lane_starts(&story, 1);

    const char *text = object(&story);

    assert_non_null(strstr(text, "'silence':{'start_ns':500001000,'duration_ns':250000000}"));
    assert_non_null(strstr(text, "'requests':0,'open_requests':1,"));
    assert_non_null(strstr(text, "'duration_ns':10000,'finished':false,"));
    end_story(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_told),
        cmocka_unit_test(nothing_is_told_of_an_empty_trace),
        cmocka_unit_test(silence_and_what_is_not_finished_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
