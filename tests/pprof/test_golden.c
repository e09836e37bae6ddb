/* test_golden.c: our table is pprof's, byte for byte, for each command line in golden/top.txt. */
#include "pprof/merge.h"
#include "pprof/top.h"

#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#define FILES_MAX 4

/* A command line of pprof, taken apart. Texts are in `words`. */
struct command {
    char *words;
    struct filter_options filter;
    struct top_options top;
    const char *base;
    bool is_comparison;
    const char *files[FILES_MAX];
    size_t file_count;
};

static void parse_word(struct command *command, char *word)
{
    const struct {
        const char *name;
        const char **value;
    } texts[] = {
        {"-focus=", &command->filter.focus},          {"-ignore=", &command->filter.ignore},
        {"-tagfocus=", &command->filter.tag_focus},   {"-tagignore=", &command->filter.tag_ignore},
        {"-sample_index=", &command->filter.sample_index}, {"-base=", &command->base},
        {"-diff_base=", &command->base},
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (strncmp(word, texts[i].name, strlen(texts[i].name)) == 0) {
            *texts[i].value = word + strlen(texts[i].name);
            command->is_comparison = command->is_comparison || strcmp(texts[i].name, "-diff_base=") == 0;
            return;
        }
    }
    if (strncmp(word, "-nodecount=", 11) == 0)
        command->top.row_limit = (uint32_t)atoi(word + 11);
    else if (strcmp(word, "-cum") == 0)
        command->top.by_cum = true;
    else if (strcmp(word, "-lines") == 0)
        command->top.by_line = true;
    else if (strcmp(word, "-top") != 0) {
        assert_int_not_equal(word[0], '-');
        assert_true(command->file_count < FILES_MAX);
        command->files[command->file_count++] = word;
    }
}

static struct command parse_command(const char *line)
{
    struct command command = {.words = mem_copy_string(line)};
    char *rest = command.words, *word;
    while ((word = strsep(&rest, " ")) != NULL)
        parse_word(&command, word);
    return command;
}

static struct profile *read_merged(const struct command *command)
{
    struct merge_input inputs[FILES_MAX] = {{0}};
    struct profile *profiles[FILES_MAX], *merged;
    for (size_t i = 0; i < command->file_count; i++)
        inputs[i].profile = profiles[i] = golden_read(command->files[i]);
    if (command->file_count == 1)
        return profiles[0];
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_merge(inputs, command->file_count, &merged, &problem), 0);
    buf_deinit(&problem);
    for (size_t i = 0; i < command->file_count; i++)
        profile_destroy(profiles[i]);
    return merged;
}

static struct profile *read_command_profile(const struct command *command)
{
    struct profile *profile = read_merged(command);
    if (command->base == NULL)
        return profile;
    struct profile *base = golden_read(command->base), *difference;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(profile, base, command->is_comparison, &difference, &problem), 0);
    buf_deinit(&problem);
    profile_destroy(base);
    profile_destroy(profile);
    return difference;
}

/* Standard output, then each line of standard error behind "! ", as in golden/top.txt. */
static void append_problems(struct buf *out, const char *lines)
{
    for (const char *end; *lines != '\0'; lines = end + 1) {
        end = strchr(lines, '\n');
        assert_non_null(end);
        buf_printf(out, "! %.*s\n", (int)(end - lines), lines);
    }
}

static void run_ours(const char *line, struct buf *out)
{
    struct command command = parse_command(line);
    struct profile *profile = read_command_profile(&command);
    profile_simplify_names(profile);
    struct buf problem;
    buf_init(&problem);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, &command.filter, &problem), 0);
    struct top top;
    top_init(&top, &filter, &command.top);
    top_print(&top, out);
    append_problems(out, buf_string(&filter.notes));
    top_deinit(&top);
    filter_deinit(&filter);
    buf_deinit(&problem);
    profile_destroy(profile);
    mem_free(command.words);
}

/* Go before 1.20 writes the time in another form. */
static void cut_time(struct buf *text)
{
    const char *string = buf_string(text), *line = strstr(string, "Time: ");
    if (line == NULL)
        return;
    struct buf cut;
    buf_init(&cut);
    buf_append(&cut, string, (size_t)(line - string));
    buf_append_string(&cut, strchr(line, '\n') + 1);
    buf_deinit(text);
    *text = cut;
}

static void compare_with_go(const char *go, const char *line)
{
    struct buf arguments, ours;
    buf_init(&arguments);
    buf_init(&ours);
    buf_printf(&arguments, "tool pprof");
    char *copy = mem_copy_string(line), *rest = copy, *word;
    while ((word = strsep(&rest, " ")) != NULL) {
        const char *file = strstr(word, "base=") != NULL ? strchr(word, '=') + 1 : word;
        if (*file == '-')
            buf_printf(&arguments, " '%s'", word);
        else
            buf_printf(&arguments, " '%.*s%s/%s'", (int)(file - word), word, GOLDEN_FOLDER, file);
    }
    struct go_output theirs = go_run(go, buf_string(&arguments), NULL);
    assert_int_equal(theirs.status, 0);
    append_problems(&theirs.out, buf_string(&theirs.err));
    run_ours(line, &ours);
    cut_time(&ours);
    cut_time(&theirs.out);
    assert_string_equal(buf_string(&ours), buf_string(&theirs.out));
    go_output_deinit(&theirs);
    mem_free(copy);
    buf_deinit(&arguments);
    buf_deinit(&ours);
}

/* Call with each command line of golden/top.txt and what follows it. */
static size_t for_each_command(void (*check)(const char *line, const char *expected, size_t number))
{
    struct buf content;
    go_read_file(GOLDEN_FOLDER "/top.txt", &content);
    size_t number = 0;
    char *text = (char *)(uintptr_t)buf_string(&content);
    while (text != NULL && *text != '\0') {
        assert_int_equal(strncmp(text, "$ ", 2), 0);
        char *expected = strchr(text, '\n') + 1, *next = strstr(expected, "\n$ ");
        char *line = mem_copy_bytes(bytes_of(text + 2, (size_t)(expected - text) - 3));
        if (next != NULL)
            next[1] = '\0';
        check(line, expected, number++);
        if (next != NULL)
            next[1] = '$';
        text = next == NULL ? NULL : next + 1;
        mem_free(line);
    }
    buf_deinit(&content);
    return number;
}

static void check_golden(const char *line, const char *expected, size_t number)
{
    (void)number;
    struct buf ours;
    buf_init(&ours);
    run_ours(line, &ours);
    if (strcmp(buf_string(&ours), expected) != 0)
        print_error("pprof %s\n", line);
    assert_string_equal(buf_string(&ours), expected);
    buf_deinit(&ours);
}

static void every_command_line_prints_the_golden_table(void **state)
{
    (void)state;
    assert_true(for_each_command(check_golden) > 100);
}

/* A start of it takes a good part of a second, so each sees some of them: no two the same. */
static const char *const *current_go;

static void check_go(const char *line, const char *expected, size_t number)
{
    (void)expected;
    if (number % 10 == (current_go == go_tools ? 0 : 5))
        compare_with_go(*current_go, line);
}

static void every_go_prints_the_same_table(void **state)
{
    (void)state;
    bool compared = false;
    for (current_go = go_tools; current_go < go_tools + ARRAY_COUNT(go_tools); current_go++) {
        if (!go_works(*current_go))
            continue;
        compared = true;
        for_each_command(check_go);
    }
    if (!compared)
        skip();
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_line_prints_the_golden_table),
        cmocka_unit_test(every_go_prints_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
