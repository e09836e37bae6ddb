/* yaml.c: walks the events of a YAML file; each scalar becomes one assignment. */
#include "base/error.h"
#include "config/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <yaml.h>

/* A configuration has a few kilobytes; what is larger is another file. */
#define FILE_BYTES_MAX (1024u * 1024u)
/* Mappings and lists in each other; the deepest key of the Go broker's file has 7. */
#define DEPTH_MAX 16u
/* A path in a message is cut after so many bytes. */
#define SHOWN_MAX 100

struct walk {
    struct loader *loader;
    const char *file;
    struct bytes content;
    yaml_parser_t parser;
    struct buf path; /* of the node that is walked: "profiler.port" */
    unsigned depth;
};

/* libyaml counts from 0, people and editors from 1. */
#define MARK_ARGS(mark) (mark).line + 1, (mark).column + 1

/* Bytes that are no text have no mark yet, only an offset. */
static yaml_mark_t mark_of_offset(struct bytes content, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < content.size; i++) {
        mark.column++;
        if (content.data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static void report_syntax(struct walk *walk)
{
    const yaml_parser_t *parser = &walk->parser;
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR)
        mark = mark_of_offset(walk->content, parser->problem_offset);
    loader_error(walk->loader, "%s:%zu:%zu: not YAML: %s%s%s", walk->file, MARK_ARGS(mark),
                 parser->context ? parser->context : "", parser->context ? ": " : "",
                 parser->problem ? parser->problem : "cannot be read");
}

/* The next event, the caller's to delete; false if the walk is over, which is reported. */
static bool next_event(struct walk *walk, yaml_event_t *event)
{
    if (walk->loader->report->errors >= CONFIG_ERRORS_MAX) {
        loader_error(walk->loader, "%s: too many errors; the rest was not read", walk->file);
        return false;
    }
    if (!yaml_parser_parse(&walk->parser, event)) {
        report_syntax(walk);
        return false;
    }
    if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
        walk->depth++;
    if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT)
        walk->depth--;
    if (walk->depth > DEPTH_MAX) {
        loader_error(walk->loader, "%s:%zu:%zu: more than %u levels deep", walk->file, MARK_ARGS(event->start_mark),
                     DEPTH_MAX);
        yaml_event_delete(event);
        return false;
    }
    return true;
}

/* Past the node that this event begins; the event is deleted. */
static bool skip(struct walk *walk, yaml_event_t *event)
{
    bool opens = event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT;
    yaml_event_delete(event);
    for (unsigned outside = walk->depth - opens; walk->depth > outside;) {
        if (!next_event(walk, event))
            return false;
        yaml_event_delete(event);
    }
    return true;
}

/* "takhin.yaml:12:9: profiler.port", where the path is not longer than a line and steers no terminal. */
static char *subject_of(const struct walk *walk, yaml_mark_t mark, const char *path)
{
    char shown[SHOWN_MAX + 1] = "";
    for (size_t i = 0; i < SHOWN_MAX && path[i]; i++)
        shown[i] = (unsigned char)path[i] < 0x20 || path[i] == 0x7f ? '?' : path[i];
    return mem_printf("%s:%zu:%zu: %s", walk->file, MARK_ARGS(mark), shown);
}

static void report_unknown(struct walk *walk, yaml_mark_t mark, const char *path)
{
    char *subject = subject_of(walk, mark, path);
    const char *nearest = strchr(path, '.') ? config_nearest_key(path) : config_nearest_section(path);
    if (nearest)
        loader_error(walk->loader, "%s: unknown key (did you mean %s?)", subject, nearest);
    else
        loader_error(walk->loader, "%s: unknown key (-print-config lists the known ones)", subject);
    mem_free(subject);
}

/* A node at the path, not a section: a text, or `instead` of one a list or the like. */
static void assign(struct walk *walk, yaml_mark_t key_mark, yaml_mark_t value_mark, const char *text,
                   const char *instead)
{
    const char *path = buf_string(&walk->path);
    char *subject = subject_of(walk, value_mark, path);
    char *where = mem_printf("%s:%zu:%zu", walk->file, MARK_ARGS(value_mark));
    struct assignment assignment = {
        .source = CONFIG_FILE, .subject = subject, .where = where, .path = path, .text = text, .instead = instead};
    if (!loader_assign(walk->loader, &assignment)) {
        if (config_is_section(path))
            loader_error(walk->loader, "%s: expected keys below it, got %s", subject, text ? "a value" : instead);
        else
            report_unknown(walk, key_mark, path);
    }
    mem_free(subject);
    mem_free(where);
}

/* YAML's ways to say that there is nothing. */
static bool is_null(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(nulls); i++)
        if (strcmp((const char *)event->data.scalar.value, nulls[i]) == 0)
            return true;
    return false;
}

static void walk_scalar(struct walk *walk, yaml_mark_t key_mark, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    struct config_name name;
    const char *path = buf_string(&walk->path);
    bool null = is_null(event);
    if (null && !config_find_key(path, &name) && config_is_section(path))
        return; /* a section whose keys are all commented out */
    if (null)
        assign(walk, key_mark, event->start_mark, NULL, "nothing");
    else if (strlen(text) != event->data.scalar.length)
        assign(walk, key_mark, event->start_mark, NULL, "a text with a zero byte");
    else
        assign(walk, key_mark, event->start_mark, text, NULL);
}

static bool walk_mapping(struct walk *walk);

/* The value behind a key, whose mark is for what is said of the key itself; the event is deleted. */
static bool walk_value(struct walk *walk, yaml_mark_t key_mark, yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        loader_error(walk->loader, "%s:%zu:%zu: aliases (*name) are not supported: write the value out", walk->file,
                     MARK_ARGS(event->start_mark));
        break;
    case YAML_SCALAR_EVENT:
        walk_scalar(walk, key_mark, event);
        break;
    case YAML_MAPPING_START_EVENT:
        if (config_is_section(buf_string(&walk->path))) {
            yaml_event_delete(event);
            return walk_mapping(walk);
        }
        assign(walk, key_mark, event->start_mark, NULL, "keys below it");
        break;
    default:
        assign(walk, key_mark, event->start_mark, NULL, "a list");
        break;
    }
    return skip(walk, event);
}

/* From behind the start of a mapping to its end. */
static bool walk_mapping(struct walk *walk)
{
    size_t above = walk->path.size;
    yaml_event_t event;
    for (;;) {
        if (!next_event(walk, &event))
            return false;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        yaml_mark_t key_mark = event.start_mark;
        bool is_name = event.type == YAML_SCALAR_EVENT;
        if (is_name)
            buf_printf(&walk->path, "%s%s", above ? "." : "", (const char *)event.data.scalar.value);
        else
            loader_error(walk->loader, "%s:%zu:%zu: expected a key, got something else", walk->file,
                         MARK_ARGS(key_mark));
        if (!skip(walk, &event) || !next_event(walk, &event))
            return false;
        if (!(is_name ? walk_value(walk, key_mark, &event) : skip(walk, &event)))
            return false;
        walk->path.size = above;
    }
}

/* What is at the top must be a mapping, or nothing. */
static bool walk_document(struct walk *walk)
{
    yaml_event_t event;
    if (!next_event(walk, &event))
        return false;
    if (event.type == YAML_MAPPING_START_EVENT) {
        yaml_event_delete(&event);
        return walk_mapping(walk);
    }
    if (event.type != YAML_SCALAR_EVENT || !is_null(&event))
        loader_error(walk->loader, "%s:%zu:%zu: expected keys such as server.port", walk->file,
                     MARK_ARGS(event.start_mark));
    return skip(walk, &event);
}

static void walk_stream(struct walk *walk)
{
    yaml_event_t event;
    yaml_event_type_t type;
    unsigned documents = 0;
    do {
        if (!next_event(walk, &event))
            return;
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && documents++ > 0) {
            loader_error(walk->loader, "%s:%zu:%zu: a second document (---) begins; only one may stand here",
                         walk->file, MARK_ARGS(event.start_mark));
            type = YAML_STREAM_END_EVENT;
        }
        yaml_event_delete(&event);
        if (type == YAML_DOCUMENT_START_EVENT && !walk_document(walk))
            return;
    } while (type != YAML_STREAM_END_EVENT);
}

static void parse(struct loader *loader, const char *file, struct bytes content)
{
    struct walk walk = {.loader = loader, .file = file, .content = content};
    buf_init(&walk.path);
    if (!yaml_parser_initialize(&walk.parser)) {
        loader_error(loader, "%s: out of memory", file);
        return;
    }
    yaml_parser_set_input_string(&walk.parser, content.data, content.size);
    walk_stream(&walk);
    yaml_parser_delete(&walk.parser);
    buf_deinit(&walk.path);
}

/* 0, or a negative code; one byte more than the limit is read, to know that there is more. */
static int read_file(const char *file, struct buf *content)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got;
    do {
        uint8_t *end = buf_reserve(content, 64 * 1024);
        got = read(fd, end, 64 * 1024);
        if (got > 0)
            content->size += (size_t)got;
    } while (content->size <= FILE_BYTES_MAX && (got > 0 || (got < 0 && errno == EINTR)));
    int rc = got < 0 ? -errno : content->size > FILE_BYTES_MAX ? ERR_TOO_LARGE : 0;
    close(fd);
    return rc;
}

void loader_read_yaml(struct loader *loader, const char *file)
{
    struct buf content;
    buf_init(&content);
    int rc = read_file(file, &content);
    if (rc == ERR_TOO_LARGE)
        loader_error(loader, "%s: larger than 1 MiB, so it is no configuration", file);
    else if (rc < 0)
        loader_error(loader, "%s: %s", file, error_text(rc));
    else
        parse(loader, file, buf_bytes(&content));
    buf_deinit(&content);
}
