/* config.c: loads the three sources in their order and owns what comes of it. */
#include "config/config.h"

#include "base/error.h"
#include "config/loader.h"
#include "config/value.h"

#include <stdarg.h>
#include <stdio.h>

/* A value in a message is cut after so many bytes. */
#define SHOWN_MAX 60

static void report_add(struct config_report *report, bool is_error, const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        return;
    struct config_message *message = arena_alloc(&report->arena, sizeof *message);
    message->is_error = is_error;
    message->text = arena_copy_bytes(&report->arena, bytes_of_string(text));
    mem_free(text);
    *report->end = message;
    report->end = &message->next;
    if (is_error)
        report->errors++;
    else
        report->warnings++;
}

void loader_error(struct loader *loader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_add(loader->report, true, format, args);
    va_end(args);
}

void loader_warning(struct loader *loader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_add(loader->report, false, format, args);
    va_end(args);
}

static void report_unexpected(struct loader *loader, const struct assignment *assignment,
                              const struct config_name *name)
{
    struct buf text;
    buf_init(&text);
    config_value_expected(name, &text);
    const char *examples = config_value_examples(name);
    if (examples)
        buf_printf(&text, " (such as %s)", examples);
    buf_append_string(&text, ", got ");
    if (assignment->text)
        config_quote(&text, assignment->text, SHOWN_MAX);
    else
        buf_append_string(&text, assignment->instead);
    loader_error(loader, "%s: expected %s", assignment->subject, buf_string(&text));
    buf_deinit(&text);
}

static void assign_foreign(struct loader *loader, const struct assignment *assignment,
                           const struct config_foreign_key *key)
{
    bool harmless = !key->harmless_value || (assignment->text && strcmp(assignment->text, key->harmless_value) == 0);
    bool *named = &loader->foreign_named[key - config_foreign_keys];
    if (!harmless)
        loader_error(loader, "%s: only %s is possible: %s", assignment->subject, key->harmless_value, key->reason);
    else if (!key->harmless_value && !*named && config_names_equal(assignment->path, key->path))
        loader_warning(loader, "%s: ignored: %s", assignment->subject, key->reason);
    else if (!key->harmless_value && !*named)
        loader_warning(loader, "%s: ignored, as all of %s: %s", assignment->subject, key->path, key->reason);
    *named = true;
}

bool loader_assign(struct loader *loader, const struct assignment *assignment)
{
    struct config_name name;
    if (!config_find_key(assignment->path, &name)) {
        const struct config_foreign_key *foreign = config_find_foreign(assignment->path);
        if (foreign)
            assign_foreign(loader, assignment, foreign);
        return foreign != NULL;
    }
    struct config_origin *origin = &loader->config->origins[name.key - config_keys];
    if (origin->source == assignment->source) {
        loader_error(loader, "%s: set already by %s", assignment->subject, origin->where);
        return true;
    }
    if (!assignment->text || config_value_set(loader->config, &name, assignment->text) < 0)
        report_unexpected(loader, assignment, &name);
    *origin = (struct config_origin){
        .source = assignment->source,
        .where = arena_copy_bytes(&loader->config->arena, bytes_of_string(assignment->where)),
    };
    return true;
}

static void set_defaults(struct config *config)
{
    arena_init(&config->arena);
    config->origins = arena_alloc_array(&config->arena, config_key_count, sizeof *config->origins);
    for (size_t i = 0; i < config_key_count; i++) {
        config->origins[i] = (struct config_origin){CONFIG_DEFAULT, "default"};
        int rc = config_value_set(config, &(struct config_name){.key = &config_keys[i]}, config_keys[i].default_text);
        ASSERT(rc == 0);
    }
}

/* What one key cannot know of another. */
static void check_together(struct loader *loader)
{
    const struct broker_options *broker = &loader->config->broker;
    if (broker->max_message_bytes > broker->max_request_bytes)
        loader_error(loader, "kafka.max_message_bytes: more than kafka.max_request_bytes, so no such message can come");
}

int config_load(const struct config_sources *sources, struct config *config, struct config_report *report)
{
    *config = (struct config){0};
    *report = (struct config_report){0};
    report->end = &report->first;
    arena_init(&report->arena);
    set_defaults(config);

    struct loader loader = {.config = config, .report = report};
    loader.foreign_named = mem_alloc_array(config_foreign_key_count, sizeof *loader.foreign_named);
    if (sources->file)
        loader_read_yaml(&loader, sources->file);
    if (sources->environment)
        loader_read_environment(&loader, sources->environment);
    if (report->errors == 0)
        check_together(&loader);
    mem_free(loader.foreign_named);

    config->storage.node_id = config->broker.broker_id; /* one key, told to two modules */
    if (report->errors == 0)
        return 0;
    config_free(config);
    return ERR_CONFIG;
}

void config_free(struct config *config)
{
    arena_deinit(&config->arena);
    *config = (struct config){0};
}

void config_report_free(struct config_report *report)
{
    arena_deinit(&report->arena);
    *report = (struct config_report){0};
}

size_t config_reload_differs(const struct config *running, const struct config *fresh, struct buf *keys)
{
    size_t count = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!key->live && !config_value_equal(running, fresh, key))
            buf_printf(keys, "%s%s", count++ ? ", " : "", key->path);
    }
    return count;
}
