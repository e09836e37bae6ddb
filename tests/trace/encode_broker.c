/* encode_broker.c: writes the made-up broker's trace to a file, for tests that run viewers on it, and says on stdout
 * what it adds up to, as JSON: encode_broker FORMAT REQUESTS PAUSE_NS FILE [EVENTS]. */
#include "encode.h"
#include "events.h"

int main(int argc, char **argv)
{
    if (argc < 5 || trace_format_find(bytes_of_string(argv[1])) == NULL)
        return 2;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, (unsigned)atoi(argv[2]), strtoull(argv[3], NULL, 10));
    size_t count = argc > 5 ? strtoul(argv[5], NULL, 10) : broker.count;
    struct buf out = encode(argv[1], tables, broker.events, count < broker.count ? count : broker.count);
    FILE *file = fopen(argv[4], "w");
    bool is_written = file != NULL && fwrite(out.data, 1, out.size, file) == out.size && fclose(file) == 0;
    const struct broker_totals *totals = &broker.totals;
    const struct {
        const char *name;
        uint64_t value;
    } facts[] = {
        {"events", broker.count},          {"network_ns", totals->network_ns}, {"select_ns", totals->select_ns},
        {"sync_ns", totals->sync_ns},      {"condition_ns", totals->condition_ns}, {"call_ns", totals->call_ns},
        {"produce", totals->produce_count}, {"fetch", totals->fetch_count},    {"calls", totals->call_count},
        {"regions", totals->region_count}, {"samples", totals->sample_count},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(facts); i++)
        printf("%s\"%s\": %llu", i == 0 ? "{" : ", ", facts[i].name, (unsigned long long)facts[i].value);
    printf("}\n");
    buf_deinit(&out);
    mem_free(broker.events);
    trace_tables_destroy(tables);
    return is_written ? 0 : 1;
}
