/* manifest.c: a run of takhin-profiler as JSON. */
#include "cmd/profiler/manifest.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* RFC 3339, in UTC. */
static void write_time(struct json_writer *json, const char *name, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / (int64_t)NS_PER_S);
    struct tm utc;
    char day_and_time[64] = "", text[96];
    if (gmtime_r(&seconds, &utc) != NULL)
        strftime(day_and_time, sizeof day_and_time, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03dZ", day_and_time,
             (int)(wall_ns % (int64_t)NS_PER_S / (int64_t)NS_PER_MS));
    json_write_string(json, name, wall_ns > 0 && *day_and_time != '\0' ? text : NULL);
}

static void write_broker(struct json_writer *json, const struct manifest_broker *broker)
{
    static const char product[] = "takhin/";
    bool is_takhin = strncmp(broker->server, product, strlen(product)) == 0;
    json_open_object(json, NULL);
    json_write_string(json, "name", broker->name);
    json_write_string(json, "server", *broker->server != '\0' ? broker->server : NULL);
    json_write_string(json, "version", is_takhin ? broker->server + strlen(product) : NULL);
    json_write_copy(json, "config", broker->config);
    json_close_object(json);
}

static void write_names(struct json_writer *json, const char *name, const char **names, size_t count)
{
    json_open_array(json, name);
    for (size_t i = 0; i < count; i++)
        json_write_string(json, NULL, names[i]);
    json_close_array(json);
}

static void write_file(struct json_writer *json, const struct manifest_file *file)
{
    json_open_object(json, NULL);
    json_write_string(json, "name", file->name);
    json_write_string(json, "type", file->type);
    write_names(json, "brokers", file->brokers, file->broker_count);
    write_names(json, "missing", file->missing, file->missing_count);
    write_time(json, "start", file->start_ns);
    json_write_integer(json, "duration_ns", file->duration_ns);
    json_write_integer(json, "size_bytes", (int64_t)file->size_bytes);
    json_write_bool(json, "cut_short", file->is_cut_short);
    json_write_string(json, "request", file->request);
    json_write_string(json, "problem", file->problem);
    json_close_object(json);
}

void manifest_write(const struct manifest *manifest, struct buf *text)
{
    struct json_writer json;
    json_writer_init(&json, text);
    json.line_depth = 2; /* for people: a line a broker, and a line a file */
    json_open_object(&json, NULL);
    json_write_string(&json, "takhin_profiler", manifest->version);
    write_time(&json, "start", manifest->start_ns);
    json_open_array(&json, "brokers");
    for (size_t i = 0; i < manifest->broker_count; i++)
        write_broker(&json, &manifest->brokers[i]);
    json_close_array(&json);
    json_open_array(&json, "files");
    for (size_t i = 0; i < manifest->file_count; i++)
        write_file(&json, &manifest->files[i]);
    json_close_array(&json);
    json_close_object(&json);
    buf_append_byte(text, '\n');
}
